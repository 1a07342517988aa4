"""A plan as the town tracks it: tasks that belong together, and what became of them.

`domain/plan.py` is what a plan file says; this is what a town knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

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
    person's will or for its budget, and `proposed` until a person has approved of it. `tokens` and
    `cost_usd` are what its rounds used so far.
    """

    kind: ClassVar[str] = "plans"

    seq: int = 0
    description: str | None = None
    owner: str = "person"
    state: str = "none"
    paused: bool = False
    proposed: bool = False
    created_at: int = 0
    started_at: int | None = None
    ended_at: int | None = None
    tokens: int = 0
    cost_usd: float = 0.0

    @property
    def order(self) -> int:
        """When it was made, among plans."""
        return self.seq

    @property
    def moves(self) -> bool:
        """Whether its tasks may be handed out, as far as the plan itself goes."""
        return not self.paused and not self.proposed
