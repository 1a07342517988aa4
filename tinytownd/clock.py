"""Jumps of the wall clock: somebody sets it, or a network corrects it after a long time without.

Nothing here waits by the wall clock, but holds and retries are recorded as times in UTC: they must
survive the daemon. When the clock jumps, they are moved along. A suspended machine is no jump:
CLOCK_BOOTTIME (clock_gettime(2)) counts the time that it slept.
"""

from __future__ import annotations

import time
from collections.abc import Callable

#: How often it is looked at, in seconds, and what is a jump and not a correction, in milliseconds.
LOOK_SECONDS = 5.0
JUMP_MS = 2_000

_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def steady_ms() -> int:
    """Milliseconds on a clock that nobody can set."""
    return time.clock_gettime_ns(_STEADY) // 1_000_000


class Jumps:
    """Compares the wall clock with a steady one; both in milliseconds."""

    def __init__(self, wall: Callable[[], int], steady: Callable[[], int] = steady_ms) -> None:
        self._wall, self._steady = wall, steady
        self._apart = wall() - steady()

    def since_last(self) -> int:
        """By how much the wall clock has jumped since it was asked last, in milliseconds; or 0."""
        apart = self._wall() - self._steady()
        jump, self._apart = apart - self._apart, apart
        return jump if abs(jump) >= JUMP_MS else 0
