"""The rules of a plan, against tables and against a town played out in the plainest way."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytownd.domain.plan import (
    Plan,
    PlanTask,
    digest,
    find_problems,
    find_warnings,
    is_group,
    owner,
    waits_for,
    waves,
)


def plan(*tasks: PlanTask, default_agent: str | None = None) -> Plan:
    numbered = (replace(task, line=10 * (i + 1)) for i, task in enumerate(tasks))
    return Plan("", default_agent, tuple(numbered))


def task(id_: str, *after: str, **rest: object) -> PlanTask:
    return PlanTask(id_, f"Do {id_}", depends_on=after, **rest)  # type: ignore[arg-type]


def ids(found: list[list[PlanTask]]) -> list[list[str]]:
    return [[task.id for task in wave] for wave in found]


TUTORIAL = plan(
    task("design", agent="architect"),
    task("implement", agent="developer", parent="design"),
    task("test", agent="tester", parent="implement"),
)
GROUPS = plan(
    task("vision", agent="boss"),
    task("api", "vision"),
    task("auth", parent="api"),
    task("login", agent="dev", parent="auth"),
    task("logout", "login", agent="dev", parent="auth"),
    task("users", parent="api"),
    task("release", "api", run="make release"),
    default_agent="dev",
)


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (TUTORIAL, [["design"], ["implement"], ["test"]]),
        (GROUPS, [["vision"], ["login", "users"], ["logout"], ["release"]]),
        (plan(task("a"), task("b"), task("c", "a", "b")), [["a", "b"], ["c"]]),
        (plan(task("c", "b"), task("b", "a"), task("a")), [["a"], ["b"], ["c"]]),
        (plan(task("e", epic=True), task("after", "e")), [["after"]]),
        (plan(), []),
    ],
)
def test_waves(of: Plan, expected: list[list[str]]) -> None:
    assert find_problems(of) == []
    assert ids(waves(of)) == expected


@pytest.mark.parametrize(
    ("id_", "group", "who", "waits"),
    [
        ("vision", False, "boss", ()),
        ("api", True, None, ("vision",)),
        ("auth", True, None, ("vision",)),
        ("login", False, "dev", ("vision",)),
        ("logout", False, "dev", ("vision", "login")),
        ("users", False, "dev", ("vision",)),
        ("release", False, "dev", ("api",)),
    ],
)
def test_groups_hold_back_what_is_in_them(
    id_: str, group: bool, who: str | None, waits: tuple[str, ...]
) -> None:
    one = GROUPS.by_id[id_]
    assert (is_group(one, GROUPS), owner(one, GROUPS), waits_for(one, GROUPS)) == (
        group,
        who,
        waits,
    )


@pytest.mark.parametrize(
    ("parent", "default", "group", "who"),
    [
        (PlanTask("p", "P"), None, True, None),
        (PlanTask("p", "P"), "dev", True, None),
        (PlanTask("p", "P", agent="boss"), "dev", False, "boss"),
        (PlanTask("p", "P", run="make"), "dev", False, "dev"),
        (PlanTask("p", "P", run="make"), None, False, "shell"),
        (PlanTask("p", "P", epic=True), "dev", True, None),
    ],
)
def test_who_carries_out_a_parent(
    parent: PlanTask, default: str | None, group: bool, who: str | None
) -> None:
    of = plan(parent, task("child", parent="p"), default_agent=default)
    assert (is_group(of.tasks[0], of), owner(of.tasks[0], of)) == (group, who)
    assert waits_for(of.tasks[1], of) == (() if group else ("p",))


def test_without_an_agent_and_without_children_it_is_backlog() -> None:
    of = plan(task("idea"))
    assert (is_group(of.tasks[0], of), owner(of.tasks[0], of)) == (False, None)


BASE = PlanTask("a", "Do a", "dev", depends_on=("b", "c"), tags=("x", "y"), parent="p")


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"status": "completed"}, True),
        ({"result": "Done"}, True),
        ({"line": 99}, True),
        ({"depends_on": ("c", "b", "b")}, True),
        ({"tags": ("y", "x")}, True),
        ({"agent": None}, True),  # the default agent is the same one
        ({"description": "Do it"}, False),
        ({"agent": "other"}, False),
        ({"parent": None}, False),
        ({"depends_on": ("b",)}, False),
        ({"tags": ("x",)}, False),
        ({"priority": "high"}, False),
        ({"run": "make"}, False),
        ({"epic": True}, False),
    ],
)
def test_a_digest_is_the_definition(changes: dict[str, object], same: bool) -> None:
    def of(one: PlanTask) -> str:
        whole = plan(one, task("b"), task("c"), task("p"), default_agent="dev")
        return digest(whole.tasks[0], whole)

    assert (of(replace(BASE, **changes)) == of(BASE)) is same  # type: ignore[arg-type]
    assert len(of(BASE)) == 16


def test_a_task_that_gets_children_is_another() -> None:
    alone, parent = plan(task("a"), task("b")), plan(task("a"), task("b", parent="a"))
    assert digest(alone.tasks[0], alone) != digest(parent.tasks[0], parent)


def test_a_group_without_tasks_is_warned_of() -> None:
    of = plan(task("full", epic=True), task("a", parent="full"), task("empty", epic=True))
    assert [(w.line, w.message) for w in find_warnings(of)] == [(30, "group 'empty' has no tasks")]


def test_a_similar_id_is_suggested() -> None:
    problems = find_problems(plan(task("design"), task("build", "desing")))
    assert [(p.line, p.key, p.hint) for p in problems] == [
        (20, "depends_on", "did you mean design?")
    ]


def test_a_long_cycle_is_told_in_short() -> None:
    of = plan(*(task(f"t{i}", f"t{(i + 1) % 100}") for i in range(100)))
    (problem,) = find_problems(of)
    assert problem.message.endswith("t0 → t1 → t2 → t3 → t4 → t5 → t6 → … 92 more … → t99 → t0")


def test_every_tangle_is_told_once() -> None:
    of = plan(*(task(f"t{i}", f"t{i ^ 1}", *([f"t{i - 2}"] if i > 1 else [])) for i in range(10)))
    messages = [problem.message.rpartition(": ")[2] for problem in find_problems(of)]
    assert messages == [f"t{i} → t{i + 1} → t{i}" for i in range(0, 10, 2)]


# A town played out: in each turn, all that may start is carried out; groups follow at once.


def play(of: Plan) -> tuple[list[list[str]], set[str]]:
    """The tasks that were carried out in each turn, and all that were completed in the end."""
    done: set[str] = set()
    turns: list[list[str]] = []
    while True:
        settle(of, done)
        turn = [
            t.id
            for t in of.tasks
            if t.id not in done and not is_group(t, of) and is_free(t, of, done)
        ]
        if not turn:
            return turns, done
        for id_ in turn:
            assert find_problems(of) or set(waits_for(of.by_id[id_], of)) <= done
        turns.append(turn)
        done.update(turn)


def is_free(one: PlanTask, of: Plan, done: set[str]) -> bool:
    """Whether it may start, or, for a group, whether its children may."""
    if not set(one.depends_on) <= done:
        return False
    seen = set()
    while one.parent is not None and one.id not in seen:
        seen.add(one.id)
        above = of.by_id[one.parent]
        if not is_group(above, of):
            return above.id in done
        if not set(above.depends_on) <= done:
            return False
        one = above
    return one.parent is None


def settle(of: Plan, done: set[str]) -> None:
    """Complete the groups whose time has come, until none is left."""
    before = -1
    while before != len(done):
        before = len(done)
        for one in of.tasks:
            members = {child.id for child in of.tasks if child.parent == one.id}
            if is_group(one, of) and members <= done and is_free(one, of, done):
                done.add(one.id)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Any plan whose references exist; in most they lead backward, so that many have no cycle."""
    size = draw(st.integers(1, 9))
    backward = draw(st.sampled_from([True, True, True, False]))
    tasks = []
    for i in range(size):
        others = [f"t{j}" for j in range(i if backward else size) if j != i]
        after = draw(st.lists(st.sampled_from(others), max_size=2, unique=True)) if others else []
        agent, epic = draw(st.sampled_from([("dev", False), (None, False), (None, True)]))
        parent = draw(st.sampled_from([None, *others]))
        tasks.append(task(f"t{i}", *after, agent=agent, epic=epic, parent=parent))
    return plan(*draw(st.permutations(tasks)))


