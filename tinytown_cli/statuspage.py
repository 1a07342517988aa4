"""The page of `tt status` as text for people."""

from __future__ import annotations

from tinytown_cli import layout, output, planpage

TYPE_CHECKING = False  # see `jsontext`
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tinytown_cli import client

_PLAN_STATES_TO_SHOW = ("completed", "failed", "running", "pending", "cancelled")


def shown(page: client.Data, *, deep: bool = False) -> None:
    """The reply to `town.status`."""
    output.show(page, lines(page, deep=deep), long=True)


def lines(page: client.Data, *, deep: bool) -> Iterator[str]:
    """The page for people."""
    town = page["town"]
    yield f"{output.paint(town['name'], 'bold')}  {output.paint(town['dir'], 'dim')}"
    yield from _conductor(page)
    yield ""
    yield from layout.team(page["agents"], deep=deep)
    yield from _rest(page)
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
        if page["plans_left"]:
            more = output.plural(page["plans_left"], "plan")
            yield output.paint(f"… and {more} more: tt plan list", "dim")
    elif plan["state"] == "none":
        yield f"Conductor {switch}, no plan"
    else:
        counts = ", ".join(f"{plan[s]} {s}" for s in _PLAN_STATES_TO_SHOW if plan[s])
        yield f"Conductor {switch}, plan {output.paint_state(plan['state'])}: {counts}"


def _rest(page: client.Data) -> Iterator[str]:
    """The agents of a large team that the table does not show, by their states."""
    shown = [agent["state"] for agent in page["agents"]]
    rest = {state: count - shown.count(state) for state, count in page["team"].items()}
    if left := sum(rest.values()):
        yield output.paint(f"… and {left:,} more: {layout.counts(rest)} (tt list)", "dim")


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
