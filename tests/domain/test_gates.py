"""What stands between a task and its start, and between its work and its end: on records alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.domain.towns import agent, events, make_town, settled, states, task
from tinytownd.domain import gates, questions
from tinytownd.domain.errors import BadInput, Conflict, NotFound
from tinytownd.domain.message import Message
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town

ANN, REV = agent("ann"), agent("rev", 2, role="reviewer")


def town_with(*tasks: Task, reworks: int = 3) -> Town:
    """Ann's tasks, and a reviewer; settled."""
    town = make_town(ANN, REV, *tasks, tasks=len(tasks))
    town.policy = replace(town.policy, reworks=reworks)
    return settled(town)


def running(number: int = 1, **fields: Any) -> Task:
    return task(number, "ann", state="running", attempts=1, **fields)


def handed_in(result: str = "Done", reworks: int = 3, **fields: Any) -> Town:
    """Ann has handed her task in, and its first gate has gone out."""
    town = town_with(running(**fields), reworks=reworks)
    gates.hand_in(town, town.tasks["t1"], "ann", result)
    return settled(town)


def asked(town: Town) -> list[tuple[str | None, str]]:
    """Subject and text of each open question."""
    return [(one.about, one.text) for one in questions.open_questions(town)]


def letters(town: Town) -> list[str]:
    return [one.text for one in town.inbox("conductor") if one.sort == "info"]


# Before it starts


def test_a_task_that_needs_an_approval_is_blocked_and_asked_for_once() -> None:
    town = town_with(task(1, "ann", approve=True), task(2, "ann"))
    assert states(town) == ["blocked", "assigned"]
    assert asked(town) == [("approve:t1", "May ann start t1? Do 1")]
    town.touch("ann")
    settled(town)
    assert len(asked(town)) == 1


def test_what_waits_for_others_is_not_asked_for_yet() -> None:
    town = town_with(task(1, "ann"), task(2, "ann", approve=True, needs=("t1",)))
    assert states(town) == ["assigned", "pending"]
    assert asked(town) == []
    gates.complete(town, town.tasks["t1"], "person", None)
    settled(town)
    assert asked(town) == [("approve:t2", "May ann start t2? Do 2")]


def test_what_the_conductor_does_not_hand_out_is_not_asked_for() -> None:
    town = town_with(task(1, "ann", approve=True, plan="main"))
    assert (states(town), asked(town)) == (["pending"], [])
    town.put(town.meta.but(conducting=True))
    assert states(settled(town)) == ["blocked"]


@pytest.mark.parametrize(
    ("fields", "who"),
    [({"role": "ops"}, "an agent with the role:ops"), ({}, "anybody")],
)
def test_who_would_start_it_is_told(fields: dict[str, str], who: str) -> None:
    town = town_with(task(1, approve=True, **fields))
    assert asked(town) == [("approve:t1", f"May {who} start t1? Do 1")]


def test_an_approved_task_goes_out() -> None:
    town = town_with(task(1, "ann", approve=True))
    gates.approve(town, town.tasks["t1"], "person")
    assert events(town) == ["question.answered", "task.approved"]
    assert states(settled(town)) == ["assigned"]
    assert asked(town) == []


def test_an_approval_can_come_before_it_is_asked_for() -> None:
    town = town_with(task(1, "ann"), task(2, "ann", approve=True, needs=("t1",)))
    gates.approve(town, town.tasks["t2"], "person")
    gates.complete(town, town.tasks["t1"], "person", None)
    assert states(settled(town)) == ["completed", "assigned"]
    assert asked(town) == []


def test_a_rejected_task_fails_and_can_be_asked_for_again() -> None:
    town = town_with(task(1, "ann", approve=True))
    gates.reject(town, town.tasks["t1"], "person", "not today")
    settled(town)
    assert (states(town), town.tasks["t1"].error) == (["failed"], "rejected: not today")
    assert (asked(town), letters(town)) == ([], ["Task t1 failed: rejected: not today"])
    town.put(town.tasks["t1"].advance("retry"))
    settled(town)
    assert [about for about, _ in asked(town)] == ["approve:t1"]


