"""Approvals, verdicts of reviewers, and questions: who may say what, and what comes of it."""

from __future__ import annotations

import pytest

from tests.domain.towns import agent, task
from tests.handlers.desk import Desk
from tinytownd.domain import questions
from tinytownd.domain.errors import Ambiguous, BadInput, Conflict, Fenced, NotFound
from tinytownd.domain.track import TrackedPlan

ANN, REV = agent("ann"), agent("rev", 2)


def desk_at_review() -> Desk:
    """Ann has handed in t1, and the reviewer is at it."""
    desk = Desk(ANN, REV, agents=2)
    desk.call("task.assign", agent="ann", text="Build it", review="rev")
    desk.begin("ann")
    desk.call("task.complete", "ann", result="Built")
    desk.end("ann")
    desk.begin("rev")
    return desk


def asking(text: str = "Which port?") -> Desk:
    """Ann's task waits for an answer."""
    desk = Desk(ANN, REV, agents=2)
    desk.call("task.assign", agent="ann", text="Build it")
    desk.begin("ann")
    desk.call("task.ask", "ann", text=text)
    desk.end("ann")
    return desk


def open_questions(desk: Desk) -> list[str]:
    return [one["about"] for one in desk.call("question.list")["questions"]]


# What is asked for when a task is made


@pytest.mark.parametrize("verb", ["task.assign", "backlog.add"])
def test_a_task_is_made_with_its_gates(verb: str) -> None:
    desk = Desk(ANN, REV, agents=2)
    whom = {"agent": "ann"} if verb == "task.assign" else {}
    told = {"text": "x", "approve": True, "check": "make test", "review": "REV", **whom}
    made = desk.call(verb, **told)["task"]
    assert (made["approve"], made["check"], made["review"]) == (True, "make test", "rev")
    assert desk.call("backlog.add", text="x", review="role:ops")["task"]["review"] == "role:ops"


@pytest.mark.parametrize(
    ("review", "error", "match"),
    [
        ("Ann", BadInput, "ann would review its own work"),
        ("bob", NotFound, "no agent 'bob'"),
        ("role:", BadInput, "cannot be a role"),
        ("role:a\nb", BadInput, "cannot be a role"),
        ("shell", Conflict, "shell runs commands and reviews nothing"),
    ],
)
def test_reviewers_that_cannot_be(review: str, error: type[Exception], match: str) -> None:
    desk = Desk(ANN, agent("shell", 3, cli="shell"), agents=3)
    with pytest.raises(error, match=match):
        desk.call("task.assign", agent="ann", text="x", review=review)


def test_no_task_comes_to_its_own_reviewer() -> None:
    desk = Desk(ANN, REV, task(1, "ann", review="rev"), task(2, review="rev"), tasks=2)
    for verb, args in (
        ("task.move", {"task": "t1", "agent": "rev"}),
        ("task.edit", {"task": "t1", "agent": "rev"}),
        ("backlog.claim", {"task": "t2", "agent": "rev"}),
        ("backlog.assign_all", {"agent": "rev"}),
    ):
        with pytest.raises(BadInput, match="rev would review its own work"):
            desk.call(verb, **args)
    kept = desk.call("task.reclaim", source="ann", to="rev")
    assert kept["skipped"] == [{"id": "t1", "why": "rev would review its own work"}]


@pytest.mark.parametrize("check", ["", " ", "\n"])
def test_a_check_says_something(check: str) -> None:
    with pytest.raises(BadInput, match="the check is empty"):
        Desk(ANN, agents=1).call("task.assign", agent="ann", text="x", check=check)


def test_an_agent_that_is_held_gives_no_check() -> None:
    held = agent("bob", 3, permissions="edit")
    desk = Desk(ANN, held, agents=3)
    for verb, whom in (("task.assign", {"agent": "ann"}), ("backlog.add", {})):
        with pytest.raises(BadInput, match=r"bob has the permissions 'edit'.*a command"):
            desk.call(verb, "bob", text="x", check="rm -rf /", **whom)
        assert desk.call(verb, "ann", text="x", check="make test", **whom)
    text = '[meta]\ncheck = "true"\n[[tasks]]\nid = "a"\ndescription = "a"\nagent = "ann"\n'
    with pytest.raises(BadInput, match="cannot give a a command"):
        desk.call("plan.push", "bob", text=text)
    desk.call("plan.push", text=text)
    assert desk.call("plan.push", "bob", text=text), "the command is a person's still"


