"""Verbs about tasks."""

from __future__ import annotations

from collections import deque
from typing import Any

from tinytownd.domain import gates, retention, rules, tracking
from tinytownd.domain.errors import BadInput, Conflict, Fenced, NotFound
from tinytownd.domain.join import ALL, HOLD, check_failures, check_join
from tinytownd.domain.names import BACKLOG, check_priority, check_tag, check_text
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town
from tinytownd.domain.track import scoped
from tinytownd.handlers import views
from tinytownd.handlers.archive import coming_back, needed
from tinytownd.handlers.gating import wanted
from tinytownd.handlers.owners import (
    Owner,
    hand_over,
    named_owner,
    not_started,
    taken_back,
    taker,
)
from tinytownd.handlers.registry import Answer, Context, Decision, verb


def shown(town: Town, task_id: str) -> Answer:
    """Answers with one task, as it is once the town has settled."""
    return lambda: {"task": views.task(town, town.tasks[task_id])}


def create(ctx: Context, text: str, **fields: Any) -> Task:
    """A new task made on the command line, with an id of its own."""
    town, plan = ctx.town, fields.pop("plan", None)
    check_text(text, "task")
    check_priority(fields.get("priority", "normal"))
    for tag in fields.get("tags", ()):
        check_tag(tag)
    after = tuple(needed(ctx, fields.pop("after", ())))
    fields["join"] = check_join(fields.get("join", ALL), len(after))
    fields["join_failures"] = check_failures(fields.pop("failures", HOLD))
    if plan is not None:
        plan = tracking.track(town, plan, ctx.speaker.name).id
    number = town.next_id("numbered")
    while (fresh := scoped(plan, f"t{number}")) in town.tasks:
        number = town.next_id("numbered")
    task = Task(
        id=fresh,
        plan=plan,
        description=text,
        seq=town.next_id("tasks"),
        depends_on=after,
        needs=after,
        created_at=ctx.now,
        **fields,
    )
    town.put(task)
    told = f"after {', '.join(after)}" if after else None
    town.event("task.created", ctx.speaker.name, task=task.id, agent=task.agent, text=told)
    if plan is not None and town.plans[plan].proposed:
        tracking.ask_for(town, town.plans[plan], ctx.speaker.name, anew=True)
    return task


@verb("task.assign", "write")
def assign(
    ctx: Context,
    *,
    agent: str,
    text: str,
    after: list[str] | None = None,
    join: str = ALL,
    failures: str = HOLD,
    tags: list[str] | None = None,
    priority: str = "normal",
    approve: bool = False,
    check: str | None = None,
    review: str | None = None,
    plan: str | None = None,
) -> Answer:
    """A task for an agent or a role, handed out at once or when what it is after has arrived."""
    owner = taker(ctx.town, agent, run=None)
    told = wanted(ctx, owner.agent, approve=approve, check=check, review=review)
    told |= {"after": after or [], "join": join, "failures": failures, "plan": plan}
    told |= {"tags": tuple(tags or ()), "priority": priority, **owner._asdict()}
    return with_owner(ctx.town, create(ctx, text, **told).id)


def with_owner(town: Town, task_id: str) -> Answer:
    """Answers with a task and with who has it: whoever asks wants to know if it will be done.

    That is nobody yet where it is a role's.
    """

    def answer() -> dict[str, object]:
        task = town.tasks[task_id]
        owner = town.find_agent(task.agent or "")
        return {"task": views.task(town, task), "agent": owner and views.agent(town, owner)}

    return answer


@verb("task.show", "query")
async def show(ctx: Context, *, task: str) -> dict[str, object]:
    """One task with its rounds, at hand or in the archive."""
    found = ctx.task_anywhere(task)
    before = await ctx.host.store.archive.rounds_of(found) if may_have_more(ctx.town, found) else []
    rounds = [*before, *(one for one in ctx.town.rounds.values() if one.task == found.id)]
    return {
        "task": views.task(ctx.town, found),
        "rounds": [views.round_(ctx.town, one) for one in rounds],
    }


def may_have_more(town: Town, task: Task) -> bool:
    """Whether rounds of the task may have been put away: it is older than those at hand."""
    first = next(iter(town.rounds.values()), None)
    if first is None:
        return town.meta.rounds > 0
    return first.order > 1 and task.created_at <= first.started_at


@verb("task.current", "read")
def current(ctx: Context, *, agent: str | None = None) -> dict[str, object]:
    """What an agent works on: the one that asks, or the one that is named."""
    who = ctx.town.agent(agent) if agent is not None else ctx.speaker.agent
    if who is None:
        raise BadInput("a person has no current task", hint="tt task current NAME")
    return {"task": views.task(ctx.town, ctx.town.tasks[who.task]) if who.task else None}


def spoken_of(ctx: Context, ref: str | None) -> Task:
    """The task that a verdict is about: the one that is named, else the agent's own."""
    who = ctx.speaker.agent
    if who is None:
        if ref is None:
            raise BadInput("which task?", hint="tt task list")
        return ctx.task(ref)
    task = ctx.task(ref) if ref is not None else ctx.town.tasks.get(who.task or "")
    if task is None:
        raise NotFound("there is no task in this round", hint="name the task")
    return task


def is_late(ctx: Context, task: Task) -> bool:
    """Whether an agent speaks of a task that its round does not hold, or does not any more."""
    who = ctx.speaker.agent
    return who is not None and (task.round is None or task.round != who.round)


