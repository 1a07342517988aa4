"""How each plan stands, and who hears it when one comes to an end."""

from __future__ import annotations

from typing import Any

import pytest

from tests.domain.towns import NOW, agent, events, make_town, settled, states, task
from tinytownd.conductor.plans import MOST_ASKED, plan_state
from tinytownd.conductor.schedule import settle
from tinytownd.domain import questions, tracking
from tinytownd.domain.message import Message
from tinytownd.domain.record import Record
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town
from tinytownd.domain.track import STATES, TrackedPlan, in_town, scoped, unscoped
from tinytownd.planfile import parse


def billing(number: int, owner: str | None = "ann", **fields: Any) -> Task:
    """A task of the plan `billing` that its file brought."""
    return task(number, owner, plan="billing", **fields)


def town_of(*records: Record, on: bool = True, **plan: Any) -> Town:
    """A settled town with the plan `billing`, and Ann."""
    tracked = TrackedPlan("billing", 1, **plan)
    return settled(make_town(agent("ann"), tracked, *records, conducting=on))


def state_of(town: Town) -> str:
    return town.plans["billing"].state


DONE, GONE = {"state": "completed"}, {"state": "cancelled"}
FAILED, RUNS = {"state": "failed"}, {"state": "running"}

CASES: list[tuple[str, list[Task], dict[str, Any]]] = [
    ("none", [], {}),
    ("none", [task(1, plan="billing", group=True, epic=True)], {}),
    ("proposed", [billing(1)], {"proposed": True}),
    ("proposed", [billing(1)], {"proposed": True, "paused": True}),
    ("waiting", [billing(1)], {"on": False}),
    ("waiting", [billing(1, "absent")], {"on": False}),
    ("paused", [billing(1)], {"paused": True}),
    ("paused", [billing(1, **RUNS)], {"paused": True}),
    ("completed", [billing(1, **DONE)], {"paused": True}),
    ("running", [billing(1)], {}),
    ("running", [billing(1, **RUNS)], {"on": False}),
    ("running", [billing(1, digest=None)], {"on": False}),
    ("running", [billing(1, not_before=NOW + 9)], {}),
    ("running", [billing(1, **FAILED), billing(2)], {}),
    ("blocked", [billing(1, approve=True), billing(2, needs=("t1",))], {}),
    ("blocked", [billing(1, approve=True), billing(2, **FAILED)], {}),
    ("running", [billing(1, approve=True), billing(2)], {}),
    ("completed", [billing(1, **DONE), billing(2, **GONE)], {}),
    ("failed", [billing(1, **DONE), billing(2, **FAILED)], {}),
    ("failed", [billing(1, **FAILED), billing(2, needs=("t1",))], {}),
    ("stalled", [billing(1, "absent")], {}),
    ("stalled", [billing(1, **GONE), billing(2, needs=("t1",))], {}),
    ("stalled", [billing(1, None)], {}),
    ("cancelled", [billing(1, **GONE)], {}),
    ("cancelled", [billing(1, **DONE), billing(2, **GONE)], {"cancelled": "by person"}),
    ("cancelled", [billing(1, **FAILED), billing(2, **GONE)], {"cancelled": "by person"}),
]


@pytest.mark.parametrize(("state", "tasks", "how"), CASES)
def test_the_state_of_a_plan(state: str, tasks: list[Task], how: dict[str, Any]) -> None:
    town = town_of(*tasks, **how)
    assert state_of(town) == state == plan_state(town, town.plans["billing"])


def test_every_state_is_tried() -> None:
    assert {state for state, *_ in CASES} == set(STATES)


def test_a_backlog_that_somebody_takes_from_moves() -> None:
    chore = billing(1, None, tags=("chore",))
    assert state_of(town_of(chore)) == "stalled"
    hand = agent("hand", 2, tags=("chore",), state="working", round="1", task="t9")
    assert state_of(town_of(chore, hand)) == "running"
    assert state_of(town_of(chore, hand.but(desired="stop", state="stopped"))) == "stalled"


def test_a_role_that_somebody_has_moves() -> None:
    looks = billing(1, None, role="Reviewer")
    assert state_of(town_of(looks)) == "stalled"
    busy = agent("eve", 2, role="reviewer", state="working", round="1", task="t9")
    assert state_of(town_of(looks, busy)) == "running"


def test_a_task_that_was_handed_in_waits_for_whoever_reviews_it() -> None:
    handed_in = billing(1, state="submitted", review="eve")
    review = task(2, "eve", gate_of="t1")
    assert state_of(town_of(handed_in, review)) == "stalled"
    assert state_of(town_of(handed_in, review, agent("eve", 2))) == "running"
    gone = review.but(state="failed")
    assert state_of(town_of(handed_in, gone, agent("eve", 2))) == "stalled"


def test_plans_go_their_own_ways() -> None:
    town = make_town(
        agent("ann"),
        agent("bob", 2),
        TrackedPlan("a", 1),
        TrackedPlan("b", 2, paused=True),
        task(1, "ann", plan="a"),
        task(2, "bob", plan="b"),
        task(3, "bob", plan="b", state="assigned"),
        task(4, "bob"),
        conducting=True,
    )
    settled(town)
    assert states(town) == ["assigned", "pending", "pending", "assigned"]
    assert [plan.state for plan in town.plans.values()] == ["running", "paused"]


