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
    output.show(page, lines(page, seconds))


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
    yield from _failed(page["failed"])
    yield from _cost(page["cost"])
    yield from _needs(page["needs"])


def _done(page: client.Data) -> Iterator[str]:
    done = page["done"]
    yield ""
    yield f"Done: {output.plural(len(done), 'task')}" if done else "Done: nothing"
    for plan in page["plans"]:
        took = "" if plan["seconds"] is None else f", {output.duration(plan['seconds'])}"
        used = planpage.used(plan)
        yield f"  plan {plan['name']}: {planpage.line(plan)}{took}, {used}"
        yield from _tasks([task for task in done if task["plan"] == plan["name"]])
    names = {plan["name"] for plan in page["plans"]}
    loose = [task for task in done if task["plan"] not in names]
    if loose and names:
        yield "  of no plan"
    yield from _tasks(loose)


def _tasks(tasks: list[client.Data]) -> Iterator[str]:
    for task in tasks[:_FEW]:
        took = "" if task["seconds"] is None else f" in {output.duration(task['seconds'])}"
        gist = output.first_line(task["result"]) or output.first_line(task["description"])
        yield f"    {task['id']} by {task['agent'] or 'nobody'}{took}: {gist}"
    yield from _more(tasks, "tt task list --state completed")


def _failed(tasks: list[client.Data]) -> Iterator[str]:
    if not tasks:
        return
    yield ""
    yield output.paint(f"Failed: {output.plural(len(tasks), 'task')}", "red")
    for task in tasks[:_FEW]:
        why = output.first_line(task["error"]) or "no reason given"
        yield f"    {task['id']} by {task['agent'] or 'nobody'}: {why}"
    yield from _more(tasks, "tt task list --state failed")


def _cost(cost: client.Data) -> Iterator[str]:
    yield ""
    least = "" if cost["whole"] else "at least "
    yield f"Cost: {least}{output.plural(cost['rounds'], 'round')}, {planpage.used(cost)}"
    for agent in cost["agents"]:
        rounds = output.plural(agent["rounds"], "round")
        yield f"    {agent['name']}: {rounds}, {planpage.used(agent)}"


def _needs(needs: list[client.Data]) -> Iterator[str]:
    yield ""
    if not needs:
        yield "Needs you: nothing"
        return
    yield output.paint("Needs you:", "yellow")
    for one in needs[:_FEW]:
        yield f"    {one['kind']} {one['id']}: {output.first_line(one['why'])}"
        yield f"      {one['command']}"
    yield from _more(needs, "tt report --json")


def _more(things: list[client.Data], where: str) -> Iterator[str]:
    if len(things) > _FEW:
        yield f"    … and {len(things) - _FEW} more: {where}"
