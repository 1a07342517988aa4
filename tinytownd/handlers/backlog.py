"""Verbs about the backlog: tasks that nobody owns."""

from __future__ import annotations

from tinytownd.domain import rules
from tinytownd.domain.errors import BadInput, Conflict
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town
from tinytownd.handlers import views
from tinytownd.handlers.registry import Answer, Context, verb
from tinytownd.handlers.tasks import create, shown, taker


def unowned(town: Town) -> list[Task]:
    """The backlog, best first."""
    open_ = (t for t in town.tasks.values() if t.agent is None and not t.group and not t.finished)
    return sorted(open_, key=lambda task: task.rank)


def in_backlog(town: Town, ref: str) -> Task:
    """The task, or `Conflict` when somebody owns it or it is over."""
    task = town.task(ref)
    if task.agent is not None or task.group or task.finished:
        owner = f"owned by {task.agent}" if task.agent else task.state
        raise Conflict(f"task {task.id} is not in the backlog: it is {owner}")
    return task


@verb("backlog.add", "write")
def add(
    ctx: Context,
    *,
    text: str,
    tags: list[str] | None = None,
    priority: str = "normal",
    after: list[str] | None = None,
) -> Answer:
    """Work without an owner."""
    task = create(ctx, text, tags=tuple(tags or ()), priority=priority, after=after or [])
    return shown(ctx.town, task.id)


@verb("backlog.list", "read")
def list_(ctx: Context) -> dict[str, object]:
    """What nobody owns, best first."""
    return {"tasks": [views.task(ctx.town, task) for task in unowned(ctx.town)]}


@verb("backlog.claim", "write")
def claim(ctx: Context, *, task: str, agent: str | None = None) -> Answer:
    """A task of the backlog becomes an agent's: the one that asks, or the one that is named."""
    found = in_backlog(ctx.town, task)
    if agent is None and ctx.speaker.agent is None:
        raise BadInput("who claims it?", hint=f"tt backlog claim {found.id} NAME")
    give(ctx, found, agent if agent is not None else ctx.speaker.name)
    return shown(ctx.town, found.id)


@verb("backlog.assign_all", "write")
def assign_all(ctx: Context, *, agent: str) -> Answer:
    """The whole backlog goes to one agent."""
    ctx.town.agent(agent)
    given = [task.id for task in unowned(ctx.town)]
    for task in given:
        give(ctx, ctx.town.tasks[task], agent)
    return lambda: {"tasks": [views.task(ctx.town, ctx.town.tasks[task]) for task in given]}


@verb("backlog.remove", "write")
def remove(ctx: Context, *, task: str) -> Answer:
    """Cancels a task that nobody owns."""
    found = in_backlog(ctx.town, task)
    rules.cancel(ctx.town, found, ctx.speaker.name)
    return shown(ctx.town, found.id)


def give(ctx: Context, task: Task, name: str) -> None:
    """Gives a task of the backlog to an agent; raises `NotFound`, or `Conflict` for a shell."""
    owner = taker(ctx.town, name, task.run)
    ctx.town.put(task.but(agent=owner))
    ctx.town.event("task.moved", ctx.speaker.name, task=task.id, agent=owner)
