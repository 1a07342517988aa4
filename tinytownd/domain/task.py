"""A task: what it is, how it moves, when it may start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from tinytownd.domain.machine import Table, advance
from tinytownd.domain.names import PRIORITIES
from tinytownd.domain.record import Record

TRANSITIONS: Table = {
    "pending": {
        "assign": "assigned",
        "complete": "completed",
        "fail": "failed",
        "cancel": "cancelled",
    },
    "assigned": {
        "start": "running",
        "release": "pending",
        "complete": "completed",
        "fail": "failed",
        "cancel": "cancelled",
    },
    "running": {
        "release": "pending",
        "complete": "completed",
        "fail": "failed",
        "cancel": "cancelled",
    },
    "completed": {},
    "failed": {"retry": "pending", "cancel": "cancelled"},
    "cancelled": {"retry": "pending"},
}
FINISHED = frozenset({"completed", "failed", "cancelled"})
STATES = tuple(TRANSITIONS)


@dataclass(frozen=True)
class Task(Record):
    """A tracked unit of work.

    `agent` is the owner's name (None: the backlog, or a group that nobody executes); `needs` are
    the tasks that must be completed first (`depends_on`, an executed parent, and what its groups
    wait for); `round` is the number of the round that holds it; `attempts` counts rounds started.
    `origin` is its id in the town that it was migrated from.
    """

    kind: ClassVar[str] = "tasks"

    description: str
    seq: int
    state: str = "pending"
    agent: str | None = None
    result: str | None = None
    error: str | None = None
    depends_on: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    parent: str | None = None
    tags: tuple[str, ...] = ()
    priority: str = "normal"
    run: str | None = None
    group: bool = False
    epic: bool = False
    plan: str | None = None
    digest: str | None = None
    attempts: int = 0
    round: str | None = None
    not_before: int | None = None
    created_at: int = 0
    started_at: int | None = None
    finished_at: int | None = None
    origin: str | None = None

    def advance(self, event: str, **changes: Any) -> Self:
        """The task after `event`; raises `IllegalTransition`."""
        return self.but(state=advance(f"task {self.id}", TRANSITIONS, self.state, event), **changes)

    @property
    def order(self) -> int:
        """When it was made, among tasks: a plan's ids say nothing about that."""
        return self.seq

    @property
    def finished(self) -> bool:
        return self.state in FINISHED

    @property
    def rank(self) -> tuple[int, int]:
        """The order of handing out: priority, then age."""
        return PRIORITIES.index(self.priority), self.seq
