"""What an agent may ask for, given what it may do itself."""

from __future__ import annotations

from tinytownd.domain.agent import Agent
from tinytownd.domain.errors import BadInput
from tinytownd.domain.names import PERMISSIONS
from tinytownd.handlers.registry import Context


def mode_of(ctx: Context, agent: Agent) -> str:
    """What an agent may do unasked: its own permissions, or the town's."""
    return agent.permissions or ctx.host.config.town.permissions


def refuse_command(ctx: Context, task: str) -> None:
    """An agent that is held to less than everything gives no task a command: raises `BadInput`.

    What runs commands is held to nothing.
    """
    agent = ctx.speaker.agent
    if agent is None or mode_of(ctx, agent) == PERMISSIONS[-1]:
        return
    raise BadInput(
        f"{agent.name} has the permissions '{mode_of(ctx, agent)}':"
        f" it cannot give {task} a command",
        hint="a person may",
    )
