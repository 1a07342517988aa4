"""What the conductor hands out, and how groups and plans end."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from tests.domain.towns import (
    NOW,
    agent,
    events,
    main_plan,
    make_town,
    picture,
    settled,
    states,
    task,
)
from tinytownd.conductor.plans import plan_state
from tinytownd.conductor.schedule import AHEAD, held_by_failure, settle
from tinytownd.domain.names import PRIORITIES
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town

OWNERS = ("ann", "bob", "absent", None)


def move(town: Town, task_id: str, event: str, **changes: Any) -> None:
    """One event of a task, and what the conductor makes of it."""
    town.put(town.tasks[task_id].advance(event, **changes))
    settled(town)


# Random towns, random lives


@st.composite
def towns(draw: st.DrawFn) -> Town:
    """Tasks that need earlier ones, some in groups and in groups within groups."""
    records: list[Task] = []
    groups: list[Task] = []
    plan = draw(st.sampled_from(["main", None]))
    for number in range(1, draw(st.integers(2, 9)) + 1):
        # A task within a group waits for what the group waits for, as `waits_for` has it.
        parent = draw(st.sampled_from([None, *groups]))
        earlier = [one.id for one in records if not leans_on(one.id, parent, records)]
        needs = set(draw(st.lists(st.sampled_from(earlier), max_size=2))) if earlier else set()
        needs |= set(parent.needs) if parent else set()
        group = draw(st.integers(0, 3)) == 0
        one = task(
            number,
            None if group else draw(st.sampled_from(OWNERS)),
            needs=tuple(sorted(needs)),
            parent=parent.id if parent else None,
            plan=plan,
            group=group,
            priority=draw(st.sampled_from(PRIORITIES)),
        )
        records.append(one)
        groups += [one] if group else []
    team = [agent("Ann", 1), agent("bob", 2)]
    return make_town(*team, *records, conducting=draw(st.booleans()), tasks=len(records))


def leans_on(task_id: str, group: Task | None, tasks: list[Task]) -> bool:
    """Whether the task cannot end before the group does: a task within must not need it."""
    by_id = {one.id: one for one in tasks}
    seen: set[str] = set()
    todo = [task_id]
    while todo and group is not None:
        one = todo.pop()
        if one == group.id:
            return True
        if one not in seen:
            seen.add(one)
            todo += [*by_id[one].needs, *(other.id for other in tasks if other.parent == one)]
    return False


def leaves(town: Town, *wanted: str) -> list[Task]:
    return [one for one in town.tasks.values() if one.state in wanted and not one.group]


def live(town: Town, dice: random.Random) -> None:
    """One thing happens, as handlers and supervisors bring it about."""
    kinds = ["start", "complete", "fail", "cancel", "retry", "release", "agent", "conduct", "time"]
    match dice.choice(kinds):
        case "agent":
            who = dice.choice(list(town.agents.values()))
            state = dice.choice(["idle", "idle", "error", "stopped"])
            town.put(who.but(desired=dice.choice(["run", "run", "pause", "stop"]), state=state))
        case "conduct":
            town.put(town.meta.but(conducting=not town.meta.conducting))
        case "time":
            town.now += 1_000
            for name in ("ann", "bob"):
                town.touch(name)
        case "release":
            for one in leaves(town, "running")[:1]:
                town.put(one.advance("release", not_before=town.now + dice.choice([0, 1_500])))
        case "start":
            for one in leaves(town, "assigned")[:2]:
                town.put(one.advance("start"))
        case event:
            fits = [one for one in town.tasks.values() if can(town, one, event)]
            if fits:
                town.put(dice.choice(fits).advance(event))


def can(town: Town, one: Task, event: str) -> bool:
    if event in ("cancel", "retry"):
        return not one.group and one.state in (
            ("failed", "cancelled") if event == "retry" else ("pending", "assigned", "failed")
        )
    return not one.group and one.state in ("assigned", "running")


@given(towns(), st.randoms(use_true_random=False), st.integers(1, 25))
@settings(max_examples=150, deadline=None)
def test_what_holds_after_every_change(town: Town, dice: random.Random, steps: int) -> None:
    settled(town)
    for _ in range(steps):
        live(town, dice)
        note("\n".join(map(str, town.tasks.values())))
        settled(town)
        check_queues(town)
        check_groups(town)
        check_plan(town)
    before = picture(town)
    for name in ("ann", "bob"):
        town.touch(name)
    settle(town)
    assert not town.change, "settling a settled town changes nothing"
    again = make_town(*town.records(), now=town.now)
    again.meta = town.meta
    settle(again)
    assert not again.change, "a town that is loaded again is settled"
    assert picture(again) == before


def check_queues(town: Town) -> None:
    for one in town.agents.values():
        queue = town.queue(one.name)
        mine = (t for t in leaves(town, "pending") if (t.agent or "").lower() == one.name.lower())
        waiting = [t for t in mine if not town.unmet(t) and may_go(town, t)]
        assert len(queue) <= AHEAD
        assert not queue or one.available
        if one.available:
            assert not (waiting and len(queue) < AHEAD)
            assert all(ahead.rank < behind.rank for ahead in queue for behind in waiting)
    for one_task in leaves(town, "assigned"):
        assert all(town.tasks[need].state == "completed" for need in one_task.needs)
        assert one_task.plan is None or town.meta.conducting
    for need, waits in ((n, t) for t in town.tasks.values() for n in t.needs):
        unmet = town.tasks[need].state != "completed"
        assert (need in town.unmet(waits)) is unmet


def may_go(town: Town, one: Task) -> bool:
    due = one.not_before is None or one.not_before <= town.now
    return due and (one.plan is None or town.meta.conducting)


def check_groups(town: Town) -> None:
    """The definition of the design page, with "can move" found by playing the town out."""
    ends = played_out(town)
    for group in town.tasks.values():
        if not group.group or group.state == "cancelled":
            continue
        children = [c for c in town.children(group.id) if c.state != "cancelled"]
        met = all(town.tasks[need].state == "completed" for need in group.needs)
        some_failed = any(child.state == "failed" for child in children)
        if met and all(child.state == "completed" for child in children):
            assert group.state == "completed"
        elif some_failed and not any(can_move(town, child, ends) for child in children):
            assert group.state in ("failed", "completed")
        else:
            assert group.state in ("pending", "completed")


def played_out(town: Town) -> set[str]:
    """The ids of all that would be completed if from now on nothing failed any more."""
    ends = {one.id for one in town.tasks.values() if one.state == "completed"}
    while True:
        found = set()
        for one in town.tasks.values():
            children = [c for c in town.children(one.id) if c.state != "cancelled"]
            blocked = one.state == "cancelled" or (one.state == "failed" and not one.group)
            inner = not one.group or all(child.id in ends for child in children)
            if not blocked and inner and all(need in ends for need in one.needs):
                found.add(one.id)
        if found <= ends:
            return ends
        ends |= found


def can_move(town: Town, one: Task, ends: set[str]) -> bool:
    if one.finished:
        return False
    inner = one.group and any(can_move(town, child, ends) for child in town.children(one.id))
    return inner or one.id in ends


def check_plan(town: Town) -> None:
    mine = [one for one in town.tasks.values() if one.plan and not one.group]
    if not town.plans:
        assert not mine
        return
    plan = main_plan(town)
    assert plan.state == plan_state(town, plan)
    available = {one.name.lower() for one in town.agents.values() if one.available}
    ready = [
        one
        for one in mine
        if one.state == "pending" and not town.unmet(one) and (one.agent or "").lower() in available
    ]
    on = town.meta.conducting
    if not mine:
        expected = "none"
    elif all(one.state == "cancelled" for one in mine):
        expected = "cancelled"
    elif all(one.state in ("completed", "cancelled") for one in mine):
        expected = "completed"
    elif any(one.state in ("assigned", "running") for one in mine):
        expected = "running"
    elif ready:
        expected = "running" if on else "waiting"
    elif any(one.state == "failed" for one in mine):
        expected = "failed"
    else:
        expected = "stalled" if on else "waiting"
    assert plan.state == expected


# One thing at a time


def test_an_urgent_task_takes_the_place_of_one_that_was_handed_out() -> None:
    town = settled(make_town(agent("ann"), *(task(n, "ann") for n in (1, 2, 3))))
    assert states(town) == ["assigned", "assigned", "pending"]
    town.put(task(4, "ann", priority="urgent"))
    settle(town)
    assert [one.id for one in town.queue("ann")] == ["t4", "t1"]
    assert events(town) == ["task.released", "task.assigned"]
    assert town.change.wakes == {"a1"}


@pytest.mark.parametrize("change", [{"desired": "stop"}, {"desired": "close"}, {"state": "error"}])
def test_work_of_an_agent_that_will_not_do_it_is_taken_back(change: dict[str, str]) -> None:
    plan = [task(1, "ann", plan="main"), task(2, "ann")]
    town = settled(make_town(agent("ann"), *plan, conducting=True))
    town.put(town.agent("ann").but(**change))
    settled(town)
    assert states(town) == ["pending", "pending"]
    assert main_plan(town).state == "stalled"
    town.put(town.agent("ann").but(desired="run", state="idle"))
    settled(town)
    assert states(town) == ["assigned", "assigned"]


def test_a_plan_goes_out_and_comes_back_with_the_conductor() -> None:
    town = settled(make_town(agent("ann"), task(1, "ann", plan="main"), task(2, "ann")))
    assert states(town) == ["pending", "assigned"]
    for conducting, state in ((True, "assigned"), (False, "pending")):
        town.put(town.meta.but(conducting=conducting))
        settled(town)
        assert states(town) == [state, "assigned"]


def test_a_plan_comes_back_also_when_the_town_was_loaded_in_between() -> None:
    handed = task(1, "ann", plan="main", state="assigned")
    town = settled(make_town(agent("ann"), handed, conducting=True))
    town.put(town.meta.but(conducting=False))
    settled(town)
    assert states(town) == ["pending"]


def test_a_task_that_failed_waits_for_its_pause() -> None:
    town = settled(make_town(agent("ann"), task(1, "ann", not_before=NOW + 10)))
    assert states(town) == ["pending"]
    town.now += 10
    town.touch("ann")
    settled(town)
    assert states(town) == ["assigned"]


GROUP = [
    task(1, group=True),
    task(2, "ann", parent="t1"),
    task(3, group=True, parent="t1"),
    task(4, "ann", parent="t3"),
    task(5, "ann", needs=("t1",)),
]


def test_groups_within_groups_end_from_the_inside_out() -> None:
    town = settled(make_town(agent("ann"), *GROUP))
    move(town, "t2", "complete")
    assert states(town, "t1", "t3", "t5") == ["pending"] * 3
    move(town, "t4", "complete")
    assert states(town, "t1", "t3", "t5") == ["completed", "completed", "assigned"]


def test_a_failure_within_waits_for_what_can_still_move_and_a_retry_undoes_it() -> None:
    town = settled(make_town(agent("ann"), *GROUP))
    move(town, "t4", "fail")
    assert states(town, "t1", "t3") == ["pending", "failed"]
    move(town, "t2", "complete")
    assert states(town, "t1", "t3", "t5") == ["failed", "failed", "pending"]
    assert town.tasks["t1"].error == "failed within: t3"
    move(town, "t4", "retry")
    assert states(town, "t1", "t3", "t4") == ["pending", "pending", "assigned"]
    move(town, "t4", "complete")
    assert states(town, "t1", "t3", "t5") == ["completed", "completed", "assigned"]


def test_a_group_hears_of_a_failure_far_away_that_stops_its_last_task() -> None:
    outside = task(1, "ann")
    inside = [task(2, group=True), task(3, "ann", parent="t2"), task(4, "ann", parent="t2")]
    town = settled(make_town(agent("ann"), outside, *inside[:2], inside[2].but(needs=("t1",))))
    move(town, "t3", "fail")
    assert states(town, "t2") == ["pending"]
    move(town, "t1", "fail")
    assert states(town, "t2") == ["failed"]
    move(town, "t1", "retry")
    assert states(town, "t2") == ["pending"]


def test_what_waits_for_a_group_that_cannot_end_is_held() -> None:
    town = make_town(
        task(1, "ann", state="failed"),
        task(2, group=True),
        task(3, "ann", parent="t2", needs=("t1",)),
        task(4, "ann", needs=("t2",)),
        task(5, "ann", parent="t2", state="cancelled"),
        task(6, group=True),
        task(7, "ann", parent="t6", state="cancelled"),
        task(8, "ann", needs=("t6",)),
    )
    assert held_by_failure(town) == {"t2", "t3", "t4"}


def test_a_group_names_only_some_of_many_failures() -> None:
    inside = [task(n, "ann", parent="t1", state="failed") for n in range(2, 5_002)]
    town = settled(make_town(task(1, group=True), *inside))
    error = town.tasks["t1"].error or ""
    assert error.startswith("failed within: t2, t3, ")
    assert len(error) < 100


def plan_of(*records: Task, on: bool = True, who: str = "ann") -> Town:
    own = [one.but(plan="main", digest="0") for one in records]
    return settled(make_town(agent(who), *own, conducting=on, plan="A plan"))


@pytest.mark.parametrize(
    ("records", "conducting", "state"),
    [
        ([], True, "none"),
        ([task(1, "ann")], False, "waiting"),
        ([task(1, "ann")], True, "running"),
        ([task(1, "ann", state="running")], False, "running"),
        ([task(1, "ann", state="submitted"), task(2, "bob", gate_of="t1")], True, "stalled"),
        ([task(1, "ann", state="submitted"), task(2, "ann", gate_of="t1")], True, "running"),
        ([task(1, "ann", state="cancelled")], True, "cancelled"),
        ([task(1, "ann", approve=True), task(2, "ann", needs=("t1",))], True, "blocked"),
        ([task(1, "ann", state="completed"), task(2, "ann", state="cancelled")], True, "completed"),
        ([task(1, "ann", state="failed"), task(2, "ann", needs=("t1",))], True, "failed"),
        ([task(1, "ann", state="failed"), task(2, "ann")], True, "running"),
        ([task(1, "bob")], True, "stalled"),
        ([task(1)], True, "stalled"),
        ([task(1, "ann", state="cancelled"), task(2, "ann", needs=("t1",))], True, "stalled"),
        ([task(1, "ann", not_before=NOW + 5)], True, "running"),
    ],
)
def test_the_state_of_a_plan(records: list[Task], conducting: bool, state: str) -> None:
    assert main_plan(plan_of(*records, on=conducting)).state == state


def test_the_end_of_a_plan_is_told_once_and_again_after_it_went_on() -> None:
    town = plan_of(task(1, "ann"), task(2, "ann", needs=("t1",)))
    told: list[object] = []
    for one, event in [("t1", "fail"), ("t1", "retry"), ("t1", "complete"), ("t2", "complete")]:
        town.put(town.tasks[one].advance(event))
        settle(town)
        told += [e for e in town.change.events if str(e["event"]).startswith("plan.")]
        town.commit()
    assert [(e["event"], e["text"]) for e in told if isinstance(e, dict)] == [
        ("plan.failed", "1 of 2 tasks failed, 1 held back"),
        ("plan.completed", "2 of 2 tasks completed"),
    ]
