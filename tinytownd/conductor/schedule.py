"""Who gets what: pure decisions, taken as part of every change to a town.

Because the assignments are written in the same step as what made them possible, no committed
town has a ready task beside an agent with room for it, and none is lost between two steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache, partial
from itertools import islice

from tinytownd.domain.agent import Agent
from tinytownd.domain.index import blocks
from tinytownd.domain.retention import retire
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town

#: Tasks handed to an agent ahead of the one it works on: enough to start the next at once, few
#: enough that urgent work and a closing agent's work need not be taken back.
AHEAD = 2
#: Why a group failed is told by this many of its tasks.
MAX_SHOWN = 8


def settle(town: Town) -> None:
    """Hands out what the change under way made ready, finishes groups and the plan, and forgets."""
    # Nothing that settling does changes what is stuck: it is found out once, if at all.
    stuck = cache(partial(held_by_failure, town))
    while True:
        owners, groups = town.take_dirty()
        if not owners and not groups:
            break
        for group in sorted(groups):
            settle_group(town, group, stuck)
        for owner in sorted(owners):
            agent = town.find_agent(owner)
            if agent is not None:
                hand_out(town, agent)
    settle_plan(town)
    retire(town)


def hand_out(town: Town, agent: Agent) -> None:
    """Brings an agent's queue to the best `AHEAD` tasks that may go out to it."""
    queued = [*town.queue(agent.name)]
    best: list[Task] = []
    if agent.available:
        ready = islice((task for task in town.ready(agent.name) if is_due(town, task)), AHEAD)
        allowed = (task for task in (*queued, *ready) if town.may_go_out(task))
        best = sorted(allowed, key=lambda task: task.rank)[:AHEAD]
    for task in queued:
        if task not in best:
            town.put(task.advance("release"))
            town.event("task.released", "conductor", task=task.id, agent=agent.name)
    for task in best:
        if task.state == "pending":
            town.put(task.advance("assign"))
            town.event("task.assigned", "conductor", task=task.id, agent=agent.name)
            town.wake(agent)


def is_due(town: Town, task: Task) -> bool:
    """Whether a ready task may start now: one that failed waits for the end of its pause."""
    return task.not_before is None or task.not_before <= town.now


def settle_group(town: Town, group_id: str, stuck: Callable[[], set[str]]) -> None:
    """A group is completed when its children are; failed when one failed and none can move.

    Children that were cancelled do not count.
    """
    group = town.tasks.get(group_id)
    if group is None or not group.group or group.state in ("completed", "cancelled"):
        return
    states = town.child_states(group_id)
    left = states.total() - states["cancelled"]
    moving = states["assigned"] + states["running"]
    over = states["failed"] > 0 and not moving
    if over:
        over = not any_can_move(town, town.children(group_id), stuck())
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


def any_can_move(town: Town, tasks: Iterable[Task], stuck: set[str]) -> bool:
    """Whether one of these, or of those within, can still end without anybody's help."""
    todo = list(tasks)
    while todo:
        task = todo.pop()
        if task.finished:
            continue
        if task.id not in stuck:
            return True
        if task.group:
            todo.extend(town.children(task.id))
    return False


def held_by_failure(town: Town) -> set[str]:
    """The ids of all tasks that wait, however far down, for one that failed or was cancelled.

    A group is held by what failed within it, or is held in there; not by what was cancelled.
    """
    stuck: set[str] = set()
    # A failed group is none to begin with: it comes back as soon as a task within it does.
    todo = [t for t in town.tasks.values() if blocks(t) and not (t.group and t.state == "failed")]
    while todo:
        task = todo.pop()
        held = town.dependents(task.id)
        group = town.tasks.get(task.parent or "")
        if group is not None and group.group and task.state != "cancelled":
            held.append(group)
        for waiting in held:
            if waiting.id not in stuck and waiting.state not in ("completed", "cancelled"):
                stuck.add(waiting.id)
                todo.append(waiting)
    return stuck


def plan_state(town: Town) -> str:
    """none, waiting (the conductor is off), running, completed, failed or stalled."""
    counts = town.plan_counts
    total = sum(counts.values())
    if total == 0:
        return "none"
    if total == counts["completed"] + counts["cancelled"]:
        return "completed"
    if counts["assigned"] + counts["running"] or plan_can_go_on(town):
        return "running" if town.meta.conducting else "waiting"
    if counts["failed"]:
        return "failed"
    return "stalled" if town.meta.conducting else "waiting"


def plan_can_go_on(town: Town) -> bool:
    """Whether a task of the plan is ready for an agent that is there."""
    agents = (town.find_agent(owner) for owner in town.owners_of_ready_plan_tasks())
    return any(agent is not None and agent.available for agent in agents)


def settle_plan(town: Town) -> None:
    """Records it once when the plan comes to an end, or moves again."""
    state = plan_state(town)
    if state == town.meta.plan_state:
        return
    town.put(town.meta.but(plan_state=state))
    if state in ("completed", "failed", "stalled") and town.meta.conducting:
        town.event(f"plan.{state}", "conductor", text=why_ended(town, state))


def why_ended(town: Town, state: str) -> str:
    """One line on how a plan ended."""
    counts = town.plan_counts
    total = sum(counts.values())
    if state == "completed":
        cancelled = f", {counts['cancelled']} cancelled" if counts["cancelled"] else ""
        return f"{counts['completed']} of {total} tasks completed{cancelled}"
    if state == "failed":
        return f"{counts['failed']} of {total} tasks failed, {counts['pending']} held back"
    return f"{counts['pending']} of {total} tasks have nobody who could start them"
