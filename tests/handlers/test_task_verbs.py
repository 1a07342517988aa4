"""Verbs about tasks, the backlog and messages: who may say what, and what follows from it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.domain.towns import agent, message, task
from tests.handlers.desk import Desk
from tinytownd.domain.errors import BadInput, Conflict, Fenced, NotFound
from tinytownd.domain.record import Record


def chained(*more: Record) -> Desk:
    """t1 ← t2 ← t3, all of ann, and bob."""
    needs = [task(1, "ann"), task(2, "ann", needs=("t1",)), task(3, "ann", needs=("t2",))]
    return Desk(agent("ann"), agent("bob", 2), *needs, *more, tasks=3)


def test_a_task_goes_out_in_the_step_that_makes_it() -> None:
    desk = Desk(agent("Ann"))
    shown = desk.call("task.assign", agent="ann", text="Build", tags=["api"], priority="high")
    assert shown["task"] | {"id": "t1", "agent": "Ann", "state": "assigned"} == shown["task"]
    assert (shown["task"]["tags"], shown["task"]["priority"]) == (["api"], "high")
    assert desk.told() == ["task.created", "task.assigned"]
    assert desk.said.wakes == {"a1"}


def test_a_task_after_others_waits_for_them() -> None:
    desk = chained()
    shown = desk.call("task.assign", agent="bob", text="Last", after=["t3", "t1", "t3"])
    assert (shown["task"]["depends_on"], shown["task"]["waits_for"]) == (["t3", "t1"],) * 2
    assert shown["task"]["state"] == "pending"


def test_an_id_that_a_plan_took_is_passed_over() -> None:
    desk = Desk(agent("ann"), task(9, "ann", id="t1"))
    assert desk.call("task.assign", agent="ann", text="Build")["task"]["id"] == "t2"


def test_a_round_speaks_of_its_task_without_naming_it() -> None:
    desk = chained()
    number = desk.begin("ann")
    assert desk.call("task.current", "ann")["task"]["id"] == "t1"
    shown = desk.call("task.complete", "ann", result="Use JWT")
    assert (shown["task"]["state"], shown["task"]["result"]) == ("completed", "Use JWT")
    assert desk.states("t2") == ["assigned"]
    assert desk.town.rounds[number].verdict_at == desk.town.now
    assert desk.town.rounds[number].stopping is None


@pytest.mark.parametrize("verb", ["task.complete", "task.fail"])
def test_only_the_round_that_holds_a_task_may_speak_of_it(verb: str) -> None:
    desk = chained(task(4, "bob"))
    desk.begin("ann")
    desk.begin("bob")
    for who, about in (("bob", "t1"), ("ann", "t4"), ("ann", "t2")):
        with pytest.raises(Fenced):
            desk.call(verb, who, task=about)
        assert desk.told() == ["result.refused"]
    desk.call("task.cancel", task="t1")
    with pytest.raises(Conflict, match="is cancelled"):
        desk.call(verb, "ann")


@pytest.mark.parametrize("verb", ["task.complete", "task.fail"])
def test_a_round_without_a_task_has_no_verdict_to_give(verb: str) -> None:
    desk = Desk(agent("ann"), message(1, "ann"))
    desk.begin("ann")
    with pytest.raises(NotFound, match="no task in this round"):
        desk.call(verb, "ann")


def test_a_round_that_lost_its_task_to_a_later_one_is_fenced() -> None:
    desk = chained()
    desk.begin("ann")
    desk.town.put(desk.town.tasks["t1"].but(round="99"))
    desk.town.commit()
    with pytest.raises(Fenced):
        desk.call("task.complete", "ann", task="t1", result="Mine")


def test_a_person_decides_on_a_running_task_and_its_round_is_interrupted() -> None:
    desk = chained()
    number = desk.begin("ann")
    desk.call("task.complete", task="t1", result="By hand")
    assert desk.town.rounds[number].stopping == "person decided on its task"
    assert desk.said.wakes == {"a1"}


def test_a_failed_task_holds_what_waits_for_it_and_the_conductor_hears() -> None:
    desk = chained()
    desk.begin("ann")
    shown = desk.call("task.fail", "ann", reason="no way")
    assert (shown["task"]["state"], shown["task"]["error"]) == ("failed", "no way")
    assert desk.states("t2", "t3") == ["pending", "pending"]
    inbox = desk.call("message.inbox", agent="supervisor")["messages"]
    assert [(one["from"], one["kind"]) for one in inbox] == [("daemon", "info")]
    assert [one["text"] for one in inbox] == ["Task t1 failed: no way"]


def test_cancelling_holds_dependents_and_a_retry_lets_them_go_on() -> None:
    desk = chained()
    assert [one["id"] for one in desk.call("task.cancel", task="t1")["tasks"]] == ["t1"]
    assert desk.states() == ["cancelled", "pending", "pending"]
    assert desk.call("task.retry", task="t1")["task"]["state"] == "assigned"


def test_cascading_cancels_all_that_waits_but_nothing_that_is_over() -> None:
    desk = chained(
        task(4, "bob", needs=("t1",), state="completed"),
        task(5, "bob", needs=("t1",), state="failed"),
        task(6, "bob", needs=("t3", "t1")),
        task(7, "bob"),
    )
    gone = [one["id"] for one in desk.call("task.cancel", task="t1", cascade=True)["tasks"]]
    assert sorted(gone) == ["t1", "t2", "t3", "t5", "t6"]
    assert desk.told().count("task.cancelled") == 5
    assert desk.states("t4", "t7") == ["completed", "assigned"]


def grouped() -> Desk:
    inside = [task(2, "ann", parent="t1"), task(3, group=True, parent="t1")]
    rest = [task(4, "ann", parent="t3"), task(5, "bob", needs=("t1",))]
    return Desk(agent("ann"), agent("bob", 2), task(1, group=True), *inside, *rest)


def test_a_group_is_cancelled_with_all_within_and_what_waits_for_it_is_held() -> None:
    desk = grouped()
    desk.call("task.cancel", task="t1")
    assert desk.states() == ["cancelled"] * 4 + ["pending"]


def test_a_task_that_comes_back_brings_its_cancelled_groups_with_it() -> None:
    desk = grouped()
    desk.call("task.cancel", task="t1")
    desk.call("task.retry", task="t4")
    assert desk.states() == ["pending", "cancelled", "pending", "assigned", "pending"]
    desk.call("task.complete", task="t4")
    assert desk.states() == ["completed", "cancelled", "completed", "completed", "assigned"]


def test_a_retry_starts_from_the_first_attempt() -> None:
    failed = task(1, "ann", state="failed", attempts=3, error="broke", not_before=1, finished_at=2)
    shown = Desk(agent("ann"), failed).call("task.retry", task="t1")["task"]
    assert (shown["attempts"], shown["error"], shown["finished_at"]) == (0, None, None)
    assert shown["state"] == "assigned"


def test_a_task_that_was_handed_out_can_still_be_edited_and_moved() -> None:
    desk = chained()
    shown = desk.call("task.edit", task="t1", text="Else", priority="low", tags=["x"])["task"]
    assert (shown["description"], shown["priority"], shown["tags"]) == ("Else", "low", ["x"])
    assert shown["state"] == "assigned"
    assert desk.call("task.move", task="t1", agent="BOB")["task"]["agent"] == "bob"
    assert [one.id for one in desk.town.queue("bob")] == ["t1"]
    shown = desk.call("task.move", task="t1", agent="backlog")["task"]
    assert (shown["agent"], shown["state"]) == (None, "pending")
    assert desk.call("task.edit", task="t1", agent="bob")["task"]["state"] == "assigned"


def test_the_backlog() -> None:
    desk = Desk(agent("ann"), agent("bob", 2))
    for text, priority in (("one", "low"), ("two", "normal"), ("three", "urgent")):
        desk.call("backlog.add", text=text, priority=priority)
    order = [one["description"] for one in desk.call("backlog.list")["tasks"]]
    assert order == ["three", "two", "one"]
    assert desk.call("backlog.claim", "ann", task="t3")["task"]["agent"] == "ann"
    assert desk.call("backlog.claim", task="t1", agent="bob")["task"]["state"] == "assigned"
    assert desk.call("backlog.remove", task="t2")["task"]["state"] == "cancelled"
    assert desk.call("backlog.list") == {"tasks": [], "total": 0, "next": None}
    with pytest.raises(Conflict, match="owned by ann"):
        desk.call("backlog.claim", "bob", task="t3")


def test_the_whole_backlog_goes_to_one() -> None:
    desk = Desk(agent("ann"), task(1), task(2, group=True), task(3, state="completed"), task(4))
    given = desk.call("backlog.assign_all", agent="ann")["tasks"]
    assert [(one["id"], one["state"]) for one in given] == [("t1", "assigned"), ("t4", "assigned")]


def test_lists_are_filtered() -> None:
    desk = chained(task(4, "bob", tags=("x",)))
    for told, ids in [
        ({}, ["t1", "t2", "t3", "t4"]),
        ({"agent": "BOB"}, ["t4"]),
        ({"state": "pending"}, ["t2", "t3"]),
        ({"tag": "x"}, ["t4"]),
        ({"tag": "x", "agent": "ann"}, []),
    ]:
        assert [one["id"] for one in desk.call("task.list", **told)["tasks"]] == ids


def test_the_sender_is_who_speaks_whatever_is_said() -> None:
    desk = chained()
    by_agent = desk.call("message.send", "ann", to="bob", text="Hi", sender="boss")["messages"][0]
    by_person = desk.call("message.send", to="BOB", text="Hi", sender="boss")["messages"][0]
    assert (by_agent["from"], by_agent["claimed_sender"]) == ("ann", None)
    assert (by_person["from"], by_person["claimed_sender"], by_person["to"]) == (
        *("person", "boss"),
        "bob",
    )


def test_a_message_to_all_goes_to_everyone_else_who_reads() -> None:
    desk = chained(agent("sh", 3, cli="shell"))
    sent = desk.call("message.send", "ann", text="Hi", all=True)["messages"]
    assert [one["to"] for one in sent] == ["bob"]
    with pytest.raises(BadInput, match="reads no messages"):
        desk.call("message.send", to="sh", text="rm -r .")


def test_only_what_starts_a_round_wakes_anybody() -> None:
    desk = Desk(agent("ann"))
    for kind, urgent, wakes in [
        ("info", False, set()),
        ("ack", False, set()),
        ("ack", True, {"a1"}),
        ("query", False, {"a1"}),
    ]:
        priority = "urgent" if urgent else "normal"
        desk.call("message.send", to="ann", text="Hi", kind=kind, priority=priority)
        assert desk.said.wakes == wakes


def test_inboxes_are_shown_without_being_emptied() -> None:
    desk = chained(message(1, "ann"), message(2, "bob"), message(3, "conductor"))
    looks: list[tuple[dict[str, Any], str | None, list[str]]] = [
        ({"agent": "ann"}, None, ["m1"]),
        ({"agent": "Supervisor"}, None, ["m3"]),
        ({}, "bob", ["m2"]),
        ({}, None, ["m1", "m2", "m3"]),
        ({"all": True}, None, ["m1", "m2", "m3"]),
    ]
    for told, who, ids in looks:
        for _ in range(2):
            shown = desk.call("message.inbox", who, **told)["messages"]
            assert [one["id"] for one in shown] == ids


def test_waiting_for_the_town_is_not_waiting_for_what_never_comes() -> None:
    desk = Desk(
        agent("ann"),
        task(1, "ann", state="failed"),
        task(2, group=True),
        task(3, "ann", parent="t2", needs=("t1",)),
        task(4, "ann", needs=("t2",)),
    )
    ended = desk.call("town.wait", all=True)
    assert [one["id"] for one in ended["failed"]] == ["t1"]
    held = desk.call("town.wait", task="t4")
    assert [(one["id"], one["state"]) for one in held["failed"]] == [("t4", "pending")]
    desk.call("task.retry", task="t1")
    assert desk.call("town.wait", all=True) is None
    assert desk.call("town.wait", task="t4") is None


def test_waiting_for_agents_and_tasks() -> None:
    desk = chained()
    assert desk.call("town.wait", agents=["ann"]) is None
    assert desk.call("town.wait", agents=["bob"]) == {
        "failed": [],
        "failed_left": 0,
        "questions": [],
    }
    assert desk.call("town.wait", task="t1") is None
    desk.begin("ann")
    desk.call("task.fail", "ann", reason="no")
    assert desk.call("town.wait", agents=["ann"]) is None
    assert [one["id"] for one in desk.call("town.wait", task="t1")["failed"]] == ["t1"]
    desk.end("ann")
    assert [one["id"] for one in desk.call("town.wait")["failed"]] == ["t1"]


@pytest.mark.parametrize(
    ("verb", "args"),
    [
        ("task.assign", {"agent": "sh", "text": "make test"}),
        ("task.move", {"task": "t1", "agent": "sh"}),
        ("task.edit", {"task": "t1", "agent": "sh"}),
        ("backlog.claim", {"task": "t2", "agent": "sh"}),
        ("backlog.assign_all", {"agent": "sh"}),
    ],
)
def test_a_shell_takes_commands_and_no_texts(verb: str, args: dict[str, str]) -> None:
    desk = Desk(agent("sh", cli="shell"), agent("ann", 2), task(1, "ann"), task(2))
    with pytest.raises(Conflict, match="sh runs commands"):
        desk.call(verb, **args)
