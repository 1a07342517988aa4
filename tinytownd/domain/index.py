"""What is derived from a town's tasks: who waits for whom, what is ready, what needs a look.

Kept up to date with every task that changes, at a cost that goes with what the change touches, not
with how many tasks there are.
"""

from __future__ import annotations

import bisect
import heapq
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from tinytownd.domain.task import Task

#: Where a task stands in a line: its rank, and its id.
Place = tuple[int, int, str]


class TaskIndex:
    """The indexes of the tasks in `tasks`, which its owner changes; owners are in lower case."""

    def __init__(self, tasks: Mapping[str, Task]) -> None:
        self._tasks = tasks
        self.dependents: defaultdict[str, set[str]] = defaultdict(set)
        #: How many of a task's needs are not completed.
        self.unmet: dict[str, int] = {}
        self.children: defaultdict[str, set[str]] = defaultdict(set)
        self.child_states: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.open_groups: set[str] = set()
        #: What was handed out, by owner.
        self.queues: defaultdict[str, set[str]] = defaultdict(set)
        #: How many tasks of the plan that somebody executes are in each state.
        self.plan_counts: Counter[str] = Counter()
        #: By owner and by whether they are of a plan, best first.
        self._ready: defaultdict[tuple[str, bool], list[Place]] = defaultdict(list)
        self._dirty: set[str] = set()
        self._dirty_groups: set[str] = set()
        self._all_groups_dirty = False

    def holds_back(self, need: str) -> bool:
        """Whether a task has not been completed; one that is gone holds nothing back."""
        needed = self._tasks.get(need)
        return needed is not None and needed.state != "completed"

    def ready(self, owner: str, *, plan: bool) -> Iterator[str]:
        """The ids of what waits for nothing but being handed out, best first."""
        lines = [self._ready[owner, False]]
        if plan:
            lines.append(self._ready[owner, True])
        return (task for _, _, task in heapq.merge(*lines))

    def owners_of_ready_plan_tasks(self) -> list[str]:
        """Who could go on with the plan; "" for the backlog."""
        return [owner for (owner, plan), line in self._ready.items() if plan and line]

    # What needs a look

    def touch(self, owner: str) -> None:
        """An owner needs a look."""
        self._dirty.add(owner)

    def touch_all(self) -> None:
        """Everybody who has work needs a look."""
        self._dirty.update(owner for owner, _ in self._ready)
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
        done_before = old is None or old.state == "completed"
        done_now = new is None or new.state == "completed"
        either = new or old
        if either is not None and done_before != done_now:
            for waiting in self.dependents[either.id]:
                self._count_need(self._tasks[waiting], -1 if done_now else 1)
        if either is not None and either.parent is not None:
            self._dirty_groups.add(either.parent)
        if blocks(old) != blocks(new) or (old and new and old.needs != new.needs):
            # Whether a group can go on may hang on a task far away from it.
            self._all_groups_dirty = True

    def _unlink(self, task: Task) -> None:
        self._leave_ready(task)
        if task.plan is not None and not task.group:
            self.plan_counts[task.state] -= 1
        for need in task.needs:
            self.dependents[need].discard(task.id)
        if task.parent is not None:
            self.children[task.parent].discard(task.id)
            self.child_states[task.parent][task.state] -= 1
        self.open_groups.discard(task.id)
        if task.agent is not None:
            self.queues[task.agent.lower()].discard(task.id)
            self._dirty.add(task.agent.lower())
        self.unmet.pop(task.id, None)

    def _link(self, task: Task) -> None:
        if task.plan is not None and not task.group:
            self.plan_counts[task.state] += 1
        for need in task.needs:
            self.dependents[need].add(task.id)
        if task.parent is not None:
            self.children[task.parent].add(task.id)
            self.child_states[task.parent][task.state] += 1
        if task.group:
            self._dirty_groups.add(task.id)
            if task.state not in ("completed", "cancelled"):
                self.open_groups.add(task.id)
        if task.agent is not None:
            self._dirty.add(task.agent.lower())
            if task.state in ("assigned", "running"):
                self.queues[task.agent.lower()].add(task.id)
        self.unmet[task.id] = sum(map(self.holds_back, task.needs))
        self._enter_ready(task)

    def _count_need(self, task: Task, step: int) -> None:
        self._leave_ready(task)
        self.unmet[task.id] += step
        self._enter_ready(task)
        if task.group:
            self._dirty_groups.add(task.id)
        if task.agent is not None:
            self._dirty.add(task.agent.lower())

    def _ready_place(self, task: Task) -> tuple[list[Place], Place]:
        line = self._ready[(task.agent or "").lower(), task.plan is not None]
        return line, (*task.rank, task.id)

    def _enter_ready(self, task: Task) -> None:
        if task.state == "pending" and not task.group and self.unmet[task.id] == 0:
            line, place = self._ready_place(task)
            bisect.insort(line, place)

    def _leave_ready(self, task: Task) -> None:
        line, place = self._ready_place(task)
        at = bisect.bisect_left(line, place)
        if at < len(line) and line[at] == place:
            del line[at]


def blocks(task: Task | None) -> bool:
    """Whether what waits for the task waits in vain, until somebody does something."""
    return task is not None and task.state in ("failed", "cancelled")
