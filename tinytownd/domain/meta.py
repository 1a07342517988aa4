"""What is true of a town itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from tinytownd.domain.record import Record


@dataclass(frozen=True)
class Meta(Record):
    """What is true of the town itself, and the last numbers given.

    `made_by` is the id of the command that made it, by which that command knows its work again.
    `conducting` is whether pushed plans are handed out. `day` is the last day (UTC, ISO 8601) on
    which a round ended, `day_tokens` and `day_usd` what was used on it; `day_allowance` says how
    many times the day's budget may be used, `day_over` that this is used up. `limited` has until
    when each CLI that met a rate limit is at it.
    `tasks` counts all tasks, which is their order; `numbered` those that got a number as an id.
    Rounds up to the number `cleared` are put away, and their files are gone. `archived` counts, by
    state, the tasks that were put away (but for groups).
    """

    kind: ClassVar[str] = "town"

    name: str
    dir: str
    created_at: int = 0
    conducting: bool = False
    day: str = ""
    day_tokens: int = 0
    day_usd: float = 0.0
    day_allowance: float = 1.0
    day_over: bool = False
    limited: Mapping[str, int] = field(default_factory=dict)
    scratch: bool = False
    made_by: str = ""
    tasks: int = 0
    numbered: int = 0
    messages: int = 0
    rounds: int = 0
    agents: int = 0
    plans: int = 0
    cleared: int = 0
    archived: Mapping[str, int] = field(default_factory=dict)
