"""Verbs for people whose town is not as it should be: recover, reclaim, prune --all, reset."""

from __future__ import annotations

from typing import Any

import pytest

from tests.domain.towns import NOW, agent, main_plan, message, round_, task
from tests.handlers.desk import Desk
from tinytownd.domain.errors import BadInput, Conflict, NotFound
from tinytownd.domain.town import Town
from tinytownd.recovery import Finding

STOPPED: dict[str, Any] = {"state": "stopped", "desired": "stop"}
COLD: dict[str, Any] = {"state": "cold", "desired": "close"}
BROKEN: dict[str, Any] = {"state": "error", "hold_reason": "no CLI\nat all"}


def owners(town: Town) -> dict[str, str | None]:
    return {task.id: task.agent for task in town.tasks.values()}


@pytest.mark.parametrize("verb", ["town.recover", "task.reclaim", "town.reset", "agent.prune"])
def test_these_are_for_people(verb: str) -> None:
    desk = Desk(agent("ann"), agent("bob", 2, **STOPPED), task(1, "bob"))
    with pytest.raises(BadInput, match="an agent cannot use this command"):
        desk.call(verb, "ann")


# Recover


def found(desk: Desk) -> list[dict[str, str]]:
    told: list[dict[str, str]] = desk.call("town.recover")["findings"]
    return told


def test_a_town_that_is_well() -> None:
    desk = Desk(
        agent("ann"),
        agent("bob", 2, state="paused", desired="pause"),
        agent("cay", 3, hold_until=NOW - 1, hold_reason="over"),
        task(1, "ann"),
        task(2, "bob"),
        task(3),
        task(4, "gone", state="completed"),
        message(1, "conductor"),
        message(2, "gone", sort="info"),
        message(3, "gone", state="acknowledged"),
    )
    assert found(desk) == []
    assert not desk.said


def test_agents_in_error_are_started_again_and_their_work_is_not_lost_to_them() -> None:
    desk = Desk(agent("ann", failures=3, **BROKEN), task(1, "ann"), message(1, "ann"))
    assert found(desk) == [
        {"what": "ann was in error: no CLI", "done": "started again", "hint": ""}
    ]
    assert desk.told() == ["agent.resumed", "town.recovered"]
    assert desk.said.events[-1]["text"] == "ann was in error: no CLI: started again"
    assert found(desk) == [], "it is on its way back"
    desk.look("ann")
    assert (desk.agent("ann").state, desk.agent("ann").failures) == ("idle", 0)
    assert desk.states("t1") == ["assigned"]


def test_an_agent_in_error_that_nobody_wants_back_stays_there() -> None:
    desk = Desk(agent("ann", **{**BROKEN, "desired": "stop"}))
    assert found(desk) == []


def test_what_waits_for_a_person_is_told_and_left_alone() -> None:
    desk = Desk(
        agent("Ann", hold_until=NOW + 60_000, hold_reason="rate limit\nhit"),
        agent("bob", 2, **STOPPED),
        agent("cay", 3, **COLD),
        *(task(number, "bob") for number in range(1, 8)),
        task(8, "nobody", plan="main"),
        task(9, "Ann", state="failed", error="exit code 3", parent="t10"),
        task(10, state="failed", group=True),
        message(1, "bob", sort="query"),
        message(2, "bob"),
        message(3, "cay", sort="info"),
        message(4, "dan"),
    )
    assert found(desk) == [
        {
            "what": "Ann is held until 2026-09-21T14:14:20.000Z: rate limit",
            "done": "",
            "hint": "not to wait: tt resume Ann",
        },
        {
            "what": "t1, t2, t3, t4, t5 and 2 more of bob, who is stopped",
            "done": "",
            "hint": "tt reclaim --from bob; tt restart bob",
        },
        {
            "what": "t8 of nobody, who is not on the team",
            "done": "",
            "hint": "tt reclaim --from nobody; tt spawn nobody",
        },
        {"what": "t9 failed", "done": "", "hint": "tt task retry t9"},
        {
            "what": "2 messages for bob, who is stopped",
            "done": "",
            "hint": "tt inbox bob; tt restart bob",
        },
        {
            "what": "1 message for dan, who is not on the team",
            "done": "",
            "hint": "tt spawn dan",
        },
    ]
    assert not desk.said


def test_what_was_mended_beside_the_records_comes_first_and_into_the_history() -> None:
    desk = Desk(task(1, state="failed"), task(2, state="failed"))
    desk.found = [Finding("nobody looked after ann", "its supervisor was started")]
    first, second = found(desk)
    assert first["done"] == "its supervisor was started"
    assert second == {"what": "t1, t2 failed", "done": "", "hint": "tt task list --state failed"}
    (event,) = desk.said.events
    assert event["text"] == "nobody looked after ann: its supervisor was started"
    assert event["actor"] == "person"