@pytest.mark.parametrize("how", [gates.cancel, lambda t, o, a: gates.complete(t, o, a, "x")])
def test_a_decision_on_the_task_itself_takes_the_question_back(how: Any) -> None:
    town = town_with(task(1, "ann", approve=True))
    how(town, town.tasks["t1"], "person")
    assert asked(settled(town)) == []


@pytest.mark.parametrize("state", ["running", "completed", "failed", "cancelled"])
def test_what_waits_for_no_approval_gets_none(state: str) -> None:
    town = town_with(task(1, "ann", approve=True, approved=True, state=state))
    with pytest.raises(Conflict, match=f"t1 is {state} and waits for no approval"):
        gates.approve(town, town.tasks["t1"], "person")
    with pytest.raises(Conflict, match=f"t1 is {state} and waits for no approval"):
        gates.reject(town, town.tasks["t1"], "person", "no")
    assert not town.change


# A question of the agent


def test_a_question_blocks_its_task_and_no_other() -> None:
    town = town_with(running(), task(2, "ann"))
    gates.ask(town, town.tasks["t1"], "ann", "Which port?\nSay a number.")
    settled(town)
    assert states(town) == ["blocked", "assigned"]
    assert asked(town) == [("answer:t1", "Which port?\nSay a number.")]
    assert town.tasks["t1"].attempts == 0


def test_answers_are_told_one_after_the_other() -> None:
    town = town_with(running())
    for question, said in (("Which port?", "8080"), ("Which host?", "here")):
        gates.ask(town, town.tasks["t1"], "ann", question)
        gates.answer(town, town.tasks["t1"], "person", question, said)
        settled(town)
        assert states(town) == ["assigned"]
        town.put(town.tasks["t1"].advance("start"))
    assert town.tasks["t1"].feedback == (
        "You asked: Which port?\n\nThe answer: 8080\n\nYou asked: Which host?\n\nThe answer: here"
    )


# After its work


def test_without_gates_work_that_is_handed_in_is_completed() -> None:
    assert states(handed_in()) == ["completed"]


def test_check_then_review_then_completed() -> None:
    town = handed_in(check="make test", review="rev")
    assert {one.id: (one.state, one.agent, one.run) for one in town.tasks.values()} == {
        "t1": ("submitted", "ann", None),
        "t1.check": ("assigned", "ann", "make test"),
    }
    gates.complete(town, town.tasks["t1.check"], "ann", "all green")
    settled(town)
    review = town.tasks["t1.review"]
    assert (review.state, review.agent, review.gate_of) == ("assigned", "rev", "t1")
    gates.complete(town, review, "rev", "approved")
    settled(town)
    assert states(town) == ["completed", "completed", "completed"]
    assert town.tasks["t1"].result == "Done"


def test_what_depends_on_it_waits_for_the_gates() -> None:
    town = town_with(running(review="rev"), task(2, "ann", needs=("t1",)))
    gates.hand_in(town, town.tasks["t1"], "ann", "Done")
    assert states(settled(town), "t1", "t2") == ["submitted", "pending"]
    gates.complete(town, town.tasks["t1.review"], "rev", None)
    assert states(settled(town), "t1", "t2") == ["completed", "assigned"]


def test_a_role_reviews_but_never_who_did_the_work() -> None:
    town = make_town(
        agent("ann", role="dev"), agent("bob", 2, role="dev"), running(review="role:dev"), tasks=1
    )
    gates.hand_in(town, town.tasks["t1"], "ann", "Done")
    assert settled(town).tasks["t1.review"].agent == "bob"


def test_a_check_that_fails_sends_the_work_back_with_what_it_printed() -> None:
    town = handed_in(check="make test")
    gates.fail(town, town.tasks["t1.check"], "daemon", "exit code 2: boom", "1 passed\nboom")
    settled(town)
    one = town.tasks["t1"]
    assert (one.state, one.reworks, one.result, one.attempts) == ("assigned", 1, None, 0)
    assert one.feedback == (
        "The check of your work failed: make test\n\nexit code 2: boom\n\n1 passed\nboom"
    )
    assert letters(town) == [], "nobody but the owner needs to hear it"
    check = town.tasks["t1.check"]
    assert check.state == "completed", "it has said what it was asked"
    assert check.result == "failed: exit code 2: boom\n\n1 passed\nboom"


