"""A plan as the town tracks it: tasks that belong together, and what became of them.

`domain/plan.py` is what a plan file says; this is what a town knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from tinytownd.domain.plan import Plan
from tinytownd.domain.record import Record

#: The plan of `tasks.toml`.
MAIN = "main"
#: How a plan can end; it begins again when a task in it does.
ENDED = ("completed", "failed", "stalled", "cancelled")
STATES = ("none", "proposed", "waiting", "paused", "running", "blocked", *ENDED)


@dataclass(frozen=True)
class TrackedPlan(Record):
    """A plan; its id is its name. `owner` is who made it, and hears how it ends.

    `state` is what was last recorded: `conductor/plans.py` says what it is. A plan is `paused` by a
    person's will or for its budget, and `proposed` until a person has approved of it. `cancelled`
    is why it was, as a whole, until a task of it goes on. `asked` counts how often an agent that
    owns it was asked to mend it. `tokens` and `cost_usd` are what its
    rounds used so far; `allowance` says how many times its budget it may use. `told` counts how
    often the conductor's agent was asked about it. `archived` counts, by state, its tasks that were
    put away (but for groups), `archived_pushed` those of them that a plan file brought.
    """

    kind: ClassVar[str] = "plans"

    seq: int = 0
    description: str | None = None
    owner: str = "person"
    state: str = "none"
    paused: bool = False
    proposed: bool = False
    cancelled: str | None = None
    asked: int = 0
    created_at: int = 0
    started_at: int | None = None
    ended_at: int | None = None
    tokens: int = 0
    cost_usd: float = 0.0
    allowance: float = 1.0
    told: int = 0
    archived: Mapping[str, int] = field(default_factory=dict)
    archived_pushed: Mapping[str, int] = field(default_factory=dict)

    @property
    def order(self) -> int:
        """When it was made, among plans."""
        return self.seq

    @property
    def moves(self) -> bool:
        """Whether its tasks may be handed out, as far as the plan itself goes."""
        return not self.paused and not self.proposed


def scoped(plan: str | None, task: str) -> str:
    """The id in the town of a plan's task: all plans but `tasks.toml`'s have their name before."""
    return task if plan in (None, MAIN) else f"{plan}/{task}"


def unscoped(plan: str, task: str) -> str:
    """The id of a plan's task as its own file has it."""
    return task.removeprefix(f"{plan}/")


def in_town(plan: Plan, name: str) -> Plan:
    """What a file says, with the ids that its tasks have in the town under that plan's name."""
    if name == MAIN:
        return plan
    tasks = tuple(
        replace(
            task,
            id=scoped(name, task.id),
            parent=task.parent and scoped(name, task.parent),
            depends_on=tuple(scoped(name, need) for need in task.depends_on),
        )
        for task in plan.tasks
    )
    return replace(plan, tasks=tasks)
