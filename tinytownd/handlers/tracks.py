"""Verbs about plans as a whole: how far each is, and what a person decides about it."""

from __future__ import annotations

from collections import Counter

from tinytownd.domain import tracking
from tinytownd.domain.names import check_text
from tinytownd.domain.task import STATES, Task
from tinytownd.domain.track import TrackedPlan
from tinytownd.handlers import paging, views
from tinytownd.handlers.conductor import switch_on
from tinytownd.handlers.registry import Answer, Context, verb


@verb("plan.list", "read")
def list_(
    ctx: Context, *, limit: int = paging.USUAL, after: str | None = None
) -> dict[str, object]:
    """The plans, in the order they were made, page by page."""
    town = ctx.town
    plans = list(town.plans.values())
    found = paging.page(plans, lambda one: views.plan(town, one.id), limit, after or "")
    return paging.reply("plans", found, len(plans))


@verb("plan.status", "read")
def status(
    ctx: Context, *, name: str | None = None, limit: int = paging.USUAL
) -> dict[str, object]:
    """How far a plan is, who works on it, and its tasks; without a name, the town's plan."""
    town = ctx.town
    plan = town.plan(name if name is not None else views.usual_plan(town))
    tasks = [task for task in tracking.tasks_of(town, plan) if not task.group]
    return {
        "plan": views.plan(town, plan.id),
        "agents": by_owner(tasks),
        **paging.urgent(town, tasks, limit),
        "event": ctx.host.store.last_event,
    }


def by_owner(tasks: list[Task]) -> list[dict[str, object]]:
    """Who has how many of a plan's tasks in which state; a name of null is the backlog."""
    found: dict[str | None, Counter[str]] = {}
    for task in tasks:
        found.setdefault(task.owner, Counter())[task.state] += 1
    return [
        {"name": name, "tasks": {state: counts[state] for state in STATES if counts[state]}}
        for name, counts in found.items()
    ]


def changed(ctx: Context, plan: TrackedPlan) -> Answer:
    """Answers with a plan, as it is once the town has settled."""
    return lambda: {"plan": views.plan(ctx.town, plan.id)}


@verb("plan.pause", "write")
def pause(ctx: Context, *, name: str) -> Answer:
    """Nothing more of the plan is handed out; what runs goes on."""
    plan = ctx.town.plan(name)
    tracking.pause(ctx.town, plan, ctx.speaker.name)
    return changed(ctx, plan)


@verb("plan.resume", "write")
def resume(ctx: Context, *, name: str) -> Answer:
    """A paused plan goes on; only people know why it was paused."""
    ctx.people_only()
    plan = ctx.town.plan(name)
    tracking.resume(ctx.town, plan, ctx.speaker.name)
    return changed(ctx, plan)


@verb("plan.cancel", "write")
def cancel(ctx: Context, *, name: str) -> Answer:
    """All that is open of the plan is cancelled; rounds that work on it are ended."""
    plan = ctx.town.plan(name)
    tracking.cancel(ctx.town, plan, ctx.speaker.name, f"by {ctx.speaker.name}")
    return changed(ctx, plan)


@verb("plan.approve", "write")
def approve(ctx: Context, *, name: str) -> Answer:
    """A person lets a proposed plan start."""
    plan = ctx.town.plan(name)
    decide_plan(ctx, plan.id, yes=True)
    return changed(ctx, plan)


@verb("plan.reject", "write")
def reject(ctx: Context, *, name: str, reason: str = "") -> Answer:
    """A person does not want a proposed plan; its owner is told why."""
    plan = ctx.town.plan(name)
    decide_plan(ctx, plan.id, yes=False, text=reason)
    return changed(ctx, plan)


def decide_plan(ctx: Context, name: str, *, yes: bool, text: str = "") -> None:
    """A person's word about a proposed plan: the answer to the question about `plan:NAME`.

    A yes switches the conductor on, too. Raises `NotFound`, `Conflict`, `BadInput`.
    """
    ctx.people_only()
    plan = ctx.town.plan(name)
    if yes:
        tracking.approve(ctx.town, plan, ctx.speaker.name)
        switch_on(ctx)
        return
    check_text(text, "reason", empty=True)
    tracking.reject(ctx.town, plan, ctx.speaker.name, text.strip())
