"""Who is to do a task: an agent, any agent of a role, or nobody: the backlog."""

from __future__ import annotations

import re
from typing import NamedTuple

from tinytownd.domain import gates, questions, team
from tinytownd.domain.errors import Conflict
from tinytownd.domain.message import MAILBOXES
from tinytownd.domain.names import BACKLOG, RESERVED, ROLE, check_role
from tinytownd.domain.plan import SHELL
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town
from tinytownd.handlers.registry import Context


class Owner(NamedTuple):
    """An agent by its name, or a role; nobody where there is neither."""

    agent: str | None = None
    role: str | None = None

    def __str__(self) -> str:
        """As it is typed."""
        return self.agent or (BACKLOG if self.role is None else f"{ROLE}{self.role}")


def owner_of(task: Task) -> Owner:
    """Who is to do a task; a role's task that went to an agent is that agent's."""
    return Owner(task.agent, task.role if task.agent is None else None)


def named_owner(ctx: Context, task: Task, name: str) -> Owner:
    """The owner that is named for a task.

    Raises `NotFound`, `Conflict` for a group's, `BadInput` for one that would review it.
    """
    if task.group:
        raise Conflict(f"{task.id} is a group: nobody executes it", hint="name a task within it")
    owner = taker(ctx.town, name, task.run)
    gates.check_owner(ctx.town, task, owner.agent)
    return owner


def taker(town: Town, name: str, run: str | None) -> Owner:
    """An agent or a role in the team's own spelling, if it can do such a task.

    A shell runs commands only, and is of no role. Raises `NotFound`, `Conflict`, `BadInput`.
    """
    if name.startswith(ROLE):
        role = check_role(name.removeprefix(ROLE))
        return Owner(role=team.least_loaded(town, role).role)
    if name.lower() in MAILBOXES:
        raise Conflict("the conductor takes no tasks", hint='tt send conductor "…"')
    agent = town.agent(name)
    if agent.cli == SHELL and run is None:
        raise Conflict(
            f"{agent.name} runs commands, and this is a text",
            hint='a command is a task with run = "…" in tasks.toml',
        )
    return Owner(agent=agent.name)


def hand_over(ctx: Context, task: Task, owner: Owner, why: str | None = None) -> None:
    """Gives a task that has not started to another owner."""
    pause = task.not_before if owner.agent is not None else None
    given = taken_back(ctx, task).but(auto_claimed=False, not_before=pause, **owner._asdict())
    ctx.town.put(given)
    about = {"task": task.id, "agent": str(owner), "text": why}
    ctx.town.event("task.moved", ctx.speaker.name, **about)


def not_started(task: Task, done: str) -> Task:
    """The task itself, or `Conflict` when it has started."""
    if has_begun(task):
        raise Conflict(
            f"task {task.id} is {task.state}: it cannot be {done} any more",
            hint=f"tt task show {task.id}",
        )
    return task


def has_begun(task: Task) -> bool:
    """Whether work on it has begun, or is over; what waits for an approval has not begun."""
    return task.state not in ("pending", "assigned") and not gates.needs_approval(task)


def taken_back(ctx: Context, task: Task) -> Task:
    """The task before it was handed out, or before a person was asked whether it may start.

    They are asked anew: who says yes must have been told what it has become.
    """
    if task.state == "blocked" and gates.needs_approval(task):
        about = f"approve:{task.id}"
        questions.close(ctx.town, about, ctx.speaker.name, "the task has changed")
        return task.advance("unblock")
    return task.advance("release") if task.state == "assigned" else task


def name_for(town: Town, role: str) -> str:
    """A free name for an agent of a role: the role itself, if it can be one."""
    base = re.sub(r"[^A-Za-z0-9_-]+", "-", role).strip("-_")[:60] or "agent"
    number, name = 1, base
    while name.lower() in RESERVED or town.find_agent(name) is not None:
        number += 1
        name = f"{base}-{number}"
    return name
