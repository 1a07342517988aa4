"""What is derived from a town's tasks: who waits for whom, what is ready, what needs a look.

Kept up to date with every task that changes, at a cost that goes with what the change touches, not
with how many tasks there are.
"""

from __future__ import annotations

import bisect
import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import TypeVar

from tinytownd.domain.join import PLAIN, Join, arrived, join_of
from tinytownd.domain.names import ROLE, TAG
from tinytownd.domain.task import Task
from tinytownd.domain.track import TrackedPlan

#: Where a task stands in a line: its rank, and its id.
Place = tuple[int, int, str]
#: Ready tasks stand in lines, by their plan and by whether a plan file brought them.
Line = tuple[str | None, bool]
Key = TypeVar("Key", bound=Hashable)


class TaskIndex:
    """The indexes of the tasks in `tasks`, which its owner changes; owners are in lower case."""

    def __init__(self, tasks: Mapping[str, Task]) -> None:
        self._tasks = tasks
        self.dependents: dict[str, set[str]] = {}
        #: How many of a task's needs it still waits for, but for those that a join rule counts; of
        #: these, how many have arrived.
        self._missing: dict[str, int] = {}
        self._arrived: dict[str, int] = {}
        #: The join rules of tasks that have one.
        self._joins: dict[str, Join] = {}
        self.children: dict[str, set[str]] = {}
        self.child_states: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.open_groups: set[str] = set()
        #: Checks and reviews that are not over.
        self.open_gates: set[str] = set()
        #: What failed or was cancelled.
        self.lost: set[str] = set()
        #: What was handed out and has not started, by owner.
        self.queues: dict[str, set[str]] = {}
        #: What was a role's or the backlog's and went to an agent by itself, by owner.
        self.lent: dict[str, set[str]] = {}
        #: How many tasks that somebody executes are in each state; the same by owner, as it is
        #: typed (None: the backlog's).
        self.states: Counter[str] = Counter()
        self.owner_states: defaultdict[str | None, Counter[str]] = defaultdict(Counter)
        #: How many tasks of each plan that somebody executes are in each state.
        self.plan_counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        #: How many tasks of each plan a plan file brought.
        self.pushed: Counter[str] = Counter()
        #: What is ready, and not for everybody of its role: gates, and what has a reviewer.
        self.choosy: dict[str, set[str]] = {}
        #: What is ready but for a person's approval, by line.
        self.unapproved: dict[Line, set[str]] = {}
        #: How many ready tasks of each plan stand in each owner's lines.
        self._able: defaultdict[str | None, Counter[str]] = defaultdict(Counter)
        #: By owner and line, best first.
        self._ready: dict[str, dict[Line, list[Place]]] = {}
        #: What is over: when it ended, its number, its id; in that order.
        self.finished: list[tuple[int, int, str]] = []
        self._dirty: set[str] = set()
        self._dirty_groups: set[str] = set()
        self._all_groups_dirty = False
        self._dirty_plans: set[str] = set()

    def waits(self, task: Task) -> bool:
        """Whether it waits for other tasks."""
        return self._missing[task.id] > 0 or self._arrived[task.id] < self.join(task).quorum

    def join(self, task: Task) -> Join:
        """The join rule of a task in the town."""
        return self._joins.get(task.id, PLAIN)

    def holds_back(self, need: str, task: Task) -> bool:
        """Whether a need has not arrived at the task that waits for it."""
        return not arrived(self._tasks.get(need), self.join(task))

    def ready(self, owner: str, moves: Callable[[Line], bool]) -> Iterator[str]:
        """The ids of what waits for nothing but being handed out, best first; of lines that move.

        An owner is an agent, "role:…" for any agent of a role, or "tag:…" for the backlog's tasks
        with a tag; such an owner is called a line.
        """
        lines = self._ready.get(owner, {}).items()
        chosen = [places for line, places in lines if moves(line)]
        places = chosen[0] if len(chosen) == 1 else heapq.merge(*chosen)
        return (task for _, _, task in places)

    def is_able(self, owner: str) -> bool:
        """Whether an owner has ready tasks, in lines that move or in others."""
        return owner in self._ready

    def able(self) -> list[str]:
        """Whoever has something that is ready: agents, and lines."""
        return list(self._ready)

    def owners_of_ready(self, plan: str) -> list[str]:
        """Who could go on with a plan."""
        return [owner for owner, count in self._able[plan].items() if count]

    def lines(self) -> list[str]:
        """The owners of ready tasks that are no agents."""
        return [owner for owner in self._ready if is_line(owner)]

    # What needs a look

    def touch(self, owner: str) -> None:
        """An owner needs a look."""
        self._dirty.add(owner)

    def touch_all(self) -> None:
        """Everybody who has work needs a look."""
        self._dirty.update(self._ready)
        self._dirty.update(self.queues)

    def untouch(self, owner: str) -> None:
        """An owner was looked at."""
        self._dirty.discard(owner)

    def touch_plans(self, plans: Iterable[str]) -> None:
        """These plans need a look."""
        self._dirty_plans.update(plans)

    def touch_plan_of(self, task_id: str | None) -> None:
        """The plan of that task needs a look, if there is one."""
        task = self._tasks.get(task_id or "")
        if task is not None and task.plan is not None:
            self._dirty_plans.add(task.plan)

    def take_plans(self) -> set[str]:
        """The names of plans that need a look, also of some that are gone; forgets them."""
        plans, self._dirty_plans = self._dirty_plans, set()
        return plans

    def take_dirty(self) -> tuple[set[str], set[str]]:
        """Owners and groups that need a look; forgets them."""
        dirty, groups = self._dirty, self._dirty_groups
        if self._all_groups_dirty:
            groups |= self.open_groups
        self._dirty, self._dirty_groups, self._all_groups_dirty = set(), set(), False
        return dirty, groups

    # Keeping up

    def replace(self, old: Task | None, new: Task | None) -> None:
        """A task was added (no old), replaced, or removed (no new)."""
        stays = old is not None and new is not None and _around(old) == _around(new)
        if old is not None:
            self._leave(old)
            if not stays:
                self._unlink(old)
        if new is not None:
            if not stays:
                self._link(new)
            self._enter(new)
        self._keep_finished(old, new)
        either = new or old
        if either is not None:
            self._tell_others(either, old, new)
        moved = old is not None and new is not None and not stays
        if moved or blocks(old) != blocks(new):
            # Whether a group can go on may hang on a task far away from it.
            self._all_groups_dirty = True

    def _tell_others(self, task: Task, old: Task | None, new: Task | None) -> None:
        """What a task's new state means to those that wait for it, its group and its plan."""
        if _standing(old) != _standing(new):
            for waiting in map(self._tasks.__getitem__, self.dependents.get(task.id, ())):
                join = self.join(waiting)
                came = arrived(new, join)
                if came != arrived(old, join):
                    self._count_need(waiting, task.id, came=came)
        if task.parent is not None:
            self._dirty_groups.add(task.parent)
        if task.gate_of is not None:
            self.touch_plan_of(task.gate_of)

    def _keep_finished(self, old: Task | None, new: Task | None) -> None:
        before, after = ended(old), ended(new)
        if before == after:
            return
        if before is not None:
            del self.finished[bisect.bisect_left(self.finished, before)]
        if after is not None:
            bisect.insort(self.finished, after)

    def _unlink(self, task: Task) -> None:
        for need in task.needs:
            _take_out(self.dependents, need, task.id)
        if task.parent is not None:
            _take_out(self.children, task.parent, task.id)
            if task.parent not in self.children:
                self.child_states.pop(task.parent, None)
        self._missing.pop(task.id, None)
        self._arrived.pop(task.id, None)
        self._joins.pop(task.id, None)

    def _link(self, task: Task) -> None:
        for need in task.needs:
            self.dependents.setdefault(need, set()).add(task.id)
        if task.parent is not None:
            self.children.setdefault(task.parent, set()).add(task.id)
        join = join_of(task)
        if join is not PLAIN:
            self._joins[task.id] = join
        away = {need for need in task.needs if self.holds_back(need, task)}
        self._missing[task.id] = len(away - join.branches)
        self._arrived[task.id] = len(join.branches - away)

    def _leave(self, task: Task) -> None:
        """Takes a task out of where its state and its owner put it."""
        self._leave_ready(task)
        self._count(task, -1)
        self.open_groups.discard(task.id)
        self.open_gates.discard(task.id)
        self.lost.discard(task.id)
        if task.agent is not None:
            owner = task.agent.lower()
            _take_out(self.queues, owner, task.id)
            _take_out(self.lent, owner, task.id)
            self._dirty.add(owner)

    def _enter(self, task: Task) -> None:
        """Puts a task where its state and its owner say."""
        self._count(task, 1)
        if task.agent is not None:
            owner = task.agent.lower()
            self._dirty.add(owner)
            if task.state == "assigned":
                self.queues.setdefault(owner, set()).add(task.id)
            if task.lent and not task.finished:
                self.lent.setdefault(owner, set()).add(task.id)
        if blocks(task):
            self.lost.add(task.id)
        self._enter_special(task)
        self._enter_ready(task)

    def _count(self, task: Task, by: int) -> None:
        if task.parent is not None:
            self.child_states[task.parent][task.state] += by
        if task.group:
            return
        self.states[task.state] += by
        self.owner_states[task.owner][task.state] += by
        if task.plan is not None:
            self._dirty_plans.add(task.plan)
            self.plan_counts[task.plan][task.state] += by
            self.pushed[task.plan] += by * (task.digest is not None)

    def count_archived(self, states: Mapping[str, int], by: int) -> None:
        """Counts the tasks that were put away with the others."""
        for state, count in states.items():
            self.states[state] += by * count

    def count_archived_plan(self, plan: TrackedPlan, by: int) -> None:
        """The same for a plan."""
        for state, count in plan.archived.items():
            self.plan_counts[plan.id][state] += by * count
        self.pushed[plan.id] += by * sum(plan.archived_pushed.values())

    def _enter_special(self, task: Task) -> None:
        """What nobody executes, or belongs to another task."""
        if task.gate_of is not None and not task.finished:
            self.open_gates.add(task.id)
        if task.group:
            self._dirty_groups.add(task.id)
            if task.state not in ("completed", "cancelled"):
                self.open_groups.add(task.id)

    def _count_need(self, task: Task, need: str, *, came: bool) -> None:
        self._leave_ready(task)
        if need in self.join(task).branches:
            self._arrived[task.id] += 1 if came else -1
        else:
            self._missing[task.id] -= 1 if came else -1
        self._enter_ready(task)
        if task.group:
            self._dirty_groups.add(task.id)
        if task.agent is not None:
            self._dirty.add(task.agent.lower())
        if task.plan is not None:
            self._dirty_plans.add(task.plan)

    def _enter_ready(self, task: Task) -> None:
        if task.state != "pending" or task.group or self.waits(task):
            return
        owners = owners_of(task)
        self._dirty.update(owners)
        line = _line(task)
        if task.approve and not task.approved:
            self.unapproved.setdefault(line, set()).add(task.id)
            return
        for owner in owners:
            places = self._ready.setdefault(owner, {}).setdefault(line, [])
            bisect.insort(places, (*task.rank, task.id))
            self._able[task.plan][owner] += 1
            if task.gate_of is not None or task.review is not None:
                self.choosy.setdefault(owner, set()).add(task.id)

    def _leave_ready(self, task: Task) -> None:
        if task.state != "pending":
            return
        line = _line(task)
        _take_out(self.unapproved, line, task.id)
        place = (*task.rank, task.id)
        for owner in owners_of(task):
            _take_out(self.choosy, owner, task.id)
            lines = self._ready.get(owner, {})
            places = lines.get(line, [])
            at = bisect.bisect_left(places, place)
            if at == len(places) or places[at] != place:
                continue
            del places[at]
            self._able[task.plan][owner] -= 1
            self._dirty.add(owner)
            if not places:
                del lines[line]
            if not lines:
                del self._ready[owner]


