"""Several plans in a town: their ids, what is decided about each as a whole, and who may."""

from __future__ import annotations

from typing import Any

import pytest

from tests.domain.towns import agent, main_plan, round_, task
from tests.handlers.desk import Desk
from tinytownd.domain import questions
from tinytownd.domain.change import Change
from tinytownd.domain.errors import Ambiguous, BadInput, Conflict, NotFound, PlanError
from tinytownd.domain.track import MAIN, TrackedPlan

PLAN = """\
[meta]
description = "Invoices"

[[tasks]]
id = "design"
description = "Design it"
agent = "ann"

[[tasks]]
id = "build"
description = "Build it"
agent = "bob"
depends_on = ["design"]
"""
CHANGED = PLAN.replace("Build it", "Build it well")


def desk_with(**meta: Any) -> Desk:
    return Desk(agent("ann"), agent("bob", 2), **meta)


def pushed(desk: Desk, name: str = "billing", text: str = PLAN, **args: Any) -> dict[str, Any]:
    return desk.call("plan.push", text=text, plan=name, **args)


def state_of(desk: Desk, name: str = "billing") -> str:
    return str(desk.call("plan.status", name=name)["plan"]["state"])


def ids(desk: Desk) -> list[str]:
    return list(desk.town.tasks)


# Ids


def test_plans_with_equal_ids_stand_side_by_side() -> None:
    desk = desk_with()
    desk.call("plan.push", text=PLAN)
    told = pushed(desk)
    assert [one["id"] for one in told["added"]] == ["billing/design", "billing/build"]
    assert ids(desk) == ["design", "build", "billing/design", "billing/build"]
    assert desk.town.tasks["billing/build"].needs == ("billing/design",)
    desk.call("conductor.start")
    desk.call("task.complete", task="design", result="Done")
    assert desk.states() == ["completed", "assigned", "assigned", "pending"]
    names = [plan["name"] for plan in desk.call("plan.list")["plans"]]
    assert names == ["main", "billing"]


def test_a_plan_that_is_pushed_again_changes_nothing() -> None:
    desk = desk_with()
    pushed(desk)
    told = pushed(desk, "Billing")  # a name's case does not count
    assert len(told["unchanged"]) == 2
    assert desk.said == Change()
    assert list(desk.town.plans) == ["billing"]


def test_one_plan_is_changed_and_the_others_are_left() -> None:
    desk = desk_with()
    desk.call("plan.push", text=PLAN)
    pushed(desk)
    told = pushed(desk, text=PLAN[: PLAN.rindex("[[tasks]]")], prune=True)
    assert [one["id"] for one in told["removed"]] == ["billing/build"]
    assert desk.states() == ["pending", "pending", "pending", "cancelled"]
    told = pushed(desk, text=CHANGED)
    assert [one["id"] for one in told["updated"]] == ["billing/build"]
    assert desk.town.tasks["build"].description == "Build it"


@pytest.mark.parametrize(
    ("ref", "found"),
    [
        ("billing/design", "billing/design"),
        ("billing/d", "billing/design"),
        ("deploy", "shop/deploy"),
        ("design", "design"),
        ("desi", "design"),
    ],
)
def test_a_task_is_named_as_short_as_it_may_be(ref: str, found: str) -> None:
    desk = desk_with()
    desk.call("plan.push", text=PLAN)
    pushed(desk)
    pushed(desk, "shop", PLAN.replace("design", "deploy").replace("build", "bake"))
    assert desk.call("task.show", task=ref)["task"]["id"] == found


def test_a_short_name_of_two_plans_is_ambiguous() -> None:
    desk = desk_with()
    pushed(desk)
    pushed(desk, "shop")
    with pytest.raises(Ambiguous, match="'design' fits 2 tasks") as refused:
        desk.call("task.show", task="design")
    assert refused.value.hint == "billing/design, shop/design"


def test_pull_writes_the_files_own_ids() -> None:
    desk = desk_with()
    desk.call("plan.push", text=PLAN)
    pushed(desk)
    desk.call("task.complete", task="billing/design", result="As a table")
    told = desk.call("plan.pull", text=PLAN, plan="billing", all=True)
    assert told["changed"] == [{"id": "design"}]
    assert 'result = "As a table"' in told["text"]
    assert desk.call("plan.pull", text=PLAN)["changed"] == []
    again = pushed(desk, text=told["text"])
    assert len(again["unchanged"]) == 2
    assert desk.said == Change()


