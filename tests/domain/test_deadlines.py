"""Holds and pauses keep their length when the clock jumps, and end at all when it was set back."""

from __future__ import annotations

import pytest

from tests.domain.towns import NOW, agent, events, make_town, task
from tinytownd.domain.deadlines import bound, shift
from tinytownd.domain.town import Town

HOUR = 3_600_000


def town() -> Town:
    """Agents held by us and by their CLI's word, one that is not; tasks that wait, and are over."""
    return make_town(
        agent("ann", 1, hold_until=NOW + HOUR),
        agent("bob", 2, hold_until=NOW + HOUR, hold_named=True),
        agent("cyd", 3),
        task(1, "ann", not_before=NOW + HOUR),
        task(2, "ann", not_before=NOW + HOUR, state="failed"),
        task(3, "ann"),
    )


def times(of: Town) -> list[int | None]:
    """How far each hold and each pause is from the now that the test began with."""
    found = [
        *(a.hold_until for a in of.agents.values()),
        *(t.not_before for t in of.tasks.values()),
    ]
    return [None if at is None else at - NOW for at in found]


@pytest.mark.parametrize("jump", [24 * HOUR, -24 * HOUR])
def test_what_was_to_last_an_hour_lasts_an_hour(jump: int) -> None:
    held = town()
    shift(held, jump)
    assert times(held) == [HOUR + jump, HOUR, None, HOUR + jump, HOUR, None]
    assert events(held) == ["clock.jumped"]
    assert held.change.wakes == {"a1", "a2", "a3"}
    assert held.change.events[0]["text"] == f"by {jump // 1000:+,} s"


def test_a_clock_that_was_set_back_holds_nobody_for_long() -> None:
    held = town()
    held.now = NOW - 1_000 * HOUR
    bound(held, 24 * HOUR, 2 * HOUR)
    assert times(held) == [-976 * HOUR, -976 * HOUR, None, -998 * HOUR, HOUR, None]


def test_times_within_bounds_stay_and_nothing_is_written() -> None:
    held = town()
    bound(held, HOUR, HOUR)
    assert not held.change
