"""Verbs about the conductor."""

from __future__ import annotations

from tinytownd.domain import tracking
from tinytownd.domain.errors import BadInput, Conflict
from tinytownd.domain.plan import SHELL
from tinytownd.domain.town import Town
from tinytownd.handlers import glance, paging, views
from tinytownd.handlers.agents import add, stand_in
from tinytownd.handlers.registry import Answer, Context, verb


@verb("conductor.start", "write")
def start(ctx: Context, *, spawn: bool = False, plan: str | None = None) -> Answer:
    """Hands plans to the conductor; with `spawn`, agents they name and lack are spawned.

    It hands all of them out; the `plan` is the one that is asked about.
    """
    town = ctx.town
    if not any(counts.total() for counts in town.index.plan_counts.values()):
        raise BadInput("there is no plan to conduct", hint="write tasks.toml, then: tt sync push")
    name = startable(town, plan)
    spawned = switch_on(ctx)
    if spawn:
        absent = [str(one["name"]) for one in views.missing(town) if one["state"] is None]
        spawned += [new.name for owner in absent if (new := stand_in(ctx, owner)) is not None]
    return lambda: {
        "conductor": views.conductor(town, name),
        "spawned": [{"name": name} for name in spawned],
        "missing": views.missing(town, name),
    }


def startable(town: Town, plan: str | None) -> str:
    """The plan that is meant; raises `NotFound`, and `Conflict` when a person must say more."""
    name = views.usual_plan(town) if plan is None else plan
    if plan is None and name not in town.plans:
        raise BadInput("which plan?", hint=f"--plan, one of {', '.join(town.plans)}")
    found = town.plan(name)
    if found.proposed and tracking.is_open(town, found):
        hint = f"tt plan approve {found.id}"
        raise Conflict(f"plan {found.id} waits for an approval", hint=hint)
    if found.paused:
        raise Conflict(f"plan {found.id} is paused", hint=f"tt plan resume {found.id}")
    return found.id


def switch_on(ctx: Context) -> list[str]:
    """Pushed plans are handed out; the agent that their commands need, where it had to be made."""
    town, spawned = ctx.town, []
    commands = any(t.agent == SHELL and t.run is not None for t in town.tasks.values() if t.plan)
    if commands and town.find_agent(SHELL) is None:
        spawned.append(add(ctx, SHELL, {"cli": SHELL}).name)
    if not town.meta.conducting:
        town.put(town.meta.but(conducting=True))
        town.event("conductor.started", ctx.speaker.name)
    return spawned


@verb("conductor.stop", "write")
def stop(ctx: Context) -> Answer:
    """The plan's tasks wait; what runs goes on."""
    town = ctx.town
    if town.meta.conducting:
        town.put(town.meta.but(conducting=False))
        town.event("conductor.stopped", ctx.speaker.name)
    return lambda: {"conductor": views.conductor(town)}


@verb("conductor.status", "read")
def status(
    ctx: Context, *, plan: str | None = None, limit: int = paging.USUAL
) -> dict[str, object]:
    """A plan's tasks and the team, and the last event that this takes into account.

    Of many tasks and agents those that need somebody or are worked on; `tasks_left` are not shown.
    """
    town = ctx.town
    name = views.usual_plan(town) if plan is None else town.plan(plan).id
    return {
        "conductor": views.conductor(town, name),
        **paging.urgent(town, [task for task in town.tasks.values() if task.plan == name], limit),
        "agents": [views.agent(town, one) for one in glance.shown_agents(town)],
        "missing": views.missing(town, name),
        "event": ctx.host.store.last_event,
    }
