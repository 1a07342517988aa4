"""Verbs about agents, the team and the conductor."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.domain.towns import NOW, agent, message, task
from tests.handlers.desk import Desk
from tinytownd.domain.agent import COUNTED
from tinytownd.domain.errors import BadInput, Conflict, TownError

OPTIONS: dict[str, Any] = {
    "cli": "codex",
    "model": "large",
    "role": "builds",
    "instructions": "Be\nbrief.",
    "nickname": "Annie",
    "parent": "boss",
    "max_rounds": 3,
    "silence_seconds": 60,
    "wall_seconds": 600,
    "permissions": "edit",
}


def test_a_new_agent_has_what_it_was_given() -> None:
    desk = Desk(agent("Boss"), agents=1)
    shown = desk.call("agent.spawn", name="ann", **OPTIONS)
    assert shown["created"] is True
    made = desk.agent("ann")
    assert {key: getattr(made, key) for key in OPTIONS} == {**OPTIONS, "parent": "Boss"}
    assert (shown["agent"]["state"], made.id) == ("starting", "a2")
    assert (desk.told(), desk.said.wakes) == (["agent.spawned"], {"a2"})


MODES = ("read", "edit", "bypass")


@pytest.mark.parametrize("given", [*MODES, None])
@pytest.mark.parametrize("has", [*MODES, None])
@pytest.mark.parametrize("default", MODES)
def test_an_agent_gives_no_more_permissions_than_it_has(
    given: str | None, has: str | None, default: str
) -> None:
    desk = Desk(agent("ann", permissions=has), agents=1, permissions=default)
    if MODES.index(given or default) > MODES.index(has or default):
        with pytest.raises(BadInput, match="ann has the permissions") as refused:
            desk.call("agent.spawn", "ann", name="bob", permissions=given)
        assert refused.value.hint.endswith(f"--permissions {has or default}")
    else:
        shown = desk.call("agent.spawn", "ann", name="bob", permissions=given)["agent"]
        assert shown["permissions"] == given


def test_a_person_gives_any_permissions() -> None:
    desk = Desk(permissions="read")
    shown = desk.call("agent.spawn", name="bob", permissions="bypass")["agent"]
    assert shown["permissions"] == desk.agent("bob").permissions == "bypass"


def test_a_new_agent_gets_the_tasks_that_waited_for_it() -> None:
    desk = Desk(task(1, "Ann"))
    assert desk.call("agent.spawn", name="ann")["agent"]["waiting"]["tasks"] == 1


def test_the_same_again_changes_nothing() -> None:
    desk = Desk(agent("boss"), agents=1)
    desk.call("agent.spawn", name="ann", **OPTIONS)
    for options in (OPTIONS, {}, {"role": "builds"}):
        assert desk.call("agent.spawn", name="ANN", **options)["created"] is False
        assert not desk.said


@pytest.mark.parametrize("key", OPTIONS)
def test_the_same_name_with_other_options_is_refused(key: str) -> None:
    desk = Desk(agent("boss"), agent("other", 2), agents=2)
    desk.call("agent.spawn", name="ann", **OPTIONS)
    numbers = dict.fromkeys(("max_rounds", "silence_seconds", "wall_seconds"), 4)
    other = {"parent": "other", "permissions": "read", **numbers}.get(key, "another")
    with pytest.raises(Conflict, match=f"{key} is"):
        desk.call("agent.spawn", name="ann", **{**OPTIONS, key: other})


def test_the_same_again_brings_a_stopped_agent_back() -> None:
    desk = Desk(agent("ann", state="stopped", desired="stop"))
    assert desk.call("agent.spawn", name="ann")["created"] is False
    desk.look("ann")
    assert desk.agent("ann").state == "idle"


def test_beyond_max_agents() -> None:
    gone = agent("gone", 2, state="stopped", desired="stop")
    desk = Desk(agent("ann"), gone, agent("bob", 3), max_agents=2, agents=3)
    for verb, name in [
        ("agent.spawn", "new"),
        ("agent.spawn", "gone"),
        ("agent.resume", "gone"),
        ("agent.restart", "gone"),
    ]:
        with pytest.raises(Conflict, match="the town has 2 agents, and max_agents is 2"):
            desk.call(verb, name=name)
    with pytest.raises(Conflict):
        desk.call("town.start")
    desk.call("agent.kill", name="bob")
    desk.look("bob")
    desk.call("agent.resume", name="gone")
    with pytest.raises(Conflict):
        desk.call("agent.resume", name="bob")


def test_an_agent_that_still_counts_can_come_back_into_a_full_town() -> None:
    desk = Desk(agent("ann"), task(1, "ann"), max_agents=1)
    desk.begin("ann")
    for verb in ("agent.resume", "agent.spawn", "agent.restart"):
        desk.call("agent.close", name="ann")
        desk.call(verb, name="ann")
        assert desk.agent("ann").desired == "run"


COMMANDS = st.tuples(
    st.sampled_from(["spawn", "kill", "close", "interrupt", "resume", "restart", "look"]),
    st.sampled_from(["ann", "bob", "cy", "dan"]),
)


@given(st.lists(COMMANDS, max_size=25))
@settings(max_examples=100, deadline=None)
def test_no_sequence_of_commands_goes_beyond_max_agents(steps: list[tuple[str, str]]) -> None:
    desk = Desk(max_agents=2)
    for step, name in steps:
        try:
            if step == "look":
                desk.look(name)
            else:
                desk.call(f"agent.{step}", name=name)
        except TownError:
            continue
        team = desk.town.agents.values()
        assert sum(a.state in COUNTED or a.desired in ("run", "pause") for a in team) <= 2


@pytest.mark.parametrize(
    ("verb", "rests"),
    [("agent.kill", "stopped"), ("agent.close", "cold"), ("agent.interrupt", "paused")],
)
def test_an_agent_is_ended_and_comes_back_with_its_session(verb: str, rests: str) -> None:
    desk = Desk(agent("ann", session="s1", rounds_since_start=4), task(1, "ann"))
    desk.begin("ann")
    desk.call(verb, name="ann")
    assert desk.said.wakes == {"a1"}
    desk.end("ann", "interrupted")
    assert (desk.agent("ann").state, desk.agent("ann").session) == (rests, "s1")
    kept = verb == "agent.interrupt"
    assert desk.states() == ["assigned" if kept else "pending"]
    desk.call("agent.resume", name="ann")
    desk.look("ann")
    back = desk.agent("ann")
    assert (back.state, back.session, desk.states()) == ("idle", "s1", ["assigned"])
    assert back.rounds_since_start == (5 if kept else 0)


@pytest.mark.parametrize("before", ["s1", None])
def test_a_restart_ends_the_round_and_forgets_the_session(before: str | None) -> None:
    desk = Desk(agent("ann", session=before), task(1, "ann"))
    number = desk.begin("ann")
    desk.call("agent.restart", name="ann")
    assert desk.town.rounds[number].stopping == "person restarted the agent"
    desk.end("ann", "interrupted", session="s1")
    desk.look("ann")
    assert (desk.agent("ann").session, desk.agent("ann").restart) == (None, False)
    assert desk.states() == ["assigned"]


def test_resuming_lifts_a_hold_and_an_error() -> None:
    desk = Desk(agent("ann", hold_until=NOW + 9, hold_reason="limit", failures=3))
    assert desk.call("agent.list")["agents"][0]["hold"]["reason"] == "limit"
    assert desk.call("agent.resume", name="ann")["agent"]["hold"] is None
    desk = Desk(agent("ann", state="error", hold_reason="no account"))
    assert desk.call("agent.list")["agents"][0]["error"] == "no account"
    desk.call("agent.resume", name="ann")
    desk.look("ann")
    assert desk.agent("ann").state == "idle"


@pytest.mark.parametrize(
    ("verb", "fields"),
    [
        ("agent.resume", {"state": "idle"}),
        ("agent.interrupt", {"state": "stopped", "desired": "stop"}),
        ("agent.interrupt", {"state": "cold", "desired": "close"}),
        ("agent.close", {"state": "stopped", "desired": "stop"}),
    ],
)
def test_what_makes_no_sense_is_refused(verb: str, fields: dict[str, Any]) -> None:
    with pytest.raises(Conflict):
        Desk(agent("ann", **fields)).call(verb, name="ann")


def test_only_agents_that_are_over_and_owe_nothing_are_pruned() -> None:
    over = {"state": "stopped", "desired": "stop"}
    desk = Desk(
        agent("idle", 1),
        agent("free", 2, **over),
        agent("owner", 3, **over),
        agent("reader", 4, **over),
        agent("done", 5, state="cold", desired="close"),
        task(1, "owner"),
        task(2, "done", state="completed"),
        message(1, "reader"),
        message(2, "free", sort="info"),
    )
    told = desk.call("agent.prune")
    assert "message.folded" in desk.told()
    assert not desk.town.inbox("free")
    assert [one["name"] for one in told["removed"]] == ["free", "done"]
    assert told["kept"] == [
        {"name": "owner", "why": "owns t1"},
        {"name": "reader", "why": "has 1 message that waits"},
    ]
    assert [one.name for one in desk.town.agents.values()] == ["idle", "owner", "reader"]
    assert desk.call("agent.prune")["removed"] == []
    assert not desk.said


@pytest.mark.parametrize(("now", "rests"), [(False, "cold"), (True, "stopped")])
def test_a_whole_town_stops_and_starts(now: bool, rests: str) -> None:
    desk = Desk(agent("ann"), agent("bob", 2), max_agents=2)
    desk.call("town.stop", now=now)
    for name in ("ann", "bob"):
        desk.look(name)
    assert {one["state"] for one in desk.call("agent.list")["agents"]} == {rests}
    for _ in range(2):
        desk.call("town.start")
    for name in ("ann", "bob"):
        desk.look(name)
    assert {one["state"] for one in desk.call("agent.list")["agents"]} == {"idle"}


def conducted() -> Desk:
    plan = [task(1, "ann", plan="main"), task(2, "bob", plan="main"), task(3, plan="main")]
    return Desk(agent("ann"), *plan, tasks=3, agents=1)


def test_the_conductor_goes_on_and_off() -> None:
    desk = conducted()
    told = desk.call("conductor.start")
    assert (told["conductor"]["on"], told["spawned"]) == (True, [])
    assert [(one["name"], one["tasks"]) for one in told["missing"]] == [("bob", ["t2"])]
    assert desk.states() == ["assigned", "pending", "pending"]
    desk.call("conductor.start")
    assert not desk.said
    assert desk.call("conductor.stop")["conductor"]["on"] is False
    assert desk.states() == ["pending"] * 3
    desk.call("conductor.stop")
    assert not desk.said


def test_the_conductor_spawns_who_is_missing_or_nobody() -> None:
    desk = conducted()
    told = desk.call("conductor.start", spawn=True)
    assert (told["spawned"], told["missing"]) == ([{"name": "bob"}], [])
    assert desk.states() == ["assigned", "assigned", "pending"]
    full = Desk(agent("ann"), task(1, "bob", plan="main"), max_agents=1)
    with pytest.raises(Conflict):
        full.call("conductor.start", spawn=True)
    assert full.call("conductor.status")["conductor"]["on"] is False


def test_without_a_plan_there_is_nothing_to_conduct() -> None:
    with pytest.raises(BadInput, match="no plan"):
        Desk(agent("ann"), task(1, "ann")).call("conductor.start")


def test_the_town_at_a_glance() -> None:
    desk = Desk(
        agent("ann"),
        task(1, "ann"),
        task(2),
        task(3, group=True, plan="main"),
        task(4, "ann", parent="t3", plan="main", state="completed"),
        message(1, "ann", sort="query"),
        message(2, "ann", state="delivered"),
        messages=2,
    )
    seen = desk.call("town.status")
    assert seen["tasks"]["by_agent"] == {"ann": {"assigned": 1, "completed": 1}}
    assert seen["tasks"]["by_state"]["completed"] == 1
    assert (seen["backlog"], seen["event"], seen["town"]["name"]) == (1, "7-0", "demo")
    # The info tells the conductor's mailbox of the plan's end.
    assert seen["messages"] == {"request": 0, "query": 1, "info": 1, "ack": 0}
    plan = seen["conductor"]["plan"]
    assert (plan["total"], plan["completed"], plan["state"]) == (1, 1, "completed")