# Approvals


def waiting_desk() -> Desk:
    desk = Desk(ANN, REV, agents=2)
    desk.call("task.assign", agent="ann", text="Deploy", approve=True)
    return desk


def test_a_person_approves() -> None:
    desk = waiting_desk()
    assert open_questions(desk) == ["approve:t1"]
    assert desk.call("task.approve", task="t1")["task"]["state"] == "assigned"
    assert desk.told() == ["question.answered", "task.approved", "task.assigned"]
    assert open_questions(desk) == []


def test_a_person_rejects() -> None:
    desk = waiting_desk()
    told = desk.call("task.reject", task="t1", reason="on Monday")["task"]
    assert (told["state"], told["error"]) == ("failed", "rejected: on Monday")
    assert desk.town.messages["m1"].answer == "rejected: on Monday"
    with pytest.raises(Conflict, match="t1 is failed and waits for no approval"):
        desk.call("task.approve", task="t1")


@pytest.mark.parametrize("verb", ["task.approve", "task.reject"])
def test_no_agent_approves_of_a_start(verb: str) -> None:
    desk = waiting_desk()
    reason = {"reason": "x"} if verb == "task.reject" else {}
    for name in ("ann", "rev"):
        with pytest.raises(BadInput, match="only a person"):
            desk.call(verb, name, task="t1", **reason)


def test_a_task_that_was_rejected_is_tried_again_only_with_an_approval() -> None:
    desk = waiting_desk()
    desk.call("task.reject", task="t1", reason="on Monday")
    assert desk.call("task.retry", task="t1")["task"]["state"] == "blocked"
    assert open_questions(desk) == ["approve:t1"]


# Reviews


@pytest.mark.parametrize("verb", ["task.approve", "task.complete"])
@pytest.mark.parametrize("ref", ["t1", "t1.review"])
def test_the_reviewer_approves_from_its_round(verb: str, ref: str) -> None:
    desk = desk_at_review()
    ref = ref if verb == "task.approve" else "t1.review"
    desk.call(verb, "rev", task=ref)
    assert desk.states("t1", "t1.review") == ["completed", "completed"]
    assert desk.told() == ["task.completed", "task.completed"]


@pytest.mark.parametrize("verb", ["task.reject", "task.fail"])
def test_the_reviewer_rejects_from_its_round(verb: str) -> None:
    desk = desk_at_review()
    desk.call(verb, "rev", task="t1" if verb == "task.reject" else "t1.review", reason="Too long")
    assert desk.states("t1", "t1.review") == ["assigned", "completed"]
    assert desk.call("task.show", task="t1")["task"]["feedback"].endswith("\n\nToo long")


def test_nobody_else_gives_the_verdict_and_it_is_recorded() -> None:
    desk = desk_at_review()
    for name, verb in (("ann", "task.approve"), ("ann", "task.reject"), ("ann", "task.complete")):
        reason = {"reason": "no"} if verb == "task.reject" else {}
        with pytest.raises(Fenced, match="t1 is not held by this round of ann"):
            desk.call(verb, name, task="t1", **reason)
        assert desk.told() == ["result.refused"]
    desk.call("task.approve", task="t1")
    with pytest.raises(Fenced):
        desk.call("task.approve", "rev", task="t1")
    assert desk.states("t1", "t1.review") == ["completed", "cancelled"]


def test_a_reviewer_gives_the_verdict_on_what_it_reviews_and_on_nothing_else() -> None:
    desk = desk_at_review()
    desk.call("task.assign", agent="ann", text="More", review="rev")
    desk.begin("ann")
    desk.call("task.complete", "ann", result="More is done")
    desk.end("ann")
    assert desk.states("t1", "t2") == ["submitted", "submitted"]
    with pytest.raises(Fenced, match="t2 is not held by this round of rev"):
        desk.call("task.approve", "rev", task="t2")
    assert desk.states("t1", "t2") == ["submitted", "submitted"]


