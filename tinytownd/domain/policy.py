"""What a town's settings say about decisions: read at the edge, and part of the town in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Budget:
    """What may be used before a person is asked; 0 is no bound."""

    tokens: int = 0
    usd: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.tokens or self.usd)


@dataclass(frozen=True)
class History:
    """So many finished tasks and rounds a town has at hand, and for so many days at most."""

    tasks: int = 1_000
    rounds: int = 1_000
    days: int = 30


@dataclass(frozen=True)
class Policy:
    """The settings that decisions on a town look at; see `settings.py` for what each is.

    `budgets` are by what they bound: task, agent, plan and day. `accounts` and `fallbacks` are by
    CLI: CLIs of one account share its limits; fallbacks take over while their CLI is at one, but
    for those that are `absent`: known, and not on this machine.
    """

    auto_claim: bool = True
    reworks: int = 3
    thread_messages: int = 20
    urgent_interrupts: bool = False
    budgets: dict[str, Budget] = field(default_factory=dict)
    accounts: Mapping[str, str] = field(default_factory=dict)
    fallbacks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    #: Whether the conductor has an agent of its own, on which CLI ("": that is not there, or nobody
    #: has looked), and at most how many rounds an hour.
    conductor: bool = True
    conductor_cli: str = ""
    conductor_rounds: int = 12
    history: History = History()
