"""Verbs of a person who takes an AI CLI into a terminal: an agent's session, or the conductor's.

What is answered goes through the store, so no secret is in it: those are named, and the person's
own environment has them or not.
"""

from __future__ import annotations

from collections.abc import Mapping

from tinytownd.domain.agent import Agent
from tinytownd.domain.errors import Conflict
from tinytownd.domain.message import CONDUCTOR
from tinytownd.handlers import views
from tinytownd.handlers.agents import shown, want
from tinytownd.handlers.registry import Answer, Context, verb
from tinytownd.handlers.rights import mode_of
from tinytownd.redact import is_secret, secret_values
from tinytownd.runtimes import catalogue
from tinytownd.supervisor import brief

#: What ends the conductor's context in a terminal.
IN_PERSON = """
# This conversation

A person speaks to you here, in a terminal; answer them here. What you do with tt counts as theirs.
"""


@verb("agent.attach", "write")
def attach(ctx: Context, *, name: str) -> Answer:
    """Pauses an agent so that a person can take its session: see `agent.session`.

    `was` is what was wanted of it before; `agent.detach` takes the `attachment`.
    """
    ctx.people_only()
    agent = ctx.town.agent(name)
    if agent.desired in ("stop", "close"):
        raise Conflict(f"agent {agent.name} is {agent.state}", hint=f"tt restart {agent.name}")
    if agent.attached is not None:
        hint = f"if that terminal is gone: tt resume {agent.name}"
        raise Conflict(f"{agent.name} is attached to a terminal already", hint=hint)
    command_of(ctx, agent)
    want(ctx, agent, "pause")
    ctx.town.put(ctx.town.agents[agent.id].but(attached=ctx.command))
    ctx.town.event("agent.attached", ctx.speaker.name, agent=agent.name)
    return shown(ctx.town, agent, attachment=ctx.command, was=agent.desired)


@verb("agent.session", "wait")
def session(ctx: Context, *, name: str) -> dict[str, object] | None:
    """How an attached agent's session is opened in a terminal, once its round is over."""
    ctx.people_only()
    agent = ctx.town.agent(name)
    if agent.attached is None:
        raise Conflict(f"agent {agent.name} is not attached any more", hint="tt list")
    if agent.round is not None:
        return None
    told = views.agent(ctx.town, agent)
    return {"agent": told, **terminal(ctx, command_of(ctx, agent), agent.cli)}


@verb("agent.detach", "write")
def detach(
    ctx: Context, *, name: str, attachment: str | None = None, resume: bool = False
) -> Answer:
    """Hands an agent back; with `resume` it goes on, with the holds that it has.

    Nothing, where it is not attached any more, or not by that: somebody had another word on it.
    """
    ctx.people_only()
    agent = ctx.town.agent(name)
    if agent.attached is not None and attachment in (None, agent.attached):
        back = agent.but(attached=None, desired="run" if resume else agent.desired)
        ctx.town.put(back)
        ctx.town.wake(back)
        ctx.town.event("agent.detached", ctx.speaker.name, agent=agent.name)
    return shown(ctx.town, agent)


@verb("conductor.chat", "read")
def chat(ctx: Context) -> dict[str, object]:
    """How a conversation with a conductor is opened in a terminal: with its context."""
    ctx.people_only()
    config, town = ctx.host.config, ctx.town
    cli = config.conductor_cli
    agent = town.find_agent(CONDUCTOR) or Agent("", CONDUCTOR, cli)
    told = brief.write(town, ()) + IN_PERSON
    context = catalogue.Context(told, "Run `tt conductor --context` and do what it says.")
    runtime = ctx.host.runtime(cli)
    argv = runtime.conversation(None, agent.model, mode_of(ctx, agent), context)
    return terminal(ctx, argv, cli)


def command_of(ctx: Context, agent: Agent) -> tuple[str, ...]:
    """What opens an agent's session in a terminal; raises `BadInput` where nothing does."""
    runtime = ctx.host.runtime(agent.cli)
    return runtime.conversation(agent.session, agent.model, mode_of(ctx, agent))


def terminal(ctx: Context, argv: tuple[str, ...], cli: str) -> dict[str, object]:
    """What is to be run, where, and with which variables; `withheld` are the names of secrets."""
    config = ctx.host.config
    table = config.agent_clis.get(cli, {}).get("env", {})
    env = {**(table if isinstance(table, Mapping) else {}), **config.env}
    secret = [name for name, value in env.items() if is_secret(name) or secret_values({"": value})]
    return {
        "argv": list(argv),
        "cwd": ctx.town.meta.dir,
        "env": {name: value for name, value in env.items() if name not in secret},
        "withheld": secret,
        "env_file": str(config.env_file) if config.env_file is not None else None,
    }
