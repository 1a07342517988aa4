"""A town forgets what is long over, and nothing else."""

from __future__ import annotations

import pytest

from tests.domain.towns import make_town, message, picture, round_, settled
from tinytownd.domain import retention
from tinytownd.domain.town import Town


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five are kept, and two more may be there before two go."""
    monkeypatch.setattr(retention, "KEPT", 5)
    monkeypatch.setattr(retention, "BATCH", 2)


def busy() -> Town:
    """Ten of each kind: every third is not over."""
    read = ("acknowledged", "acknowledged", "waiting")
    ended = ("completed", "failed", None)
    return make_town(
        *(message(n, "ann", state=read[n % 3]) for n in range(10)),
        *(round_(n, "ann", outcome=ended[n % 3]) for n in range(10)),
    )


def test_the_oldest_that_are_over_go() -> None:
    town = settled(busy())
    assert list(town.messages) == ["m2", "m3", "m4", "m5", "m6", "m7", "m8", "m9"]
    assert list(town.rounds) == ["2", "3", "4", "5", "6", "7", "8", "9"]
    assert [one.id for one in town.inbox("ann")] == ["m2", "m5", "m8"]
    assert (town.over["messages"], town.over["rounds"]) == (5, 5)


def test_files_of_forgotten_rounds_may_go_but_none_after_an_open_one() -> None:
    town = busy()
    retention.retire(town)
    assert town.meta.cleared == 1
    assert town.change.wakes == {""}


def test_a_few_too_many_are_left_for_the_next_time() -> None:
    town = settled(make_town(*(message(n, "ann", state="acknowledged") for n in range(6))))
    assert len(town.messages) == 6
    town.put(message(6, "ann", state="acknowledged"))
    assert len(settled(town).messages) == 5


def test_a_change_that_is_taken_back_brings_them_back() -> None:
    town = busy()
    before, counts = picture(town), dict(town.over)
    retention.retire(town)
    assert picture(town) != before
    town.rollback()
    assert (picture(town), dict(town.over)) == (before, counts)
