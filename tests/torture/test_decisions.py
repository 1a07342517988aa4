"""Every check of what was decided in the storm can fail: a calm day, doctored, is found out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.town import Data
from tests.torture.decisions import CHECKS
from tests.torture.evidence import Evidence
from tests.torture.history import History
from tests.torture.plan import PlanTask

Doctor = Callable[[Evidence], object]
#: Who reviews is no worker.
TEAM: tuple[tuple[str, str, list[str]], ...] = (
    ("a0", "worker", ["chore"]),
    ("a1", "worker", []),
    ("a2", "reviewer", []),
)


def event(name: str, actor: str = "conductor", **about: Any) -> Data:
    return {"event": name, "actor": actor, **about}


def began(task: str, number: int, agent: str) -> list[Data]:
    """A round that begins with a task."""
    about: Data = {"task": task, "agent": agent, "round": number}
    return [
        event("task.assigned", **about),
        event("task.started", agent, **about),
        event("round.started", agent, **about),
    ]


def done(name: str, task: str, number: int, agent: str, text: str = "") -> list[Data]:
    """The word that ends the round, and its end."""
    about = {"task": task, "agent": agent}
    ended = event("round.ended", agent, **about, round=number)
    return [event(name, agent, **about, text=text), ended]


def gate(task: str, number: int, agent: str, text: str) -> list[Data]:
    """A check or a review, from its making to its end."""
    created = event("task.created", task=task)
    return [
        created,
        *began(task, number, agent),
        *done("task.completed", task, number, agent, text),
    ]


def question(key: str, actor: str) -> list[Data]:
    """A question about w0."""
    text = event("message.sent", actor, message=key, agent="conductor", text="?")
    return [text, event("question.asked", actor, message=key, task="w0")]


def answered(key: str) -> Data:
    return event("question.answered", "person", message=key, task="w0")


def calm() -> Evidence:
    """A task that is approved, asks, fails its check once, is reviewed twice, and completed."""
    events = [
        event("task.created", task="w0"),
        event("task.blocked", task="w0"),
        *question("m1", "conductor"),
        answered("m1"),
        event("task.approved", "person", task="w0"),
        *began("w0", 1, "a0"),
        *question("m2", "a0"),
        *done("task.blocked", "w0", 1, "a0"),
        answered("m2"),
        event("task.unblocked", "person", task="w0"),
        *began("w0", 2, "a0"),
        *done("task.submitted", "w0", 2, "a0"),
        *gate("w0.check", 3, "a0", "failed: it ended with exit code 1"),
        event("task.sent_back", "its check", task="w0"),
        *began("w0", 4, "a0"),
        *done("task.submitted", "w0", 4, "a0"),
        *gate("w0.check-2", 5, "a0", "good"),
        *gate("w0.review", 6, "a2", "approved"),
        event("task.completed", "a2", task="w0"),
        event("message.sent", message="m3", agent="conductor", text="Plan main is completed: 1"),
        event("plan.completed", plan="main"),
    ]
    plan = PlanTask("w0", "role:worker", approve=True, check=True, review="role:reviewer")
    found = Evidence(plan={"w0": plan}, events=events, plans={"main": {"state": "completed"}})
    for name, role, tags in TEAM:
        about = {"name": name, "role": role, "tags": tags, "cli": "limited", "fallback": ["storm"]}
        found.agents[name] = about
    found.rounds = {"1": {"agent": "a0", "cli": "storm"}, "3": {"agent": "a0", "cli": "shell"}}
    verdicts = (("w0.check", 3, False), ("w0.check-2", 5, True), ("w0.review", 6, True))
    found.notes["gates"] = [{"task": t, "round": n, "good": good} for t, n, good in verdicts]
    return found


def problems(found: Evidence) -> dict[str, list[str]]:
    told = History(found.events)
    return {check.__name__: list(check(found, told)) for check in CHECKS}


def change(name: str, nth: int = 0, **fields: Any) -> Doctor:
    """Changes the nth event of that name."""
    return lambda found: [e for e in found.events if e["event"] == name][nth].update(fields)


def drop(name: str, nth: int = 0) -> Doctor:
    def doctor(found: Evidence) -> None:
        places = [n for n, one in enumerate(found.events) if one["event"] == name]
        del found.events[places[nth]]

    return doctor


def twice(name: str, nth: int = 0) -> Doctor:
    def doctor(found: Evidence) -> None:
        places = [n for n, one in enumerate(found.events) if one["event"] == name]
        found.events.insert(places[nth], found.events[places[nth]])

    return doctor


def plan(**fields: Any) -> Doctor:
    return lambda found: found.plan.update(w0=PlanTask("w0", **{"owner": "a0", **fields}))


def by(agent: str, *numbers: int) -> Doctor:
    """Those rounds are another agent's."""

    def doctor(found: Evidence) -> None:
        for one in found.events:
            if one["event"] == "round.started" and one["round"] in numbers:
                one["agent"] = agent

    return doctor