def ended(task: Task | None) -> tuple[int, int, str] | None:
    """Where a task stands among those that are over, the one that ended first before the others."""
    if task is None or not task.finished or task.finished_at is None:
        return None
    return task.finished_at, task.seq, task.id


def _take_out(table: dict[Key, set[str]], key: Key, task: str) -> None:
    """Takes a task out of one of the sets, and the set out of the table with its last one."""
    tasks = table.get(key)
    if tasks is not None:
        tasks.discard(task)
        if not tasks:
            del table[key]


def owners_of(task: Task) -> set[str]:
    """Who is to do a task: its agent, any agent of its role, or who takes work with its tags.

    That is nobody where a task of the backlog has no tags: it waits to be claimed.
    """
    if task.agent is not None:
        return {task.agent.lower()}
    if task.role is not None:
        return {f"{ROLE}{task.role.lower()}"}
    return {f"{TAG}{tag.lower()}" for tag in task.tags}


def is_line(owner: str) -> bool:
    """Whether an owner of tasks is no agent: a role, or a tag of the backlog."""
    return owner.startswith((ROLE, TAG))


def word_of(line: str) -> str:
    """The role or the tag that a line is named by."""
    return line.partition(":")[2]


def _line(task: Task) -> Line:
    return task.plan, task.digest is not None


def _around(task: Task) -> tuple[object, ...]:
    """What a task waits for, and how long; and where it belongs."""
    return task.needs, task.depends_on, task.join, task.join_failures, task.parent


def _standing(task: Task | None) -> str:
    """What a task's state means to those that wait for it."""
    if task is None or task.state == "completed":
        return "arrived"
    return "over" if blocks(task) else "open"


def blocks(task: Task | None) -> bool:
    """Whether what waits for the task waits in vain, until somebody does something."""
    return task is not None and task.state in ("failed", "cancelled")
