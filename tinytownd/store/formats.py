"""The versions of a town's records in Redis, and the steps that bring an older one up.

A town carries the number of its format; one without was written before there was a number. A
step gets all records as JSON objects and returns them as the next format has them: pure, so that a
town and a save are brought up alike; so is a chunk of the archive, which has one kind of records.
Nobody reads a format that is newer than it knows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tinytownd.domain.agent import Agent
from tinytownd.domain.errors import Conflict
from tinytownd.domain.message import Message, Round
from tinytownd.domain.meta import Meta
from tinytownd.domain.record import Record
from tinytownd.domain.task import Task
from tinytownd.domain.track import MAIN, TrackedPlan

#: The format that this version writes.
FORMAT = 3
#: Kind → the records of that kind as JSON objects; the town's own is the one of kind `town`.
Rows = Mapping[str, list[dict[str, Any]]]
RECORDS: dict[str, type[Record]] = {
    one.kind: one for one in (Agent, Task, Message, Round, TrackedPlan)
}


def _as_it_was(rows: Rows) -> Rows:
    return rows


def _plans_are_records(rows: Rows) -> Rows:
    """The town's own record had the one plan that there was; it is a record now."""
    (meta,) = rows[Meta.kind]
    made = [row.get("created_at", 0) for row in rows[Task.kind] if row.get("plan") == MAIN]
    if not made and not meta.get("plan"):
        return {**rows, TrackedPlan.kind: []}
    state = meta.get("plan_state", "none")
    about = {"description": meta.get("plan"), "created_at": min(made, default=0)}
    plan = {"id": MAIN, "seq": 1, "state": state, **about}
    return {**rows, Meta.kind: [{**meta, "plans": 1}], TrackedPlan.kind: [plan]}


#: From each format to the next. From 0 to 1 nothing but the number came; with 3, the archive did,
#: and one who does not know it would do again what is in there.
STEPS: dict[int, Callable[[Rows], Rows]] = {0: _as_it_was, 1: _plans_are_records, 2: _as_it_was}


@dataclass(frozen=True)
class Loaded:
    """A town's records, and those that its older format had and this one has not: kind and id."""

    meta: Meta
    records: list[Record]
    gone: set[tuple[str, str]]


def brought_up(rows: Rows, written: int) -> Rows:
    """The rows as the present format has them; raises `Conflict` for a newer one."""
    check(written)
    for number in range(written, FORMAT):
        rows = STEPS[number](rows)
    return rows


def chunk(rows: Rows, written: int) -> Rows:
    """The same for some records apart from their town, as the archive has them: since format 3."""
    return brought_up({kind: rows.get(kind, []) for kind in RECORDS}, max(written, 3))


def check(written: int, what: str = "this town", known: int | None = None) -> None:
    """Raises `Conflict` for a format that only a newer tinytown reads."""
    known = FORMAT if known is None else known
    if written > known:
        raise Conflict(
            f"{what} was written by a newer tinytown (format {written}; this one reads {known})",
            hint="upgrade tinytown: pip install --upgrade tinytown",
        )


def load(rows: Rows, written: int) -> Loaded:
    """The records of a town that was written in that format; raises `Conflict` for a newer one."""
    now = brought_up(rows, written)
    records = [RECORDS[kind].from_json(row) for kind in RECORDS for row in now[kind]]
    gone = _ids(rows) - _ids(now) if written < FORMAT else set()
    return Loaded(Meta.from_json(now[Meta.kind][0]), records, gone)


def _ids(rows: Rows) -> set[tuple[str, str]]:
    return {(kind, str(row.get("id"))) for kind in RECORDS for row in rows.get(kind, ())}
