"""Verbs about agents. They say what is wanted; supervisors make it so."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from tinytownd.domain import questions, rate_limits, rules
from tinytownd.domain.agent import COUNTED, Agent
from tinytownd.domain.errors import BadInput, Conflict
from tinytownd.domain.lines import lines_of
from tinytownd.domain.message import CONDUCTOR
from tinytownd.domain.names import (
    PERMISSIONS,
    ROLE,
    check_label,
    check_name,
    check_permissions,
    check_tag,
    check_text,
)
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town
from tinytownd.handlers import glance, paging, views
from tinytownd.handlers.owners import Owner, hand_over, name_for
from tinytownd.handlers.registry import Answer, Context, verb
from tinytownd.handlers.rights import mode_of
from tinytownd.settings import KEYS

#: What an agent's own limits may be at most; the times as in the settings.
MOST = {
    "max_rounds": 1_000_000,
    "silence_seconds": KEYS["limits.silence_seconds"].high,
    "wall_seconds": KEYS["limits.wall_seconds"].high,
}


def shown(town: Town, agent: Agent, **more: object) -> Answer:
    """Answers with one agent, as it is once the town has settled."""
    return lambda: {"agent": views.agent(town, town.agents[agent.id]), **more}


@verb("agent.spawn", "write")
def spawn(
    ctx: Context,
    *,
    name: str,
    cli: str | None = None,
    model: str | None = None,
    role: str | None = None,
    instructions: str | None = None,
    nickname: str | None = None,
    parent: str | None = None,
    max_rounds: int | None = None,
    silence_seconds: int | None = None,
    wall_seconds: int | None = None,
    permissions: str | None = None,
    tags: list[str] | None = None,
    fallback: list[str] | None = None,
) -> Answer:
    """A new member of the team; the same name with the same options is already there."""
    check_name(name, "name of an agent")
    told: dict[str, Any] = {
        "cli": cli,
        "model": model,
        "role": role,
        "instructions": instructions,
        "nickname": nickname,
        "max_rounds": max_rounds,
        "silence_seconds": silence_seconds,
        "wall_seconds": wall_seconds,
        "permissions": permissions,
        "tags": None if tags is None else tuple(dict.fromkeys(check_tag(tag) for tag in tags)),
        "fallback": None if fallback is None else tuple(dict.fromkeys(fallback)),
    }
    if permissions is not None:
        check_permissions(permissions)
    for key, value in told.items():
        if key == "instructions" and value is not None:
            check_text(value, key)
        elif isinstance(value, str):
            check_label(value, key)
    for key, most in MOST.items():
        if told[key] is not None and not 1 <= told[key] <= most:
            raise BadInput(f"{key} is a whole number from 1 to {most:.0f}")
    if parent is not None:
        told["parent"] = ctx.town.agent(parent).name
    there = ctx.town.find_agent(name)
    if there is not None:
        return already_there(ctx, there, told)
    return shown(ctx.town, add(ctx, name, told), created=True)


def already_there(ctx: Context, agent: Agent, told: dict[str, Any]) -> Answer:
    """The same options again change nothing (a stopped agent is started); others are refused."""
    other = [
        f"{key} is {_shown(getattr(agent, key))}"
        for key, value in told.items()
        if value is not None and value != getattr(agent, key)
    ]
    if other:
        raise Conflict(
            f"agent {agent.name} is there with other options: {', '.join(other)}",
            hint=f"choose another name, or end this one first: tt kill {agent.name} && tt prune",
        )
    if agent.desired in ("stop", "close"):
        make_room(ctx, not_counted([agent]))
        want(ctx, agent, "run", restart=True)
    return shown(ctx.town, agent, created=False)


def _shown(value: object) -> object:
    """An option of an agent as it is typed."""
    return (", ".join(value) or None) if isinstance(value, tuple) else value


def add(ctx: Context, name: str, told: dict[str, Any]) -> Agent:
    """Adds an agent to the team on its CLI, or on the town's default one."""
    make_room(ctx, 1)
    fields = {key: value for key, value in told.items() if value is not None}
    permissions = fields.get("permissions")
    refuse_more_than_own(ctx, permissions)
    fields["cli"] = ctx.host.installed_cli(fields.get("cli"), permissions)
    for fallback in fields.get("fallback", ()):
        if ctx.host.installed_cli(fallback, permissions) == fields["cli"]:
            raise BadInput(f"{name} cannot fall back on its own CLI", hint="name other CLIs")
    number = ctx.town.next_id("agents")
    agent = Agent(id=f"a{number}", name=name, since=ctx.now, created_at=ctx.now, **fields)
    ctx.town.put(agent)
    ctx.town.event("agent.spawned", ctx.speaker.name, agent=name, text=agent.cli)
    rate_limits.hold_newcomer(ctx.town, agent)
    ctx.town.wake(agent)
    return agent