def test_a_round_that_ends_without_a_word_is_no_verdict() -> None:
    desk = desk_at_review()
    desk.end("rev")
    assert desk.states("t1", "t1.review") == ["submitted", "pending"]
    assert desk.town.tasks["t1.review"].error == "it gave no verdict"
    for _ in range(2):
        desk.town.now += 60_000
        desk.look("rev")
        desk.begin("rev")
        desk.end("rev")
    assert desk.states("t1", "t1.review") == ["submitted", "failed"]
    assert open_questions(desk) == ["verdict:t1"]
    with pytest.raises(BadInput, match="what must change"):
        desk.call("question.answer", question="t1", text="no")
    desk.call("question.answer", question="t1", text="no, it is too long")
    assert desk.states("t1") == ["assigned"]


def test_a_check_of_the_owner_waits_for_its_round_to_end() -> None:
    desk = Desk(ANN, agents=1)
    desk.call("task.assign", agent="ann", text="Build", check="make test")
    desk.begin("ann")
    desk.call("task.complete", "ann", result="Built")
    assert desk.states("t1", "t1.check") == ["submitted", "assigned"]
    desk.end("ann")
    number = desk.begin("ann")
    assert desk.town.rounds[number].task == "t1.check"
    desk.end("ann")
    assert desk.states("t1", "t1.check") == ["completed", "completed"]


# Questions


def test_a_question_and_its_answer() -> None:
    desk = asking()
    assert desk.states() == ["blocked"]
    assert open_questions(desk) == ["answer:t1"]
    told = desk.call("question.answer", question="m1", text="8080")["question"]
    assert (told["state"], told["answer"]) == ("acknowledged", "8080")
    assert desk.told() == ["question.answered", "task.unblocked", "task.assigned"]
    assert desk.town.tasks["t1"].feedback == "You asked: Which port?\n\nThe answer: 8080"


def test_a_question_without_a_task_is_answered_by_a_message() -> None:
    desk = Desk(ANN, agents=1)
    desk.call("message.send", to="ann", text="Think")
    desk.begin("ann")
    assert desk.call("task.ask", "ann", text="About what?")["task"] is None
    desk.call("task.ask", "ann", text="And why?")
    desk.end("ann")
    assert [about.partition(":")[0] for about in open_questions(desk)] == ["reply", "reply"]
    desk.call("question.answer", question="m2", text="Tea")
    (answer,) = desk.call("message.inbox", agent="ann")["messages"]
    assert (answer["text"], answer["reply_to"], answer["from"]) == ("Tea", "m2", "person")
    assert (answer["kind"], answer["thread"]) == ("request", "m2")


def test_an_answer_to_an_agent_that_is_gone_is_kept() -> None:
    desk = Desk(ANN, agents=1)
    desk.call("message.send", to="ann", text="Think")
    desk.begin("ann")
    desk.call("task.ask", "ann", text="About what?")
    desk.end("ann")
    desk.town.drop(desk.agent("ann"))
    assert desk.call("question.answer", question="m2", text="Tea")["question"]["answer"] == "Tea"


def test_only_an_agent_asks_and_only_of_its_own_task() -> None:
    desk = asking()
    with pytest.raises(BadInput, match="a person asks agents"):
        desk.call("task.ask", text="?")
    desk.call("task.assign", agent="rev", text="More")
    desk.begin("rev")
    with pytest.raises(Fenced):
        desk.call("task.ask", "rev", text="?", task="t1")
    desk.call("task.complete", "rev")
    with pytest.raises(Fenced):
        desk.call("task.ask", "rev", text="Was that right?")
    with pytest.raises(BadInput, match="the question is empty"):
        desk.call("task.ask", "rev", text=" ")


def test_a_command_asks_nothing() -> None:
    desk = Desk(ANN, task(1, "ann", run="tt ask x"), agents=1)
    desk.begin("ann")
    with pytest.raises(Conflict, match="t1 is a command"):
        desk.call("task.ask", "ann", text="?")


