"""The rounds of an agent, as `tt logs AGENT` asks for them."""

from __future__ import annotations

import pytest

from tests.domain.towns import NOW, agent, round_, task
from tests.handlers.desk import Desk
from tinytownd.domain.errors import BadInput, NotFound


def test_the_last_rounds_of_an_agent_are_told_oldest_first() -> None:
    mine = [round_(n, "Ann", task=f"t{n}", started_at=NOW - 1_500) for n in (1, 3, 4)]
    desk = Desk(agent("Ann"), agent("bob"), *mine, round_(2, "bob"))
    told = desk.call("agent.rounds", name="ann", limit=2)
    assert told["agent"] == "Ann"
    assert [(one["round"], one["task"]) for one in told["rounds"]] == [(3, "t3"), (4, "t4")]
    assert told["rounds"][0]["seconds"] == 1.5
    assert len(desk.call("agent.rounds", name="ANN")["rounds"]) == 3


def test_an_agent_that_is_gone_is_known_by_its_rounds() -> None:
    desk = Desk(agent("bob"), round_(7, "Ann"))
    told = desk.call("agent.rounds", name="ann")
    assert (told["agent"], [one["round"] for one in told["rounds"]]) == ("Ann", [7])
    assert desk.call("agent.rounds", name="bob") == {"agent": "bob", "rounds": []}


def test_somebody_who_was_never_there_is_refused() -> None:
    desk = Desk(agent("bob"))
    with pytest.raises(NotFound, match="there is no agent 'bo' in this town"):
        desk.call("agent.rounds", name="bo")
    with pytest.raises(BadInput):
        desk.call("agent.rounds", name="bob", limit=0)


def test_a_task_has_its_own_rounds_and_those_of_its_gates() -> None:
    work = task(1, "ann", state="completed", finished_at=NOW)
    check = task(2, "shell", state="completed", gate_of="t1", finished_at=NOW)
    rounds = [round_(n, "ann", task=of) for n, of in enumerate(["t1", "t2", "t3", "t1"], 1)]
    desk = Desk(agent("ann"), agent("shell"), work, check, task(3, "ann"), *rounds)
    told = desk.call("task.rounds", task="t1")
    assert told["task"]["id"] == "t1"
    assert [(one["round"], one["task"]) for one in told["rounds"]] == [
        (1, "t1"),
        (2, "t2"),
        (4, "t1"),
    ]