def test_the_times_of_a_plan() -> None:
    town = town_of(billing(1), on=False)
    assert (town.plans["billing"].started_at, town.plans["billing"].ended_at) == (None, None)
    town.put(town.meta.but(conducting=True))
    settled(town)
    town.now += 60_000
    town.put(town.tasks["t1"].advance("complete"))
    settled(town)
    plan = town.plans["billing"]
    assert (plan.started_at, plan.ended_at) == (NOW, NOW + 60_000)
    town.put(billing(2))
    settled(town)
    again = town.plans["billing"]
    assert (again.state, again.started_at, again.ended_at) == ("running", NOW, None)


# Telling how it ended


def end(town: Town, event: str, **changes: Any) -> list[Message]:
    """The task `t1` comes to its end; the messages that this sends."""
    before = set(town.messages)
    town.put(town.tasks["t1"].advance(event, **changes))
    settle(town)
    settle(town)  # once is enough
    return [town.messages[one] for one in town.messages.keys() - before]


def test_the_owner_hears_once_how_it_ended() -> None:
    town = town_of(billing(1), billing(2, needs=("t1",)))
    (message,) = end(town, "fail")
    assert (message.to, message.sort) == ("conductor", "info")
    assert message.text == "Plan billing is failed: 1 of 2 tasks failed, 1 held back"
    assert events(town).count("plan.failed") == 1
    (told,) = (one for one in town.change.events if one["event"] == "plan.failed")
    assert told["plan"] == "billing"


@pytest.mark.parametrize(
    ("event", "there", "heard"),
    [
        ("complete", True, ("bob", "info")),
        ("fail", True, ("bob", "request")),
        ("fail", False, ("conductor", "info")),
        ("complete", False, ("conductor", "info")),
    ],
)
def test_an_agent_gets_to_work_on_what_went_wrong(
    event: str, there: bool, heard: tuple[str, str]
) -> None:
    bob = agent("bob", 2) if there else agent("bob", 2, state="stopped", desired="stop")
    town = town_of(billing(1), bob, owner="bob")
    (message,) = end(town, event)
    assert (message.to, message.sort) == heard


def test_a_plan_that_goes_on_and_fails_again_is_told_again() -> None:
    town = town_of(billing(1))
    assert len(end(town, "fail")) == 1
    settled(town)
    assert end(town, "retry") == []
    settled(town)
    assert len(end(town, "fail")) == 1


def test_an_agent_is_not_asked_all_night_to_mend_its_plan() -> None:
    town = town_of(billing(1), agent("bob", 2), owner="bob")
    heard = []
    for _ in range(MOST_ASKED + 2):
        heard += [(one.to, one.sort) for one in end(town, "fail") if one.text[:4] == "Plan"]
        end(town, "retry")
    assert heard == [("bob", "request")] * MOST_ASKED + [("conductor", "info")] * 2


@pytest.mark.parametrize(
    ("records", "told"),
    [
        ([billing(1, **DONE), billing(2, **GONE)], "1 of 2 tasks completed, 1 cancelled"),
        ([billing(1, "absent")], "1 of 1 tasks have nobody who could go on with them"),
        ([billing(1, **GONE)], "0 of 1 tasks completed"),
    ],
)
def test_how_it_ended_is_one_line(records: list[Task], told: str) -> None:
    town = make_town(agent("ann"), TrackedPlan("billing", 1), *records, conducting=True)
    settle(town)
    (line,) = (one["text"] for one in town.change.events if str(one["event"])[:5] == "plan.")
    assert line == told


# Deciding about a whole plan


def test_cancelling_takes_back_all_that_is_open() -> None:
    done, failed = billing(1, **DONE), billing(2, **FAILED)
    town = town_of(done, failed, billing(3, approve=True), billing(4), paused=True)
    assert questions.find(town, "approve:t3") is None, "a paused plan asks nothing"
    tracking.cancel(town, town.plans["billing"], "person", "by person")
    settle(town)
    assert states(town) == ["completed", "failed", "cancelled", "cancelled"]
    assert (state_of(town), town.plans["billing"].paused) == ("cancelled", False)
    (told,) = (one for one in town.messages.values())
    assert told.text == "Plan billing is cancelled: by person; 1 of 4 tasks completed"


def test_a_cancelled_plan_goes_on_with_a_task_that_is_tried_again() -> None:
    town = town_of(billing(1), billing(2, **DONE))
    tracking.cancel(town, town.plans["billing"], "person", "by person")
    settled(town)
    end(town, "retry")
    assert (state_of(town), town.plans["billing"].cancelled) == ("running", None)


def test_cancelling_closes_the_questions_of_a_plan() -> None:
    town = town_of(billing(1, approve=True), proposed=False)
    assert questions.find(town, "approve:t1") is not None
    questions.ask(town, "daemon", "budget:plan:billing", "More?")
    tracking.cancel(town, town.plans["billing"], "person", "by person")
    assert [*questions.open_questions(town)] == []


# Ids


def test_ids_of_a_plan_in_a_file_and_in_the_town() -> None:
    assert [scoped(plan, "a") for plan in (None, "main", "billing")] == ["a", "a", "billing/a"]
    assert [unscoped("billing", one) for one in ("billing/a", "a")] == ["a", "a"]
    plan = parse(
        '[[tasks]]\nid = "g"\ndescription = "G"\nepic = true\n'
        '[[tasks]]\nid = "a"\ndescription = "A"\nparent = "g"\n'
        '[[tasks]]\nid = "b"\ndescription = "B"\ndepends_on = ["a", "g"]\n'
    )
    assert in_town(plan, "main") is plan
    assert [(one.id, one.parent, one.depends_on) for one in in_town(plan, "x").tasks] == [
        ("x/g", None, ()),
        ("x/a", "x/g", ()),
        ("x/b", None, ("x/a", "x/g")),
    ]
