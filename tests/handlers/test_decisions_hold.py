"""What a person or a reviewer has to decide stays theirs, and is asked as long as it matters."""

from __future__ import annotations

import pytest

from tests.domain.towns import agent, settled, task
from tests.handlers.desk import Desk
from tinytownd.domain import gates, names, questions
from tinytownd.domain.errors import BadInput
from tinytownd.domain.message import CONDUCTOR
from tinytownd.domain.policy import Budget, Policy
from tinytownd.domain.record import Record
from tinytownd.domain.track import TrackedPlan
from tinytownd.supervisor.verdict import Ending, Retries, finish

ANN, REV = agent("ann"), agent("rev", 2)


def at_review() -> Desk:
    """Ann has handed in t1, and its review waits for the reviewer."""
    desk = Desk(ANN, REV, agent("bob", 3), agents=3)
    desk.call("task.assign", agent="ann", text="Build it", review="rev")
    desk.begin("ann")
    desk.call("task.complete", "ann", result="Built")
    desk.end("ann")
    return desk


def asked(desk: Desk) -> list[str | None]:
    return [one.about for one in questions.open_questions(desk.town)]


@pytest.mark.parametrize("verb", ["task.move", "task.edit"])
@pytest.mark.parametrize("by", [None, "ann"])
def test_a_review_is_not_moved_to_who_did_the_work(verb: str, by: str | None) -> None:
    desk = at_review()
    with pytest.raises(BadInput, match="ann would review its own work"):
        desk.call(verb, by, task="t1.review", agent="ANN")
    desk.call(verb, by, task="t1.review", agent="bob")
    assert desk.town.tasks["t1.review"].agent == "bob"


def test_a_review_in_the_backlog_is_not_claimed_by_who_did_the_work() -> None:
    desk = at_review()
    desk.call("task.move", task="t1.review", agent="backlog")
    with pytest.raises(BadInput, match="ann would review its own work"):
        desk.call("backlog.claim", "ann", task="t1.review")


def test_a_review_is_not_reclaimed_for_who_did_the_work() -> None:
    desk = at_review()
    desk.call("agent.kill", name="rev")
    told = desk.call("task.reclaim", to="ann", source="rev")
    assert told["skipped"] == [{"id": "t1.review", "why": "ann would review its own work"}]


def test_what_is_removed_from_the_backlog_is_not_asked_about() -> None:
    desk = Desk(ANN, agents=1)
    desk.call("backlog.add", text="Roll out", approve=True)
    assert asked(desk) == ["approve:t1"]
    desk.call("backlog.remove", task="t1")
    assert asked(desk) == []


FILE = """
[[tasks]]
id = "deploy"
description = "Roll out to {where}"
agent = "ann"
approve = true
depends_on = ["build"]
[[tasks]]
id = "build"
description = "Build it"
agent = "ann"
"""


def test_what_was_approved_of_is_asked_about_anew_when_it_has_changed() -> None:
    desk = Desk(ANN, agents=1)
    desk.call("task.assign", agent="ann", text="Roll out to staging", approve=True)
    desk.call("task.approve", task="t1")
    desk.call("task.edit", task="t1", priority="high")
    assert desk.town.tasks["t1"].state == "assigned"
    desk.call("task.edit", "ann", task="t1", text="Roll out to everybody")
    assert (desk.town.tasks["t1"].state, asked(desk)) == ("blocked", ["approve:t1"])


def test_so_it_is_when_the_plan_has_changed() -> None:
    desk = Desk(ANN, agents=1)
    desk.call("plan.push", text=FILE.format(where="staging"))
    desk.call("task.approve", task="deploy")
    assert desk.town.tasks["deploy"].approved
    desk.call("plan.push", text=FILE.format(where="staging"))
    assert desk.town.tasks["deploy"].approved
    desk.call("plan.push", text=FILE.format(where="everybody"))
    assert not desk.town.tasks["deploy"].approved


def spend(desk: Desk, name: str, tokens: int) -> None:
    """The agent's round is over, and used so much."""
    running = desk.town.rounds[desk.agent(name).round or ""]
    finish(desk.town, running, Ending("completed", input_tokens=tokens), Retries(3, 1, 1))
    settled(desk.town)


def over_budget_at_review() -> Desk:
    """Ann's task has used up its budget as it went to its review, which runs."""
    desk = Desk(ANN, REV, agents=2)
    desk.town.policy = Policy(budgets={"task": Budget(tokens=100)})
    desk.call("task.assign", agent="ann", text="Build it", review="rev")
    desk.begin("ann")
    desk.call("task.complete", "ann", result="Built")
    spend(desk, "ann", 150)
    desk.begin("rev")
    return desk


def test_what_is_sent_back_over_its_budget_waits_for_a_person() -> None:
    desk = over_budget_at_review()
    desk.call("task.reject", "rev", task="t1", reason="No tests")
    assert desk.town.tasks["t1"].state == "blocked"
    assert asked(desk) == ["budget:task:t1"]
    desk.call("question.answer", question="t1", text="yes")
    assert desk.town.tasks["t1"].state == "assigned"


def test_an_answer_does_not_bring_a_task_on_that_is_over_its_budget() -> None:
    desk = Desk(ANN, agents=1)
    desk.town.policy = Policy(budgets={"task": Budget(tokens=100)})
    desk.call("task.assign", agent="ann", text="Build it")
    desk.begin("ann")
    desk.call("task.ask", "ann", text="Which port?")
    spend(desk, "ann", 150)
    desk.call("question.answer", question="t1", text="8080")
    assert (desk.town.tasks["t1"].state, asked(desk)) == ("blocked", ["budget:task:t1"])


def test_a_task_that_a_budget_ended_is_asked_about_before_it_is_tried_again() -> None:
    desk = over_budget_at_review()
    desk.call("task.reject", "rev", task="t1", reason="No tests")
    desk.call("question.answer", question="t1", text="no")
    assert desk.town.tasks["t1"].state == "failed"
    desk.call("task.retry", task="t1")
    assert (desk.town.tasks["t1"].state, asked(desk)) == ("blocked", ["budget:task:t1"])


def test_a_plan_that_failed_is_not_taken_for_a_task_of_its_name() -> None:
    records: list[Record] = [
        ANN,
        TrackedPlan("lint", 1, state="running"),
        task(1, "ann", id="lint", plan=None, state="failed", error="broken"),
        task(2, "ann", id="lint/one", plan="lint", digest=None, state="pending"),
    ]
    desk = Desk(*records, agents=1)
    desk.town.policy = Policy(conductor_cli="claude")
    desk.call("task.fail", task="lint/one", reason="no")
    told = [(m.about, m.sort) for m in desk.town.inbox(CONDUCTOR)]
    assert desk.town.tasks["lint"].told == 0, told


@pytest.mark.parametrize("plan", ["p" * 53, "p" * 60, "main"])
@pytest.mark.parametrize("name", ["a", "v1.", "x" * 53 + "."])
def test_the_names_of_gates_are_names_of_tasks(plan: str, name: str) -> None:
    made = task(1, id=name if plan == "main" else f"{plan}/{name}")
    desk = Desk(made)
    assert names.check_task_id(gates.gate_id(desk.town, made, gates.REVIEW))