# Reclaim


def stranded() -> Desk:
    """A town where only ann works."""
    return Desk(
        agent("ann", 1),
        agent("bob", 2, **STOPPED),
        agent("cay", 3, **COLD),
        agent("dan", 4, **BROKEN),
        agent("hand", 5, cli="shell"),
        *(task(number, name) for number, name in enumerate(["ann", "bob", "cay", "dan"], 1)),
        task(5, "nobody", plan="main", run="make"),
        task(6, "bob", state="completed"),
        task(7, group=True),
    )


def ids(tasks: list[dict[str, Any]]) -> list[str]:
    return [one["id"] for one in tasks]


def test_without_a_target_they_are_listed() -> None:
    desk = stranded()
    told = desk.call("task.reclaim")
    assert ids(told["tasks"]) == ["t2", "t3", "t4", "t5"]
    assert told["skipped"] == []
    assert not desk.said


def test_work_goes_to_somebody_who_does_it() -> None:
    desk = stranded()
    told = desk.call("task.reclaim", to="ANN")
    assert ids(told["tasks"]) == ["t2", "t3", "t4", "t5"]
    assert {one["agent"] for one in told["tasks"]} == {"ann"}
    assert desk.told()[:4] == ["task.moved"] * 4
    moved = desk.said.events[0]
    assert (moved["task"], moved["agent"], moved["text"]) == ("t2", "ann", "from bob")
    assert desk.states("t1", "t2", "t3") == ["assigned", "assigned", "pending"]
    assert desk.call("task.reclaim", to="ann")["tasks"] == []
    assert not desk.said


def test_work_goes_to_the_backlog() -> None:
    desk = stranded()
    desk.call("task.reclaim", to="backlog")
    assert owners(desk.town) == {
        "t1": "ann", "t2": None, "t3": None, "t4": None, "t5": None, "t6": "bob", "t7": None,
    }  # fmt: skip
    assert {event.get("agent") for event in desk.said.events} == {"backlog"}


def test_a_shell_gets_commands_only() -> None:
    desk = stranded()
    told = desk.call("task.reclaim", to="hand")
    assert ids(told["tasks"]) == ["t5"]
    assert ids(told["skipped"]) == ["t2", "t3", "t4"]
    assert "runs commands" in told["skipped"][0]["why"]
    assert owners(desk.town)["t2"] == "bob"


def test_work_of_one_agent_also_of_one_that_is_alive() -> None:
    desk = stranded()
    assert ids(desk.call("task.reclaim", source="bob", to="backlog")["tasks"]) == ["t2"]
    assert ids(desk.call("task.reclaim", source="NOBODY")["tasks"]) == ["t5"]
    assert desk.states("t1") == ["assigned"]
    assert ids(desk.call("task.reclaim", source="ann", to="backlog")["tasks"]) == ["t1"]
    assert desk.states("t1") == ["pending"]


def test_what_a_round_works_on_is_never_taken() -> None:
    desk = Desk(agent("ann"), agent("bob", 2), task(1, "ann"), task(2, "ann"))
    desk.begin("ann")
    told = desk.call("task.reclaim", source="ann", to="bob")
    assert ids(told["tasks"]) == ["t2"]
    assert told["skipped"] == [
        {"id": "t1", "why": "runs in round 1 of ann: first tt interrupt ann"}
    ]
    desk.call("agent.kill", name="ann")
    assert ids(desk.call("task.reclaim")["skipped"]) == ["t1"]
    desk.end("ann", "interrupted")
    assert ids(desk.call("task.reclaim", to="bob")["tasks"]) == ["t1"]


def test_who_has_them_already_gets_nothing() -> None:
    desk = Desk(agent("ann"), task(1, "ann"))
    told = desk.call("task.reclaim", source="ann", to="ann")
    assert told == {"tasks": [], "skipped": [{"id": "t1", "why": "is ann's already"}]}
    assert not desk.said


@pytest.mark.parametrize(
    ("name", "why"),
    [("bob", "is stopped"), ("cay", "is closed"), ("dan", "is in error")],
)
def test_whoever_would_not_do_them_either_gets_none(name: str, why: str) -> None:
    with pytest.raises(Conflict, match=f"{name} {why}: it would not do them either") as refused:
        stranded().call("task.reclaim", to=name)
    assert refused.value.hint == f"tt restart {name}"


@pytest.mark.parametrize("args", [{"to": "zoe"}, {"source": "zoe"}, {"to": "ann", "source": "zo"}])
def test_names_of_nobody(args: dict[str, str]) -> None:
    with pytest.raises(NotFound, match="there is no agent 'zo"):
        stranded().call("task.reclaim", **args)


# Prune