def stand_in(ctx: Context, owner: str) -> Agent | None:
    """A new agent of that name or role; None where there is one by now."""
    town = ctx.town
    if not owner.startswith(ROLE):
        return add(ctx, owner, {}) if town.find_agent(owner) is None else None
    if any(owner.lower() in lines_of(town, agent) for agent in town.agents.values()):
        return None
    role = owner.removeprefix(ROLE)
    return add(ctx, name_for(town, role), {"role": role})


def refuse_more_than_own(ctx: Context, permissions: str | None) -> None:
    """An agent gives nobody more permissions than it has; people may."""
    own = ctx.speaker.agent
    if own is None:
        return
    given, has = permissions or ctx.host.config.town.permissions, mode_of(ctx, own)
    if PERMISSIONS.index(given) > PERMISSIONS.index(has):
        raise BadInput(
            f"{own.name} has the permissions '{has}' and cannot give '{given}'",
            hint=f"a person may; or: tt spawn NAME --permissions {has}",
        )


def make_room(ctx: Context, more: int) -> None:
    """Refuses what would go beyond `max_agents`."""
    agents = ctx.town.agents.values()
    counted = sum(not agent.is_conductor for agent in agents) - not_counted(agents)
    bound = ctx.host.config.town.max_agents
    if more and counted + more > bound:
        raise Conflict(
            f"the town has {counted} agents, and max_agents is {bound}",
            hint="tt close or tt kill one, or: tt config town.max_agents N",
        )


def not_counted(agents: Iterable[Agent]) -> int:
    """How many of them do not count against `max_agents`, nor are about to.

    The conductor's agent never counts.
    """
    team = (agent for agent in agents if not agent.is_conductor)
    return sum(a.state not in COUNTED and a.desired in ("stop", "close") for a in team)


def want(ctx: Context, agent: Agent, desired: str, *, restart: bool = False) -> None:
    """Writes what is wanted of an agent and wakes its supervisor.

    One whose session a person has in a terminal is theirs: raises `Conflict` for agents.
    """
    if agent.attached is not None and ctx.speaker.agent is not None:
        raise Conflict(f"a person works in the session of {agent.name}", hint="leave it to them")
    fresh = agent.freed().but(restart=True, failures=0) if restart else agent
    ctx.town.put(fresh.but(desired=desired, attached=None))
    ctx.town.wake(agent)


@verb("agent.list", "read")
def list_(
    ctx: Context, *, name: str | None = None, limit: int = paging.USUAL, after: str = ""
) -> dict[str, object]:
    """The team, in the order it was spawned, page by page; or the one of that name, if it is there.

    Raises `BadInput`.
    """
    town = ctx.town
    named = town.find_agent(name) if name is not None else None
    team = list(town.agents.values()) if name is None else [named] if named else []
    shown = partial(views.agent, town)
    return paging.reply("agents", paging.page(team, shown, limit, after), len(team))


@verb("agent.kill", "write")
def kill(ctx: Context, *, name: str) -> Answer:
    """Ends the agent now; its task goes back into its queue."""
    agent = ctx.town.agent(name)
    want(ctx, agent, "stop")
    return shown(ctx.town, agent)


@verb("agent.close", "write")
def close(ctx: Context, *, name: str) -> Answer:
    """Lets the running round finish, then the agent is cold."""
    agent = ctx.town.agent(name)
    if agent.desired == "stop":
        raise Conflict(f"agent {agent.name} is stopped already", hint="tt start brings it back")
    want(ctx, agent, "close")
    return shown(ctx.town, agent)


@verb("agent.interrupt", "write")
def interrupt(ctx: Context, *, name: str) -> Answer:
    """Ends the running round and keeps the session; its task waits until `tt resume`."""
    agent = ctx.town.agent(name)
    if agent.desired in ("stop", "close"):
        raise Conflict(f"agent {agent.name} is {agent.state}", hint=f"tt restart {agent.name}")
    want(ctx, agent, "pause")
    return shown(ctx.town, agent)


