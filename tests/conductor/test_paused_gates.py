"""A plan that is paused moves nothing: neither do the checks and reviews of its tasks."""

from __future__ import annotations

from typing import Any

import pytest

from tests.domain.towns import agent, events, main_plan, make_town, settled, states, task
from tinytownd.conductor.schedule import settle
from tinytownd.domain import gates
from tinytownd.domain.town import Town
from tinytownd.supervisor.decide import Begin, Sleep, next_step

GATES = [{"check": "make test"}, {"review": "rev"}, {"review": "role:rev"}]


def handed_in(**fields: Any) -> Town:
    """A town whose plan was paused while its one task was worked on, which is handed in now."""
    team = [agent("ann"), agent("rev", 2, role="rev"), agent("sam", 3, cli="shell")]
    work = task(1, "ann", state="running", plan="main", **fields)
    town = settled(make_town(*team, work, conducting=True))
    town.put(main_plan(town).but(paused=True))
    gates.hand_in(town, town.tasks["t1"], "ann", "Done")
    return settled(town)


@pytest.mark.parametrize("gate", GATES, ids=str)
def test_what_was_handed_in_waits_with_its_plan_and_goes_on_with_it(gate: dict[str, str]) -> None:
    town = handed_in(**gate)
    assert states(town) == ["submitted", "pending"]
    assert main_plan(town).state == "paused"
    assert all(isinstance(next_step(town, one), Sleep) for one in town.agents)
    town.put(main_plan(town).but(paused=False))
    settle(town)
    assert "task.assigned" in events(town)
    town.commit()
    assert states(town) == ["submitted", "assigned"]
    assert main_plan(town).state == "running"
    assert any(isinstance(next_step(town, one), Begin) for one in town.agents)


@pytest.mark.parametrize("gate", GATES, ids=str)
def test_a_gate_that_was_handed_out_comes_back_when_the_plan_is_paused(
    gate: dict[str, str],
) -> None:
    town = handed_in(**gate)
    for paused in (False, True):
        town.put(main_plan(town).but(paused=paused))
        settled(town)
    assert states(town) == ["submitted", "pending"]


def test_a_paused_gate_holds_up_no_other_work_of_its_agent() -> None:
    town = handed_in(review="rev")
    town.put(task(3, "rev"))
    town.put(task(4, "rev"))
    settled(town)
    assert states(town, "t3", "t4") == ["assigned", "assigned"]