def test_no_agent_answers() -> None:
    desk = asking()
    with pytest.raises(BadInput, match="an agent cannot use this command"):
        desk.call("question.answer", "rev", question="t1", text="yes")


@pytest.mark.parametrize("ref", ["m9", "t9", "", "approve:t1"])
def test_questions_that_are_none(ref: str) -> None:
    with pytest.raises(NotFound, match="no open question"):
        asking().call("question.answer", question=ref, text="yes")


def test_an_answer_is_given_once() -> None:
    desk = asking()
    desk.call("question.answer", question="t1", text="8080")
    with pytest.raises(Conflict, match="m1 was answered already: 8080"):
        desk.call("question.answer", question="m1", text="8081")


def test_a_task_with_two_questions_is_asked_which() -> None:
    desk = asking()
    first = desk.town.messages["m1"]
    desk.town.put(first.but(id="m2", seq=2, about="other:t1"))
    desk.town.commit()
    with pytest.raises(Ambiguous, match="'t1' has 2 questions"):
        desk.call("question.answer", question="t1", text="yes")


@pytest.mark.parametrize(
    ("text", "state"), [("yes", "assigned"), ("no, never", "failed"), ("n", "failed")]
)
def test_an_approval_is_a_question_too(text: str, state: str) -> None:
    desk = waiting_desk()
    desk.call("question.answer", question="approve:t1", text=text)
    assert desk.states() == [state]
    assert desk.town.messages["m1"].answer == text


def test_an_answer_that_is_neither_yes_nor_no_changes_nothing() -> None:
    with pytest.raises(BadInput, match="neither yes nor no"):
        waiting_desk().call("question.answer", question="t1", text="perhaps")


@pytest.mark.parametrize(
    ("text", "state", "proposed"), [("yes", "assigned", False), ("no", "cancelled", True)]
)
def test_a_proposed_plan_is_answered_like_the_rest(text: str, state: str, proposed: bool) -> None:
    plan = TrackedPlan("shop", 1, proposed=True)
    desk = Desk(ANN, plan, task(1, "ann", plan="shop", digest=None), agents=1)
    ask(desk, "plan:shop")
    desk.call("question.answer", question="plan:shop", text=text)
    assert desk.states() == [state]
    assert desk.town.plans["shop"].proposed == proposed


def test_a_budget_is_answered_like_the_rest() -> None:
    desk = Desk(agent("ann", over_budget=True), agents=1)
    ask(desk, "budget:agent:ann")
    desk.call("question.answer", question="m1", text="yes")
    assert not desk.agent("ann").over_budget


def ask(desk: Desk, about: str) -> None:
    """The town asks a person."""
    questions.ask(desk.town, "daemon", about, "May it?")
    desk.town.commit()


def test_a_question_is_for_people_and_starts_no_round() -> None:
    desk = waiting_desk()
    (one,) = desk.call("question.list")["questions"]
    assert (one["kind"], one["to"], one["from"], one["task"]) == (
        "question",
        "conductor",
        "conductor",
        "t1",
    )
    assert desk.call("message.inbox", agent="conductor")["messages"] == [one]


def test_recover_says_that_people_are_asked() -> None:
    found = waiting_desk().call("town.recover")["findings"]
    assert found == [
        {"what": "1 question waits for a person", "done": "", "hint": "tt inbox conductor"}
    ]


def test_status_counts_what_people_are_asked() -> None:
    assert waiting_desk().call("town.status")["questions"] == 1
    assert Desk(ANN, agents=1).call("town.status")["questions"] == 0


def test_a_plan_names_its_reviewer_among_those_who_are_missing() -> None:
    desk = Desk(ANN, task(1, "ann", plan="main", review="bob"), agents=1)
    assert desk.call("conductor.start")["missing"] == [
        {"name": "bob", "tasks": ["t1"], "state": None}
    ]
    assert desk.call("conductor.start", spawn=True)["spawned"] == [{"name": "bob"}]
