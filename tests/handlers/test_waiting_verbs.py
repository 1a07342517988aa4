"""`town.wait` tells of the questions to people that what is waited for hangs on."""

from __future__ import annotations

from typing import Any

import pytest

from tests.domain.towns import agent, make_town, task
from tests.handlers.desk import Desk
from tinytownd.domain import questions
from tinytownd.domain.errors import NotFound
from tinytownd.domain.town import Town
from tinytownd.handlers.towns import asked_about


def told(desk: Desk, *known: str, **args: Any) -> list[str] | None:
    """What is told of: the subjects of questions; None while nobody is answered."""
    reply: dict[str, Any] | None = desk.call("town.wait", **args, told=list(known))
    return None if reply is None else [one["about"] for one in reply["questions"]]


def test_what_waits_for_an_approval_is_told_until_it_is_known() -> None:
    desk = Desk(agent("ann"), agents=1)
    desk.call("task.assign", agent="ann", text="Build", approve=True)
    desk.call("task.assign", agent="ann", text="Test", after=["t1"])
    desk.call("task.assign", agent="ann", text="Other", approve=True)
    assert told(desk, all=True) == ["approve:t1", "approve:t3"]
    assert told(desk, task="t2") == ["approve:t1"], "it is after t1"
    (first, _) = desk.call("question.list")["questions"]
    assert told(desk, first["id"], task="t2") is None
    assert told(desk, first["id"], all=True) == ["approve:t3"]
    assert desk.call("town.wait", task="t2") is None, "who does not ask is not told"
    assert told(desk, agents=["ann"]) == [], "it is idle, whatever waits"


def test_when_it_is_over_no_question_matters() -> None:
    desk = Desk(agent("ann"), agents=1)
    desk.call("task.assign", agent="ann", text="Build", approve=True)
    desk.call("task.reject", task="t1", reason="no")
    reply = desk.call("town.wait", task="t1", told=[])
    assert ([one["id"] for one in reply["failed"]], reply["questions"]) == (["t1"], [])


def test_who_names_a_task_for_an_agent_is_told_how_to_wait_for_it() -> None:
    desk = Desk(agent("ann"), agents=1)
    desk.call("task.assign", agent="ann", text="Build")
    with pytest.raises(NotFound, match="'t1' is a task, and no agent") as told:
        desk.call("town.wait", agents=["t1"])
    assert told.value.hint == "tt wait --task t1"


@pytest.mark.parametrize(
    ("about", "holds"),
    [
        ("answer:t1", True),
        ("verdict:t2", True),
        ("budget:task:t1", True),
        ("budget:agent:ann", True),
        ("budget:plan:main", True),
        ("plan:main", True),
        ("budget:day", True),
        ("answer:t3", False),
        ("budget:agent:bob", False),
        ("plan:other", False),
        ("reply:ann:7", False),
    ],
)
def test_what_holds_up_a_task(about: str, holds: bool) -> None:
    town = town_asking(about)
    found = [one.about for one in asked_about(town, town.tasks["t2"], set())]
    assert found == ([about] if holds else [])
    assert [one.about for one in asked_about(town, None, set())] == [about]


@pytest.mark.parametrize(
    ("about", "holds"),
    [("budget:agent:ann", True), ("budget:day", True), ("budget:agent:bob", False)],
)
def test_what_holds_up_an_agent(about: str, holds: bool) -> None:
    found = [one.about for one in asked_about(town_asking(about), None, {"ann"})]
    assert found == ([about] if holds else [])


def town_asking(about: str) -> Town:
    """A town with one question; t2 is after t1, and t3 is another one's."""
    work = [
        task(1, "ann", plan="main"),
        task(2, "ann", plan="main", needs=("t1",)),
        task(3, "bob"),
    ]
    town = make_town(agent("ann"), *work)
    questions.ask(town, "daemon", about, "Well?")
    return town
