"""Verbs about the plan file: checking it, pushing it into the town, pulling states out of it."""

from __future__ import annotations

from tinytownd import planfile
from tinytownd.domain import retention, tracking
from tinytownd.domain.names import ROLE, check_name
from tinytownd.domain.plan import Plan, PlanTask, find_warnings, is_group, owner, waits_for, waves
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town
from tinytownd.domain.track import MAIN, in_town, scoped, unscoped
from tinytownd.handlers import views
from tinytownd.handlers.archive import Away, away
from tinytownd.handlers.pushing import (
    Push,
    away_as_it_is,
    count_away,
    is_gone,
    leave,
    push_one,
    refuse_commands,
    refuse_shells,
    refuse_taken_ids,
    was_dropped,
)
from tinytownd.handlers.registry import Answer, Context, Decision, verb


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


@verb("plan.push", "prepare")
async def push_file(
    ctx: Context,
    *,
    text: str,
    plan: str = MAIN,
    prune: bool = False,
    adopt_status: bool = False,
    propose: bool = False,
) -> Decision:
    """Brings the town's plan to what the file says; what has started stays as it is.

    One that is proposed waits until a person has approved of it.
    """
    check_name(plan, "plan's name")
    parsed = planfile.parse(text)
    there = ctx.town.find_plan(plan)
    known = await away(ctx, in_town(parsed, there.id if there else plan))
    flags = {"prune": prune, "adopt_status": adopt_status, "propose": propose}
    return lambda ctx: push(ctx, parsed, plan, known, **flags)


def push(
    ctx: Context,
    parsed: Plan,
    plan: str,
    known: Away,
    *,
    prune: bool = False,
    adopt_status: bool = False,
    propose: bool = False,
) -> Answer:
    """The same with a file that was read, and what is `known` of its tasks in the archive."""
    town = ctx.town
    tracked = tracking.track(town, plan, ctx.speaker.name)
    name, told = tracked.id, in_town(parsed, tracked.id)
    gone_by = {one: task for one, task in known.tasks.items() if not was_dropped(task)}
    refuse_taken_ids(town, told, known.tasks)
    refuse_shells(town, told)
    refuse_commands(ctx, told, known.tasks)
    retention.bring_back(town, known.back)
    if propose:
        tracking.propose(town, tracked)
    describe(town, name, told.description or None)
    done = Push()
    for definition in told.tasks:
        if definition.id in gone_by and definition.id not in town.tasks:
            away_as_it_is(definition, told, gone_by[definition.id], done)
        else:
            push_one(ctx, name, (told, definition), done, adopt=adopt_status)
    count_away(town, name, told, gone_by)
    gone = [t for t in town.tasks.values() if is_gone(t, name, told)]
    pruned = [task.id for task in gone if leave(ctx, task, prune=prune)]
    done.removed += [task.id for task in gone]
    changed = bool(done.added or done.updated or pruned)
    if changed:
        town.event("plan.pushed", ctx.speaker.name, plan=name, text=done.summary())
    if town.plans[name].proposed:
        tracking.ask_for(town, town.plans[name], ctx.speaker.name, anew=changed)
    return lambda: {
        **{
            what: [_told(town.tasks.get(one) or gone_by[one], what) for one in ids]
            for what, ids in vars(done).items()
        },
        "plan": views.plan(town, name),
    }


def describe(town: Town, name: str, description: str | None) -> None:
    """What the file says that its plan is about."""
    if town.plans[name].description != description:
        town.put(town.plans[name].but(description=description))


def _told(task: Task, what: str) -> dict[str, object]:
    why = {"kept": _why_kept(task), "removed": "not in the file any more"}.get(what)
    return {"id": task.id, "state": task.state, "why": why}


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


@verb("plan.pull", "query")
async def pull(
    ctx: Context, *, text: str, plan: str = MAIN, all: bool = False
) -> dict[str, object]:
    """The file's text with states, agents and results of its plan; `all` appends what it lacks.

    That is the rest of the plan, and for `tasks.toml` also what is of no plan. What was pruned or
    rejected is not appended: pushed again, it would come back.
    """
    town, archive = ctx.town, ctx.host.store.archive
    name = MAIN if plan == MAIN else town.plan(plan).id
    put_away = await archive.tasks(scoped(name, one) for one in planfile.ids(text))
    if all:
        put_away |= {one.id: one async for one in archive.newest() if one.plan in (name, None)}
    tasks = put_away | town.tasks
    own = [task for task in tasks.values() if task.plan == name]
    states = {one.id: one for one in (state_of(task, name) for task in own)}
    extra: list[PlanTask] = []
    if all:
        loose = [t for t in tasks.values() if t.plan is None and name == MAIN]
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
