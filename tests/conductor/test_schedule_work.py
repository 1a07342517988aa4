"""What a change costs in a large town.

Counted in calls of Python functions: time would tell the machine's mood, not the code's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import pytest

from tests.domain.towns import agent, make_town, settled, states, task
from tinytownd.conductor.schedule import settle
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town


class Work:
    """Counts calls (and resumed generators) while it is entered."""

    def __init__(self) -> None:
        self.calls = 0

    def __enter__(self) -> Work:
        self._before = sys.getprofile()
        sys.setprofile(self._count)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(self._before)

    def _count(self, _frame: object, event: str, _arg: object) -> None:
        self.calls += event == "call"


def chain(length: int) -> list[Task]:
    return [task(n, "ann", needs=(f"t{n - 1}",) if n > 1 else ()) for n in range(1, length + 1)]


def heap(length: int) -> list[Task]:
    return [task(n, "ann") for n in range(1, length + 1)]


def family(length: int) -> list[Task]:
    inside = [task(n, "ann", parent="t0") for n in range(1, length + 1)]
    return [task(0, group=True), *inside]


def broken_family(length: int) -> list[Task]:
    return [*family(length), task(length + 1, "ann", parent="t0", state="failed")]


def fan_in(length: int) -> list[Task]:
    needs = tuple(f"t{n}" for n in range(1, length + 1))
    joiners = [
        task(0, "bob", needs=needs),
        task(-1, "bob", needs=needs, join=str(length)),
        task(-2, "bob", needs=needs, join_failures=True),
    ]
    return [*heap(length), *joiners]


def pool(length: int) -> list[Task]:
    """What anybody of a role is to do, beside what is one agent's."""
    some = [task(-n, role="dev", tags=("ui",)) for n in range(1, length + 1)]
    return [*heap(length), *some, *(task(-length - n, tags=("ui",)) for n in range(1, length + 1))]


def waiting_plan(length: int) -> list[Task]:
    plan = [task(n, "ann", plan="main", priority="urgent") for n in range(1, length + 1)]
    return [*plan, *(task(n, "ann") for n in range(length + 1, length + 40))]


@pytest.mark.parametrize("shape", [chain, heap, family, broken_family, fan_in, pool, waiting_plan])
def test_a_change_costs_the_same_in_a_town_of_ten_thousand_tasks(
    shape: Callable[[int], list[Task]],
) -> None:
    small, large = (costs(shape(length)) for length in (30, 10_000))
    assert max(large) <= 2 * max(small)


def costs(records: list[Task]) -> list[int]:
    """Calls for each of twenty completions, settled, one after the other."""
    town = settled(make_town(agent("ann"), *records))
    return list(completions(town, 20))


def completions(town: Town, count: int) -> Iterator[int]:
    for _ in range(count):
        done = town.queue("ann")[0].advance("complete")
        with Work() as work:
            town.put(done)
            settle(town)
            town.commit()
        yield work.calls


def test_a_chain_of_ten_thousand_is_worked_off() -> None:
    town = settled(make_town(agent("ann"), *chain(10_000)))
    puts = 0
    while queue := town.queue("ann"):
        town.put(queue[0].advance("complete"))
        settle(town)
        puts += len(town.change.records)
        town.commit()
    assert states(town) == ["completed"] * 10_000
    assert puts == 2 * 10_000 - 1
