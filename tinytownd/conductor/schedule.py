"""Who gets what: pure decisions, taken as part of every change to a town.

Because the assignments are written in the same step as what made them possible, no committed
town has a ready task beside an agent with room for it, and none is lost between two steps.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from itertools import islice

from tinytownd.conductor import lines
from tinytownd.conductor.causes import settle_causes
from tinytownd.conductor.plans import settle_plans
from tinytownd.domain import budgets, gates
from tinytownd.domain.index import blocks, is_line
from tinytownd.domain.lines import due, keeps
from tinytownd.domain.retention import retire
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town

#: Tasks handed to an agent ahead of the one it works on: enough to start the next at once, few
#: enough that urgent work and a closing agent's work need not be taken back.
AHEAD = 2
#: Why a group failed is told by this many of its tasks.
MAX_SHOWN = 8


class Stuck:
    """What waits in vain: nothing that settling does changes it, so it is found once, if at all."""

    def __init__(self, town: Town) -> None:
        self._town = town

    @cached_property
    def tasks(self) -> set[str]:
        """See `held_by_failure`."""
        return held_by_failure(self._town)


def settle(town: Town) -> None:
    """Hands out what the change under way made ready, finishes groups and plans, and forgets."""
    stuck = Stuck(town)
    touched: set[str] = set()
    budgets.hold_back(town)
    while True:
        gates.ask_approvals(town)
        owners, groups = town.take_dirty()
        if not owners and not groups:
            break
        touched |= owners
        for group in sorted(groups):
            settle_group(town, group, stuck)
        for owner in sorted(owners):
            if not is_line(owner):
                hand_out(town, owner)
                town.index.untouch(owner)
        lines.serve(town, owners)
    settle_plans(town)
    settle_causes(town, touched)
    retire(town)


def hand_out(town: Town, owner: str) -> None:
    """Brings an agent's queue to the best `AHEAD` tasks that may go out to it.

    What it was only lent by its role goes back when it is not there to do it.
    """
    agent = town.find_agent(owner)
    queued = town.queue(owner)
    best: list[Task] = []
    if agent is not None and agent.available:
        stays = [task for task in queued if may_go_out(town, task)]
        both = (*stays, *islice(due(town, owner), AHEAD))
        allowed = (task for task in both if keeps(town, agent, task))
        best = sorted(allowed, key=lambda task: task.rank)[:AHEAD]
    chosen = {task.id for task in best}
    for task in queued:
        if task.id not in chosen:
            town.put(task.advance("release"))
            town.event("task.released", "conductor", task=task.id, agent=task.agent)
    lines.give_back(town, owner)
    for task in best:
        if task.state == "pending":
            town.put(task.advance("assign"))
            town.event("task.assigned", "conductor", task=task.id, agent=task.agent)
            town.wake(agent)


def may_go_out(town: Town, task: Task) -> bool:
    """Whether a task may be with its agent: what it counted on may have been taken back."""
    return town.may_go_out(task) and not town.index.waits(task)


def settle_group(town: Town, group_id: str, stuck: Stuck) -> None:
    """A group is completed when its children are; failed when one failed and none can move.

    Children that were cancelled do not count.
    """
    group = town.tasks.get(group_id)
    if group is None or not group.group or group.state in ("completed", "cancelled"):
        return
    states = town.child_states(group_id)
    left = states.total() - states["cancelled"]
    moving = states["assigned"] + states["running"] + states["submitted"]
    over = states["failed"] > 0 and not moving
    if over:
        over = not any_can_move(town, group_id, stuck.tasks)
    if group.state == "failed" and not over:
        group = group.advance("retry", error=None, finished_at=None)
        town.put(group)
    if over and group.state == "pending":
        failed = [child.id for child in town.children(group_id) if child.state == "failed"]
        more = ", …" if len(failed) > MAX_SHOWN else ""
        why = "failed within: " + ", ".join(failed[:MAX_SHOWN]) + more
        town.put(group.advance("fail", error=why, finished_at=town.now))
        town.event("task.failed", "conductor", task=group_id, text=why)
    elif left == states["completed"] and not town.unmet(group):
        town.put(group.advance("complete", finished_at=town.now))
        town.event("task.completed", "conductor", task=group_id)


def any_can_move(town: Town, group: str, stuck: set[str]) -> bool:
    """Whether a task of a group, or within one of it, can still end without anybody's help."""
    groups = [group]
    while groups:
        for child in town.index.children.get(groups.pop(), ()):
            task = town.tasks[child]
            if task.finished:
                continue
            if child not in stuck:
                return True
            if task.group:
                groups.append(child)
    return False


def held_by_failure(town: Town) -> set[str]:
    """The ids of all tasks that wait, however far down, for one that failed or was cancelled.

    A group is held by what failed within it, or is held in there; not by what was cancelled. One
    with a join rule is held when too few branches are left.
    """
    stuck: set[str] = set()
    away: defaultdict[str, set[str]] = defaultdict(set)
    # A failed group is none to begin with: it comes back as soon as a task within it does.
    lost = (town.tasks[task] for task in town.index.lost)
    todo = [task for task in lost if not (task.group and task.state == "failed")]
    while todo:
        task = todo.pop()
        held = [one for one in town.dependents(task.id) if loses(town, one, task, away)]
        group = town.tasks.get(task.parent or "")
        if group is not None and group.group and task.state != "cancelled":
            held.append(group)
        for waiting in held:
            if waiting.id not in stuck and waiting.state not in ("completed", "cancelled"):
                stuck.add(waiting.id)
                todo.append(waiting)
    return stuck


def loses(town: Town, waiting: Task, need: Task, away: defaultdict[str, set[str]]) -> bool:
    """Whether a task waits in vain now that one of its needs will not arrive.

    `away` are, by task, the branches that will not.
    """
    join = town.index.join(waiting)
    if need.id not in join.branches:
        return True
    if join.failures and will_fail(town, need):
        return False
    away[waiting.id].add(need.id)
    return len(join.branches) - len(away[waiting.id]) < join.quorum


def will_fail(town: Town, task: Task) -> bool:
    """Whether a task has failed or was cancelled, or will have failed: a group, for one within."""
    if not task.group or blocks(task):
        return blocks(task)
    inner = (
        child for child in town.children(task.id) if child.group and child.state != "cancelled"
    )
    return town.child_states(task.id)["failed"] > 0 or any(will_fail(town, one) for one in inner)
