"""A wall clock that jumps is told from one that is corrected a little, and from a long sleep."""

from __future__ import annotations

from tinytownd.clock import JUMP_MS, Jumps, steady_ms

HOUR = 3_600_000


class Clocks:
    """Two clocks; `pass_` lets time go by, `set_` sets the one on the wall."""

    def __init__(self) -> None:
        self.wall, self.steady = 1_790_000_000_000, 50_000
        self.jumps = Jumps(lambda: self.wall, lambda: self.steady)

    def pass_(self, ms: int) -> None:
        self.wall += ms
        self.steady += ms

    def set_(self, ms: int) -> None:
        self.wall += ms


def test_time_that_passes_is_no_jump_however_long() -> None:
    clocks = Clocks()
    for passed in (0, 5_000, 9 * HOUR):
        clocks.pass_(passed)
        assert clocks.jumps.since_last() == 0


def test_a_jump_is_told_once_in_either_direction() -> None:
    clocks = Clocks()
    for jump in (HOUR, -25 * HOUR, JUMP_MS):
        clocks.set_(jump)
        clocks.pass_(5_000)
        assert clocks.jumps.since_last() == jump
        assert clocks.jumps.since_last() == 0


def test_small_corrections_do_not_add_up_to_a_jump() -> None:
    clocks = Clocks()
    for _ in range(10):
        clocks.set_(JUMP_MS - 1)
        assert clocks.jumps.since_last() == 0


def test_the_steady_clock_goes_on() -> None:
    first = steady_ms()
    while steady_ms() == first:
        pass
    assert steady_ms() > first
