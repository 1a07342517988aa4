"""A plan: its tasks, who carries them out, what waits for what, and what is wrong with it.

A *group* is carried out by nobody: it is opened when everything that it waits for is completed,
which is when its children may start, and completed when they are. All functions but
`find_problems` and `find_warnings` take a plan in which `find_problems` found nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter
from itertools import pairwise

from tinytownd.domain.errors import BadInput
from tinytownd.domain.graph import find_cycles
from tinytownd.domain.join import ALL, HOLD, check_join
from tinytownd.domain.names import ROLE, did_you_mean, shown

#: A moment of a task: its id, and whether it is opened (groups only) or completed.
Moment = tuple[str, bool]
OPENED, COMPLETED = False, True
#: Looking for a similar id takes time in proportion to the plan: only for the first few.
MAX_SUGGESTIONS = 20
#: Who runs a command that is given to nobody: an agent on the CLI of the same name.
SHELL = "shell"
#: A cycle is told by this many of its tasks.
MAX_SHOWN = 8


@dataclass(frozen=True)
class PlanTask:
    """A task as the plan defines it, or as a plan file shows the town's.

    `line` is where it starts in the file, from 1; 0 for one that is in no file.
    """

    id: str
    description: str
    agent: str | None = None
    status: str = "pending"
    parent: str | None = None
    depends_on: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    priority: str = "normal"
    run: str | None = None
    epic: bool = False
    join: str = ALL
    failures: str = HOLD
    approve: bool = False
    check: str | None = None
    review: str | None = None
    result: str | None = None
    line: int = 0


@dataclass(frozen=True)
class Problem:
    """Something wrong with a plan. `key` is the key of the task that it is about, if any."""

    line: int
    message: str
    hint: str = ""
    key: str = ""

    def to_json(self) -> dict[str, object]:
        """What is told of it: `{"line": int, "message": str, "hint": str}`."""
        return {"line": self.line, "message": self.message, "hint": self.hint}


@dataclass(frozen=True)
class Plan:
    """The tasks of a plan, in the order of the file."""

    description: str
    default_agent: str | None
    tasks: tuple[PlanTask, ...]
    #: The check and the review of tasks that name none.
    default_check: str | None = None
    default_review: str | None = None

    @cached_property
    def by_id(self) -> dict[str, PlanTask]:
        """Tasks by id; of two with the same id, the first."""
        return {task.id: task for task in reversed(self.tasks)}

    @cached_property
    def children(self) -> dict[str, list[PlanTask]]:
        """The direct children of every task that has some."""
        found: dict[str, list[PlanTask]] = {}
        for task in self.tasks:
            if task.parent in self.by_id and task.parent != task.id:
                found.setdefault(task.parent, []).append(task)
        return found

    @cached_property
    def graph(self) -> dict[Moment, list[Moment]]:
        """What must have come before each moment; references that lead nowhere are left out."""
        graph: dict[Moment, list[Moment]] = {}
        for task in self.tasks:
            before = [(i, COMPLETED) for i in task.depends_on if i in self.by_id and i != task.id]
            parent = self.by_id.get(task.parent or "")
            if parent and parent.id != task.id:
                before.append((parent.id, OPENED if is_group(parent, self) else COMPLETED))
            if is_group(task, self):
                graph[task.id, OPENED] = before
                members = [(child.id, COMPLETED) for child in self.children.get(task.id, ())]
                graph[task.id, COMPLETED] = [(task.id, OPENED), *members]
            else:
                graph[task.id, COMPLETED] = before
        return graph

    @cached_property
    def order(self) -> tuple[Moment, ...]:
        """Every moment after all that comes before it. Raises `graphlib.CycleError`."""
        return tuple(TopologicalSorter(self.graph).static_order())

    @cached_property
    def waits(self) -> dict[str, tuple[str, ...]]:
        """What each task waits for: see `waits_for`."""
        place = {task.id: number for number, task in enumerate(self.tasks)}
        waits: dict[str, tuple[str, ...]] = {}
        for id_, moment in self.order:
            if moment is COMPLETED and is_group(self.by_id[id_], self):
                continue
            found: set[str] = set()
            for before, reached in self.graph[id_, moment]:
                found.update([before] if reached is COMPLETED else waits[before])
            waits[id_] = tuple(sorted(found, key=place.__getitem__))
        return waits


def is_group(task: PlanTask, plan: Plan) -> bool:
    """Whether nobody carries the task out: an epic, or children but neither agent nor `run`."""
    return task.epic or (task.id in plan.children and task.agent is None and task.run is None)


def owner(task: PlanTask, plan: Plan) -> str | None:
    """The agent that carries the task out; None for a group, and for what goes to the backlog.

    A task with `run` that names nobody goes to the agent `shell`, which the conductor adds.
    """
    if is_group(task, plan):
        return None
    return task.agent or plan.default_agent or (SHELL if task.run is not None else None)


def check_of(task: PlanTask, plan: Plan) -> str | None:
    """The command that must pass before the task counts as completed: its own, or the plan's.

    A group, and a task that is a command itself, has none but its own; "" takes the plan's away.
    """
    return _gate(task, plan, task.check, plan.default_check)


def review_of(task: PlanTask, plan: Plan) -> str | None:
    """Who must approve of the task's result, an agent or a role: its own, or the plan's.

    The plan's reviewer does not review its own tasks.
    """
    default = plan.default_review
    return _gate(task, plan, task.review, None if _does(task, plan, default) else default)


def _does(task: PlanTask, plan: Plan, who: str | None) -> bool:
    """Whether that agent carries the task out; of a role, another one can review it."""
    own = owner(task, plan)
    named = who is not None and own is not None and who.lower() == own.lower()
    return named and not (who or "").startswith(ROLE)


def _gate(task: PlanTask, plan: Plan, own: str | None, default: str | None) -> str | None:
    if own is None and (is_group(task, plan) or task.run is not None):
        return None
    return (default if own is None else own) or None


def waits_for(task: PlanTask, plan: Plan) -> tuple[str, ...]:
    """The ids that must be completed before the task may start, in the order of the file.

    These are what it depends on, a parent that somebody carries out, and all that the groups
    that it is in wait for. For a group: what holds its children back, not the children.
    """
    return plan.waits[task.id]


def digest(task: PlanTask, plan: Plan) -> str:
    """What tells two definitions of a task apart: 16 hexadecimal digits of a SHA-256.

    Status, result, place in the file, and the order of dependencies and tags do not count.
    """
    definition: list[object] = [
        task.description,
        owner(task, plan),
        task.parent,
        sorted(set(task.depends_on)),
        sorted(set(task.tags)),
        task.priority,
        task.run,
        is_group(task, plan),
    ]
    # Only where there are any: a definition of an earlier version keeps its digest.
    gates = [task.join, task.failures, task.approve, check_of(task, plan), review_of(task, plan)]
    if gates != ["all", "hold", False, None, None]:
        definition.append(gates)
    return hashlib.sha256(json.dumps(definition).encode()).hexdigest()[:16]


def waves(plan: Plan) -> list[list[PlanTask]]:
    """What can run side by side: each wave waits only for those before it.

    Groups are in no wave, but the order that they impose counts.
    """
    wave: dict[Moment, int] = {}
    for moment in plan.order:
        carried_out = not is_group(plan.by_id[moment[0]], plan)
        wave[moment] = max((wave[m] for m in plan.graph[moment]), default=-1) + carried_out
    found: list[list[PlanTask]] = [[] for _ in range(max(wave.values(), default=-1) + 1)]
    for task in plan.tasks:
        if not is_group(task, plan):
            found[wave[task.id, COMPLETED]].append(task)
    return found


def find_problems(plan: Plan) -> list[Problem]:
    """Everything that keeps the plan from being carried out, in the order of the file.

    References, cycles and groups only: how single values look is the reader's business.
    """
    problems = [
        *_duplicates(plan),
        *_bad_references(plan),
        *_bad_groups(plan),
        *_bad_rules(plan),
        *_cycles(plan),
    ]
    return sorted(problems, key=lambda problem: problem.line)


def find_warnings(plan: Plan) -> list[Problem]:
    """What can be carried out, but is hardly meant."""
    return [
        Problem(task.line, f"group '{task.id}' has no tasks", "it is completed at once", "epic")
        for task in plan.tasks
        if task.epic and task.id not in plan.children
    ]


def _duplicates(plan: Plan) -> Iterator[Problem]:
    for task in plan.tasks:
        first = plan.by_id[task.id]
        if first is not task:
            message = f"task {shown(task.id)} is already on line {first.line}"
            yield Problem(task.line, message, "every id may be used once", "id")


def _bad_references(plan: Plan) -> Iterator[Problem]:
    suggestions = 0
    for task in plan.tasks:
        parent = [] if task.parent is None else [("parent", task.parent)]
        for key, id_ in [*parent, *(("depends_on", id_) for id_ in task.depends_on)]:
            if id_ == task.id:
                message = f"task {shown(task.id)} names itself in {key}"
                yield Problem(task.line, message, "take it out", key)
            elif id_ not in plan.by_id:
                message = f"task {shown(task.id)}: {key} names {shown(id_)}, which is no task"
                suggestions += 1
                near = did_you_mean(id_, plan.by_id) if suggestions <= MAX_SUGGESTIONS else ""
                yield Problem(task.line, message, near or "it must be the id of a task here", key)


def _bad_groups(plan: Plan) -> Iterator[Problem]:
    for task in plan.tasks:
        for key, value in (("agent", task.agent), ("run", task.run)):
            if task.epic and value is not None:
                message = f"task {shown(task.id)} is an epic and has {key}"
                hint = f"nobody carries out an epic: leave out {key}, or epic"
                yield Problem(task.line, message, hint, key)


def _bad_rules(plan: Plan) -> Iterator[Problem]:
    """Joins that cannot be reached, and tasks that would review themselves."""
    for task in plan.tasks:
        try:
            check_join(task.join, len(set(task.depends_on)))
        except BadInput as error:
            yield Problem(task.line, f"task {shown(task.id)}: {error.message}", error.hint, "join")
        if _does(task, plan, task.review):
            message = f"task {shown(task.id)} would be reviewed by {task.review}, who does it"
            yield Problem(task.line, message, "name another agent, or a role", "review")
        if is_group(task, plan):
            rules = {"approve": False, "check": None, "review": None, "join": ALL, "failures": HOLD}
            for key, none in rules.items():
                if getattr(task, key) not in (none, ""):
                    message = f"task {shown(task.id)} is a group and has {key}"
                    yield Problem(task.line, message, f"give {key} to the tasks in it", key)


def _cycles(plan: Plan) -> Iterator[Problem]:
    told: set[frozenset[str]] = set()
    for moments in find_cycles(plan.graph):
        # A group's two moments are one name, and both may lead around the same circle.
        ids = list(dict.fromkeys(id_ for id_, _ in _cut_short(moments)))
        if frozenset(ids) in told:
            continue
        told.add(frozenset(ids))
        hint = "read → as 'waits for'; take one of them out of depends_on or parent"
        if any(is_group(plan.by_id[id_], plan) for id_ in ids):
            hint += " (a group waits for the tasks in it, and they for what it depends on)"
        message = f"tasks wait for one another: {_circle(ids)}"
        task, key = _first_link(ids, plan)
        yield Problem(task.line, message, hint, key)


def _cut_short(cycle: list[Moment]) -> list[Moment]:
    """The part from a group's opening to its completion, which comes before it: a cycle as well.

    Of several the shortest, so that every group stands in it once, or twice in a row.
    """
    place = {moment: number for number, moment in enumerate(cycle)}
    spans = [
        (place[id_, COMPLETED] - start, start)
        for (id_, moment), start in place.items()
        if moment is OPENED and place.get((id_, COMPLETED), -1) > start
    ]
    length, start = min(spans, default=(len(cycle) - 1, 0))
    return cycle[start : start + length + 1]


def _circle(ids: Sequence[str]) -> str:
    if len(ids) > MAX_SHOWN:
        left_out = f"… {len(ids) - MAX_SHOWN} more …"
        ids = [*ids[: MAX_SHOWN - 1], left_out, ids[-1]]
    return " → ".join([*ids, ids[0]])


def _first_link(ids: Sequence[str], plan: Plan) -> tuple[PlanTask, str]:
    """The first task of a cycle that names the next one, and the key in which it does."""
    for id_, after in pairwise([*ids, ids[0]]):
        task = plan.by_id[id_]
        if after in task.depends_on:
            return task, "depends_on"
        if after == task.parent:
            return task, "parent"
    return plan.by_id[ids[0]], ""
