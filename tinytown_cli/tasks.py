"""Tasks: `assign` and `task …`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import typer

from tinytown_cli import client, layout, output, taskpage
from tinytown_cli.command import (
    After,
    Approve,
    Check,
    Everything,
    Failures,
    Join,
    Limit,
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

_NOT_ARCHIVED = ["No such task in the archive"]

task = group("task", "Look at tasks and change them.", "tt task show design\ntt task list")


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
    told |= {"plan": plan, "priority": priority}
    taskpage.assigned(client.town("task.assign", **told, approve=approve or None))


@verb("show", of=task, example="tt task show design --json")
def show(ref: TaskRef) -> None:
    """Show one task with its result and its rounds."""
    reply = client.town("task.show", task=ref)
    one, rounds = reply["task"], reply["rounds"]
    output.show({**one, "rounds": rounds}, taskpage.page(one, rounds), long=True)


@verb("list", of=task, example="tt task list --state running --agent developer")
def list_tasks(
    state: Annotated[State | None, typer.Option(metavar="S", help="In this state.")] = None,
    agent: Annotated[str | None, typer.Option(metavar="A", help="Of this agent.")] = None,
    tag: Annotated[str | None, typer.Option(metavar="T", help="With this tag.")] = None,
    *,
    archived: Annotated[
        bool, typer.Option("--archived", help="Of the archive, the last put away first.")
    ] = False,
    limit: Limit = None,
    everything: Everything = False,
) -> None:
    """List tasks."""
    asked = {"state": state, "agent": agent, "tag": tag}
    if archived:
        tasks, more = client.archived(limit=limit, everything=everything, **asked)
        output.show(tasks, layout.task_table(tasks) if tasks else _NOT_ARCHIVED, long=True)
        if more:
            output.note("More are there: --all")
        return
    tasks, left = client.listed("task.list", "tasks", limit=limit, everything=everything, **asked)
    output.show(tasks, layout.task_table(tasks) if tasks else _none(asked), long=True)
    output.more(left)


def _none(asked: client.Data) -> Iterator[str]:
    """What is said where no task at hand fits; some that do may have been put away."""
    if client.archived(limit=1, **asked)[0]:
        yield "No such task at hand" if any(asked.values()) else "No tasks at hand"
        yield "Older ones that were put away: tt task list --archived"
    elif any(asked.values()):
        yield "No such task"
    else:
        yield from layout.task_table([])


@verb("log", of=task, example="tt task log design\ntt task log design -f")
def log(
    ref: TaskRef,
    *,
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Go on until the task is over.")
    ] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Just what the CLIs printed.")] = False,
) -> None:
    """Show what agents said and did for a task, round by round."""
    from tinytown_cli import rounds  # noqa: PLC0415  # no other of these verbs reads transcripts

    rounds.of_task(ref, raw=raw, follow=follow)


@verb("current", of=task, example="tt task current developer")
def current(
    agent: Annotated[
        str | None, typer.Argument(metavar="[AGENT]", help="Default: the agent that asks.")
    ] = None,
) -> None:
    """Show what an agent works on."""
    taskpage.current(client.town("task.current", agent=agent))


@verb("complete", of=task, example='tt task complete design --result "See docs/api.md"')
def complete(
    ref: OwnTaskRef = None,
    result: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What came of it; - reads standard input.")
    ] = None,
) -> None:
    """Say that a task is done."""
    result = optional_text(result, "result")
    taskpage.completed(client.town("task.complete", task=ref, result=result))


@verb("fail", of=task, example='tt task fail design --reason "The specification is missing"')
def fail(
    ref: OwnTaskRef = None,
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Why; - reads standard input.")
    ] = None,
) -> None:
    """Say that a task cannot be done."""
    told = client.town("task.fail", task=ref, reason=optional_text(reason, "reason"))
    taskpage.changed(told["task"], "has failed")


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
    taskpage.changed(client.town("task.retry", task=ref)["task"], "is tried again")


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
    reply = client.town("task.edit", task=ref, **told, tags=tag or None)
    taskpage.changed(reply["task"], "is changed")


@verb("move", of=task, example="tt task move design architect")
def move(ref: TaskRef, agent: OwnerName) -> None:
    """Give a task to another agent or role, or to the `backlog`."""
    one = client.town("task.move", task=ref, agent=agent)["task"]
    taskpage.changed(one, f"is moved to {layout.owner(one) or 'the backlog'}")
