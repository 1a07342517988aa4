"""What is derived from a town's tasks: who waits for whom, what is ready, what needs a look.

Kept up to date with every task that changes, at a cost that goes with what the change touches, not
with how many tasks there are.
"""

from __future__ import annotations

import bisect
import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping

from tinytownd.domain.join import PLAIN, Join, arrived, join_of
from tinytownd.domain.names import ROLE, TAG
from tinytownd.domain.task import Task

#: Where a task stands in a line: its rank, and its id.
Place = tuple[int, int, str]
#: Ready tasks stand in lines, by their plan and by whether a plan file brought them.
Line = tuple[str | None, bool]


class TaskIndex:
    """The indexes of the tasks in `tasks`, which its owner changes; owners are in lower case."""

    def __init__(self, tasks: Mapping[str, Task]) -> None:
        self._tasks = tasks
        self.dependents: defaultdict[str, set[str]] = defaultdict(set)
        #: How many of a task's needs it still waits for, but for those that a join rule counts; of
        #: these, how many have arrived.
        self._missing: dict[str, int] = {}
        self._arrived: dict[str, int] = {}
        #: The join rules of tasks that have one.
        self._joins: dict[str, Join] = {}
        self.children: defaultdict[str, set[str]] = defaultdict(set)
        self.child_states: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.open_groups: set[str] = set()
        #: Checks and reviews that are not over.
        self.open_gates: set[str] = set()
        #: What was handed out, by owner.
        self.queues: defaultdict[str, set[str]] = defaultdict(set)
        #: What was a role's or the backlog's and went to an agent by itself, by owner.
        self.lent: defaultdict[str, set[str]] = defaultdict(set)
        #: How many tasks of each plan that somebody executes are in each state.
        self.plan_counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        #: How many tasks of each plan a plan file brought.
        self.pushed: Counter[str] = Counter()
        #: What is ready but for a person's approval, by line.
        self.unapproved: defaultdict[Line, set[str]] = defaultdict(set)
        #: How many ready tasks of each plan stand in each owner's lines.
        self._able: defaultdict[str | None, Counter[str]] = defaultdict(Counter)
        #: By owner and line, best first.
        self._ready: defaultdict[str, defaultdict[Line, list[Place]]] = defaultdict(
            lambda: defaultdict(list)
        )
        self._dirty: set[str] = set()
        self._dirty_groups: set[str] = set()
        self._all_groups_dirty = False

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
        if owner not in self._ready:
            return iter(())
        lines = self._ready[owner].items()
        chosen = [places for line, places in lines if places and moves(line)]
        return (task for _, _, task in heapq.merge(*chosen))

    def owners_of_ready(self, plan: str) -> list[str]:
        """Who could go on with a plan."""
        return [owner for owner, count in self._able[plan].items() if count]

    def lines(self) -> list[str]:
        """The owners of ready tasks that are no agents."""
        lines = (owner for owner in self._ready if is_line(owner))
        return [line for line in lines if any(self._ready[line].values())]

    # What needs a look

    def touch(self, owner: str) -> None:
        """An owner needs a look."""
        self._dirty.add(owner)

    def touch_all(self) -> None:
        """Everybody who has work needs a look."""
        self._dirty.update(self._ready)
        self._dirty.update(self.queues)

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
        if old is not None:
            self._unlink(old)
        if new is not None:
            self._link(new)
        either = new or old
        if either is not None and _standing(old) != _standing(new):
            for waiting in map(self._tasks.__getitem__, self.dependents[either.id]):
                join = self.join(waiting)
                came = arrived(new, join)
                if came != arrived(old, join):
                    self._count_need(waiting, either.id, came=came)
        if either is not None and either.parent is not None:
            self._dirty_groups.add(either.parent)
        if blocks(old) != blocks(new) or (old and new and _waiting(old) != _waiting(new)):
            # Whether a group can go on may hang on a task far away from it.
            self._all_groups_dirty = True

    def _unlink(self, task: Task) -> None:
        self._leave_ready(task)
        if task.plan is not None and not task.group:
            self.plan_counts[task.plan][task.state] -= 1
            self.pushed[task.plan] -= task.digest is not None
        for need in task.needs:
            self.dependents[need].discard(task.id)
        if task.parent is not None:
            self.children[task.parent].discard(task.id)
            self.child_states[task.parent][task.state] -= 1
        self.open_groups.discard(task.id)
        self.open_gates.discard(task.id)
        if task.agent is not None:
            self.queues[task.agent.lower()].discard(task.id)
            self.lent[task.agent.lower()].discard(task.id)
            self._dirty.add(task.agent.lower())
        self._missing.pop(task.id, None)
        self._arrived.pop(task.id, None)
        self._joins.pop(task.id, None)

    def _link(self, task: Task) -> None:
        if task.plan is not None and not task.group:
            self.plan_counts[task.plan][task.state] += 1
            self.pushed[task.plan] += task.digest is not None
        for need in task.needs:
            self.dependents[need].add(task.id)
        if task.parent is not None:
            self.children[task.parent].add(task.id)
            self.child_states[task.parent][task.state] += 1
        self._link_special(task)
        if task.agent is not None:
            self._dirty.add(task.agent.lower())
            if task.state in ("assigned", "running"):
                self.queues[task.agent.lower()].add(task.id)
            if task.lent and not task.finished:
                self.lent[task.agent.lower()].add(task.id)
        join = join_of(task)
        if join is not PLAIN:
            self._joins[task.id] = join
        away = {need for need in task.needs if self.holds_back(need, task)}
        self._missing[task.id] = len(away - join.branches)
        self._arrived[task.id] = len(join.branches - away)
        self._enter_ready(task)

    def _link_special(self, task: Task) -> None:
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

    def _enter_ready(self, task: Task) -> None:
        if task.state != "pending" or task.group or self.waits(task):
            return
        self._dirty.update(owners_of(task))
        if task.approve and not task.approved:
            self.unapproved[_line(task)].add(task.id)
            return
        for owner in owners_of(task):
            bisect.insort(self._ready[owner][_line(task)], (*task.rank, task.id))
            self._able[task.plan][owner] += 1

    def _leave_ready(self, task: Task) -> None:
        self.unapproved[_line(task)].discard(task.id)
        place = (*task.rank, task.id)
        for owner in owners_of(task):
            line = self._ready[owner][_line(task)]
            at = bisect.bisect_left(line, place)
            if at < len(line) and line[at] == place:
                del line[at]
                self._able[task.plan][owner] -= 1


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


def _waiting(task: Task) -> tuple[object, ...]:
    """What a task waits for, and how long."""
    return task.needs, task.depends_on, task.join, task.join_failures


def _standing(task: Task | None) -> str:
    """What a task's state means to those that wait for it."""
    if task is None or task.state == "completed":
        return "arrived"
    return "over" if blocks(task) else "open"


def blocks(task: Task | None) -> bool:
    """Whether what waits for the task waits in vain, until somebody does something."""
    return task is not None and task.state in ("failed", "cancelled")
