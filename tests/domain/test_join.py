"""Join rules: what waits, what is ready and what is held, as a naive model of the town has it."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from tests.domain.towns import agent, make_town, picture, settled, states, task
from tinytownd.conductor.schedule import held_by_failure, settle
from tinytownd.domain.errors import BadInput
from tinytownd.domain.join import check_failures, check_join
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town

OVER = ("failed", "cancelled")


# The naive model: everything is found out by looking at everything


def branches(one: Task) -> set[str]:
    rule = one.join != "all" or one.join_failures
    return set(one.depends_on) - {one.parent or ""} if rule else set()


def has_arrived(one: Task, need: str, now: dict[str, str]) -> bool:
    counts = one.join_failures and need in branches(one) and now.get(need) in OVER
    return now.get(need, "completed") == "completed" or counts


def waits(one: Task, now: dict[str, str]) -> bool:
    counted = branches(one)
    enough = {"all": len(counted), "any": min(1, len(counted))}.get(one.join)
    enough = min(int(one.join), len(counted)) if enough is None else enough
    there = sum(has_arrived(one, need, now) for need in counted)
    rest = all(has_arrived(one, need, now) for need in set(one.needs) - counted)
    return there < enough or not rest


def played_out(town: Town) -> dict[str, str]:
    """How all would end if from now on nothing failed, and everything that may start did."""
    now = {one.id: one.state for one in town.tasks.values()}
    before: dict[str, str] = {}
    while before != now:
        before = dict(now)
        for one in town.tasks.values():
            # One that was completed stays so, whatever becomes of the tasks in it.
            if one.group and one.state not in ("completed", "cancelled"):
                now[one.id] = group_state(town, one, now)
            elif not one.group and now[one.id] == "pending" and not waits(one, now):
                now[one.id] = "completed"
    return now


def group_state(town: Town, group: Task, now: dict[str, str]) -> str:
    inside = [now[one.id] for one in town.children(group.id) if now[one.id] != "cancelled"]
    if all(state == "completed" for state in inside) and not waits(group, now):
        return "completed"
    return "failed" if "failed" in inside else "pending"


# Random towns, random lives


@st.composite
def towns(draw: st.DrawFn) -> Town:
    """Tasks with join rules that need earlier ones, some of them in groups."""
    records: list[Task] = []
    groups: list[Task] = []
    for number in range(1, draw(st.integers(2, 9)) + 1):
        parent = draw(st.sampled_from([None, None, *groups]))
        free = [one.id for one in records if one not in groups or one is not parent]
        after = draw(st.lists(st.sampled_from(free), max_size=4, unique=True)) if free else []
        after = [one for one in after if parent is None or not within(one, parent, records)]
        group = draw(st.integers(0, 4)) == 0
        rule: dict[str, Any] = {} if group else joins(draw, len(after))
        needs = tuple(dict.fromkeys([*after, *(parent.needs if parent else ())]))
        rule |= {"parent": parent.id if parent else None, "group": group}
        one = task(number, needs=needs, depends_on=tuple(after), **rule)
        records.append(one)
        groups += [one] if group else []
    return make_town(*records, tasks=len(records))


def within(task_id: str, group: Task, tasks: list[Task]) -> bool:
    """Whether a task is the group, or leans on it: one within must not wait for that."""
    by_id = {one.id: one for one in tasks}
    one = by_id[task_id]
    if one.id == group.id:
        return True
    inside = [other.id for other in tasks if other.parent == one.id]
    return any(within(other, group, tasks) for other in (*one.needs, *inside))


def joins(draw: st.DrawFn, many: int) -> dict[str, Any]:
    numbers = [str(number) for number in range(1, many + 1)]
    rule = draw(st.sampled_from(["all", "any", *numbers])) if many else "all"
    return {"join": rule, "join_failures": draw(st.booleans())}


def live(town: Town, dice: random.Random) -> None:
    """One thing happens to a task that somebody executes."""
    one = dice.choice([t for t in town.tasks.values() if not t.group] or [None])
    if one is None:
        return
    now = {t.id: t.state for t in town.tasks.values()}
    may = {"retry": one.state in OVER, "cancel": one.state in ("pending", "failed")}
    may |= dict.fromkeys(("complete", "fail"), one.state == "pending" and not waits(one, now))
    event = dice.choice(["complete", "complete", "fail", "cancel", "retry", "drop"])
    if event == "drop" and dice.random() < 0.2:
        town.drop(one)
    elif may.get(event):
        town.put(one.advance(event))


@given(towns(), st.randoms(use_true_random=False), st.integers(1, 25))
@settings(max_examples=300, deadline=None)
def test_what_waits_and_what_is_held_is_what_the_naive_model_says(
    town: Town, dice: random.Random, steps: int
) -> None:
    settled(town)
    for _ in range(steps):
        live(town, dice)
        settled(town)
        note("\n".join(map(str, town.tasks.values())))
        now = {one.id: one.state for one in town.tasks.values()}
        for one in town.tasks.values():
            away = [need for need in one.needs if not has_arrived(one, need, now)]
            assert town.index.waits(one) is waits(one, now)
            assert town.unmet(one) == (away if waits(one, now) else [])
        ends = played_out(town)
        open_ = {one.id for one in town.tasks.values() if one.state == "pending"}
        assert held_by_failure(town) & open_ == {one for one in open_ if ends[one] != "completed"}
    again = make_town(*town.records(), now=town.now)
    settle(again)
    assert not again.change
    assert {one: again.unmet(t) for one, t in again.tasks.items()} == picture(town)["unmet"]


# One thing at a time


def joined(join: str, *states_: str, count: bool = False) -> Town:
    """Branches in these states, and t0 that joins them."""
    some = [task(n, "ann", state=state) for n, state in enumerate(states_, 1)]
    needs = tuple(one.id for one in some)
    joiner = task(0, "ann", needs=needs, join=join, join_failures=count, priority="urgent")
    return settled(make_town(agent("ann"), joiner, *some))


@pytest.mark.parametrize(
    ("join", "count", "branches", "goes"),
    [
        ("all", False, ("completed", "running"), False),
        ("all", False, ("completed", "completed"), True),
        ("all", False, ("completed", "failed"), False),
        ("all", True, ("completed", "failed"), True),
        ("all", True, ("cancelled", "failed"), True),
        ("all", True, ("failed", "running"), False),
        ("any", False, ("running", "completed"), True),
        ("any", False, ("failed", "running"), False),
        ("any", True, ("failed", "running"), True),
        ("2", False, ("completed", "running", "completed"), True),
        ("2", False, ("completed", "running", "failed"), False),
        ("2", True, ("completed", "running", "failed"), True),
        # A plan whose tasks were taken away is no reason to wait for ever.
        ("2", False, ("completed",), True),
    ],
)
def test_enough_have_arrived(join: str, count: bool, branches: tuple[str, ...], goes: bool) -> None:
    assert states(joined(join, *branches, count=count), "t0") == ["assigned" if goes else "pending"]


def test_what_counts_as_a_failure_and_is_tried_again_takes_the_joiner_back() -> None:
    town = joined("all", "completed", "failed", count=True)
    assert states(town, "t0") == ["assigned"]
    town.put(town.tasks["t2"].advance("retry"))
    settled(town)
    assert states(town, "t0", "t2") == ["pending", "assigned"]
    town.put(town.tasks["t2"].advance("complete"))
    settled(town)
    assert states(town, "t0") == ["assigned"]


def test_one_that_runs_is_not_stopped_when_a_branch_is_tried_again() -> None:
    town = joined("any", "failed", "running", count=True)
    town.put(town.tasks["t0"].advance("start"))
    town.put(town.tasks["t1"].advance("retry"))
    settled(town)
    assert states(town, "t0") == ["running"]


def test_the_parent_and_what_the_groups_wait_for_are_waited_for_in_any_case() -> None:
    some = [task(n, "ann", state="completed") for n in (1, 2)]
    parent, outside = task(3, "bob"), task(4, "bob")
    needs = ("t1", "t2", "t3", "t4")
    joiner = task(5, "ann", needs=needs, depends_on=("t1", "t2", "t3"), parent="t3", join="any")
    town = settled(make_town(agent("ann"), *some, parent, outside, joiner))
    for last in ("t3", "t4"):
        assert town.unmet(town.tasks["t5"])[-1] == "t4"
        town.put(town.tasks[last].advance("complete"))
        settled(town)
    assert states(town, "t5") == ["assigned"]


@pytest.mark.parametrize(("join", "held"), [("all", True), ("any", False), ("2", False)])
def test_a_joiner_is_held_once_too_few_can_arrive(join: str, held: bool) -> None:
    town = joined(join, "failed", "running", "running")
    assert ("t0" in held_by_failure(town)) is held
    town.put(town.tasks["t2"].advance("fail"))
    assert ("t0" in held_by_failure(town)) is (join != "any")


def test_a_group_that_will_fail_arrives_where_failures_count() -> None:
    inside = [task(2, "ann", parent="t1", state="failed"), task(3, "ann", parent="t1")]
    group = task(1, group=True)
    joiner = task(4, "ann", needs=("t1",), join_failures=True)
    town = settled(make_town(agent("ann"), group, *inside, joiner))
    assert held_by_failure(town) == {"t1"}
    town.put(town.tasks["t3"].advance("complete"))
    settled(town)
    assert states(town, "t1", "t4") == ["failed", "assigned"]


@pytest.mark.parametrize(
    ("join", "branches", "why"),
    [
        ("most", 3, "'most' is no join rule"),
        ("0", 3, "'0' is no join rule"),
        ("-1", 3, "'-1' is no join rule"),
        ("1.5", 3, "'1.5' is no join rule"),
        ("\u0662", 3, "is no join rule"),
        ("9" * 5000, 3, "is no join rule"),
        ("4", 3, "join = 4, but it depends on 3 tasks"),
        ("2", 1, "join = 2, but it depends on 1 task"),
    ],
)
def test_a_rule_that_cannot_be(join: str, branches: int, why: str) -> None:
    with pytest.raises(BadInput, match=why) as refused:
        check_join(join, branches)
    assert len(refused.value.message) < 200


def test_rules_that_can_be() -> None:
    assert [check_join(join, 3) for join in ("all", "any", "3", "02")] == ["all", "any", "3", "2"]
    assert (check_failures("hold"), check_failures("count")) == (False, True)
    with pytest.raises(BadInput, match="'ignore' says nothing about failures"):
        check_failures("ignore")
