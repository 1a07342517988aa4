"""The morning page: `report`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

import typer

from tinytown_cli import client, output, planpage
from tinytown_cli.command import verb
from tinytownd.domain.errors import BadInput
from tinytownd.domain.names import shown

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
#: As many of a kind as are told one by one.
_FEW = 20


@verb("report", example="tt report\ntt report --since 2d --json")
def report(
    since: Annotated[
        str, typer.Option(metavar="T", help="How far back: 30m, 12h, 2d (default: 12h).")
    ] = "12h",
) -> None:
    """Show what was done, what failed and why, what it cost, and what needs you."""
    seconds = seconds_of(since)
    page = client.town("town.report", since=seconds)
    output.show(page, lines(page, seconds), long=True)


def seconds_of(text: str) -> int:
    """A length of time in seconds: a number and s, m, h or d. Raises `BadInput`."""
    found = re.fullmatch(r"([0-9]{1,9})([smhd])", text.strip())
    if found is None or int(found[1]) == 0:
        raise BadInput(f"{shown(text)} is no length of time", hint="30m, 12h, 2d")
    return int(found[1]) * _UNITS[found[2]]


def lines(page: client.Data, seconds: int) -> Iterator[str]:
    """The page for people."""
    yield output.paint(f"The last {output.duration(seconds)}", "bold")
    yield from _done(page)
    yield from _failed(page)
    yield from _cost(page["cost"])
    yield from _needs(page)


def _done(page: client.Data) -> Iterator[str]:
    done = page["done"]
    counts = {one["plan"]: one["done"] for one in page["counts"]}
    total = sum(counts.values())
    yield ""
    yield f"Done: {output.plural(total, 'task')}" if total else "Done: nothing"
    for plan in page["plans"]:
        took = "" if plan["seconds"] is None else f", {output.duration(plan['seconds'])}"
        used = planpage.used(plan)
        yield f"  plan {plan['name']}: {planpage.line(plan)}{took}, {used}"
        mine = [task for task in done if task["plan"] == plan["name"]]
        yield from _tasks(mine, counts.pop(plan["name"], 0))
    names = {plan["name"] for plan in page["plans"]}
    loose = sum(counts.values())
    if loose and names:
        yield "  of no plan"
    yield from _tasks([task for task in done if task["plan"] not in names], loose)


def _tasks(tasks: list[client.Data], count: int) -> Iterator[str]:
    for task in tasks[:_FEW]:
        took = "" if task["seconds"] is None else f" in {output.duration(task['seconds'])}"
        gist = output.first_line(task["result"]) or output.first_line(task["description"])
        yield f"    {task['id']} by {task['agent'] or 'nobody'}{took}: {gist}"
    yield from _more(count - len(tasks[:_FEW]), "tt task list --state completed")


def _failed(page: client.Data) -> Iterator[str]:
    tasks, count = page["failed"][:_FEW], sum(one["failed"] for one in page["counts"])
    if not count:
        return
    yield ""
    yield output.paint(f"Failed: {output.plural(count, 'task')}", "red")
    for task in tasks:
        why = output.first_line(task["error"]) or "no reason given"
        yield f"    {task['id']} by {task['agent'] or 'nobody'}: {why}"
    yield from _more(count - len(tasks), "tt task list --state failed")


def _cost(cost: client.Data) -> Iterator[str]:
    yield ""
    least = "" if cost["whole"] else "at least "
    yield f"Cost: {least}{output.plural(cost['rounds'], 'round')}, {planpage.used(cost)}"
    for agent in cost["agents"]:
        rounds = output.plural(agent["rounds"], "round")
        yield f"    {agent['name']}: {rounds}, {planpage.used(agent)}"


def _needs(page: client.Data) -> Iterator[str]:
    needs = page["needs"]
    yield ""
    if not needs:
        yield "Needs you: nothing"
        return
    yield output.paint("Needs you:", "yellow")
    for one in needs[:_FEW]:
        yield f"    {one['kind']} {one['id']}: {output.first_line(one['why'])}"
        yield f"      {one['command']}"
    left = page["needs_left"] + len(needs) - len(needs[:_FEW])
    yield from _more(left, "tt report --json")


def _more(left: int, where: str) -> Iterator[str]:
    if left > 0:
        yield f"    … and {left:,} more: {where}"
