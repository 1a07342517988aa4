"""Goals, what the conductor's agent is told, and what it is to the other verbs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.domain.towns import agent, message, task
from tests.handlers.desk import Desk
from tinytownd.config import Config
from tinytownd.domain.errors import BadInput, Conflict, TownError
from tinytownd.domain.message import CONDUCTOR
from tinytownd.domain.names import RESERVED
from tinytownd.domain.policy import Policy
from tinytownd.domain.record import Record
from tinytownd.domain.track import MAIN, TrackedPlan
from tinytownd.handlers.goals import NAME_LENGTH, free_name
from tinytownd.settings import ConductorSettings, TownSettings
from tinytownd.supervisor import brief


def desk(*records: Record, **settings: Any) -> Desk:
    """A desk of a town whose conductor has an agent on `claude`."""
    made = Desk(*records, agents=9, messages=9, tasks=9)
    enabled = settings.pop("enabled", True)
    made._services.config = Config(
        town=TownSettings(**settings), conductor=ConductorSettings(enabled=enabled)
    )
    made.town.policy = Policy(conductor_cli="claude" if enabled else "")
    return made


def test_a_goal_is_a_request_and_a_plan_that_waits_for_an_approval() -> None:
    at = desk(agent("ann"))
    told = at.call("conductor.goal", text="Build a shop")
    assert (told["plan"]["name"], told["plan"]["description"]) == ("build-a-shop", "Build a shop")
    assert told["message"]["about"] == "goal:build-a-shop"
    assert at.town.plans["build-a-shop"].proposed
    assert at.town.plans["build-a-shop"].owner == "person"
    assert at.agent(CONDUCTOR).state == "starting"
    assert not at.town.meta.conducting
    at.look(CONDUCTOR)
    at.begin(CONDUCTOR)


def test_what_the_agent_pushes_into_it_waits_and_the_question_says_so() -> None:
    at = desk(agent("ann"), agent(CONDUCTOR, 2))
    at.call("conductor.goal", text="Build a shop")
    pushed = '[[tasks]]\nid = "x"\ndescription = "Do"\nagent = "ann"\n'
    at.call("plan.push", CONDUCTOR, text=pushed, plan="build-a-shop")
    assert at.states("build-a-shop/x") == ["pending"]
    with pytest.raises(BadInput, match="an agent cannot use this command"):
        at.call("plan.approve", CONDUCTOR, name="build-a-shop")
    at.call("plan.approve", name="build-a-shop")
    assert at.states("build-a-shop/x") == ["assigned"]


def test_with_yes_the_plan_needs_no_approval_and_is_conducted() -> None:
    at = desk(agent("ann"), agent(CONDUCTOR, 2))
    at.call("conductor.goal", text="Build a shop", yes=True)
    assert at.town.meta.conducting
    pushed = '[[tasks]]\nid = "x"\ndescription = "Do"\nagent = "ann"\n'
    at.call("plan.push", CONDUCTOR, text=pushed, plan="build-a-shop")
    assert at.states("build-a-shop/x") == ["assigned"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Build a login page, with tests", "build-a-login-page-with-tests"),
        ("Home", "home-2"),
        ("Main", "main-2"),
        ("日本", "goal"),
        ("x" * 90, "x" * NAME_LENGTH),
        ("one\ntwo", "one"),
        ("../../etc passwd", "etc-passwd"),
        ("a " * 60, "-".join("a" * 20)),
    ],
)
def test_a_plan_is_named_for_its_goal(text: str, name: str) -> None:
    at = desk(TrackedPlan(MAIN, 1))
    assert free_name(at.town, text) == name
    assert len(name) <= NAME_LENGTH
    assert name not in RESERVED
    for number in (2, 3):
        at.call("conductor.goal", text=text)
        stem = name.removesuffix("-2") if name in ("home-2", "main-2") else name
        more = number + 1 if stem != name else number
        assert free_name(at.town, text) == f"{stem}-{more}"


@pytest.mark.parametrize("fields", [{"desired": "stop", "state": "stopped"}, {"state": "error"}])
def test_an_agent_that_will_not_work_takes_no_goal(fields: dict[str, Any]) -> None:
    at = desk(agent(CONDUCTOR, 2, **fields))
    with pytest.raises(Conflict, match=f"the conductor's agent is {fields['state']}") as refused:
        at.call("conductor.goal", text="Build a shop")
    assert refused.value.hint == "tt restart conductor"


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"enabled": False}, "the conductor of this town has no agent of its own"),
        ({"conductor_cli": "missing"}, "the CLI 'missing' is not on PATH"),
        ({"default_cli": "shell"}, "the conductor's agent cannot be a shell"),
    ],
)
def test_a_town_without_an_agent_takes_no_goal(settings: dict[str, Any], why: str) -> None:
    at = desk(**settings)
    with pytest.raises(TownError, match=why):
        at.call("conductor.goal", text="Build a shop")
    assert not at.town.plans


def test_goals_are_people_s() -> None:
    at = desk(agent("ann"), agent(CONDUCTOR, 2))
    for who in ("ann", CONDUCTOR):
        with pytest.raises(BadInput, match="an agent cannot use this command"):
            at.call("conductor.goal", who, text="Build a shop")
    with pytest.raises(BadInput, match="the goal is empty"):
        at.call("conductor.goal", text="  ")


def test_the_context_is_what_the_next_round_is_told() -> None:
    at = desk(agent("ann"), agent(CONDUCTOR, 2), message(1, CONDUCTOR), task(1, "bob"))
    told = at.call("conductor.context")["prompt"]
    number = at.begin(CONDUCTOR)
    messages = [at.town.messages[one] for one in at.town.rounds[number].messages]
    assert brief.write(at.town, messages) == told
    assert "Hello 1" in told


def test_the_context_of_a_town_that_has_no_agent_yet() -> None:
    at = desk(agent("ann"), message(1, CONDUCTOR, sort="info"))
    assert "Hello 1" in at.call("conductor.context")["prompt"]


# What it is to the other verbs


def test_it_takes_no_tasks() -> None:
    at = desk(agent("ann"), agent(CONDUCTOR, 2), task(1, None), task(2, "ann"))
    for name, args in (
        ("task.assign", {"agent": CONDUCTOR, "text": "Do"}),
        ("task.move", {"task": "t2", "agent": CONDUCTOR}),
        ("task.edit", {"task": "t2", "agent": CONDUCTOR}),
        ("backlog.claim", {"task": "t1", "agent": CONDUCTOR}),
        ("backlog.assign_all", {"agent": CONDUCTOR}),
    ):
        with pytest.raises(Conflict, match="the conductor takes no tasks"):
            at.call(name, **args)


def test_it_takes_no_place_of_the_team_and_is_not_pruned() -> None:
    at = desk(agent("ann"), agent(CONDUCTOR, 2), max_agents=2)
    at.call("agent.spawn", name="bob")
    with pytest.raises(Conflict, match="the town has 2 agents"):
        at.call("agent.spawn", name="cid")
    at.call("agent.kill", name=CONDUCTOR)
    at.look(CONDUCTOR)
    assert at.agent(CONDUCTOR).state == "stopped"
    with pytest.raises(Conflict, match="the town has 2 agents"):
        at.call("agent.spawn", name="cid")
    for everybody in (False, True):
        assert at.call("agent.prune", all=everybody) == {"removed": [], "kept": []}
    at.call("agent.restart", name=CONDUCTOR)
    at.look(CONDUCTOR)
    assert at.agent(CONDUCTOR).state == "idle"


def test_it_is_nobody_s_team_mate() -> None:
    at = desk(agent("ann"), agent("bob", 3), agent(CONDUCTOR, 2, role=CONDUCTOR))
    sent = at.call("message.send", all=True, text="Hello")["messages"]
    assert [one["to"] for one in sent] == ["ann", "bob"]
    with pytest.raises(BadInput, match="no agent whose role or tag"):
        at.call("message.send", to=f"group:{CONDUCTOR}", text="Hello")
    with pytest.raises(BadInput, match="is a reserved word"):
        at.call("agent.spawn", name=CONDUCTOR)


def test_it_takes_no_work_of_a_role_or_of_the_backlog() -> None:
    at = desk(
        agent(CONDUCTOR, 2, role=CONDUCTOR), task(1, role=CONDUCTOR), task(2, tags=(CONDUCTOR,))
    )
    at.look(CONDUCTOR)
    assert at.states("t1", "t2") == ["pending", "pending"]


def test_its_session_is_never_resumed() -> None:
    at = desk(agent(CONDUCTOR, 2, session="s1"), message(1, CONDUCTOR))
    assert at.town.rounds[at.begin(CONDUCTOR)].resumed is None


def test_it_is_asked_as_long_as_it_has_not_dealt_with_it() -> None:
    at = desk(agent("ann"), agent(CONDUCTOR, 2))
    assert at.call("conductor.status")["conductor"]["asked"] == 0
    at.call("message.send", "ann", to=CONDUCTOR, text="May I?")
    at.call("message.send", "ann", to=CONDUCTOR, text="I did", kind="info")
    assert at.call("conductor.status")["conductor"]["asked"] == 1
    at.begin(CONDUCTOR)
    assert at.call("conductor.status")["conductor"]["asked"] == 1
    at.end(CONDUCTOR)
    assert at.call("conductor.status")["conductor"]["asked"] == 0
    at.call("message.send", "ann", to=CONDUCTOR, text="May I?")
    at.call("agent.kill", name=CONDUCTOR)
    assert at.call("conductor.status")["conductor"]["asked"] == 0
