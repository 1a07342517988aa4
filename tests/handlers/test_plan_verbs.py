"""Pushing a plan: what is added, updated, unchanged, kept, removed; and again, nothing."""

from __future__ import annotations

from typing import Any

import pytest
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.domain.towns import agent, task
from tests.handlers.desk import Desk
from tinytownd.domain.change import Change
from tinytownd.domain.errors import PlanError

Definition = dict[str, Any]
DESIGN: Definition = {"id": "design", "description": "Design", "agent": "ann"}
BUILD: Definition = {"id": "build", "description": "Build", "agent": "ann", "parent": "design"}
TEST: Definition = {"id": "test", "description": "Test", "agent": "ann", "parent": "build"}


def text(*tasks: Definition, **meta: str) -> str:
    return tomlkit.dumps({"meta": {"description": "A plan", **meta}, "tasks": list(tasks)})


def push(desk: Desk, *tasks: Definition, **args: bool) -> dict[str, list[str]]:
    """What a push did, by id; what is empty is left out."""
    told = desk.call("plan.push", text=text(*tasks), **args)
    kinds = ("added", "updated", "unchanged", "kept", "removed")
    return {kind: [one["id"] for one in told[kind]] for kind in kinds if told[kind]}


def quiet(desk: Desk) -> bool:
    """Whether the last command wrote nothing at all: no record, no event, no wake."""
    return desk.said == Change()


def test_a_plan_is_added_once() -> None:
    desk = Desk(agent("ann"))
    assert push(desk, DESIGN, BUILD, TEST) == {"added": ["design", "build", "test"]}
    assert desk.told()[-1] == "plan.pushed"
    assert desk.town.tasks["build"].needs == ("design",)
    assert push(desk, DESIGN, BUILD, TEST) == {"unchanged": ["design", "build", "test"]}
    assert quiet(desk)


def test_a_plan_without_a_description_has_none() -> None:
    desk = Desk()
    plan = tomlkit.dumps({"tasks": [DESIGN]})
    assert desk.call("plan.push", text=plan)["plan"]["description"] is None
    assert desk.call("plan.check", text=plan)["description"] is None


def test_what_has_not_started_is_updated_and_what_has_is_kept() -> None:
    desk = Desk(agent("ann"))
    push(desk, DESIGN, BUILD)
    desk.call("conductor.start")
    desk.begin("ann")
    changed = [{**one, "description": "Else"} for one in (DESIGN, BUILD)]
    assert push(desk, *changed) == {"updated": ["build"], "kept": ["design"]}
    assert [one.description for one in desk.town.tasks.values()] == ["Design", "Else"]
    assert push(desk, *changed) == {"unchanged": ["build"], "kept": ["design"]}
    assert quiet(desk)


def test_a_task_that_was_handed_out_is_updated() -> None:
    desk = Desk(agent("ann"), agent("bob", 2))
    push(desk, DESIGN)
    desk.call("conductor.start")
    assert desk.states() == ["assigned"]
    assert push(desk, {**DESIGN, "agent": "bob"}) == {"updated": ["design"]}
    assert [one.id for one in desk.town.queue("bob")] == ["design"]


def test_what_is_not_in_the_file_any_more() -> None:
    desk = Desk(agent("ann"))
    push(desk, DESIGN, BUILD, TEST)
    assert push(desk, DESIGN) == {"unchanged": ["design"], "removed": ["build", "test"]}
    assert quiet(desk)
    assert push(desk, DESIGN, prune=True)["removed"] == ["build", "test"]
    assert desk.states() == ["pending", "cancelled", "cancelled"]
    for prune in (False, True):
        assert push(desk, DESIGN, prune=prune) == {"unchanged": ["design"]}
        assert desk.said == Change()


def test_what_comes_back_into_the_file_comes_back() -> None:
    desk = Desk(agent("ann"))
    push(desk, DESIGN, BUILD, TEST)
    push(desk, DESIGN, prune=True)
    changed = {**TEST, "description": "Else"}
    assert push(desk, DESIGN, BUILD, changed) == {
        "updated": ["build", "test"],
        "unchanged": ["design"],
    }
    assert desk.states() == ["pending"] * 3
    assert desk.town.tasks["test"].description == "Else"


def test_what_a_person_cancelled_stays_cancelled() -> None:
    desk = Desk(agent("ann"))
    push(desk, DESIGN)
    desk.call("task.cancel", task="design")
    assert push(desk, DESIGN) == {"unchanged": ["design"]}
    assert desk.states() == ["cancelled"]


