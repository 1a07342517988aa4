"""Work that nobody owns: `backlog …`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from tinytown_cli import client, layout, output
from tinytown_cli.command import (
    After,
    AgentName,
    Approve,
    Check,
    Everything,
    Failures,
    Join,
    Limit,
    OfPlan,
    Priority,
    Review,
    Tags,
    TaskRef,
    group,
    text,
    verb,
)
from tinytown_cli.taskpage import changed

backlog = group(
    "backlog", "Work that nobody owns yet.", 'tt backlog add "Tidy the imports"\ntt backlog list'
)


@verb("add", of=backlog, example='tt backlog add "Tidy the imports" --tag chore --priority low')
def add(  # noqa: PLR0913  # one parameter an option
    task_text: Annotated[
        str, typer.Argument(metavar="TEXT", help="What to do; - reads standard input.")
    ],
    *,
    tag: Tags = None,
    priority: Priority = None,
    after: After = None,
    join: Join = None,
    failures: Failures = None,
    approve: Approve = False,
    check: Check = None,
    review: Review = None,
    plan: OfPlan = None,
) -> None:
    """Add work without an owner.

    A free agent whose role or tag is one of its tags takes it by itself.
    """
    told = {"text": text(task_text), "tags": tag or None, "after": after or None}
    told |= {"join": join, "failures": failures, "check": check, "review": review}
    told |= {"plan": plan}
    reply = client.town("backlog.add", **told, priority=priority, approve=approve or None)
    one = reply["task"]
    changed(one, f"goes to {one['agent']}" if one["agent"] else "is in the backlog")
    if not one["agent"] and not reply["takers"]:
        output.note(f"nobody takes it by itself: {_ways(one)}")


def _ways(one: client.Data) -> str:
    """What has a task of the backlog done that nobody takes by itself."""
    claim = f"tt backlog claim {one['id']} AGENT"
    return f"{claim}, or give it a tag that is an agent's role or tag (tt spawn --tag)"


@verb("list", of=backlog, example="tt backlog list --json")
def list_backlog(limit: Limit = None, everything: Everything = False) -> None:
    """List what nobody owns, the most urgent first."""
    tasks, left = client.listed("backlog.list", "tasks", limit=limit, everything=everything)
    output.show(tasks, _lines(tasks), long=True)
    output.more(left)


def _lines(tasks: list[client.Data]) -> Iterator[str]:
    if not tasks:
        yield 'The backlog is empty. Try: tt backlog add "…"'
        return
    yield from layout.task_table(tasks)


@verb("claim", of=backlog, example="tt backlog claim t7 developer")
def claim(
    ref: TaskRef,
    agent: Annotated[
        str | None, typer.Argument(metavar="[AGENT]", help="Default: the agent that asks.")
    ] = None,
    owner: Annotated[
        str | None, typer.Option("--agent", metavar="A", help="The same, as an option.")
    ] = None,
) -> None:
    """Make a task an agent's own."""
    told = client.town("backlog.claim", task=ref, agent=agent or owner)
    changed(told["task"], f"is claimed by {told['task']['agent']}")


@verb("assign-all", of=backlog, example="tt backlog assign-all developer")
def assign_all(agent: AgentName) -> None:
    """Give the whole backlog to one agent."""
    tasks = client.town("backlog.assign_all", agent=agent)["tasks"]
    output.show(tasks, [f"{output.plural(len(tasks), 'task')} assigned to {agent}"])


@verb("remove", of=backlog, example="tt backlog remove t7")
def remove(ref: TaskRef) -> None:
    """Take a task out of the backlog."""
    changed(client.town("backlog.remove", task=ref)["task"], "is removed")
