"""What a push makes of a plan's definitions: which tasks are added, changed, left, or refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tinytownd.domain.errors import PlanError
from tinytownd.domain.names import role_named
from tinytownd.domain.plan import (
    SHELL,
    Plan,
    PlanTask,
    Problem,
    check_of,
    digest,
    is_group,
    owner,
    review_of,
    waits_for,
)
from tinytownd.domain.task import FINISHED, Task
from tinytownd.domain.town import Town
from tinytownd.domain.tracking import REJECTED
from tinytownd.handlers.owners import has_begun, taken_back
from tinytownd.handlers.registry import Context
from tinytownd.handlers.rights import refuse_command

#: What a task's `error` says that went because its definition did; pushed again, it comes back.
REMOVED = "removed from the plan"


@dataclass
class Push:
    """What a push did, by id: added, updated, unchanged, kept as it was, removed from the file."""

    added: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """One line: how many of each, where there are any."""
        return ", ".join(f"{len(ids)} {what}" for what, ids in vars(self).items() if ids)


def away_as_it_is(definition: PlanTask, plan: Plan, task: Task, done: Push) -> None:
    """A task that is in the archive is over and stays so; one that never ran may come anew."""
    same = is_same(task, fields_of(plan, definition))
    (done.unchanged if same else done.kept).append(task.id)


def count_away(town: Town, name: str, plan: Plan, away: Mapping[str, Task]) -> None:
    """Of the archived tasks that a file brought, those count that it still has: see `leave`."""
    tracked = town.plans[name]
    mine = Counter(
        task.state
        for task in away.values()
        if task.id not in town.tasks and task.id in plan.by_id and task.plan == name
        if task.digest is not None and not task.group
    )
    if mine != tracked.archived_pushed:
        by_hand = Counter(tracked.archived) - Counter(tracked.archived_pushed)
        town.put(tracked.but(archived=dict(by_hand + mine), archived_pushed=dict(mine)))


def push_one(
    ctx: Context, name: str, of: tuple[Plan, PlanTask], done: Push, *, adopt: bool
) -> None:
    """Adds or updates one task of a plan; its definition's digest decides, never its status."""
    town, definition = ctx.town, of[1]
    told = fields_of(*of)
    if town.meta.scratch:
        told |= rehearsed(told)
    there = town.tasks.get(definition.id)
    if there is None:
        number = town.next_id("tasks")
        task = Task(id=definition.id, seq=number, plan=name, created_at=ctx.now, **told)
        town.put(adopted(task, definition, ctx.now) if adopt else task)
        town.event("task.created", ctx.speaker.name, task=task.id, agent=task.agent)
        done.added.append(task.id)
        return
    back = was_dropped(there)
    if there.plan is None or back:
        there = there.but(plan=name, digest=there.digest or told["digest"])
        there = there.advance("retry", error=None, finished_at=None) if back else there
        town.put(there)
    same = is_same(there, told)
    if there.group and there.state == "failed" and not same:
        # Nobody started a group: what it is now decides whether it has failed still.
        there = there.advance("retry", error=None, finished_at=None)
    if has_begun(there):
        (done.unchanged if same else done.kept).append(there.id)
    elif same and not (adopt and definition.status in FINISHED and not there.group):
        (done.updated if back else done.unchanged).append(there.id)
    else:
        # A yes was to what it said before.
        fresh = taken_back(ctx, there).but(**told, approved=False, auto_claimed=False)
        town.put(adopted(fresh, definition, ctx.now) if adopt else fresh)
        town.event("task.edited", ctx.speaker.name, task=there.id, text="by the plan file")
        done.updated.append(there.id)


def rehearsed(told: dict[str, Any]) -> dict[str, Any]:
    """A task in a rehearsal, which shows the order of things: it waits for no person.

    What a command would do, it does not do.
    """
    play: dict[str, Any] = {"approve": False, "check": None, "run": None}
    would = [f"{key}: {told[key]}" for key in ("run", "check") if told[key] is not None]
    if would:
        play["description"] = f"{told['description']} (would {', '.join(would)})"
    return play


def was_dropped(task: Task) -> bool:
    """Whether the task was cancelled because the file has it no more, or with a whole proposal."""
    return task.state == "cancelled" and task.error in (REMOVED, REJECTED)