def test_pruning_leaves_alone_what_has_started() -> None:
    desk = Desk(agent("ann"))
    push(desk, DESIGN, BUILD)
    desk.call("conductor.start")
    desk.begin("ann")
    assert push(desk, BUILD | {"parent": "other"}, {**DESIGN, "id": "other"}, prune=True) == {
        "added": ["other"],
        "updated": ["build"],
        "removed": ["design"],
    }
    assert desk.states("design") == ["running"]


STATUSES = [{**DESIGN, "status": "completed", "result": "JWT"}, {**BUILD, "status": "running"}]


def test_a_status_in_the_file_counts_only_when_asked_for() -> None:
    desk = Desk(agent("ann"))
    push(desk, *STATUSES)
    assert desk.states() == ["pending", "pending"]
    assert push(desk, *STATUSES, adopt_status=True) == {
        "updated": ["design"],
        "unchanged": ["build"],
    }
    assert desk.states() == ["completed", "pending"]
    assert desk.town.tasks["design"].result == "JWT"
    push(desk, *STATUSES, adopt_status=True)
    assert quiet(desk)


def test_statuses_of_a_new_plan_are_adopted() -> None:
    desk = Desk(agent("ann"))
    ended = [
        {**one, "status": s}
        for one, s in zip((DESIGN, BUILD), ("failed", "cancelled"), strict=True)
    ]
    ended[0]["result"] = "broke"
    push(desk, *ended, adopt_status=True)
    assert desk.states() == ["failed", "cancelled"]
    failed = desk.town.tasks["design"]
    assert (failed.error, failed.result) == ("broke", None)


GROUP: list[Definition] = [
    {"id": "all", "description": "All", "epic": True, "status": "completed"},
    {"id": "one", "description": "One", "agent": "ann", "parent": "all"},
]


def test_a_groups_status_is_what_its_tasks_make_it() -> None:
    desk = Desk(agent("ann"))
    push(desk, *GROUP, adopt_status=True)
    assert desk.states() == ["pending", "pending"]
    push(desk, *GROUP, adopt_status=True)
    assert quiet(desk)
    push(desk, GROUP[0], {**GROUP[1], "status": "completed"}, adopt_status=True)
    assert desk.states() == ["completed", "completed"]


def test_a_group_that_failed_takes_its_new_definition() -> None:
    desk = Desk(agent("ann"))
    push(desk, *GROUP)
    desk.call("task.fail", task="one")
    assert desk.states("all") == ["failed"]
    changed = [{**GROUP[0], "description": "Everything"}, GROUP[1], {**GROUP[1], "id": "two"}]
    assert push(desk, *changed)["updated"] == ["all"]
    assert desk.states("all") == ["pending"]
    push(desk, *changed)
    assert quiet(desk)


def test_a_group_that_ends_as_it_leaves_the_file_leaves_it_once() -> None:
    desk = Desk(agent("ann"))
    push(desk, *GROUP)
    alone = {key: value for key, value in GROUP[1].items() if key != "parent"}
    assert push(desk, alone) == {"updated": ["one"], "removed": ["all"]}
    assert desk.states("all") == ["completed"]
    push(desk, alone)
    assert quiet(desk)


def test_ids_of_other_tasks_are_refused() -> None:
    desk = Desk(agent("ann"), task(1, "ann"))
    with pytest.raises(PlanError) as refused:
        push(desk, DESIGN, {**BUILD, "id": "t1", "parent": "design"})
    assert [problem["message"] for problem in refused.value.problems] == [
        "id 't1' belongs to a task that is not of this plan"
    ]
    assert refused.value.message == "the plan has 1 problem"
    assert desk.states() == ["assigned"]


@pytest.mark.parametrize(
    "bad", ["", "x", "[[tasks]]", '[[tasks]]\nid = "a"\ncolour = "red"', "\x01"]
)
@pytest.mark.parametrize("verb", ["plan.push", "plan.check"])
def test_a_plan_with_problems_changes_nothing(verb: str, bad: str) -> None:
    with pytest.raises(PlanError) as refused:
        Desk(agent("ann")).call(verb, text=bad)
    assert refused.value.problems


