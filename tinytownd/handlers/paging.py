"""So much of a list as one reply should hold, and where the rest of it begins. Pure.

A page says in `next` what to give as `after` for the one that follows it (null: there is none); ""
is the beginning. That is a place and no number of records, so that nothing is missed or told twice
while the list changes.
"""

from __future__ import annotations

import bisect
import heapq
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from tinytownd.domain.errors import BadInput
from tinytownd.domain.record import Record
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town
from tinytownd.handlers import views
from tinytownd.handlers.views import View

#: How many records a page has where nobody says, and at most.
USUAL, MOST = 200, 1_000
#: About so many bytes has a page at most, and one record without its texts. Ours: a reply that is
#: made, sent and read in some milliseconds.
PAGE_BYTES, RECORD_BYTES = 256 * 1024, 800
#: The states of a plan's tasks, from those that a person should see to those that are done.
URGENCY = (
    *("blocked", "running", "failed", "submitted", "assigned", "cancelled", "pending"),
    "completed",
)

R = TypeVar("R", bound=Record)
#: Where a record stands in a list: a number, or several.
Place = tuple[int, ...]


def made(record: Record) -> Place:
    """The place of a record in the order in which its kind was made."""
    return (record.order,)


def checked(limit: int) -> int:
    """How many records a page may have; raises `BadInput`."""
    if not 1 <= limit <= MOST:
        raise BadInput(f"limit is from 1 to {MOST:,}")
    return limit


def page(
    listed: Sequence[R],
    show: Callable[[R], View],
    limit: int,
    after: str,
    place: Callable[[R], Place] = made,
) -> tuple[list[View], str | None]:
    """What a page shows of a list, which is in the order of its places, and its `next`."""
    most = checked(limit)
    start = bisect.bisect_right(listed, read(after), key=place) if after else 0
    shown = fitting(listed[start : start + most], show)
    end = start + len(shown)
    return shown, written(place(listed[end - 1])) if end < len(listed) else None


def open_first(tasks: Sequence[Task], limit: int) -> Sequence[Task]:
    """So many of these at most: those that are open, then the newest; in the order of all."""
    if len(tasks) <= checked(limit):
        return tasks
    chosen = [task for task in tasks if not task.finished][:limit]
    over = (task for task in reversed(tasks) if task.finished)
    return sorted((*chosen, *islice(over, limit - len(chosen))), key=made)


def urgent(town: Town, tasks: Sequence[Task], limit: int) -> dict[str, Any]:
    """So many of a plan's `tasks` at most, the most urgent, in their order; how many are left."""
    chosen = tasks
    if len(tasks) > checked(limit):
        first = heapq.nsmallest(limit, tasks, key=lambda task: URGENCY.index(task.state))
        chosen = sorted(first, key=made)
    shown = fitting(chosen, partial(views.task, town))
    return {"tasks": shown, "tasks_left": len(tasks) - len(shown)}


def fitting(records: Iterable[R], show: Callable[[R], View]) -> list[View]:
    """As many of these, from the first on, as a reply should hold; at least one."""
    shown: list[View] = []
    size = 0
    for record in records:
        view = show(record)
        size += RECORD_BYTES + sum(len(text) for text in view.values() if isinstance(text, str))
        if shown and size > PAGE_BYTES:
            break
        shown.append(view)
    return shown


def written(place: Place) -> str:
    """A place as a page's `next` tells it."""
    return ".".join(map(str, place))


def read(after: str) -> Place:
    """The place that a page's `next` told; raises `BadInput`."""
    try:
        return tuple(map(int, after.split(".")))
    except ValueError:
        raise BadInput("'after' is what the page before said as 'next'") from None


def reply(what: str, found: tuple[list[View], str | None], total: int) -> dict[str, Any]:
    """The reply with a page of `what`, of `total` records."""
    shown, follows = found
    return {what: shown, "total": total, "next": follows}
