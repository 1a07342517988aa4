"""Work that nobody owns: `backlog …`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from tinytown_cli import client, layout, output
from tinytown_cli.command import After, AgentName, Priority, Tags, TaskRef, group, text, verb
from tinytown_cli.tasks import show_task

backlog = group(
    "backlog", "Work that nobody owns yet.", 'tt backlog add "Tidy the imports"\ntt backlog list'
)


@verb("add", of=backlog, example='tt backlog add "Tidy the imports" --tag chore --priority low')
def add(
    task_text: Annotated[
        str, typer.Argument(metavar="TEXT", help="What to do; - reads standard input.")
    ],
    tag: Tags = None,
    priority: Priority = None,
    after: After = None,
) -> None:
    """Add work without an owner."""
    told = {"text": text(task_text), "tags": tag or None, "after": after or None}
    show_task(client.town("backlog.add", **told, priority=priority)["task"], "is in the backlog")


@verb("list", of=backlog, example="tt backlog list --json")
def list_backlog() -> None:
    """List what nobody owns, the most urgent first."""
    tasks = client.town("backlog.list")["tasks"]
    output.show(tasks, _lines(tasks))


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
    show_task(told["task"], f"is claimed by {told['task']['agent']}")


@verb("assign-all", of=backlog, example="tt backlog assign-all developer")
def assign_all(agent: AgentName) -> None:
    """Give the whole backlog to one agent."""
    tasks = client.town("backlog.assign_all", agent=agent)["tasks"]
    output.show(tasks, [f"{output.plural(len(tasks), 'task')} assigned to {agent}"])


@verb("remove", of=backlog, example="tt backlog remove t7")
def remove(ref: TaskRef) -> None:
    """Take a task out of the backlog."""
    show_task(client.town("backlog.remove", task=ref)["task"], "is removed")