def test_a_scratch_town_runs_no_commands() -> None:
    desk = Desk(agent("shell"), scratch=True)
    push(desk, {"id": "make", "description": "Make", "run": "make"})
    made = desk.town.tasks["make"]
    assert (made.run, made.description) == (None, "Make (would run: make)")
    push(desk, {"id": "make", "description": "Make", "run": "make"})
    assert quiet(desk)


def test_a_checked_plan_is_shown_in_waves() -> None:
    told = Desk().call("plan.check", text=text(*GROUP, {**TEST, "parent": "one"}))
    assert [[one["id"] for one in wave] for wave in told["waves"]] == [["one"], ["test"]]
    assert told["waves"][0][0]["group"] == "all"
    assert told["waves"][1][0]["depends_on"] == ["one"]
    assert told["groups"] == [{"id": "all", "description": "All", "children": ["one"]}]


def test_what_is_pulled_can_be_pushed_again() -> None:
    desk = Desk(agent("ann"), agent("bob", 2))
    push(desk, DESIGN, BUILD, TEST)
    desk.call("task.complete", task="design", result="Use\nJWT")
    desk.call("task.move", task="test", agent="bob")
    pulled = desk.call("plan.pull", text=text(DESIGN, BUILD, TEST))
    assert [one["id"] for one in pulled["changed"]] == ["design", "test"]
    told = desk.call("plan.push", text=pulled["text"])
    assert [one["id"] for one in told["unchanged"]] == ["design", "build", "test"]
    assert quiet(desk)
    assert desk.call("plan.pull", text=pulled["text"])["changed"] == []


IDS = ["a", "b", "c", "d", "e"]


@st.composite
def plans(draw: st.DrawFn) -> str:
    """Plans whose tasks lean on those before them in the alphabet."""
    chosen = sorted(draw(st.sets(st.sampled_from(IDS), min_size=1)))
    tasks = []
    for place, one in enumerate(chosen):
        earlier = st.sampled_from(chosen[:place]) if place else st.nothing()
        parent = draw(st.none() | earlier)
        fields = {
            "id": one,
            "description": draw(st.sampled_from(["Do it", "Do\nthat"])),
            "agent": draw(st.sampled_from(["ann", "bob", None])),
            "parent": parent,
            "depends_on": sorted(draw(st.sets(earlier, max_size=2)) - {parent}) if place else [],
            "status": draw(st.sampled_from(["pending", "running", "completed", "failed"])),
            "run": draw(st.sampled_from([None, None, "make"])),
        }
        tasks.append({key: value for key, value in fields.items() if value is not None})
    return text(*tasks)


@given(st.lists(plans(), min_size=1, max_size=4), st.booleans(), st.booleans(), st.booleans())
@settings(max_examples=100, deadline=None)
def test_whatever_was_pushed_before_the_second_push_writes_nothing(
    files: list[str], prune: bool, adopt: bool, conducting: bool
) -> None:
    desk = Desk(agent("ann"), conducting=conducting)
    for file in files:
        try:
            desk.call("plan.push", text=file, prune=prune, adopt_status=adopt)
        except PlanError:
            continue
        first = list(desk.town.records())
        told = desk.call("plan.push", text=file, prune=prune, adopt_status=adopt)
        assert desk.said == Change()
        assert (told["added"], told["updated"]) == ([], [])
        assert list(desk.town.records()) == first


def test_pull_of_all_does_not_bring_back_what_was_pruned() -> None:
    desk = Desk(agent("ann"))
    push(desk, DESIGN, BUILD)
    push(desk, DESIGN, prune=True)
    pulled = desk.call("plan.pull", text=text(DESIGN), all=True)["text"]
    desk.call("plan.push", text=pulled)
    assert quiet(desk)
    assert desk.states("build") == ["cancelled"]


def test_a_changed_task_that_failed_can_be_tried_again_as_the_file_has_it() -> None:
    desk = Desk(agent("ann"))
    changed = {**DESIGN, "description": "Design it better"}
    push(desk, DESIGN)
    desk.call("task.fail", task="design")
    told = desk.call("plan.push", text=text(changed))
    assert told["kept"][0]["why"] == (
        "changed in the file, but it is failed; to have it tried again as it is there: "
        "tt conductor stop, tt task retry design, tt sync push"
    )
    desk.call("conductor.stop")
    desk.call("task.retry", task="design")
    assert push(desk, changed) == {"updated": ["design"]}
    assert desk.town.tasks["design"].description == "Design it better"
