"""Who gets what: pure decisions, taken as part of every change to a town.

Because the assignments are written in the same step as what made them possible, no committed
town has a ready task beside an agent with room for it, and none is lost between two steps.
"""

from __future__ import annotations

from itertools import islice

from tinytownd.domain.agent import Agent
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town

#: Tasks handed to an agent ahead of the one it works on: enough to start the next at once, few
#: enough that urgent work and a closing agent's work need not be taken back.
AHEAD = 2


def settle(town: Town) -> None:
    """Hands out what the change under way made ready, and finishes groups and the plan."""
    while True:
        owners, groups = town.take_dirty()
        if not owners and not groups:
            break
        for group in sorted(groups):
            settle_group(town, group)
        for owner in sorted(owners):
            agent = town.find_agent(owner)
            if agent is not None:
                hand_out(town, agent)
    settle_plan(town)


def hand_out(town: Town, agent: Agent) -> None:
    """Brings an agent's queue to the best `AHEAD` tasks that are ready for it."""
    queued = town.queue(agent.name)
    best = queued
    if agent.available:
        ready = islice((t for t in town.ready(agent.name) if may_go_out(town, t)), AHEAD)
        best = sorted([*queued, *ready], key=lambda task: task.rank)[:AHEAD]
    for task in queued:
        if task not in best:
            town.put(task.advance("release"))
    for task in best:
        if task.state == "pending":
            town.put(task.advance("assign"))
            town.event("task.assigned", "conductor", task=task.id, agent=agent.name)
            town.wake(agent)


def may_go_out(town: Town, task: Task) -> bool:
    """A plan's task goes out only while the conductor is on; one that failed, after its pause."""
    due = task.not_before is None or task.not_before <= town.now
    return due and (task.plan is None or town.meta.conducting)


def settle_group(town: Town, group_id: str) -> None:
    """A group is completed when its children are; failed when one failed and none can move."""
    group = town.tasks.get(group_id)
    if group is None or not group.group or group.state in ("completed", "cancelled"):
        return
    children = [child for child in town.children(group_id) if child.state != "cancelled"]
    failed = [child.id for child in children if child.state == "failed"]
    over = bool(failed) and not any_can_move(town, children)
    if group.state == "failed" and not over:
        group = group.advance("retry", error=None, finished_at=None)
        town.put(group)
    if over and group.state == "pending":
        why = "failed within: " + ", ".join(failed)
        town.put(group.advance("fail", error=why, finished_at=town.now))
        town.event("task.failed", "conductor", task=group_id, text=why)
    elif all(child.state == "completed" for child in children) and not town.unmet(group):
        town.put(group.advance("complete", finished_at=town.now))
        town.event("task.completed", "conductor", task=group_id)


def any_can_move(town: Town, tasks: list[Task]) -> bool:
    """Whether one of these runs, or could without anybody's help: nothing it needs has failed."""
    stuck = held_by_failure(town)
    todo = list(tasks)
    while todo:
        task = todo.pop()
        if task.finished or task.id in stuck:
            continue
        if not task.group:
            return True
        todo.extend(town.children(task.id))
    return False


def held_by_failure(town: Town) -> set[str]:
    """The ids of all tasks that wait, however far down, for one that failed or was cancelled."""
    stuck: set[str] = set()
    todo = [task for task in town.tasks.values() if task.state in ("failed", "cancelled")]
    while todo:
        for waiting in town.dependents(todo.pop().id):
            if waiting.id not in stuck:
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
    for owner in town.owners_with_ready_tasks():
        agent = town.find_agent(owner) if owner else None
        if agent is None or not agent.available:
            continue
        if any(task.plan is not None for task in town.ready(owner)):
            return True
    return False


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
