"""The page of `tt status`: asked for, laid out, and shown again when something happens."""

from __future__ import annotations

import time
from collections.abc import Iterator

from tinytown_cli import client, conversation, events, layout, output, planpage
from tinytown_cli.options import chosen
from tinytown_cli.screen import Screen

_PLAN_STATES_TO_SHOW = ("completed", "failed", "running", "pending", "cancelled")
#: Seconds between two looks at a town where nothing happens, and at least between any two.
_IDLE_SECONDS, _REDRAW_SECONDS = 5.0, 0.2


def ask(target: client.Target, *, tasks: bool, io: conversation.IO = client.IO) -> client.Data:
    """The reply to `town.status`; with `tasks`, the open and finished tasks as `task_list`."""
    page = client.send(target, "town.status", {}, io=io)
    if tasks:
        page["task_list"] = client.send(target, "task.list", {}, io=io)["tasks"]
    return page


def watch(target: client.Target, *, deep: bool, tasks: bool) -> None:
    """Shows the page again whenever something has happened, until it is interrupted."""
    screen, io = Screen(), client.Following()
    with events.Stream(target, events.last_id(target)) as stream:
        while True:
            page = ask(target, tasks=tasks, io=io)
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
    yield from _conductor(page)
    yield ""
    yield from layout.team(page["agents"], deep=deep)
    yield ""
    yield f"Tasks     {layout.counts(page['tasks']['by_state']) or 'none'}"
    for agent, counts in page["tasks"]["by_agent"].items():
        yield f"          {agent}: {layout.counts(counts)}"
    yield f"Messages  {layout.counts(page['messages'], 'waiting ') or 'none waiting'}"
    if page["questions"]:
        asked = output.plural(page["questions"], "question")
        yield output.paint(f"People    {asked}: tt inbox conductor", "yellow")
    yield f"Backlog   {output.plural(page['backlog'], 'task') if page['backlog'] else 'empty'}"
    if page["rounds"]:
        yield ""
        yield from _rounds(page["rounds"], deep=deep)
    if "task_list" in page:
        yield ""
        yield from layout.task_table(page["task_list"])


def _conductor(page: client.Data) -> Iterator[str]:
    """Whether it is on, and the plan; where there are several, a line for each."""
    plan = page["conductor"]["plan"]
    switch = "on" if page["conductor"]["on"] else "off"
    plans = [one for one in page["plans"] if one["total"]]
    if len(plans) > 1:
        yield f"Conductor {switch}"
        for one in plans:
            yield f"Plan {one['name']}: {planpage.line(one)}"
    elif plan["state"] == "none":
        yield f"Conductor {switch}, no plan"
    else:
        counts = ", ".join(f"{plan[s]} {s}" for s in _PLAN_STATES_TO_SHOW if plan[s])
        yield f"Conductor {switch}, plan {output.paint_state(plan['state'])}: {counts}"


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