def test_what_came_back_is_cut_to_the_end_of_what_was_printed() -> None:
    town = handed_in(check="make test")
    printed = "start" + "x" * 20_000 + "the end"
    gates.fail(town, town.tasks["t1.check"], "daemon", "exit code 1", printed)
    told = town.tasks["t1"].feedback or ""
    assert len(told) == gates.FEEDBACK_LIMIT
    assert told.startswith("The check of your work failed: make test")
    assert told.endswith("the end")


def test_a_rejection_goes_back_to_the_owner_and_the_second_review_is_a_new_one() -> None:
    town = handed_in(review="rev")
    gates.turn_down(town, town.tasks["t1.review"], "rev", "Mind empty input.\nAnd zero.")
    assert [one["text"] for one in town.change.events if one["event"] == "task.sent_back"] == [
        "Mind empty input."
    ]
    settled(town)
    one = town.tasks["t1"]
    assert (one.state, one.agent, one.reworks) == ("assigned", "ann", 1)
    assert one.feedback == "rev sent your work back:\n\nMind empty input.\nAnd zero."
    town.put(one.advance("start"))
    gates.hand_in(town, town.tasks["t1"], "ann", "Mended")
    settled(town)
    assert town.tasks["t1"].feedback is None
    assert town.tasks["t1.review-2"].state == "assigned"


@pytest.mark.parametrize(
    ("reworks", "times"), [(0, "once"), (1, "2 times"), (2, "3 times")], ids=str
)
def test_work_that_comes_back_too_often_fails(reworks: int, times: str) -> None:
    town = handed_in(review="rev", reworks=reworks)
    for number in range(reworks):
        gates.turn_down(town, next(reversed(town.tasks.values())), "rev", f"No {number}")
        town.put(settled(town).tasks["t1"].advance("start"))
        gates.hand_in(town, town.tasks["t1"], "ann", "Again")
        settled(town)
    gates.turn_down(town, next(reversed(town.tasks.values())), "rev", "No.\nReally.")
    settled(town)
    one = town.tasks["t1"]
    assert (one.state, one.error) == ("failed", f"sent back {times}, last by rev: No.")
    assert one.feedback == "rev sent your work back:\n\nNo.\nReally."
    assert (one.result, len(letters(town))) == (None, 1)


def test_a_person_takes_the_place_of_the_gates() -> None:
    town = handed_in(check="make test", review="rev")
    gates.approve(town, town.tasks["t1"], "person")
    settled(town)
    assert states(town, "t1", "t1.check") == ["completed", "cancelled"]
    assert "t1.review" not in town.tasks


def test_a_person_sends_work_back() -> None:
    town = handed_in(review="rev")
    gates.reject(town, town.tasks["t1"], "person", "Shorter, please")
    settled(town)
    assert states(town, "t1", "t1.review") == ["assigned", "cancelled"]
    assert town.tasks["t1"].feedback == "person sent your work back:\n\nShorter, please"


@pytest.mark.parametrize(
    ("lose", "why"),
    [
        (lambda t, g: gates.fail(t, g, "daemon", "it gave no verdict"), "it failed: it gave no"),
        (lambda t, g: gates.cancel(t, g, "person"), "person cancelled it"),
    ],
)
def test_a_review_that_comes_to_nothing_is_asked_of_a_person(lose: Any, why: str) -> None:
    town = handed_in(review="rev")
    lose(town, town.tasks["t1.review"])
    settled(town)
    assert states(town, "t1") == ["submitted"]
    ((about, text),) = asked(town)
    assert about == "verdict:t1"
    assert text.startswith(f"Is the work on t1 good? Nobody else will say: t1.review, {why}")
    gates.approve(town, town.tasks["t1"], "person")
    settled(town)
    assert (states(town, "t1"), asked(town)) == (["completed"], [])


def test_a_plan_whose_review_is_lost_waits_for_a_person() -> None:
    town = town_with(running(review="rev", plan="main"))
    gates.hand_in(town, town.tasks["t1"], "ann", "Done")
    assert settled(town).plans["main"].state == "running"
    gates.fail(town, town.tasks["t1.review"], "daemon", "it gave no verdict")
    town.put(town.meta.but(conducting=True))
    assert settled(town).plans["main"].state == "blocked"
    gates.approve(town, town.tasks["t1"], "person")
    assert settled(town).plans["main"].state == "completed"


