"""Verbs about the plan file: checking it, pushing it into the town, pulling states out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tinytownd import planfile
from tinytownd.domain.errors import BadInput, PlanError
from tinytownd.domain.names import PERMISSIONS, ROLE
from tinytownd.domain.plan import (
    Plan,
    PlanTask,
    Problem,
    check_of,
    digest,
    find_warnings,
    is_group,
    owner,
    review_of,
    waits_for,
    waves,
)
from tinytownd.domain.task import FINISHED, Task
from tinytownd.domain.town import Town
from tinytownd.domain.track import MAIN, TrackedPlan
from tinytownd.handlers import views
from tinytownd.handlers.agents import mode_of
from tinytownd.handlers.registry import Answer, Context, verb

#: What a task's `error` says that went because its definition did; pushed again, it comes back.
REMOVED = "removed from the plan"


@verb("plan.check", "read")
def check(ctx: Context, *, text: str) -> dict[str, object]:
    """The plan in waves: what can run side by side; raises `PlanError` with every problem."""
    del ctx
    plan = planfile.parse(text)
    return {
        "description": plan.description or None,
        "waves": [[_wave_task(task, plan) for task in wave] for wave in waves(plan)],
        "groups": [
            {
                "id": task.id,
                "description": task.description,
                "children": [child.id for child in plan.children.get(task.id, ())],
            }
            for task in plan.tasks
            if is_group(task, plan)
        ],
        "warnings": [warning.to_json() for warning in find_warnings(plan)],
    }


def _wave_task(task: PlanTask, plan: Plan) -> dict[str, object]:
    return {
        "id": task.id,
        "description": task.description,
        "agent": owner(task, plan),
        "run": task.run,
        "depends_on": list(waits_for(task, plan)),
        "group": task.parent if task.parent and is_group(plan.by_id[task.parent], plan) else None,
    }


def track(ctx: Context, name: str, description: str | None = None) -> TrackedPlan:
    """The town's record of a plan, made when it is new; what it is about is brought up to date."""
    town = ctx.town
    there = town.plans.get(name)
    if there is None:
        number = town.next_id("plans")
        there = TrackedPlan(id=name, seq=number, owner=ctx.speaker.name, created_at=ctx.now)
    if town.plans.get(name) is None or (description or None) != there.description:
        there = there.but(description=description or None)
        town.put(there)
    return there


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


@verb("plan.push", "write")
def push(ctx: Context, *, text: str, prune: bool = False, adopt_status: bool = False) -> Answer:
    """Brings the town's plan to what the file says; what has started stays as it is."""
    town, plan = ctx.town, planfile.parse(text)
    refuse_taken_ids(town, plan)
    refuse_commands(ctx, plan)
    done = Push()
    track(ctx, MAIN, plan.description)
    for definition in plan.tasks:
        push_one(ctx, plan, definition, done, adopt=adopt_status)
    gone = [t for t in town.tasks.values() if t.plan == MAIN and t.id not in plan.by_id]
    pruned = [task.id for task in gone if leave(ctx, task, prune=prune)]
    done.removed += [task.id for task in gone]
    if done.added or done.updated or pruned:
        town.event("plan.pushed", ctx.speaker.name, text=done.summary())
    return lambda: {
        **{what: [_told(town, one, what) for one in ids] for what, ids in vars(done).items()},
        "plan": views.plan(town),
    }


def _told(town: Town, task_id: str, what: str) -> dict[str, object]:
    task = town.tasks[task_id]
    why = {"kept": _why_kept(task), "removed": "not in the file any more"}.get(what)
    return {"id": task_id, "state": task.state, "why": why}


def _why_kept(task: Task) -> str:
    """Why a changed definition was left; for a task that can be retried, also the way to have it.

    While the conductor is off, one that is retried waits, and the next push may change it.
    """
    why = f"changed in the file, but it is {task.state}"
    if task.state not in ("failed", "cancelled"):
        return why
    way = f"tt conductor stop, tt task retry {task.id}, tt sync push"
    return f"{why}; to have it tried again as it is there: {way}"


def leave(ctx: Context, task: Task, *, prune: bool) -> bool:
    """A task that the file does not have any more: what is over leaves the plan with it.

    So a town's next plan is not held up by what became of its last one. With `prune`, what has not
    started is cancelled, and leaves too: only that is said to be pruned.
    """
    if task.finished or (task.group and not prune):
        # A group may end in this very step, when its last child has moved out of it.
        ctx.town.put(task.but(plan=None))
    elif prune and task.state in ("pending", "assigned"):
        ctx.town.put(task.advance("cancel", error=REMOVED, finished_at=ctx.now, plan=None))
        ctx.town.event("task.cancelled", ctx.speaker.name, task=task.id, text=REMOVED)
        return True
    return False


