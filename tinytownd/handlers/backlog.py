"""Verbs about the backlog: tasks that nobody owns."""

from __future__ import annotations

from functools import partial
from operator import attrgetter

from tinytownd.domain import gates
from tinytownd.domain.errors import BadInput, Conflict
from tinytownd.domain.index import owners_of
from tinytownd.domain.join import ALL, HOLD
from tinytownd.domain.lines import lines_of
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town
from tinytownd.handlers import paging, views
from tinytownd.handlers.gating import wanted
from tinytownd.handlers.owners import hand_over, named_owner, owner_of
from tinytownd.handlers.registry import Answer, Context, verb
from tinytownd.handlers.tasks import create, shown


def unowned(town: Town) -> list[Task]:
    """The backlog, best first."""
    return sorted((t for t in town.tasks.values() if is_unowned(t)), key=lambda task: task.rank)


def is_unowned(task: Task) -> bool:
    """Whether a task is open, and neither an agent's nor a role's."""
    return not any(owner_of(task)) and not task.group and not task.finished


def in_backlog(ctx: Context, ref: str) -> Task:
    """The task, or `Conflict` when somebody owns it or it is over."""
    task = ctx.task(ref)
    if not is_unowned(task):
        owner = f"owned by {owner_of(task)}" if any(owner_of(task)) else task.state
        raise Conflict(
            f"task {task.id} is not in the backlog: it is {owner}", hint="tt backlog list"
        )
    return task


@verb("backlog.add", "write")
def add(
    ctx: Context,
    *,
    text: str,
    tags: list[str] | None = None,
    priority: str = "normal",
    after: list[str] | None = None,
    join: str = ALL,
    failures: str = HOLD,
    approve: bool = False,
    check: str | None = None,
    review: str | None = None,
    plan: str | None = None,
) -> Answer:
    """Work without an owner, and who takes it by itself: those whose role or tag is one of its."""
    told = wanted(ctx, None, approve=approve, check=check, review=review)
    told |= {"after": after or [], "join": join, "failures": failures, "plan": plan}
    task = create(ctx, text, tags=tuple(tags or ()), priority=priority, **told)
    takers = takers_of(ctx.town, task)
    return lambda: {**shown(ctx.town, task.id)(), "takers": takers}


def takers_of(town: Town, task: Task) -> list[str]:
    """Who takes a task of the backlog by itself, once it is free."""
    lines, team = owners_of(task), town.agents.values()
    return [one.name for one in team if one.will_work and lines & set(lines_of(town, one))]


@verb("backlog.list", "read")
def list_(ctx: Context, *, limit: int = paging.USUAL, after: str = "") -> dict[str, object]:
    """What nobody owns, best first, page by page."""
    found = unowned(ctx.town)
    shown = partial(views.task, ctx.town)
    page = paging.page(found, shown, limit, after, attrgetter("rank"))
    return paging.reply("tasks", page, len(found))


@verb("backlog.claim", "write")
def claim(ctx: Context, *, task: str, agent: str | None = None) -> Answer:
    """A task of the backlog becomes an agent's: the one that asks, or the one that is named."""
    found = in_backlog(ctx, task)
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
    found = in_backlog(ctx, task)
    gates.cancel(ctx.town, found, ctx.speaker.name)
    return shown(ctx.town, found.id)


def give(ctx: Context, task: Task, name: str) -> None:
    """Gives a task of the backlog to an agent; raises `NotFound`, or `Conflict` for a shell."""
    hand_over(ctx, task, named_owner(ctx, task, ctx.town.agent(name).name))
