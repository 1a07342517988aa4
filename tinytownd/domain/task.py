"""A task: what it is, how it moves, when it may start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from tinytownd.domain.machine import Table, advance
from tinytownd.domain.names import PRIORITIES, ROLE
from tinytownd.domain.record import Record

TRANSITIONS: Table = {
    "pending": {
        "assign": "assigned",
        "block": "blocked",
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
        "block": "blocked",
        "submit": "submitted",
        "complete": "completed",
        "fail": "failed",
        "cancel": "cancelled",
    },
    "blocked": {
        "unblock": "pending",
        "complete": "completed",
        "fail": "failed",
        "cancel": "cancelled",
    },
    "submitted": {
        "send back": "pending",
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

    `agent` is the owner's name (None: the backlog, or a group that nobody executes); with a `role`
    any agent of that role is, once one is free. `auto_claimed`: the agent took it from the backlog
    by itself. `needs` are the tasks that it waits for
    (`depends_on`, an executed parent, and what its groups wait for). `join` says how many of
    `depends_on` are enough: all, any, or a number; with `join_failures` one that failed or was
    cancelled counts, too. `round` is the number of the round that holds it; `attempts` counts
    rounds started. `plan` is the plan that it is of; `digest` its definition's in a pushed file.

    Before it starts: `approve`, until `approved`. Before it counts as completed: its `check`, a
    command, then its `review`, by an agent or a role. Each is a task of its own whose `gate_of` is
    this one. `feedback` is what its next round is told of what came back, `reworks` how often it
    did. `base` is the git commit that its first round began with, if somebody will review it.
    `tokens` and `cost_usd` are what its rounds used so far, and those of its gates; `allowance`
    says how many times its budget it may use. `told` counts how often the conductor's agent was
    asked about it, `lacks` is whose absence it was asked about last. `origin` is its id in the town
    that it was migrated from.
    """

    kind: ClassVar[str] = "tasks"

    description: str
    seq: int
    state: str = "pending"
    agent: str | None = None
    role: str | None = None
    auto_claimed: bool = False
    result: str | None = None
    error: str | None = None
    depends_on: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    join: str = "all"
    join_failures: bool = False
    parent: str | None = None
    tags: tuple[str, ...] = ()
    priority: str = "normal"
    run: str | None = None
    approve: bool = False
    approved: bool = False
    check: str | None = None
    review: str | None = None
    gate_of: str | None = None
    feedback: str | None = None
    reworks: int = 0
    base: str | None = None
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
    tokens: int = 0
    cost_usd: float = 0.0
    allowance: float = 1.0
    told: int = 0
    lacks: str | None = None
    origin: str | None = None

    def advance(self, event: str, **changes: Any) -> Self:
        """The task after `event`; raises `IllegalTransition`."""
        return self.but(state=advance(f"task {self.id}", TRANSITIONS, self.state, event), **changes)

    @property
    def order(self) -> int:
        """When it was made, among tasks: a plan's ids say nothing about that."""
        return self.seq

    @property
    def owner(self) -> str | None:
        """Who is to do it: an agent's name, else a role as it is typed; None: the backlog."""
        return self.agent or (f"{ROLE}{self.role}" if self.role is not None else None)

    @property
    def finished(self) -> bool:
        return self.state in FINISHED

    @property
    def lent(self) -> bool:
        """Whether its agent has it from a role or from the backlog, where it can go back to."""
        return self.agent is not None and (self.role is not None or self.auto_claimed)

    @property
    def rank(self) -> tuple[int, int]:
        """The order of handing out: priority, then age."""
        return PRIORITIES.index(self.priority), self.seq
