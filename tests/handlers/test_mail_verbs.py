"""Mail: threads, roles and groups, what interrupts a round, and the end of endless talk."""

from __future__ import annotations

from typing import Any

import pytest

from tests.domain.towns import agent, message, task
from tests.handlers.desk import Desk
from tinytownd.domain.errors import BadInput, Conflict, NotFound
from tinytownd.domain.message import QUESTION
from tinytownd.domain.policy import Policy


def pair(**policy: Any) -> Desk:
    desk = Desk(agent("ann", 1, role="dev"), agent("bob", 2, role="dev", tags=("db",)))
    desk.town.policy = Policy(**policy)
    return desk


# Who gets it


@pytest.mark.parametrize(
    ("by", "to", "got"),
    [
        (None, "role:dev", ["ann"]),
        ("ann", "role:dev", ["bob"]),
        (None, "group:dev", ["ann", "bob"]),
        ("ann", "group:DEV", ["bob"]),
        (None, "group:db", ["bob"]),
        (None, "role:conductor", ["conductor"]),
        (None, "Supervisor", ["conductor"]),
    ],
)
def test_receivers(by: str | None, to: str, got: list[str]) -> None:
    sent = pair().call("message.send", by, to=to, text="Hello")["messages"]
    assert [one["to"] for one in sent] == got
    assert [one["thread"] for one in sent] == [one["id"] for one in sent]


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ({"to": "role:ops"}, "no agent with the role 'ops'"),
        ({"to": "group:ops"}, "no agent whose role or tag is 'ops'"),
        ({"to": "group:"}, "no agent whose role or tag is ''"),
        ({"to": "roles:dev"}, "there is no agent 'roles:dev'"),
        ({"to": "ann", "reply_to": "m9"}, "there is no message 'm9'"),
        ({"to": "ann", "interrupt": True}, "only an urgent message interrupts"),
        ({"to": "ann", "all": True}, "to one agent or to all"),
        ({"to": "ann", "kind": QUESTION}, "is no kind of message"),
    ],
)
def test_bad_input(args: dict[str, object], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        pair().call("message.send", text="Hello", **args)


# Conversations


def test_a_conversation_is_found_by_any_message_of_it() -> None:
    desk = pair()
    desk.call("message.send", to="ann", text="Which port?", kind="query")
    desk.begin("ann")
    told = desk.call("message.send", "ann", to="conductor", text="8080", reply_to="m1")
    desk.call("message.send", "ann", to="conductor", text="It is open")
    desk.call("message.send", to="bob", text="Something else")
    assert [(one["thread"], one["reply_to"]) for one in told["messages"]] == [("m1", "m1")]
    for ref in ("m1", "m2", "m3"):
        found = desk.call("message.thread", message=ref)["messages"]
        assert [(one["id"], one["state"]) for one in found] == [
            ("m1", "delivered"),
            ("m2", "waiting"),
            ("m3", "waiting"),
        ]
    with pytest.raises(NotFound, match="there is no message 'm9'"):
        desk.call("message.thread", message="m9")


def test_a_message_says_what_its_sender_worked_on() -> None:
    desk = pair()
    desk.call("task.assign", agent="ann", text="Build it")
    desk.begin("ann")
    (sent,) = desk.call("message.send", "ann", to="bob", text="Hello")["messages"]
    assert (sent["task"], sent["thread"]) == ("t1", sent["id"])


def talk(desk: Desk, turns: int, **how: object) -> None:
    """ann and bob answer each other, so often."""
    desk.call("message.send", to="ann", text="Begin")
    for turn in range(turns):
        own, other = ("ann", "bob") if turn % 2 == 0 else ("bob", "ann")
        desk.begin(own)
        desk.call("message.send", own, to=other, text="Your turn", **how)
        desk.end(own)


def test_agents_that_answer_each_other_come_to_an_end() -> None:
    desk = pair(thread_messages=3)
    talk(desk, 3)
    desk.begin("bob")
    for _ in range(2):
        with pytest.raises(Conflict, match="the conversation m1 has had its 3 turns"):
            desk.call("message.send", "bob", to="ann", text="Your turn")
    (told,) = desk.town.inbox("conductor")
    assert "tt thread m1" in told.text
    assert not desk.town.inbox("ann")
    desk.call("message.send", "bob", to="ann", text="Bye", kind="info")
    desk.call("message.send", "bob", to="conductor", text="We were stopped")


def test_the_refusal_is_recorded_once() -> None:
    desk = pair(thread_messages=1)
    talk(desk, 1)
    desk.begin("bob")
    for events in (["thread.stopped", "message.sent"], []):
        with pytest.raises(Conflict):
            desk.call("message.send", "bob", to="ann", text="Your turn")
        assert desk.told() == events


def test_a_person_lets_a_conversation_go_on() -> None:
    desk = pair(thread_messages=1)
    talk(desk, 1)
    desk.call("message.send", to="bob", text="Go on, please", reply_to="m2")
    desk.begin("bob")
    desk.call("message.send", "bob", to="ann", text="Your turn")
    with pytest.raises(Conflict):
        desk.call("message.send", "bob", to="ann", text="And again")


def test_notes_take_no_turn() -> None:
    desk = pair(thread_messages=1)
    desk.call("message.send", to="ann", text="Begin")
    desk.begin("ann")
    for _ in range(3):
        desk.call("message.send", "ann", to="bob", text="For your information", kind="info")
    desk.call("message.send", "ann", to="bob", text="One request")


def test_a_broadcast_takes_a_turn_for_each_who_reads_it() -> None:
    desk = Desk(*(agent(name, n) for n, name in enumerate(("ann", "bob", "cid"), 1)))
    desk.town.policy = Policy(thread_messages=2)
    desk.call("message.send", to="ann", text="Begin")
    desk.begin("ann")
    sent = desk.call("message.send", "ann", all=True, text="Hello")["messages"]
    assert [desk.town.messages[one["id"]].turns for one in sent] == [1, 2]
    with pytest.raises(Conflict):
        desk.call("message.send", "ann", to="bob", text="Again")


def test_who_is_woken_by_the_end_of_a_talk_cannot_carry_it_on() -> None:
    desk = pair(thread_messages=1)
    desk.town.put(agent("conductor", 3, role="conductor"))
    talk(desk, 1)
    desk.begin("bob")
    with pytest.raises(Conflict):
        desk.call("message.send", "bob", to="ann", text="Your turn")
    desk.begin("conductor")
    with pytest.raises(Conflict, match="the conversation m1"):
        desk.call("message.send", "conductor", to="bob", text="Well?")
    desk.call("message.send", "conductor", to="bob", text="Stop it", kind="info")


# What interrupts


def at_work(**policy: Any) -> Desk:
    desk = Desk(agent("ann"), task(1, "ann"))
    desk.town.policy = Policy(**policy)
    desk.begin("ann")
    return desk


URGENT = {"to": "ann", "text": "Stop", "priority": "urgent"}


@pytest.mark.parametrize(
    ("how", "policy", "stops"),
    [
        ({"interrupt": True}, {}, True),
        ({}, {"urgent_interrupts": True}, True),
        ({}, {}, False),
        ({"priority": "high"}, {"urgent_interrupts": True}, False),
    ],
)
def test_a_round_is_stopped_for_an_urgent_message(
    how: dict[str, object], policy: dict[str, Any], stops: bool
) -> None:
    desk = at_work(**policy)
    desk.call("message.send", **{**URGENT, **how})
    stopping = desk.town.rounds["1"].stopping
    assert stopping == ("urgent message m1 from person" if stops else None)
    assert not stops or desk.agent("ann").id in desk.said.wakes


def test_an_interrupted_task_goes_on_with_the_message_and_loses_no_attempt() -> None:
    desk = at_work()
    desk.call("message.send", **URGENT, interrupt=True)
    desk.call("message.send", **URGENT, interrupt=True)
    desk.end("ann", "interrupted")
    assert (desk.states("t1"), desk.town.tasks["t1"].attempts) == (["assigned"], 0)
    desk.begin("ann")
    running = desk.town.rounds["2"]
    assert (running.task, running.messages) == ("t1", ("m1", "m2"))
    desk.call("message.send", **URGENT, interrupt=True)
    desk.end("ann", "interrupted")
    desk.begin("ann")
    assert desk.town.rounds["3"].messages == ("m1", "m2", "m3"), "nothing is lost"


def test_a_round_that_has_given_its_verdict_is_left_to_end() -> None:
    desk = at_work()
    desk.call("task.complete", "ann", result="done")
    desk.call("message.send", **URGENT, interrupt=True)
    assert desk.town.rounds["1"].stopping is None


@pytest.mark.parametrize("how", [{"max_rounds": 1}, {"desired": "close"}])
def test_a_round_that_no_other_would_follow_is_left_to_end(how: dict[str, Any]) -> None:
    desk = at_work()
    desk.town.put(desk.agent("ann").but(**how))
    desk.call("message.send", **URGENT, interrupt=True)
    assert desk.town.rounds["1"].stopping is None


def test_a_shell_and_the_sender_itself_are_not_interrupted() -> None:
    desk = at_work()
    desk.call("message.send", "ann", **URGENT, interrupt=True)
    assert desk.town.rounds["1"].stopping is None
    desk = Desk(agent("ann"), task(1, "ann", run="make"))
    desk.begin("ann")
    desk.town.put(desk.town.rounds["1"].but(cli="shell"))
    desk.call("message.send", **URGENT, interrupt=True)
    assert desk.town.rounds["1"].stopping is None


def test_agents_cannot_interrupt_each_other_for_ever() -> None:
    desk = Desk(agent("ann", 1), agent("bob", 2), task(1, "ann"), task(2, "bob"))
    desk.town.policy = Policy(thread_messages=4)
    urgent = {"text": "Stop", "priority": "urgent", "interrupt": True}
    desk.begin("ann")
    desk.begin("bob")
    desk.call("message.send", "ann", to="bob", **urgent)
    for own, other in (("bob", "ann"), ("ann", "bob"), ("bob", "ann")):
        desk.end(own, "interrupted")
        desk.begin(own)
        desk.call("message.send", own, to=other, **urgent)
    desk.end("ann", "interrupted")
    desk.begin("ann")
    with pytest.raises(Conflict, match="has had its 4 turns"):
        desk.call("message.send", "ann", to="bob", **urgent)


# Reading for somebody else


def test_a_person_takes_what_waits_out_of_a_mailbox() -> None:
    desk = Desk(agent("ann"), message(1, "ann"), message(2, "bob"), agent("bob", 2))
    told = desk.call("message.read", agent="Ann")
    assert [(m["id"], m["state"]) for m in told["messages"]] == [("m1", "acknowledged")]
    assert (told["left"], desk.told()) == (0, ["message.read"])
    assert desk.said.events[0]["actor"] == "person"
    assert desk.call("message.read", agent="ann") == {"messages": [], "left": 0}
    assert len(desk.town.inbox("bob")) == 1
    desk.look("ann")
    assert desk.agent("ann").state == "idle", "there is nothing to start a round for"


def test_what_a_round_carries_and_questions_are_left() -> None:
    asked = message(2, "conductor", sort=QUESTION, about="approve:t1")
    desk = Desk(agent("ann"), message(1, "ann"), asked, message(3, "conductor", sort="info"))
    desk.begin("ann")
    assert desk.call("message.read", agent="ann") == {"messages": [], "left": 1}
    told = desk.call("message.read", agent="supervisor")
    assert ([m["id"] for m in told["messages"]], told["left"]) == (["m3"], 1)
    assert [m.id for m in desk.town.inbox("conductor")] == ["m2"]


def test_only_people_read_for_others() -> None:
    desk = pair()
    with pytest.raises(BadInput, match="an agent cannot use this command"):
        desk.call("message.read", "ann", agent="bob")
    with pytest.raises(NotFound):
        desk.call("message.read", agent="nobody")


def test_a_question_is_never_given_to_an_agent() -> None:
    asked = message(1, "conductor", sort=QUESTION, about="approve:t1", priority="urgent")
    desk = Desk(agent("conductor"), asked)
    desk.look("conductor")
    assert desk.town.inbox("conductor") == [asked]
    desk.town.put(message(2, "conductor"))
    desk.begin("conductor")
    assert desk.town.rounds["1"].messages == ("m2",)
