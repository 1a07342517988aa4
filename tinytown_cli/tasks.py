"""Tasks: `assign` and `task …`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import typer

from tinytown_cli import client, layout, output
from tinytown_cli.command import (
    After,
    AgentName,
    Priority,
    Tags,
    TaskRef,
    group,
    optional_text,
    text,
    verb,
)

State = Literal["pending", "assigned", "running", "completed", "failed", "cancelled"]
OwnTaskRef = Annotated[
    str | None, typer.Argument(metavar="[TASK]", help="Its id (default: an agent's own task).")
]

task = group("task", "Look at tasks and change them.", "tt task show design\ntt task list")


def show_task(one: client.Data, said: str) -> None:
    """One task that was changed: a line for people, with what `said` does not say anyhow."""
    waits = f"waits for {', '.join(one['waits_for'])}" if one["waits_for"] else ""
    more = [part for part in (one["agent"], one["state"], waits) if part]
    told = ", ".join(part for part in more if part not in said.split())
    output.show(one, [f"Task {one['id']} {said}" + (f" ({told})" if told else "")])


@verb("assign", example='tt assign developer "Build the login page" --after design --tag ui')
def assign(
    agent: AgentName,
    task_text: Annotated[
        str, typer.Argument(metavar="TEXT", help="What to do; - reads standard input.")
    ],
    after: After = None,
    tag: Tags = None,
    priority: Priority = None,
) -> None:
    """Give an agent a task."""
    told = {"agent": agent, "text": text(task_text), "after": after or None, "tags": tag or None}
    reply = client.town("task.assign", **told, priority=priority)
    one, owner = reply["task"], reply["agent"]
    show_task(one, f"is assigned to {one['agent']}")
    back = "tt resume" if owner["desired"] == "pause" else "tt restart"
    if owner["desired"] != "run" or owner["state"] == "error":
        output.note(f"{owner['name']} is {owner['state']}: it starts after {back} {owner['name']}")
    elif owner["hold"]:
        until = f"{owner['name']} is held until {output.clock(owner['hold']['until'])}"
        output.note(f"{until}: {owner['hold']['reason']} (not to wait: tt resume {owner['name']})")


@verb("show", of=task, example="tt task show design --json")
def show(ref: TaskRef) -> None:
    """Show one task with its result and its rounds."""
    reply = client.town("task.show", task=ref)
    output.show({**reply["task"], "rounds": reply["rounds"]}, _page(reply["task"], reply["rounds"]))


def _page(one: client.Data, rounds: list[client.Data]) -> Iterator[str]:
    yield f"{output.paint(one['id'], 'bold')}  {output.paint_state(one['state'])}"
    for label, value in (
        ("agent", one["agent"] or "nobody (backlog)"),
        ("priority", one["priority"]),
        ("tags", ", ".join(one["tags"])),
        ("parent", one["parent"]),
        ("after", ", ".join(one["depends_on"])),
        ("waits for", ", ".join(one["waits_for"])),
        ("not before", output.clock(one["not_before"]) if one["not_before"] else ""),
        ("attempts", one["attempts"] or ""),
        ("created", _ago(one["created_at"])),
        ("started", _ago(one["started_at"])),
        ("finished", _ago(one["finished_at"])),
        ("runs", one["run"]),
    ):
        if value:
            yield f"{label:<11}{output.clean(str(value))}"
    for label in ("description", "result", "error"):
        if one[label]:
            yield from ("", output.paint(label, "dim"), output.clean(one[label]))
    for one_round in rounds:
        yield ""
        outcome = one_round["outcome"] or "running"
        took = output.duration(one_round["seconds"] or 0)
        yield f"round {one_round['round']} by {one_round['agent']}: {outcome}, {took}"


def _ago(at: object) -> str:
    return f"{output.age(at)} ago" if at else ""


@verb("list", of=task, example="tt task list --state running --agent developer")
def list_tasks(
    state: Annotated[State | None, typer.Option(metavar="S", help="In this state.")] = None,
    agent: Annotated[str | None, typer.Option(metavar="A", help="Of this agent.")] = None,
    tag: Annotated[str | None, typer.Option(metavar="T", help="With this tag.")] = None,
) -> None:
    """List tasks."""
    tasks = client.town("task.list", state=state, agent=agent, tag=tag)["tasks"]
    asked = state or agent or tag
    output.show(tasks, layout.task_table(tasks) if tasks or not asked else ["No such task"])


@verb("current", of=task, example="tt task current developer")
def current(
    agent: Annotated[
        str | None, typer.Argument(metavar="[AGENT]", help="Default: the agent that asks.")
    ] = None,
) -> None:
    """Show what an agent works on."""
    one = client.town("task.current", agent=agent)["task"]
    output.show(one, _page(one, []) if one else ["No task"])


@verb("complete", of=task, example='tt task complete design --result "See docs/api.md"')
def complete(
    ref: OwnTaskRef = None,
    result: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What came of it; - reads standard input.")
    ] = None,
) -> None:
    """Say that a task is done."""
    told = client.town("task.complete", task=ref, result=optional_text(result, "result"))
    show_task(told["task"], "is completed")


@verb("fail", of=task, example='tt task fail design --reason "The specification is missing"')
def fail(
    ref: OwnTaskRef = None,
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Why; - reads standard input.")
    ] = None,
) -> None:
    """Say that a task cannot be done."""
    told = client.town("task.fail", task=ref, reason=optional_text(reason, "reason"))
    show_task(told["task"], "has failed")


@verb("cancel", of=task, example="tt task cancel design --cascade")
def cancel(
    ref: TaskRef,
    cascade: Annotated[bool, typer.Option("--cascade", help="And all that depends on it.")] = False,
) -> None:
    """Cancel a task; what depends on it is held back."""
    tasks = client.town("task.cancel", task=ref, cascade=cascade)["tasks"]
    output.show(tasks, [f"Cancelled {', '.join(one['id'] for one in tasks)}"])


@verb("retry", of=task, example="tt task retry design")
def retry(ref: TaskRef) -> None:
    """Try a failed or cancelled task again."""
    show_task(client.town("task.retry", task=ref)["task"], "is tried again")


@verb("edit", of=task, example='tt task edit design --priority high --text "Design the API"')
def edit(
    ref: TaskRef,
    new_text: Annotated[
        str | None, typer.Option("--text", metavar="TEXT", help="- reads standard input.")
    ] = None,
    priority: Priority = None,
    agent: Annotated[str | None, typer.Option(metavar="A", help="Who shall do it.")] = None,
    tag: Tags = None,
) -> None:
    """Change a task before it starts."""
    told = {"text": optional_text(new_text), "priority": priority, "agent": agent}
    show_task(client.town("task.edit", task=ref, **told, tags=tag or None)["task"], "is changed")


@verb("move", of=task, example="tt task move design architect")
def move(ref: TaskRef, agent: AgentName) -> None:
    """Give a task to another agent, or to the `backlog`."""
    one = client.town("task.move", task=ref, agent=agent)["task"]
    show_task(one, f"is moved to {one['agent'] or 'the backlog'}")
