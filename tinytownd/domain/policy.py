"""What a town's settings say about decisions: read at the edge, and part of the town in memory."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Budget:
    """What may be used before a person is asked; 0 is no bound."""

    tokens: int = 0
    usd: float = 0.0


@dataclass(frozen=True)
class Policy:
    """The settings that decisions on a town look at; see `settings.py` for what each is.

    `budgets` are by what they bound: task, agent, plan and day.
    """

    auto_claim: bool = True
    reworks: int = 3
    thread_messages: int = 20
    urgent_interrupts: bool = False
    budgets: dict[str, Budget] = field(default_factory=dict)
    #: Whether the conductor has an agent of its own, and at most how many rounds an hour.
    conductor: bool = True
    conductor_rounds: int = 12
