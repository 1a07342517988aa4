"""Verbs about agents. They say what is wanted; supervisors make it so."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tinytownd.domain import rules
from tinytownd.domain.agent import COUNTED, Agent
from tinytownd.domain.errors import BadInput, Conflict
from tinytownd.domain.names import check_label, check_name, check_text
from tinytownd.domain.town import Town
from tinytownd.handlers import views
from tinytownd.handlers.registry import Answer, Context, verb


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
    }
    for key, value in told.items():
        if key == "instructions" and value is not None:
            check_text(value, key)
        elif isinstance(value, str):
            check_label(value, key)
    if max_rounds is not None and max_rounds < 1:
        raise BadInput("--max-rounds is at least 1")
    if parent is not None:
        told["parent"] = ctx.town.agent(parent).name
    there = ctx.town.find_agent(name)
    if there is not None:
        return already_there(ctx, there, told)
    return shown(ctx.town, add(ctx, name, told), created=True)


def already_there(ctx: Context, agent: Agent, told: dict[str, Any]) -> Answer:
    """The same options again change nothing (a stopped agent is started); others are refused."""
    other = [
        f"{key} is {getattr(agent, key)}"
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


def add(ctx: Context, name: str, told: dict[str, Any]) -> Agent:
    """Adds an agent to the team on its CLI, or on the town's default one."""
    make_room(ctx, 1)
    fields = {key: value for key, value in told.items() if value is not None}
    fields["cli"] = ctx.host.installed_cli(fields.get("cli"))
    number = ctx.town.next_id("agents")
    agent = Agent(id=f"a{number}", name=name, since=ctx.now, created_at=ctx.now, **fields)
    ctx.town.put(agent)
    ctx.town.event("agent.spawned", ctx.speaker.name, agent=name, text=agent.cli)
    ctx.town.wake(agent)
    return agent


def make_room(ctx: Context, more: int) -> None:
    """Refuses what would go beyond `max_agents`."""
    agents = ctx.town.agents.values()
    counted = len(agents) - not_counted(agents)
    bound = ctx.host.config.town.max_agents
    if more and counted + more > bound:
        raise Conflict(
            f"the town has {counted} agents, and max_agents is {bound}",
            hint="tt close or tt kill one, or: tt config town.max_agents N",
        )


def not_counted(agents: Iterable[Agent]) -> int:
    """How many of them do not count against `max_agents`, nor are about to."""
    return sum(a.state not in COUNTED and a.desired in ("stop", "close") for a in agents)


def want(ctx: Context, agent: Agent, desired: str, *, restart: bool = False) -> None:
    """Writes what is wanted of an agent and wakes its supervisor."""
    fresh = {"restart": True, "hold_until": None, "hold_reason": None, "failures": 0}
    ctx.town.put(agent.but(desired=desired, **(fresh if restart else {})))
    ctx.town.wake(agent)


@verb("agent.list", "read")
def list_(ctx: Context) -> dict[str, object]:
    """The team, in the order it was spawned."""
    return {"agents": views.agents(ctx.town)}


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
    if running is not None and running.stopping is None:
        ctx.town.put(running.but(stopping=f"{ctx.speaker.name} restarted the agent"))
    want(ctx, agent.but(session=None), "run", restart=True)
    ctx.town.event("agent.restarted", ctx.speaker.name, agent=agent.name)
    return shown(ctx.town, agent)


@verb("agent.prune", "write")
def prune(ctx: Context) -> Answer:
    """Removes agents that are stopped or cold; one that owns work or mail stays, and why."""
    town = ctx.town
    ended = [agent for agent in town.agents.values() if agent.state in ("stopped", "cold")]
    kept = {agent.name: why for agent in ended if (why := why_it_stays(town, agent))}
    gone = [agent for agent in ended if agent.name not in kept]
    for agent in gone:
        for note in town.inbox(agent.name):
            rules.fold(town, note)
        town.drop(agent)
        town.event("agent.pruned", ctx.speaker.name, agent=agent.name)
        town.wake(agent)
    return lambda: {
        "removed": [{"name": agent.name} for agent in gone],
        "kept": [{"name": name, "why": why} for name, why in kept.items()],
    }


def why_it_stays(town: Town, agent: Agent) -> str:
    """What would be lost with an agent: open tasks, and messages that ask something of it."""
    owned = [t.id for t in town.tasks.values() if t.agent == agent.name and not t.finished]
    if owned:
        return f"owns {', '.join(owned[:3])}" + (", …" if len(owned) > 3 else "")
    waiting = sum(message.starts_round for message in town.inbox(agent.name))
    many = "1 message that waits" if waiting == 1 else f"{waiting} messages that wait"
    return f"has {many}" if waiting else ""


@verb("town.stop", "write")
def stop_all(ctx: Context, *, now: bool = False) -> Answer:
    """Closes every agent, or ends every agent now."""
    for agent in list(ctx.town.agents.values()):
        if agent.desired != "stop":
            want(ctx, agent, "stop" if now else "close")
    return lambda: {"agents": views.agents(ctx.town)}


@verb("town.start", "write")
def start_all(ctx: Context) -> Answer:
    """Brings stopped and cold agents back."""
    town = ctx.town
    back = [agent for agent in town.agents.values() if agent.desired in ("stop", "close")]
    make_room(ctx, not_counted(back))
    for agent in back:
        want(ctx, agent, "run", restart=True)
    return lambda: {"agents": views.agents(town)}
