"""Verbs about the plan file: checking it, pushing it into the town, pulling states out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tinytownd import planfile
from tinytownd.domain import tracking
from tinytownd.domain.errors import PlanError
from tinytownd.domain.names import ROLE
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
from tinytownd.domain.track import MAIN, in_town, unscoped
from tinytownd.domain.tracking import REJECTED
from tinytownd.handlers import views
from tinytownd.handlers.registry import Answer, Context, verb
from tinytownd.handlers.rights import refuse_command

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
def push(
    ctx: Context,
    *,
    text: str,
    plan: str = MAIN,
    prune: bool = False,
    adopt_status: bool = False,
    propose: bool = False,
) -> Answer:
    """Brings the town's plan to what the file says; what has started stays as it is.

    One that is proposed waits until a person has approved of it.
    """
    town = ctx.town
    tracked = tracking.track(town, plan, ctx.speaker.name)
    name, told = tracked.id, in_town(planfile.parse(text), tracked.id)
    refuse_taken_ids(town, told)
    refuse_commands(ctx, told)
    if propose:
        tracking.propose(town, tracked)
    describe(town, name, told.description or None)
    done = Push()
    for definition in told.tasks:
        push_one(ctx, name, (told, definition), done, adopt=adopt_status)
    gone = [t for t in town.tasks.values() if is_gone(t, name, told)]
    pruned = [task.id for task in gone if leave(ctx, task, prune=prune)]
    done.removed += [task.id for task in gone]
    changed = bool(done.added or done.updated or pruned)
    if changed:
        town.event("plan.pushed", ctx.speaker.name, plan=name, text=done.summary())
    if town.plans[name].proposed:
        tracking.ask_for(town, town.plans[name], ctx.speaker.name, anew=changed)
    return lambda: {
        **{what: [_told(town, one, what) for one in ids] for what, ids in vars(done).items()},
        "plan": views.plan(town, name),
    }


def describe(town: Town, name: str, description: str | None) -> None:
    """What the file says that its plan is about."""
    if town.plans[name].description != description:
        town.put(town.plans[name].but(description=description))


def is_gone(task: Task, name: str, plan: Plan) -> bool:
    """Whether a file that was pushed before had the task, and this one has not."""
    return task.plan == name and task.digest is not None and task.id not in plan.by_id


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
    which = f" --plan {task.plan}" if task.plan != MAIN else ""
    way = f"tt conductor stop, tt task retry {task.id}, tt sync push{which}"
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
    """An agent that is held to less than everything gives no task a command: raises `BadInput`."""
    for task in plan.tasks:
        there = ctx.town.tasks.get(task.id)
        known = (None, there.run, there.check) if there is not None else (None,)
        if not {task.run, check_of(task, plan)} <= set(known):
            refuse_command(ctx, task.id)


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
def pull(ctx: Context, *, text: str, plan: str = MAIN, all: bool = False) -> dict[str, object]:
    """The file's text with states, agents and results of its plan; `all` appends what it lacks.

    That is the rest of the plan, and for `tasks.toml` also what is of no plan. What was pruned or
    rejected is not appended: pushed again, it would come back.
    """
    town = ctx.town
    name = MAIN if plan == MAIN else town.plan(plan).id
    own = [task for task in town.tasks.values() if task.plan == name]
    states = {one.id: one for one in (state_of(task, name) for task in own)}
    extra: list[PlanTask] = []
    if all:
        loose = [t for t in town.tasks.values() if t.plan is None and name == MAIN]
        kept = (t for t in (*own, *loose) if not was_dropped(t) and t.gate_of is None)
        extra = [state_of(task, name) for task in sorted(kept, key=lambda one: one.seq)]
    written, changed = planfile.update(text, states, extra)
    return {"text": written, "changed": [{"id": one} for one in changed]}


def state_of(task: Task, plan: str) -> PlanTask:
    """A task as the file of that plan shows it."""
    return PlanTask(
        id=unscoped(plan, task.id),
        description=task.description,
        status=task.state,
        agent=f"{ROLE}{task.role}" if task.role else task.agent,
        result=task.result if task.state == "completed" else task.error,
        parent=task.parent and unscoped(plan, task.parent),
        depends_on=tuple(unscoped(plan, need) for need in task.depends_on),
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
