"""Verbs about the conductor."""

from __future__ import annotations

from tinytownd.domain.errors import BadInput
from tinytownd.domain.plan import SHELL
from tinytownd.handlers import views
from tinytownd.handlers.agents import add
from tinytownd.handlers.registry import Answer, Context, verb


@verb("conductor.start", "write")
def start(ctx: Context, *, spawn: bool = False) -> Answer:
    """Hands the plan to the conductor; with `spawn`, agents it names and lacks are spawned."""
    town = ctx.town
    if not any(counts.total() for counts in town.index.plan_counts.values()):
        raise BadInput("there is no plan to conduct", hint="write tasks.toml, then: tt sync push")
    spawned = []
    commands = any(t.agent == SHELL and t.run is not None for t in town.tasks.values() if t.plan)
    if commands and town.find_agent(SHELL) is None:
        spawned.append(add(ctx, SHELL, {"cli": SHELL}).name)
    if spawn:
        absent = [str(one["name"]) for one in views.missing(town)]
        spawned += [add(ctx, name, {}).name for name in absent if town.find_agent(name) is None]
    if not town.meta.conducting:
        town.put(town.meta.but(conducting=True))
        town.event("conductor.started", ctx.speaker.name)
    return lambda: {
        "conductor": views.conductor(town),
        "spawned": [{"name": name} for name in spawned],
        "missing": views.missing(town),
    }


@verb("conductor.stop", "write")
def stop(ctx: Context) -> Answer:
    """The plan's tasks wait; what runs goes on."""
    town = ctx.town
    if town.meta.conducting:
        town.put(town.meta.but(conducting=False))
        town.event("conductor.stopped", ctx.speaker.name)
    return lambda: {"conductor": views.conductor(town)}


@verb("conductor.status", "read")
def status(ctx: Context) -> dict[str, object]:
    """The plan's tasks and the team, and the last event that this takes into account."""
    town = ctx.town
    return {
        "conductor": views.conductor(town),
        "tasks": [views.task(town, task) for task in town.tasks.values() if task.plan],
        "agents": views.agents(town),
        "missing": views.missing(town),
        "event": ctx.host.store.last_event,
    }