def late_approval(found: Evidence) -> None:
    (at,) = [n for n, one in enumerate(found.events) if one["event"] == "task.approved"]
    found.events.append(found.events.pop(at))


DOCTORED: list[tuple[str, Doctor, str]] = [
    ("gates_honoured", plan(review="a2"), "w0 was completed after ['check', 'review']"),
    ("gates_honoured", change("task.completed", 2, text="rejected: no"), "'no review']"),
    ("gates_honoured", change("task.completed", 1, text="failed: no"), "['no check', 'review']"),
    (
        "gates_honoured",
        change("task.completed", 0, text="good"),
        "w0 was sent back after ['check']",
    ),
    ("gates_honoured", lambda found: found.notes["gates"].pop(), "its round 6 noted None"),
    (
        "gates_honoured",
        lambda found: found.notes["gates"][1].update(good=False),
        "w0.check-2 came to 'good'; its round 5 noted False",
    ),
    ("approved_first", drop("task.approved"), "w0 was approved 0 times"),
    ("approved_first", twice("task.approved"), "w0 was approved 2 times"),
    ("approved_first", late_approval, "w0 was started before it was approved"),
    ("asked_once", twice("question.asked"), "m1 asks about w0, as m1"),
    ("asked_once", twice("question.answered"), "m1 was answered, which was not open"),
    ("asked_once", drop("question.answered", 1), "m2 about w0 was never answered"),
    ("asked_once", plan(), "the approval of w0 was asked for 1 times"),
    ("right_hands", by("a2", 1), "round 1 on w0, for role:worker, is of a2"),
    ("right_hands", by("a1", 5), "round 5 on w0.check-2 is of a1, the work of a0"),
    ("right_hands", by("a0", 6), "round 6 on w0.review is of a0, the work of a0"),
    ("right_hands", by("a1", 6), "round 6 on w0.review, for role:reviewer, is of a1"),
    ("right_hands", plan(owner="a1"), "round 1 on w0, for a1, is of a0"),
    ("right_hands", lambda f: f.agents["a0"].update(fallback=[]), "round 1 of a0 is on storm"),
    ("plans_told", twice("plan.completed"), "Plan main is completed: 2 times, told 1 times"),
    ("plans_told", change("plan.completed", event="plan.stalled"), "plan main is stuck"),
    ("plans_told", lambda f: f.plans.clear(), "plan main is None, not completed"),
]


def test_a_calm_day_has_no_problems() -> None:
    found = calm()
    assert not any(problems(found).values()), problems(found)
    assert History(found.events).impossible == []


@pytest.mark.parametrize(("check", "doctor", "expected"), DOCTORED, ids=[t for _, _, t in DOCTORED])
def test_what_is_doctored_is_found(check: str, doctor: Doctor, expected: str) -> None:
    found = calm()
    doctor(found)
    assert any(expected in line for line in problems(found)[check]), problems(found)


def test_every_check_is_doctored() -> None:
    assert {check for check, _, _ in DOCTORED} == {check.__name__ for check in CHECKS}


def test_a_plan_may_be_stuck_until_somebody_is_back() -> None:
    found = calm()
    change("plan.completed", event="plan.stalled")(found)
    found.events.append(event("agent.restarted", "person", agent="a0"))
    assert problems(found)["plans_told"] == []


def test_nobodys_work_is_done_by_who_takes_chores() -> None:
    found = calm()
    plan(owner="", approve=True, check=True, review="a2")(found)
    assert problems(found)["right_hands"] == []
    found.agents["a0"]["tags"] = []
    assert "round 1 on w0, for chores, is of a0" in problems(found)["right_hands"]
