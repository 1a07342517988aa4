"""Plans that wait for a person's word: proposed, asked about, approved, rejected."""

from __future__ import annotations

import pytest

from tests.handlers.test_plan_groups import CHANGED, PLAN, conducted, desk_with, pushed, state_of
from tinytownd.domain import questions
from tinytownd.domain.change import Change
from tinytownd.domain.errors import BadInput, Conflict


def test_a_proposed_plan_waits_for_a_person() -> None:
    desk = desk_with(conducting=True)
    told = desk.call("plan.push", "ann", text=PLAN, plan="billing", propose=True)
    assert told["plan"]["state"] == "proposed"
    assert desk.states() == ["pending", "pending"]
    (question,) = desk.call("message.inbox", agent="conductor")["messages"]
    assert question["text"] == "Plan billing: 2 tasks for ann, bob. Start it?"
    assert (question["about"], question["from"]) == ("plan:billing", "ann")
    with pytest.raises(Conflict, match="waits for an approval"):
        desk.call("conductor.start", plan="billing")
    for verb in ("plan.pause", "plan.resume"):
        with pytest.raises(Conflict, match="waits for an approval"):
            desk.call(verb, name="billing")


def test_a_proposal_is_asked_about_once_and_anew_when_it_changes() -> None:
    desk = desk_with()
    pushed(desk, propose=True)
    pushed(desk, propose=True)
    assert desk.said == Change()
    (first,) = questions.open_questions(desk.town)
    pushed(desk, text=CHANGED)  # it stays a proposal without the word, too
    assert desk.told().count("question.asked") == 1
    (second,) = questions.open_questions(desk.town)
    assert first.id != second.id
    assert state_of(desk) == "proposed"


def test_an_approval_starts_the_plan() -> None:
    desk = conducted(propose=True)
    told = desk.call("plan.approve", name="billing")
    assert told["plan"]["state"] == "running"
    assert {"plan.approved", "conductor.started", "question.answered"} <= set(desk.told())
    assert desk.states() == ["assigned", "pending"]
    assert desk.call("message.inbox", agent="conductor")["messages"] == []
    with pytest.raises(Conflict, match="waits for no approval"):
        desk.call("plan.approve", name="billing")


def test_an_approval_brings_the_agent_for_its_commands() -> None:
    desk = desk_with()
    text = '[[tasks]]\nid = "a"\ndescription = "A"\nrun = "true"\n'
    pushed(desk, text=text, propose=True)
    desk.call("plan.approve", name="billing")
    assert desk.agent("shell").cli == "shell"


@pytest.mark.parametrize("answer", ["no, too big", "No."])
def test_a_rejected_plan_is_cancelled_and_its_owner_hears_why(answer: str) -> None:
    desk = desk_with()
    desk.call("plan.push", "ann", text=PLAN, plan="billing", propose=True)
    (question,) = desk.call("message.inbox", agent="conductor")["messages"]
    desk.call("question.answer", question=question["id"], text=answer)
    assert (desk.states(), state_of(desk)) == (["cancelled", "cancelled"], "cancelled")
    (message,) = desk.town.inbox("ann")
    why = "rejected: too big" if "," in answer else "rejected"
    assert message.text == f"Plan billing is cancelled: {why}; 0 of 2 tasks completed"
    assert message.sort == "request"
    with pytest.raises(Conflict, match="waits for no approval"):
        desk.call("plan.approve", name="billing")


def test_a_rejected_plan_that_is_pushed_again_is_a_proposal_again() -> None:
    desk = conducted(propose=True)
    desk.call("plan.reject", name="billing", reason="Too big")
    desk.call("plan.push", "ann", text=CHANGED, plan="billing")
    assert (desk.states(), state_of(desk)) == (["pending", "pending"], "proposed")
    assert desk.town.tasks["billing/build"].description == "Build it well"
    desk.call("plan.approve", name="billing")
    assert state_of(desk) == "running"


def test_a_plan_under_way_cannot_be_proposed() -> None:
    desk = conducted()
    with pytest.raises(Conflict, match="plan billing is under way"):
        pushed(desk, text=CHANGED, propose=True)
    for one in ("design", "build"):
        desk.call("task.complete", task=one)
    more = PLAN + '[[tasks]]\nid = "c"\ndescription = "C"\nagent = "ann"\n'
    pushed(desk, text=more, propose=True)
    assert state_of(desk) == "proposed"


def test_what_is_added_to_a_proposal_waits_with_it() -> None:
    desk = conducted(propose=True)
    desk.call("task.assign", agent="ann", text="More", plan="billing")
    assert desk.states() == ["pending"] * 3
    (question,) = desk.call("message.inbox", agent="conductor")["messages"]
    assert question["text"] == "Plan billing: 3 tasks for ann, bob. Start it?"


# Who may


@pytest.mark.parametrize("verb", ["plan.approve", "plan.reject", "plan.resume"])
def test_what_only_people_decide(verb: str) -> None:
    desk = conducted(propose=True)
    with pytest.raises(BadInput, match="an agent cannot use this command"):
        desk.call(verb, "ann", name="billing")