@pytest.mark.parametrize("approves", [True, False])
def test_a_review_that_is_tried_again_answers_the_question(approves: bool) -> None:
    town = handed_in(review="rev")
    gates.fail(town, town.tasks["t1.review"], "daemon", "it gave no verdict")
    gates.check_retry(town, town.tasks["t1.review"])
    town.put(town.tasks["t1.review"].advance("retry"))
    review = settled(town).tasks["t1.review"]
    if approves:
        gates.complete(town, review, "rev", None)
    else:
        gates.turn_down(town, review, "rev", "No")
    assert states(settled(town), "t1") == ["completed" if approves else "assigned"]
    assert asked(town) == []


def test_a_gate_that_nothing_waits_for_is_not_tried_again() -> None:
    town = handed_in(check="make test")
    gates.fail(town, town.tasks["t1.check"], "daemon", "exit code 1")
    town.put(town.tasks["t1.check"].but(state="cancelled"))
    with pytest.raises(Conflict, match=r"t1 does not wait for t1\.check"):
        gates.check_retry(town, town.tasks["t1.check"])
    town.put(settled(town).tasks["t1"].advance("start"))
    gates.hand_in(town, town.tasks["t1"], "ann", "Mended")
    with pytest.raises(Conflict):
        gates.check_retry(town, town.tasks["t1.check"])


@pytest.mark.parametrize("decide", [gates.cancel, lambda t, o, a: gates.fail(t, o, a, "no")])
def test_a_task_takes_its_gates_with_it(decide: Any) -> None:
    town = handed_in(check="make test")
    decide(town, town.tasks["t1"], "person")
    settled(town)
    assert town.tasks["t1"].finished
    assert states(town, "t1.check") == ["cancelled"]
    assert asked(town) == []


def test_a_gates_id_is_free_and_no_longer_than_an_id() -> None:
    long = "x" * 64
    town = make_town(ANN, REV, running(id=long, review="rev"), task(2, id=f"{'x' * 54}.review"))
    gates.hand_in(town, town.tasks[long], "ann", None)
    (gate,) = [one.id for one in town.tasks.values() if one.gate_of]
    assert gate == "x" * 54 + ".review-2"
    assert len(gate) <= 64


@pytest.mark.parametrize("reviewer", ["ann", "ANN"])
def test_nobody_reviews_its_own_work(reviewer: str) -> None:
    with pytest.raises(BadInput, match="ann would review its own work"):
        gates.check_reviewer(reviewer, "ann")
    gates.check_reviewer(reviewer, None)
    gates.check_reviewer(None, "ann")
    gates.check_reviewer("role:ann", "ann")
    gates.check_reviewer("role:dev", "role:dev")


# Questions


def test_a_question_is_found_by_id_subject_and_task_and_asked_once() -> None:
    town = make_town(ANN)
    first = questions.ask(town, "ann", "answer:t1", "Which port?", "t1")
    assert questions.ask(town, "ann", "answer:t1", "Which port, please?", "t1") is first
    for ref in ("m1", "answer:t1", "t1"):
        assert questions.named(town, ref) == first
    with pytest.raises(NotFound):
        questions.named(town, "m2")
    questions.close(town, "answer:t1", "person", "8080\nor so")
    with pytest.raises(Conflict, match="m1 was answered already: 8080"):
        questions.named(town, "m1")
    assert events(town) == ["message.sent", "question.asked", "question.answered"]
    assert isinstance(town.messages["m1"], Message)
    assert town.messages["m1"].answer == "8080\nor so"


@pytest.mark.parametrize(
    ("text", "yes", "why"),
    [
        ("yes", True, ""),
        ("Y", True, ""),
        ("ok, go", True, "go"),
        ("no, not today", False, "not today"),
        ("No:\nbecause", False, "because"),
        ("reject it", False, "it"),
    ],
)
def test_yes_and_no(text: str, yes: bool, why: str) -> None:
    assert questions.decision(text) == (yes, why)


@pytest.mark.parametrize("text", ["perhaps", "yesterday", "-", "8080"])
def test_what_is_neither(text: str) -> None:
    with pytest.raises(BadInput, match="neither yes nor no"):
        questions.decision(text)
