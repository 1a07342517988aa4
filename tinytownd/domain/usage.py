"""What rounds used: counted for the task, the agent, the plan and the day. Pure.

Rounds are forgotten one day; these counts are not.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from tinytownd.domain.agent import Agent
from tinytownd.domain.message import Round
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town
from tinytownd.domain.track import TrackedPlan

#: What has a budget of its own, beside the day.
Spender = Task | Agent | TrackedPlan


def day_of(now: int) -> str:
    """The day in UTC of a time in milliseconds since the epoch, as ISO 8601 has it."""
    return datetime.fromtimestamp(now / 1000, UTC).date().isoformat()


def day_after(day: str) -> int:
    """When the day after one (ISO 8601, UTC) begins, in milliseconds since the epoch."""
    after = datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(days=1)
    return int(after.timestamp() * 1000)


def tasks_of(town: Town, running: Round) -> Iterator[Task]:
    """The tasks that a round counts for: its own, and the one that this is a check or review of."""
    task = town.tasks.get(running.task or "")
    while task is not None:
        yield task
        task = town.tasks.get(task.gate_of or "")


def plans_of(town: Town, running: Round) -> list[TrackedPlan]:
    """The plans that a round counts for: those of its tasks, each once."""
    names = dict.fromkeys(task.plan or "" for task in tasks_of(town, running))
    return [town.plans[name] for name in names if name in town.plans]


def spenders(town: Town, running: Round) -> list[Spender]:
    """All that a round counts for, but the day."""
    agent = town.agent(running.agent)
    return [*tasks_of(town, running), agent, *plans_of(town, running)]


def add(town: Town, running: Round, tokens: int, usd: float) -> None:
    """Counts what a round that has ended used."""
    if not tokens and not usd:
        return
    for one in spenders(town, running):
        town.put(one.but(tokens=one.tokens + tokens, cost_usd=one.cost_usd + usd))
    meta = town.meta
    town.put(meta.but(day_tokens=meta.day_tokens + tokens, day_usd=meta.day_usd + usd))


def new_day(town: Town) -> None:
    """The day's counts begin at 0."""
    nothing = {"day_tokens": 0, "day_usd": 0.0, "day_allowance": 1.0, "day_over": False}
    town.put(town.meta.but(day=day_of(town.now), **nothing))
