"""What a benchmark finds: figures, each beside the floor that the same run measured.

Every figure is something to be small (a time, bytes, a share of a core), so that a goal reads "at
most so many times the floor". Rates are told as the time that one takes.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

#: What a short run may be off its goal, or off what docs/performance.md has, before it fails.
OFF = 2.0


@dataclasses.dataclass(frozen=True)
class Figure:
    """One number: `value` and `floor` in `unit`; at most `goal` times the floor is wanted.

    Without a floor the value itself is what is wanted small; without a goal (None) it explains
    others. `about` says what the floor is.
    """

    name: str
    value: float
    unit: str
    goal: float | None
    floor: float | None = None
    about: str = ""

    @property
    def ratio(self) -> float:
        """What is held against the goal."""
        return self.value if self.floor is None else self.value / self.floor

    @property
    def met(self) -> bool:
        """Whether the goal is reached, if there is one."""
        return self.goal is None or self.ratio <= self.goal

    def to_json(self) -> dict[str, Any]:
        """As an object that `json` can write; `from_json` reads it."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Figure:
        """The figure from such an object."""
        return cls(**data)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that so much of them does not exceed (nearest rank); `share` is 0 to 1."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


median = statistics.median


def timed(once: Callable[[], object]) -> float:
    """How long it takes, in seconds."""
    started = time.perf_counter()
    once()
    return time.perf_counter() - started


def interleaved(turns: int, *subjects: Callable[[], float]) -> list[list[float]]:
    """What each subject measures, in seconds, turn by turn: all of them see the same machine.

    The order goes round, so that nobody is always first; one turn before them warms up.
    """
    found: list[list[float]] = [[] for _ in subjects]
    for turn in range(-1, turns):
        for step in range(len(subjects)):
            number = (turn + step) % len(subjects)
            value = subjects[number]()
            if turn >= 0:
                found[number].append(value)
    return found
