"""Verbs that list tasks: those at hand, and those of the archive."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tinytownd.domain import names
from tinytownd.domain.errors import BadInput
from tinytownd.domain.task import STATES, Task
from tinytownd.handlers import paging, views
from tinytownd.handlers.owners import owner_of, taker
from tinytownd.handlers.registry import Context, verb

#: So many archived tasks are looked through for a page; then another command has its turn. Ours:
#: some ten milliseconds.
LOOKED = 2_000


def fitting(
    ctx: Context, state: str | None, agent: str | None, tag: str | None
) -> Callable[[Task], bool]:
    """Tells whether a task is in that state, of that owner and has that tag. Raises `BadInput`."""
    if state is not None and state not in STATES:
        raise BadInput(
            f"{names.shown(state)} is no state of a task", hint="one of " + ", ".join(STATES)
        )
    owner = taker(ctx.town, agent, run="") if agent is not None else None
    return lambda task: (
        (state is None or task.state == state)
        and (owner is None or owner_of(task) == owner)
        and (tag is None or tag in task.tags)
    )


@verb("task.list", "read")
def list_(
    ctx: Context,
    *,
    state: str | None = None,
    agent: str | None = None,
    tag: str | None = None,
    limit: int = paging.USUAL,
    after: str | None = None,
) -> dict[str, object]:
    """Those of all tasks that fit that a person wants to see; with `after`, page by page.

    Those are what is open, and then the newest; shown in the order they were made.
    """
    fits = list(filter(fitting(ctx, state, agent, tag), ctx.town.tasks.values()))
    listed = paging.open_first(fits, limit) if after is None else fits
    found = paging.page(listed, partial(views.task, ctx.town), limit, after or "")
    return paging.reply("tasks", found, len(fits))


@verb("task.archived", "query")
async def archived(
    ctx: Context,
    *,
    state: str | None = None,
    agent: str | None = None,
    tag: str | None = None,
    limit: int = paging.USUAL,
    after: str = "",
) -> dict[str, object]:
    """The tasks of the archive that fit, page by page; those that were put away last come first.

    So far as some thousand were looked through: a page may have none, and be followed by others.
    """
    town, most = ctx.town, paging.checked(limit)
    fits = fitting(ctx, state, agent, tag)
    start = place = paging.read(after) if after else ()
    found: list[tuple[paging.Place, Task]] = []
    looked, follows = 0, False
    async for place_of_next, task in ctx.host.store.archive.newest_from(start):
        if len(found) == most or looked == LOOKED:
            follows = True
            break
        place, looked = place_of_next, looked + 1
        if task.id not in town.tasks and fits(task):
            found.append((place, task))
    shown = paging.fitting((task for _, task in found), partial(views.task, town))
    if len(shown) < len(found):
        place, follows = found[len(shown) - 1][0], True
    return {"tasks": shown, "next": paging.written(place) if follows else None}
