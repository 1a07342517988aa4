"""The plans of the storm can be pushed, and have something of everything."""

from __future__ import annotations

import pytest

from tests.torture.plan import SIDE, plan_text
from tests.torture.town import Size
from tinytownd import planfile


@pytest.mark.parametrize("seed", range(20))
def test_the_plans_can_be_pushed(seed: int) -> None:
    for name, tasks in Size(seed=seed, agents=8, tasks=40).plans().items():
        plan = planfile.parse(plan_text(tasks))
        assert [task.id for task in plan.tasks] == [task.own_id for task in tasks]
        assert {task.plan for task in tasks} == {name}


def test_the_plans_have_something_of_everything() -> None:
    size = Size(seed=1, agents=8, tasks=200)
    plans = size.plans()
    drawn = plans["main"]
    assert len(plans[SIDE]) == 50
    assert plans == size.plans(), "the same seed draws the same"
    assert sum(len(task.needs) for task in drawn) > 100
    assert {task.end for task in drawn} == {"completed", "failed", "pending"}
    for what in ("approve", "check", "review", "fails", "count"):
        assert {bool(getattr(task, what)) for task in drawn} == {True, False}, what
    assert any(0 < task.enough < len(task.needs) for task in drawn)
    assert {"", "role:worker", "a3"} <= {task.owner for task in drawn}
    assert all(task.review != task.owner for task in drawn if task.review)


def test_one_is_held_only_by_what_failed() -> None:
    tasks = Size(seed=1, agents=8, tasks=300).plans()["main"]
    ends = {task.id: task.end for task in tasks}
    for task in tasks:
        came = sum(ends[need] == "completed" or task.count for need in task.needs)
        assert (came < task.enough) == (task.end == "pending"), task
