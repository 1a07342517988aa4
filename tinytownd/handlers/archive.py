"""What is put away and comes back: the verb for it, and what other verbs ask the archive."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import takewhile

from tinytownd.domain import retention
from tinytownd.domain.errors import BadInput
from tinytownd.domain.plan import Plan, waits_for
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town
from tinytownd.handlers.registry import Answer, Context, verb

#: How old may be asked for, in seconds: a century.
MOST_SECONDS = 36_525 * 86_400


@verb("town.archive", "write")
def archive(ctx: Context, *, older: int, dry_run: bool = False) -> Answer:
    """Puts away what ended so many seconds ago, or longer, and that nothing needs any more."""
    ctx.people_only()
    if not 0 <= older <= MOST_SECONDS:
        raise BadInput(f"{older} seconds cannot be asked for", hint="up to a hundred years")
    town, before = ctx.town, ctx.now - older * 1_000
    places = takewhile(lambda place: place[0] <= before, list(town.index.finished))
    tasks = [town.tasks[task] for _, _, task in places]
    gone = retention.put_away(town, tasks)
    ended = [one for one in town.rounds.values() if one.over and (one.ended_at or 0) <= before]
    if ended:
        retention.put_rounds_away(town, ended)
    if dry_run:
        town.rollback()
    elif gone or ended:
        told = f"{gone} tasks, {len(ended)} rounds"
        town.event("town.archived", ctx.speaker.name, text=told)
    counts = {"tasks": gone, "rounds": len(ended), "kept": max(0, len(tasks) - gone)}
    return lambda: {**counts, "dry_run": dry_run}


def needed(ctx: Context, refs: Iterable[str]) -> list[str]:
    """The ids of what a new task is to wait for; what is completed and put away comes back.

    So the new task is told its result. Raises `Conflict` for what is archived and can never arrive.
    """
    named = list(refs)
    ctx.look_up(named)
    found: dict[str, None] = {}
    for ref in named:
        away = ctx.archived_task(ref)
        if away is not None and away.state == "completed":
            retention.bring_back(ctx.town, [away])
        found[ctx.task(ref).id] = None
    return list(found)


async def coming_back(ctx: Context, ref: str) -> list[Task]:
    """What comes back from the archive so that a task can be decided on; none if it is at hand."""
    if ref in ctx.town.tasks:
        return []
    return list((await ctx.host.store.archive.tasks_around([ref])).values())


@dataclass(frozen=True)
class Away:
    """What a plan file's tasks are that are not at hand, by id; and what must come back for it."""

    tasks: dict[str, Task] = field(default_factory=dict)
    back: list[Task] = field(default_factory=list)


async def away(ctx: Context, plan: Plan) -> Away:
    """Looks a plan file's tasks up; those that are at hand may be put away before it is decided."""
    town, store = ctx.town, ctx.host.store
    here = {one: town.tasks[one] for one in plan.by_id if one in town.tasks}
    there = await store.archive.tasks(plan.by_id.keys() - here.keys())
    needed = set(needed_by_open(town, plan, there))
    around = await store.archive.tasks_around(needed & there.keys())
    ended = {one: task for one, task in here.items() if task.finished}
    back = {**{one: ended[one] for one in needed & ended.keys()}, **around}
    return Away({**ended, **there}, list(back.values()))


def needed_by_open(town: Town, plan: Plan, away: dict[str, Task]) -> Iterable[str]:
    """What the tasks of the file that are new, or may still move, wait for or are within."""
    for one in plan.tasks:
        there = town.tasks.get(one.id)
        if one.id not in away and (there is None or there.state != "completed"):
            yield from waits_for(one, plan)
            yield from (near for near in (one.parent, *one.depends_on) if near)