def refuse_commands(ctx: Context, plan: Plan) -> None:
    """An agent that is held to less than everything puts no command into a plan: raises `BadInput`.

    The agent `shell` would run it, which is held to nothing.
    """
    agent = ctx.speaker.agent
    if agent is None or mode_of(ctx, agent) == PERMISSIONS[-1]:
        return
    known = {task.id: task.run for task in ctx.town.tasks.values()}
    commands = {task.id: task.run for task in plan.tasks if task.run is not None}
    for task, run in commands.items():
        if run != known.get(task):
            raise BadInput(
                f"{agent.name} has the permissions '{mode_of(ctx, agent)}':"
                f" it cannot give {task} a command",
                hint="a person may push this plan",
            )


def refuse_taken_ids(town: Town, plan: Plan) -> None:
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
        if (there := town.tasks.get(task.id)) is not None
        and there.digest is None
        and there.description != task.description
    ]
    if problems:
        raise PlanError(problems)


def push_one(ctx: Context, plan: Plan, definition: PlanTask, done: Push, *, adopt: bool) -> None:
    """Adds or updates one task; its definition's digest decides, never its status."""
    town = ctx.town
    told = fields_of(plan, definition)
    if town.meta.scratch and told["run"] is not None:
        # A rehearsal shows the order of things; what a command would do, it does not do.
        told |= {"run": None, "description": f"{told['description']} (would run: {told['run']})"}
    there = town.tasks.get(definition.id)
    if there is None:
        number = town.next_id("tasks")
        task = Task(id=definition.id, seq=number, plan=MAIN, created_at=ctx.now, **told)
        town.put(adopted(task, definition, ctx.now) if adopt else task)
        town.event("task.created", ctx.speaker.name, task=task.id, agent=task.agent)
        done.added.append(task.id)
        return
    back = was_pruned(there)
    if there.plan is None:
        there = there.but(plan=MAIN, digest=there.digest or told["digest"])
        there = there.advance("retry", error=None, finished_at=None) if back else there
        town.put(there)
    same = is_same(there, told)
    if there.group and there.state == "failed" and not same:
        # Nobody started a group: what it is now decides whether it has failed still.
        there = there.advance("retry", error=None, finished_at=None)
    if there.state not in ("pending", "assigned"):
        (done.unchanged if same else done.kept).append(there.id)
    elif same and not (adopt and definition.status in FINISHED and not there.group):
        (done.updated if back else done.unchanged).append(there.id)
    else:
        fresh = there.advance("release") if there.state == "assigned" else there
        fresh = fresh.but(**told)
        town.put(adopted(fresh, definition, ctx.now) if adopt else fresh)
        town.event("task.edited", ctx.speaker.name, task=there.id, text="by the plan file")
        done.updated.append(there.id)


def was_pruned(task: Task) -> bool:
    """Whether the task was cancelled because the file has it no more."""
    return task.state == "cancelled" and task.error == REMOVED


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
    role = who.removeprefix(ROLE) if who is not None and who.startswith(ROLE) else None
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


@verb("plan.pull", "read")
def pull(ctx: Context, *, text: str, all: bool = False) -> dict[str, object]:
    """The file's text with states, agents and results of the town; `all` appends its others.

    What was pruned is not appended: pushed again, it would come back.
    """
    town = ctx.town
    states = {task.id: state_of(task) for task in town.tasks.values() if task.plan == MAIN}
    others = [state_of(task) for task in town.tasks.values() if not was_pruned(task)]
    written, changed = planfile.update(text, states, others if all else [])
    return {"text": written, "changed": [{"id": one} for one in changed]}


def state_of(task: Task) -> PlanTask:
    """A task as the plan file shows it."""
    return PlanTask(
        id=task.id,
        description=task.description,
        status=task.state,
        agent=task.agent or (f"{ROLE}{task.role}" if task.role else None),
        result=task.result if task.state == "completed" else task.error,
        parent=task.parent,
        depends_on=task.depends_on,
        tags=task.tags,
        priority=task.priority,
        run=task.run,
        epic=task.epic,
        join=task.join,
        failures="count" if task.join_failures else "hold",
        approve=task.approve,
        check=task.check,
        review=task.review,
    )
