"""The page of `tt status`, asked for, and shown again when something happens."""

from __future__ import annotations

import time

from tinytown_cli import client, conversation, events, output, statuspage
from tinytown_cli.options import chosen
from tinytown_cli.screen import Screen

#: Seconds between two looks at a town where nothing happens, and at least between any two.
_IDLE_SECONDS, _REDRAW_SECONDS = 5.0, 0.2


def ask(
    target: client.Target, *, tasks: bool, everything: bool, io: conversation.IO = client.IO
) -> client.Data:
    """The reply to `town.status`; with `tasks`, the open and the newest tasks as `task_list`."""
    page = client.send(target, "town.status", {"all": everything or None}, io=io)
    if tasks:
        page["task_list"] = client.send(target, "task.list", {}, io=io)["tasks"]
    return page


def watch(target: client.Target, *, deep: bool, tasks: bool, everything: bool) -> None:
    """Shows the page again whenever something has happened, until it is interrupted."""
    screen, io = Screen(), client.Following()
    with events.Stream(target, events.last_id(target)) as stream:
        while True:
            page = ask(target, tasks=tasks, everything=everything, io=io)
            if chosen.json:
                output.json_line(page)
            else:
                screen.show(list(statuspage.lines(page, deep=deep)))
            stream.read(_IDLE_SECONDS)
            time.sleep(_REDRAW_SECONDS)
