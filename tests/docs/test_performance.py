"""docs/performance.md says what was measured, and a regression is told from noise."""

from __future__ import annotations

import pytest

from tests.benchmarks import __main__ as bench
from tests.benchmarks.figures import Figure, interleaved, percentile
from tests.benchmarks.rows import ROWS


def test_the_page_shows_what_was_recorded() -> None:
    text = bench.PAGE.read_text()
    assert bench.page(text, bench.recorded()) == text


def test_every_row_was_recorded() -> None:
    assert list(bench.recorded()["rows"]) == list(ROWS)


def figure(ratio: float, goal: float = 2.0) -> Figure:
    return Figure("p50", ratio * 0.5, "s", goal, 0.5, "half a second")


@pytest.mark.parametrize(
    ("ratio", "then", "regression"),
    [(3.9, None, False), (4.1, None, True), (4.1, 3.0, False), (6.1, 3.0, True), (4.1, 1.0, True)],
)
def test_off_is_twice_the_goal_or_twice_what_it_was(
    ratio: float, then: float | None, regression: bool
) -> None:
    known = {"row": [figure(then)]} if then is not None else {}
    assert bool(bench.off("row", figure(ratio), known)) is regression


def test_what_only_explains_others_is_never_off() -> None:
    once, now = (Figure("a further town", value, "s", None) for value in (0.01, 0.05))
    assert not bench.off("row", now, {"row": [once]})


def test_what_has_no_floor_is_held_against_its_goal() -> None:
    assert Figure("share", 0.4, "%", 0.5).met
    assert not Figure("share", 0.6, "%", 0.5).met


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_percentiles_are_values_that_were_measured(share: float, expected: int) -> None:
    assert percentile(list(range(100, 0, -1)), share) == expected


def test_subjects_take_turns_and_nobody_is_always_first() -> None:
    order: list[str] = []

    def subject(name: str) -> float:
        order.append(name)
        return float(len(order))

    first, second = interleaved(2, lambda: subject("a"), lambda: subject("b"))
    assert len(first) == len(second) == 2
    assert order in (["b", "a", "a", "b", "b", "a"], ["a", "b", "b", "a", "a", "b"])


def test_a_figure_that_is_better_the_second_time_is_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    better = iter([figure(9.0), figure(3.0)])
    monkeypatch.setattr(bench, "run", lambda row, short: [next(better)])
    figures, wrong = bench.steady("row", [figure(8.0)], {})
    assert [one.ratio for one in figures] == [3.0]
    assert not wrong


def test_a_figure_that_is_off_three_times_is_a_regression(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "run", lambda row, short: [figure(9.0)])
    _, wrong = bench.steady("row", [figure(8.0)], {})
    assert wrong == ["row, p50: 8.00, more than 4.00"]