@settings(deadline=None)
@given(plans())
def test_a_plan_without_problems_is_one_that_can_be_played_out(of: Plan) -> None:
    turns, done = play(of)
    problems = find_problems(of)
    assert (problems == []) == (done == of.by_id.keys())
    if problems:
        assert all(" wait for one another: " in problem.message for problem in problems)
    else:
        assert ids(waves(of)) == turns


@settings(deadline=None)
@given(plans())
def test_every_cycle_that_is_told_is_one(of: Plan) -> None:
    for problem in find_problems(of):
        circle = problem.message.rpartition(": ")[2].split(" → ")
        assert circle[0] == circle[-1]
        for one, other in pairwise(circle):
            first, second = of.by_id[one], of.by_id[other]
            in_group = second.parent == one and is_group(first, of)
            assert other in first.depends_on or other == first.parent or in_group


@settings(deadline=None)
@given(plans(), st.randoms(use_true_random=False))
def test_digests_do_not_depend_on_the_order(of: Plan, chance: random.Random) -> None:
    shuffled = [
        replace(t, depends_on=tuple(chance.sample(t.depends_on, len(t.depends_on))), line=0)
        for t in of.tasks
    ]
    chance.shuffle(shuffled)
    other = Plan("", None, tuple(shuffled))
    assert {t.id: digest(t, of) for t in of.tasks} == {t.id: digest(t, other) for t in shuffled}


SIZE = 10_000
LARGE = {
    "chain": [task(f"t{i}", *([f"t{i - 1}"] if i else [])) for i in range(SIZE)],
    "nested groups": [task(f"t{i}", parent=f"t{i - 1}" if i else None) for i in range(SIZE)],
    "fan": [
        task("first"),
        *(task(f"t{i}", "first") for i in range(SIZE)),
        task("last", *(f"t{i}" for i in range(SIZE))),
    ],
    "diamonds": [
        task(f"t{i}", *(f"t{j}" for j in (i - 1 - i % 3, i - 2 - i % 3) if j >= 0))
        for i in range(SIZE)
    ],
    "ring": [task(f"t{i}", f"t{(i + 1) % SIZE}") for i in range(SIZE)],
    "pairs": [task(f"t{i}", f"t{i ^ 1}") for i in range(SIZE)],
    "unknown": [task(f"t{i}", f"u{i}") for i in range(SIZE)],
}


@pytest.mark.parametrize("shape", LARGE)
def test_ten_thousand_tasks_take_no_time(shape: str) -> None:
    of = plan(*LARGE[shape])
    started = time.process_time()
    problems = find_problems(of)
    if not problems:
        assert sum(map(len, waves(of))) == sum(not is_group(t, of) for t in of.tasks)
        assert len([waits_for(t, of) for t in of.tasks]) == len(of.tasks)
    # A third of a second as a rule; what is quadratic takes a minute.
    assert time.process_time() - started < 3
    assert len(problems) == {"ring": 1, "pairs": SIZE / 2, "unknown": SIZE}.get(shape, 0)
