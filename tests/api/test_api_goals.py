"""A goal for the conductor's agent by the Python API: made, turned down, approved, carried out."""

from __future__ import annotations

import pytest

from tests.api.conftest import Run
from tests.e2e.conducted import asked
from tests.e2e.conftest import conducted
from tests.e2e.test_e2e_goals import GOAL, NAME, PUSH, makes_a_plan
from tests.e2e.town import TownUnderTest
from tinytown_cli.api import BadInput, Conflict, PlanError, TimedOut, Town

__all__ = ["conducted"]

PLAN = '[[tasks]]\nid = "a"\ndescription = "A"\nagent = "role:dev"\n\n[[tasks]]\nid = "b"\n'
PLAN += 'description = "B"\nagent = "ann"\ndepends_on = ["a"]\n'


def test_a_goal_is_made_a_plan_of_and_carried_out(conducted: TownUnderTest, run: Run) -> None:
    makes_a_plan(conducted, f"{PUSH} --propose")

    async def talk(api: Town) -> None:
        goal = await api.goal(GOAL)
        assert (goal.plan.name, goal.message.to) == (NAME, "conductor")
        made = await goal.made(timeout=60)
        assert (made.state, len(made.tasks)) == ("proposed", 2)
        assert (await goal.plan.reject("call it portal")).state == "cancelled"
        assert (await goal.made(timeout=60)).state == "proposed"
        await goal.plan.approve()
        assert (await goal.plan.wait(timeout=60)).state == "completed"

    run(conducted, talk)
    assert "call it portal" in asked(conducted)[1]["prompt"]


def test_with_yes_nobody_is_asked(conducted: TownUnderTest, run: Run) -> None:
    makes_a_plan(conducted, PUSH)

    async def talk(api: Town) -> None:
        goal = await api.goal(GOAL, yes=True)
        await goal.made(timeout=60)
        assert (await goal.plan.wait(timeout=60)).state == "completed"
        assert await api.questions() == []

    run(conducted, talk)


def test_a_goal_of_which_nothing_comes(conducted: TownUnderTest, run: Run) -> None:
    conducted.write("conductor.rules", '[["the goal of", ["wait go"]]]')

    async def talk(api: Town) -> None:
        goal = await api.goal(GOAL)
        with pytest.raises(TimedOut, match=f"there is still no plan {NAME} after 0.1 s"):
            await goal.made(timeout=0.1)
        assert GOAL in await api.conductor_context()
        conducted.go("go")
        assert (await goal.made(timeout=60)).state == "none"

    run(conducted, talk)


def test_a_goal_that_cannot_be_taken(town: TownUnderTest, run: Run) -> None:
    async def talk(api: Town) -> None:
        with pytest.raises(Conflict, match="has no agent of its own"):
            await api.goal(GOAL)
        with pytest.raises(BadInput):
            await api.goal(" ")
        assert await api.plans() == []

    run(town, talk)


def test_a_plan_is_looked_at_before_it_is_pushed(town: TownUnderTest, run: Run) -> None:
    async def talk(api: Town) -> None:
        check = await api.plan.check(PLAN)
        assert [[task.id for task in wave] for wave in check.waves] == [["a"], ["b"]]
        assert (check.waves[0][0].agent, check.waves[1][0].depends_on) == ("role:dev", ("a",))
        assert check.warnings == ()
        with pytest.raises(PlanError):
            await api.plan.check(PLAN.replace('"a"]', '"b"]'))
        with pytest.raises(BadInput, match="is a file's name"):
            await api.plan.check("tasks.toml")
        assert await api.plans() == []

    run(town, talk)
