"""Verbs of people to the conductor's own agent: a goal for it, and what it is told."""

from __future__ import annotations

import dataclasses
import re

from tinytownd.domain import rules, tracking
from tinytownd.domain.agent import Agent
from tinytownd.domain.errors import BadInput, Conflict
from tinytownd.domain.message import CONDUCTOR, PERSON
from tinytownd.domain.names import RESERVED, check_text
from tinytownd.domain.plan import SHELL
from tinytownd.domain.town import Town
from tinytownd.handlers import views
from tinytownd.handlers.conductor import switch_on
from tinytownd.handlers.messages import check_room
from tinytownd.handlers.registry import Answer, Context, verb
from tinytownd.supervisor import brief
from tinytownd.supervisor.decide import messages_for

#: Characters that a plan's name takes of its goal at most.
NAME_LENGTH = 40


@verb("conductor.goal", "write")
def goal(ctx: Context, *, text: str, yes: bool = False) -> Answer:
    """Hands the conductor's agent a goal: it makes a plan of it, and conducts that.

    The plan is made here, and proposed: whatever the agent pushes into it waits for a person's
    approval, unless that was given in advance (`yes`).
    """
    ctx.people_only()
    check_text(text, "goal")
    town = ctx.town
    check_room(town, CONDUCTOR, text)
    # It was looked for just now: what the town remembers may be some seconds old.
    town.policy = dataclasses.replace(town.policy, conductor_cli=agents_cli(ctx))
    plan = tracking.track(town, free_name(town, text), PERSON)
    town.put(plan.but(description=rules.first_line(text), proposed=not yes))
    if yes:
        switch_on(ctx)
    about = f"{tracking.GOAL}:{plan.id}"
    message = rules.send(town, PERSON, CONDUCTOR, text, sort="request", about=about)
    return lambda: {
        "message": views.message(town.messages[message.id]),
        "plan": views.plan(town, plan.id),
    }


def agents_cli(ctx: Context) -> str:
    """The CLI of the conductor's agent; raises `TownError` where there is none that would work."""
    config, agent = ctx.host.config, ctx.town.find_agent(CONDUCTOR)
    if not config.conductor.enabled:
        hint = "tt config conductor.enabled true"
        raise Conflict("the conductor of this town has no agent of its own", hint=hint)
    if config.conductor_cli == SHELL:
        hint = "tt config town.conductor_cli claude"
        raise BadInput("the conductor's agent cannot be a shell: that reads no messages", hint=hint)
    if agent is not None and not agent.available:
        raise Conflict(f"the conductor's agent is {agent.state}", hint=f"tt restart {CONDUCTOR}")
    return ctx.host.installed_cli(config.conductor_cli, agent.permissions if agent else None)


def free_name(town: Town, text: str) -> str:
    """A name for the plan: the goal's first words, with a number where that is taken."""
    words = re.findall(r"[a-z0-9]+", rules.first_line(text).lower())
    name = words[0][:NAME_LENGTH] if words else "goal"
    for word in words[1:]:
        if len(name) + 1 + len(word) > NAME_LENGTH:
            break
        name += f"-{word}"
    number, found = 1, name
    while town.find_plan(found) is not None or found in RESERVED:
        number += 1
        found = f"{name}-{number}"
    return found


@verb("conductor.context", "read")
def context(ctx: Context) -> dict[str, object]:
    """What the conductor's agent would be told if its round began now."""
    town = ctx.town
    agent = town.find_agent(CONDUCTOR) or Agent("", CONDUCTOR, "")
    return {"prompt": brief.write(town, messages_for(town, agent, None), agent.folded)}