def refused(ctx: Context, task: Task, text: str) -> Answer:
    """A verdict that is late is refused, and the refusal is recorded."""
    about = {"task": task.id, "agent": ctx.speaker.name, "text": rules.first_line(text) or None}
    ctx.town.event("result.refused", ctx.speaker.name, **about)

    def answer() -> dict[str, object]:
        raise Fenced(
            f"task {task.id} is not held by this round of {ctx.speaker.name} (it is {task.state})",
            hint="the town goes on without this result",
        )

    return answer


@verb("task.complete", "write")
def complete(ctx: Context, *, task: str | None = None, result: str = "") -> Answer:
    """The task is done; what waits for it goes out in the same step."""
    found = spoken_of(ctx, task)
    check_text(result, "result", empty=True)
    if is_late(ctx, found):
        return refused(ctx, found, result)
    if found.group:
        raise Conflict(f"{found.id} is a group: it is completed when its tasks are")
    if ctx.speaker.agent is not None:
        gates.hand_in(ctx.town, found, ctx.speaker.name, result or None)
    else:
        gates.complete(ctx.town, found, ctx.speaker.name, result or None)
    return shown(ctx.town, found.id)


@verb("task.fail", "write")
def fail(ctx: Context, *, task: str | None = None, reason: str = "") -> Answer:
    """The task failed for good, as the one who works on it says; dependents are held."""
    found = spoken_of(ctx, task)
    check_text(reason, "reason", empty=True)
    if is_late(ctx, found):
        return refused(ctx, found, reason)
    if found.group:
        raise Conflict(f"{found.id} is a group: it fails when a task within it does")
    if gates.is_review(found):
        gates.turn_down(ctx.town, found, ctx.speaker.name, reason or "no reason given")
    else:
        gates.fail(ctx.town, found, ctx.speaker.name, reason or "no reason given")
    return shown(ctx.town, found.id)


@verb("task.cancel", "write")
def cancel(ctx: Context, *, task: str, cascade: bool = False) -> Answer:
    """Takes a task back; what waits for it is held, or cancelled with it."""
    town, first = ctx.town, ctx.task(task)
    gone: dict[str, None] = {}
    todo = deque([first])
    while todo:
        one = todo.popleft()
        if one.id in gone or (one.finished and one is not first and one.state != "failed"):
            continue
        gates.cancel(town, one, ctx.speaker.name)
        gone[one.id] = None
        if cascade or one.group:
            todo += town.children(one.id)
        if cascade:
            todo += town.dependents(one.id)
    return lambda: {"tasks": [views.task(town, town.tasks[one]) for one in gone]}


@verb("task.retry", "prepare")
async def retry(ctx: Context, *, task: str) -> Decision:
    """A failed or cancelled task is tried again, from its first attempt; also an archived one."""
    back = await coming_back(ctx, task)

    def decide(ctx: Context) -> Answer:
        retention.bring_back(ctx.town, back)
        return try_again(ctx, ctx.town.task(task))

    return decide


def try_again(ctx: Context, found: Task) -> Answer:
    """The task goes on from its first attempt; raises `Conflict`, `IllegalTransition`."""
    if found.group:
        raise Conflict(f"{found.id} is a group", hint="retry the task within it that failed")
    gates.check_retry(ctx.town, found)
    fresh = {"attempts": 0, "reworks": 0, "error": None, "not_before": None, "finished_at": None}
    told = found.told if ctx.speaker.agent is not None else 0
    again = found.advance("retry", round=None, told=told, **fresh)
    ctx.town.put(again)
    ctx.town.event("task.retrying", ctx.speaker.name, task=found.id, agent=found.agent)
    bring_groups_back(ctx, again)
    return shown(ctx.town, found.id)


def bring_groups_back(ctx: Context, task: Task) -> None:
    """The groups that a task is in and that were cancelled go on, now that it does."""
    group = ctx.town.tasks.get(task.parent or "")
    while group is not None and group.group and group.state == "cancelled":
        ctx.town.put(group.advance("retry", error=None, finished_at=None))
        ctx.town.event("task.retrying", ctx.speaker.name, task=group.id)
        group = ctx.town.tasks.get(group.parent or "")


@verb("task.edit", "write")
def edit(
    ctx: Context,
    *,
    task: str,
    text: str | None = None,
    priority: str | None = None,
    agent: str | None = None,
    tags: list[str] | None = None,
) -> Answer:
    """Changes a task that has not started."""
    found = not_started(ctx.task(task), "edited")
    changes: dict[str, Any] = {}
    if text is not None:
        # A yes was to what it said before.
        changes |= {"description": check_text(text, "task"), "approved": False}
    if priority is not None:
        changes["priority"] = check_priority(priority)
    if agent is not None:
        changes |= named_owner(ctx, found, agent)._asdict() | {"auto_claimed": False}
    if tags is not None:
        changes["tags"] = tuple(check_tag(tag) for tag in tags)
    if not changes:
        raise BadInput("nothing to change", hint="--text, --priority, --agent or --tag")
    ctx.town.put(taken_back(ctx, found).but(**changes))
    told = ", ".join(sorted(changes.keys() - {"role", "auto_claimed", "approved"}))
    ctx.town.event("task.edited", ctx.speaker.name, task=found.id, text=told)
    return shown(ctx.town, found.id)


@verb("task.move", "write")
def move(ctx: Context, *, task: str, agent: str) -> Answer:
    """Gives a task that has not started to another agent or role, or to the `backlog`."""
    found = not_started(ctx.task(task), "moved")
    hand_over(ctx, found, Owner() if agent == BACKLOG else named_owner(ctx, found, agent))
    return shown(ctx.town, found.id)