def is_same(there: Task, told: dict[str, Any]) -> bool:
    """Whether the definition is the one that was pushed, or says what the town says by now.

    The second is a file that was pulled after somebody edited or moved the task.
    """
    if there.digest == told["digest"] and (there.finished or there.needs == told["needs"]):
        return True
    return all(getattr(there, key) == value for key, value in told.items() if key != "digest")


def fields_of(plan: Plan, definition: PlanTask) -> dict[str, Any]:
    """What a task's definition says, as the town keeps it."""
    who = owner(definition, plan)
    role = role_named(who)
    return {
        "description": definition.description,
        "agent": None if role else who,
        "role": role,
        "depends_on": definition.depends_on,
        "needs": waits_for(definition, plan),
        "parent": definition.parent,
        "tags": definition.tags,
        "priority": definition.priority,
        "run": definition.run,
        "group": is_group(definition, plan),
        "epic": definition.epic,
        "join": definition.join,
        "join_failures": definition.failures == "count",
        "approve": definition.approve,
        "check": check_of(definition, plan),
        "review": review_of(definition, plan),
        "digest": digest(definition, plan),
    }


def adopted(task: Task, definition: PlanTask, now: int) -> Task:
    """The task with the status that the file gives it, if it is a final one."""
    events = {"completed": "complete", "failed": "fail", "cancelled": "cancel"}
    if task.group or definition.status not in events:
        return task
    said = "error" if definition.status == "failed" else "result"
    event = events[definition.status]
    return task.advance(event, finished_at=now, not_before=None, **{said: definition.result})


def is_gone(task: Task, name: str, plan: Plan) -> bool:
    """Whether a file that was pushed before had the task, and this one has not."""
    return task.plan == name and task.digest is not None and task.id not in plan.by_id


def leave(ctx: Context, task: Task, *, prune: bool) -> bool:
    """A task that the file does not have any more: what is over leaves the plan with it.

    So a town's next plan is not held up by what became of its last one. With `prune`, what has not
    started is cancelled, and leaves too: only that is said to be pruned.
    """
    if task.finished or (task.group and not prune):
        # A group may end in this very step, when its last child has moved out of it.
        ctx.town.put(task.but(plan=None))
    elif prune and not has_begun(task):
        back = taken_back(ctx, task)
        ctx.town.put(back.advance("cancel", error=REMOVED, finished_at=ctx.now, plan=None))
        ctx.town.event("task.cancelled", ctx.speaker.name, task=task.id, text=REMOVED)
        return True
    return False


def refuse_commands(ctx: Context, plan: Plan, away: Mapping[str, Task]) -> None:
    """An agent that is held to less than everything gives no task a command: raises `BadInput`."""
    for task in plan.tasks:
        there = ctx.town.tasks.get(task.id) or away.get(task.id)
        known = (None, there.run, there.check) if there is not None else (None,)
        if not {task.run, check_of(task, plan)} <= set(known):
            refuse_command(ctx, task.id)


def refuse_taken_ids(town: Town, plan: Plan, away: Mapping[str, Task]) -> None:
    """Raises `PlanError` for ids that other tasks from the command line have.

    One with the same description is that task, as `tt sync pull --all` wrote it: it joins the plan.
    """
    problems = [
        Problem(
            task.line,
            f"id '{task.id}' belongs to a task that is not of this plan",
            "choose another id",
        ).to_json()
        for task in plan.tasks
        if (there := town.tasks.get(task.id) or away.get(task.id)) is not None
        and there.digest is None
        and there.description != task.description
    ]
    if problems:
        raise PlanError(problems)


def refuse_shells(town: Town, plan: Plan) -> None:
    """Raises `PlanError` for tasks whose reviewer runs commands, and reads nothing."""
    shells = {agent.name.lower() for agent in town.agents.values() if agent.cli == SHELL}
    problems = [
        Problem(
            task.line,
            f"task '{task.id}' would be reviewed by {who}, who only runs commands",
            'a command is a check: check = "make test"',
        ).to_json()
        for task in plan.tasks
        if (who := review_of(task, plan)) is not None and who.lower() in shells
    ]
    if problems:
        raise PlanError(problems)
