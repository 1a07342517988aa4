"""What `town.report()` comes back with: the morning page as records."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tinytown_cli.api.records import PlanInfo, Record


@dataclass(frozen=True)
class Finished(Record):
    """A task that came to its end: by whom, in how many seconds, what came of it, for how much."""

    id: str
    description: str
    agent: str | None
    plan: str | None
    seconds: float | None
    finished_at: datetime
    result: str | None
    error: str | None
    tokens: int
    cost_usd: float


@dataclass(frozen=True)
class Count(Record):
    """How many tasks of a plan (None: of no plan) were done, and how many failed."""

    plan: str | None
    done: int
    failed: int


@dataclass(frozen=True)
class Spent(Record):
    """What an agent's rounds used, in tokens and US dollars."""

    name: str
    rounds: int
    tokens: int
    cost_usd: float


@dataclass(frozen=True)
class Cost(Record):
    """What all rounds used; at least so much where not `whole`: older ones are forgotten."""

    rounds: int
    tokens: int
    cost_usd: float
    agents: tuple[Spent, ...]
    whole: bool


@dataclass(frozen=True)
class Need(Record):
    """A question, task, plan or agent (`kind`) that needs a person, and the command that helps."""

    kind: str
    id: str
    why: str
    command: str


@dataclass(frozen=True)
class Report(Record):
    """What was done between two times, what failed, what it cost, and what needs a person.

    `counts` has all tasks, `done` and `failed` the newest; `needs_left` more needs are not told.
    """

    since: datetime
    until: datetime
    plans: tuple[PlanInfo, ...]
    counts: tuple[Count, ...]
    done: tuple[Finished, ...]
    failed: tuple[Finished, ...]
    cost: Cost
    needs: tuple[Need, ...]
    needs_left: int