def test_pull_of_all_appends_what_the_plans_own_file_lacks() -> None:
    desk = desk_with()
    desk.call("plan.push", text=PLAN)
    pushed(desk)
    desk.call("task.assign", agent="ann", text="Loose")
    desk.call("task.assign", agent="ann", text="More of it", plan="billing", after=["t1"])
    own = desk.call("plan.pull", text=PLAN, plan="billing", all=True)
    assert own["changed"] == [{"id": "t2"}]
    assert desk.call("plan.pull", text=PLAN, all=True)["changed"] == [{"id": "t1"}]
    told = pushed(desk, text=own["text"])
    assert (told["added"], ids(desk).count("billing/t2")) == ([], 1)


@pytest.mark.parametrize("name", ["all", "Conductor", "a/b", "", "-x", "x" * 65, "ä"])
def test_a_plan_has_a_name_like_an_agents(name: str) -> None:
    desk = desk_with()
    for call in (
        {"name": "plan.push", "text": PLAN},
        {"name": "task.assign", "agent": "ann", "text": "Work"},
        {"name": "backlog.add", "text": "Work"},
    ):
        verb = call.pop("name")
        with pytest.raises(BadInput):
            desk.call(verb, plan=name, **call)


def test_problems_of_a_file_are_told_with_its_own_ids() -> None:
    desk = desk_with()
    with pytest.raises(PlanError) as refused:
        pushed(desk, text=PLAN.replace('["design"]', '["desing"]'))
    assert refused.value.problems[0]["hint"] == "did you mean design?"
    assert desk.town.plans == {}, "a plan that was refused is none"


# Plans without a file


def test_a_plan_without_a_file_goes_out_at_once() -> None:
    desk = desk_with()
    made = desk.call("task.assign", agent="ann", text="First", plan="chores")["task"]
    assert (made["id"], made["plan"], made["state"]) == ("chores/t1", "chores", "assigned")
    desk.call("backlog.add", text="Second", plan="Chores")
    plan = desk.call("plan.status", name="chores")
    assert (plan["plan"]["total"], plan["plan"]["state"]) == (2, "running")
    assert plan["agents"] == [
        {"name": "ann", "tasks": {"assigned": 1}},
        {"name": None, "tasks": {"pending": 1}},
    ]
    assert desk.call("conductor.status")["conductor"]["on"] is True
    assert desk.call("town.status")["conductor"]["on"] is True


def test_a_push_leaves_alone_what_no_file_brought() -> None:
    desk = desk_with()
    pushed(desk)
    desk.call("task.assign", agent="ann", text="Extra", plan="billing")
    told = pushed(desk, prune=True)
    assert told["removed"] == []
    assert desk.states("billing/t1") == ["assigned"]


# Pausing, going on, cancelling


def conducted(**plan: Any) -> Desk:
    """The plan `billing` with its first task handed out."""
    desk = desk_with()
    pushed(desk, **plan)
    if not plan:
        desk.call("conductor.start")
    return desk


def test_a_pause_takes_back_what_has_not_started() -> None:
    desk = conducted()
    assert desk.states() == ["assigned", "pending"]
    assert desk.call("plan.pause", name="BILLING")["plan"]["state"] == "paused"
    assert desk.told() == ["plan.paused", "task.released"]
    assert desk.states() == ["pending", "pending"]
    desk.call("plan.pause", name="billing")
    assert desk.said == Change()
    desk.call("conductor.stop")
    with pytest.raises(Conflict, match="plan billing is paused"):
        desk.call("conductor.start", plan="billing")
    desk.call("plan.resume", name="billing")
    desk.call("conductor.start")
    assert desk.states() == ["assigned", "pending"]


def test_what_runs_ends_although_its_plan_is_paused() -> None:
    desk = conducted()
    desk.begin("ann")
    desk.call("plan.pause", name="billing")
    assert (desk.states("billing/design"), state_of(desk)) == (["running"], "paused")
    desk.end("ann")
    assert desk.states() == ["completed", "pending"]
    desk.call("plan.resume", name="billing")
    assert (desk.states("billing/build"), state_of(desk)) == (["assigned"], "running")


def test_other_work_goes_on_while_a_plan_is_paused() -> None:
    desk = conducted()
    desk.call("plan.pause", name="billing")
    desk.call("task.assign", agent="ann", text="Loose")
    desk.call("task.assign", agent="ann", text="Held", plan="billing")
    assert desk.states("t1", "billing/t2") == ["assigned", "pending"]


def test_cancelling_a_plan_ends_the_rounds_that_work_on_it() -> None:
    desk = conducted()
    number = desk.begin("ann")
    assert desk.call("plan.cancel", name="billing")["plan"]["state"] == "cancelled"
    assert desk.told()[-2:] == ["plan.cancelled", "message.sent"]
    assert desk.states() == ["cancelled", "cancelled"]
    assert desk.town.rounds[number].stopping == "person decided on its task"