def test_prune_all_keeps_nobody_and_loses_nothing() -> None:
    desk = Desk(
        agent("ann", 1),
        agent("bob", 2, **STOPPED),
        agent("cay", 3, **COLD),
        agent("dan", 4, **BROKEN),
        task(1, "bob", plan="main"),
        task(2, "bob", state="completed"),
        task(3, "dan"),
        message(1, "bob"),
        message(2, "bob", sort="info"),
        message(3, "dan", sort="query"),
        message(4, "dan", sort="ack", priority="urgent"),
    )
    told = desk.call("agent.prune", all=True)
    assert told == {
        "removed": [
            {"name": "bob", "tasks": 1, "messages": 1},
            {"name": "cay", "tasks": 0, "messages": 0},
            {"name": "dan", "tasks": 1, "messages": 2},
        ],
        "kept": [],
    }
    assert [one.name for one in desk.town.agents.values()] == ["ann"]
    assert owners(desk.town) == {"t1": None, "t2": "bob", "t3": None}
    assert [one.id for one in desk.town.inbox("conductor")] == ["m1", "m3", "m4"]
    assert not desk.town.inbox("bob")
    about = [event for event in desk.said.events if event["event"] == "message.forwarded"]
    assert [(one["message"], one["text"]) for one in about] == [
        ("m1", "it was for bob"), ("m3", "it was for dan"), ("m4", "it was for dan"),
    ]  # fmt: skip
    assert desk.call("task.reclaim")["tasks"] == []


@pytest.mark.parametrize("everyone", [False, True])
def test_who_is_on_the_way_back_is_not_pruned(everyone: bool) -> None:
    desk = Desk(agent("ann", **STOPPED), agent("bob", 2, **COLD), agent("cay", 3, **BROKEN))
    desk.call("town.start")
    desk.call("agent.resume", name="cay")
    assert desk.call("agent.prune", all=everyone)["removed"] == []


# Reset


def worked() -> Desk:
    """A town in the middle of everything, at rest for a moment: its plan has stalled."""
    return Desk(
        agent("ann", 1, rounds=2),
        agent("bob", 2, **STOPPED),
        task(1, "ann", state="completed", round="1"),
        task(2, "ann"),
        task(3, "bob", plan="main", needs=("t2",), parent="t4"),
        task(4, group=True, plan="main"),
        message(1, "ann", state="acknowledged", round="1"),
        message(2, "bob"),
        round_(1, "ann", outcome="completed", task="t1"),
        round_(2, "ann", outcome="failed", task="t2"),
        conducting=True,
        plan="A plan",
        agents=2,
        tasks=4,
        numbered=4,
        messages=2,
        rounds=2,
    )


def test_a_reset_empties_the_town_and_goes_on_counting() -> None:
    desk = worked()
    assert desk.states("t2") == ["assigned"]
    told = desk.call("town.reset")
    assert told == {"agents": 2, "tasks": 4, "messages": 3, "rounds": 2}
    assert not list(desk.town.records())
    meta = desk.town.meta
    assert (meta.conducting, meta.cleared) == (False, 2)
    assert desk.told() == ["conductor.stopped", "town.reset"]
    assert desk.said.events[-1]["text"] == "2 agents, 4 tasks, 3 messages, 2 rounds"
    assert desk.said.wakes == {"", "a1", "a2"}
    desk.call("agent.spawn", name="ann")
    assert desk.agent("ann").id == "a3"
    assert desk.call("task.assign", agent="ann", text="Go on")["task"]["id"] == "t5"
    assert desk.call("message.send", to="ann", text="Hello")["messages"][0]["id"] == "m4"
    desk.look("ann")
    assert desk.begin("ann") == "3"


def test_a_reset_of_the_agents_keeps_their_work_for_others_of_their_names() -> None:
    desk = worked()
    told = desk.call("town.reset", agents_only=True)
    assert told == {"agents": 2, "tasks": 0, "messages": 0, "rounds": 2}
    assert desk.states() == ["completed", "pending", "pending", "pending"]
    assert desk.told() == ["task.released", "town.reset"]
    assert (desk.town.meta.conducting, main_plan(desk.town).description) == (True, "A plan")
    desk.call("agent.spawn", name="ann")
    desk.call("agent.spawn", name="bob")
    assert desk.states("t2") == ["assigned"]
    desk.look("bob")
    desk.begin("bob")
    assert desk.town.messages["m2"].state == "delivered"


def test_no_reset_while_a_round_runs() -> None:
    desk = Desk(agent("ann"), task(1, "ann"))
    desk.begin("ann")
    for agents_only in (False, True):
        with pytest.raises(Conflict, match="a round runs: ann"):
            desk.call("town.reset", agents_only=agents_only)


def test_a_reset_of_an_empty_town() -> None:
    desk = Desk()
    assert set(desk.call("town.reset").values()) == {0}
