"""Tasks: `assign` and `task …`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import typer

from tinytown_cli import client, layout, output
from tinytown_cli.command import (
    After,
    Approve,
    Check,
    Failures,
    Join,
    OfPlan,
    OwnerName,
    Priority,
    Review,
    Tags,
    TaskRef,
    group,
    optional_text,
    text,
    verb,
)

State = Literal[
    "pending",
    "assigned",
    "running",
    "blocked",
    "submitted",
    "completed",
    "failed",
    "cancelled",
]
OwnTaskRef = Annotated[
    str | None, typer.Argument(metavar="[TASK]", help="Its id (default: an agent's own task).")
]

task = group("task", "Look at tasks and change them.", "tt task show design\ntt task list")


def show_task(one: client.Data, said: str) -> None:
    """One task that was changed: a line for people, with what `said` does not say anyhow."""
    if one["state"] == "blocked" and one["approve"] and not one["approved"]:
        way = f"it waits for an approval: tt approve {one['id']}"
        output.show(one, [f"Task {one['id']} {said}; {way}"])
        return
    waits = f"waits for {', '.join(one['waits_for'])}" if one["waits_for"] else ""
    more = [part for part in (layout.owner(one), one["state"], waits) if part]
    told = ", ".join(part for part in more if part not in said.split())
    output.show(one, [f"Task {one['id']} {said}" + (f" ({told})" if told else "")])


@verb("assign", example='tt assign developer "Build the login page" --after design --tag ui')
def assign(  # noqa: PLR0913  # one parameter an option
    agent: OwnerName,
    task_text: Annotated[
        str, typer.Argument(metavar="TEXT", help="What to do; - reads standard input.")
    ],
    *,
    after: After = None,
    join: Join = None,
    failures: Failures = None,
    tag: Tags = None,
    priority: Priority = None,
    approve: Approve = False,
    check: Check = None,
    review: Review = None,
    plan: OfPlan = None,
) -> None:
    """Give an agent a task, or any agent of a role."""
    told = {"agent": agent, "text": text(task_text), "after": after or None, "tags": tag or None}
    told |= {"join": join, "failures": failures, "check": check, "review": review}
    told |= {"plan": plan}
    reply = client.town("task.assign", **told, priority=priority, approve=approve or None)
    one, owner = reply["task"], reply["agent"]
    show_task(one, f"is assigned to {layout.owner(one)}")
    if owner is None:
        return
    back = "tt resume" if owner["desired"] == "pause" else "tt restart"
    if owner["desired"] != "run" or owner["state"] == "error":
        output.note(f"{owner['name']} is {owner['state']}: it starts after {back} {owner['name']}")
    elif owner["hold"]:
        until, why = owner["hold"]["until"], owner["hold"]["reason"]
        ends = f" until {output.clock(until)}" if until else ""
        way = f"not to wait: tt resume {owner['name']}" if until else "tt inbox conductor"
        output.note(f"{owner['name']} is held{ends}: {why} ({way})")


@verb("show", of=task, example="tt task show design --json")
def show(ref: TaskRef) -> None:
    """Show one task with its result and its rounds."""
    reply = client.town("task.show", task=ref)
    output.show({**reply["task"], "rounds": reply["rounds"]}, _page(reply["task"], reply["rounds"]))


def _page(one: client.Data, rounds: list[client.Data]) -> Iterator[str]:
    yield f"{output.paint(one['id'], 'bold')}  {output.paint_state(one['state'])}"
    for label, value in (
        ("agent", layout.owner(one) or "nobody (backlog)"),
        ("priority", one["priority"]),
        ("tags", ", ".join(one["tags"])),
        ("parent", one["parent"]),
        ("after", ", ".join(one["depends_on"])),
        ("join", _join(one)),
        ("waits for", ", ".join(one["waits_for"])),
        ("not before", output.clock(one["not_before"]) if one["not_before"] else ""),
        ("attempts", one["attempts"] or ""),
        ("approval", ("given" if one["approved"] else "needed") if one["approve"] else ""),
        ("check", one["check"]),
        ("review", one["review"]),
        ("sent back", output.times(one["reworks"])),
        ("gate of", one["gate_of"]),
        ("created", _ago(one["created_at"])),
        ("started", _ago(one["started_at"])),
        ("finished", _ago(one["finished_at"])),
        ("runs", one["run"]),
    ):
        if value:
            yield f"{label:<11}{output.clean(str(value))}"
    for label in ("description", "result", "error", "feedback"):
        if one[label]:
            yield from ("", output.paint(label, "dim"), output.clean(one[label]))
    for one_round in rounds:
        yield ""
        outcome = one_round["outcome"] or "running"
        took = output.duration(one_round["seconds"] or 0)
        yield f"round {one_round['round']} by {one_round['agent']}: {outcome}, {took}"


def _join(one: client.Data) -> str:
    """How many of what it is after are enough, and whether failures count; "" for all of them."""
    enough = f"{one['join']} of them" if one["join"] != "all" else ""
    counts = "those that failed count" if one["failures"] == "count" else ""
    return "; ".join(part for part in (enough, counts) if part)


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
def move(ref: TaskRef, agent: OwnerName) -> None:
    """Give a task to another agent or role, or to the `backlog`."""
    one = client.town("task.move", task=ref, agent=agent)["task"]
    show_task(one, f"is moved to {layout.owner(one) or 'the backlog'}")