@verb("agent.resume", "write")
def resume(ctx: Context, *, name: str) -> Answer:
    """A paused or held agent goes on, in the same session."""
    agent = ctx.town.agent(name)
    if agent.over_budget and agent.desired == "run" and agent.state != "error":
        hint = f"tt answer budget:agent:{agent.name} yes"
        raise Conflict(f"agent {agent.name} has used up its budget", hint=hint)
    if agent.desired == "run" and agent.hold_until is None and agent.state != "error":
        raise Conflict(f"agent {agent.name} is neither paused nor held", hint="tt list")
    make_room(ctx, not_counted([agent]))
    want(ctx, agent, "run", restart=True)
    ctx.town.event("agent.resumed", ctx.speaker.name, agent=agent.name)
    return shown(ctx.town, agent)


@verb("agent.restart", "write")
def restart(ctx: Context, *, name: str) -> Answer:
    """Ends the running round, forgets the session and starts afresh."""
    agent = ctx.town.agent(name)
    make_room(ctx, not_counted([agent]))
    running = ctx.town.rounds.get(agent.round or "")
    if running is not None:
        why = running.stopping or f"{ctx.speaker.name} restarted the agent"
        ctx.town.put(running.but(stopping=why, afresh=True))
    want(ctx, agent.but(session=None), "run", restart=True)
    ctx.town.event("agent.restarted", ctx.speaker.name, agent=agent.name)
    return shown(ctx.town, agent)


@verb("agent.prune", "write")
def prune(ctx: Context, *, all: bool = False) -> Answer:
    """Removes agents that are stopped or cold; one that owns work or mail stays, and why.

    With `all` nobody stays, and those in error go, too. Their tasks go to the backlog, a plan's as
    well: nobody would start what waits for an agent that is no more. The conductor's agent stays:
    it would come back with the next cause.
    """
    ctx.people_only()
    over = ("stopped", "cold", "error") if all else ("stopped", "cold")
    team = [agent for agent in ctx.town.agents.values() if not agent.is_conductor]
    ended = [agent for agent in team if agent.state in over and not agent.will_work]
    why = {agent.name: "" if all else why_it_stays(ctx.town, agent) for agent in ended}
    removed = [remove(ctx, agent) for agent in ended if not why[agent.name]]
    kept = [{"name": name, "why": reason} for name, reason in why.items() if reason]
    return lambda: {"removed": removed, "kept": kept}


def remove(ctx: Context, agent: Agent) -> dict[str, object]:
    """Takes an agent off the team. What asks something of it is the conductor's to read."""
    town = ctx.town
    tasks = owned(town, agent)
    for task in tasks:
        hand_over(ctx, task, Owner(role=task.role), f"{agent.name} was removed")
    asking = [message for message in town.inbox(agent.name) if message.starts_round]
    for message in town.inbox(agent.name):
        if message in asking:
            rules.forward(town, message, CONDUCTOR)
        else:
            rules.fold(town, message)
    questions.close(town, f"budget:agent:{agent.name}", ctx.speaker.name, "it was removed")
    town.drop(agent)
    town.event("agent.pruned", ctx.speaker.name, agent=agent.name)
    town.wake(agent)
    return {"name": agent.name, "tasks": len(tasks), "messages": len(asking)}


def owned(town: Town, agent: Agent) -> list[Task]:
    """The agent's open tasks."""
    return [t for t in town.tasks.values() if t.agent == agent.name and not t.finished]


def why_it_stays(town: Town, agent: Agent) -> str:
    """What would be lost with an agent: open tasks, and messages that ask something of it."""
    tasks = [task.id for task in owned(town, agent)]
    if tasks:
        return f"owns {', '.join(tasks[:3])}" + (", …" if len(tasks) > 3 else "")
    waiting = sum(message.starts_round for message in town.inbox(agent.name))
    many = "1 message that waits" if waiting == 1 else f"{waiting} messages that wait"
    return f"has {many}" if waiting else ""


def team(town: Town) -> Answer:
    """Answers with the team, as it is once the town has settled; of a large one with some."""
    return lambda: {"agents": [views.agent(town, one) for one in glance.shown_agents(town)]}


@verb("town.stop", "write")
def stop_all(ctx: Context, *, now: bool = False) -> Answer:
    """Closes every agent, or ends every agent now."""
    for agent in list(ctx.town.agents.values()):
        if agent.desired != "stop":
            want(ctx, agent, "stop" if now else "close")
    return team(ctx.town)


@verb("town.start", "write")
def start_all(ctx: Context) -> Answer:
    """Brings stopped and cold agents back."""
    town = ctx.town
    back = [agent for agent in town.agents.values() if agent.desired in ("stop", "close")]
    make_room(ctx, not_counted(back))
    for agent in back:
        want(ctx, agent, "run", restart=True)
    return team(town)