@pytest.mark.parametrize("verb", ["plan.pause", "plan.resume", "plan.cancel"])
def test_a_plan_that_is_over_is_left(verb: str) -> None:
    desk = conducted()
    desk.call("task.complete", task="design")
    desk.call("task.complete", task="build")
    with pytest.raises(Conflict, match="plan billing is over: it is completed") as refused:
        desk.call(verb, name="billing")
    assert refused.value.hint == "tt plan status billing"


@pytest.mark.parametrize(
    "verb", ["pause", "resume", "cancel", "approve", "reject", "status", "start", "pull"]
)
def test_a_plan_that_is_not_there_is_not_found(verb: str) -> None:
    desk = conducted()
    args = {"name": "biling"}
    if verb in ("start", "pull"):
        args = {"plan": "biling"} | ({"text": PLAN} if verb == "pull" else {})
    name = "conductor.start" if verb == "start" else f"plan.{verb}"
    with pytest.raises(NotFound, match="there is no plan 'biling'") as refused:
        desk.call(name, **args)
    assert refused.value.hint == "did you mean billing?"


def test_a_plan_that_waits_for_an_answer_is_not_simply_resumed() -> None:
    desk = Desk(agent("ann"), task(1, "ann", plan="a"), TrackedPlan("a", 1, paused=True))
    asked = questions.ask(desk.town, "daemon", "budget:plan:a", "More?")
    desk.town.commit()
    with pytest.raises(Conflict, match="about its budget") as refused:
        desk.call("plan.resume", name="a")
    assert refused.value.hint == f"tt answer {asked.id} yes"


# Which plan


def test_the_plan_that_is_meant_where_none_is_named() -> None:
    desk = conducted()
    assert desk.call("plan.status")["plan"]["name"] == "billing"
    assert desk.call("conductor.status")["conductor"]["plan"]["name"] == "billing"
    pushed(desk, "shop")
    with pytest.raises(BadInput, match="which plan") as refused:
        desk.call("conductor.start")
    assert refused.value.hint == "--plan, one of billing, shop"
    with pytest.raises(NotFound, match="there is no plan 'main'"):
        desk.call("plan.status")
    desk.call("plan.push", text=PLAN)
    assert desk.call("conductor.start")["conductor"]["plan"]["name"] == "main"
    assert desk.call("conductor.start", plan="Shop")["conductor"]["plan"]["name"] == "shop"


def test_a_followed_plan_is_told_of_its_own_tasks_and_agents() -> None:
    desk = conducted()
    pushed(desk, "shop", PLAN.replace('"ann"', '"absent"'))
    status = desk.call("conductor.status", plan="shop")
    assert [one["id"] for one in status["tasks"]] == ["shop/design", "shop/build"]
    assert [one["name"] for one in status["missing"]] == ["absent"]
    assert desk.call("conductor.status", plan="billing")["missing"] == []


def test_all_plans_are_told_with_the_towns_status() -> None:
    desk = conducted()
    pushed(desk, "shop")
    plans = desk.call("town.status")["plans"]
    assert [(one["name"], one["state"], one["total"]) for one in plans] == [
        ("billing", "running", 2),
        ("shop", "running", 2),
    ]


def test_a_whole_plan_is_told_with_what_it_took() -> None:
    used = TrackedPlan(
        "a", 1, owner="ann", started_at=1_789_999_940_000, tokens=1_200, cost_usd=0.5
    )
    desk = Desk(agent("ann"), used, task(1, "ann", plan="a", state="running"), round_(1, "ann"))
    told = desk.call("plan.status", name="a")["plan"]
    assert told == {
        "name": "a",
        "description": None,
        "owner": "ann",
        "state": "running",
        "total": 1,
        "completed": 0,
        "failed": 0,
        "cancelled": 0,
        "running": 1,
        "blocked": 0,
        "pending": 0,
        "started_at": "2026-09-21T14:12:20.000Z",
        "ended_at": None,
        "seconds": 60.0,
        "tokens": 1_200,
        "cost_usd": 0.5,
    }


def test_a_paused_plan_that_ended_can_be_resumed_for_what_is_pushed_next() -> None:
    desk = Desk(agent("ann"), task(1, "ann", plan=MAIN), conducting=True)
    desk.begin("ann")
    desk.call("plan.pause", name=MAIN)
    desk.end("ann")
    assert main_plan(desk.town).state == "completed"
    desk.call("plan.resume", name=MAIN)
    assert not main_plan(desk.town).paused
    with pytest.raises(Conflict, match="is over"):
        desk.call("plan.resume", name=MAIN)
