"""The page of `tt status`: asked for, laid out, and shown again when something happens."""

from __future__ import annotations

import time
from collections.abc import Iterator

from tinytown_cli import client, events, layout, output
from tinytown_cli.options import chosen
from tinytown_cli.screen import Screen

_PLAN_STATES_TO_SHOW = ("completed", "failed", "running", "pending", "cancelled")
#: Seconds between two looks at a town where nothing happens, and at least between any two.
_IDLE_SECONDS, _REDRAW_SECONDS = 5.0, 0.2


def ask(target: client.Target, *, tasks: bool) -> client.Data:
    """The reply to `town.status`; with `tasks`, the open and finished tasks as `task_list`."""
    page = client.send(target, "town.status", {})
    if tasks:
        page["task_list"] = client.send(target, "task.list", {})["tasks"]
    return page


def watch(target: client.Target, *, deep: bool, tasks: bool) -> None:
    """Shows the page again whenever something has happened, until it is interrupted."""
    screen = Screen()
    with events.Stream(target, events.last_id(target)) as stream:
        while True:
            page = ask(target, tasks=tasks)
            if chosen.json:
                output.json_line(page)
            else:
                screen.show(list(lines(page, deep=deep)))
            stream.read(_IDLE_SECONDS)
            time.sleep(_REDRAW_SECONDS)


def lines(page: client.Data, *, deep: bool) -> Iterator[str]:
    """The page for people."""
    town = page["town"]
    yield f"{output.paint(town['name'], 'bold')}  {output.paint(town['dir'], 'dim')}"
    yield _conductor(page["conductor"])
    yield ""
    yield from layout.team(page["agents"], deep=deep)
    yield ""
    yield f"Tasks     {layout.counts(page['tasks']['by_state']) or 'none'}"
    for agent, counts in page["tasks"]["by_agent"].items():
        yield f"          {agent}: {layout.counts(counts)}"
    yield f"Messages  {layout.counts(page['messages'], 'waiting ') or 'none waiting'}"
    yield f"Backlog   {output.plural(page['backlog'], 'task') if page['backlog'] else 'empty'}"
    if page["rounds"]:
        yield ""
        yield from _rounds(page["rounds"], deep=deep)
    if "task_list" in page:
        yield ""
        yield from layout.task_table(page["task_list"])


def _conductor(conductor: client.Data) -> str:
    plan = conductor["plan"]
    switch = "on" if conductor["on"] else "off"
    if plan["state"] == "none":
        return f"Conductor {switch}, no plan"
    counts = ", ".join(f"{plan[s]} {s}" for s in _PLAN_STATES_TO_SHOW if plan[s])
    return f"Conductor {switch}, plan {output.paint_state(plan['state'])}: {counts}"


def _rounds(rounds: list[client.Data], *, deep: bool) -> Iterator[str]:
    more = ("in", "out", "$", "error") if deep else ()
    rows = []
    for one in rounds if deep else rounds[-5:]:
        row = [one["round"], one["agent"], one["outcome"] or "running"]
        row += [output.duration(one["seconds"] or 0)]
        if deep:
            row += [one["input_tokens"], one["output_tokens"], one["cost_usd"], one["error"]]
        rows.append([*row, one["task"] or "messages"])
    yield from output.table(("round", "agent", "state", "took", *more, "task"), rows)
