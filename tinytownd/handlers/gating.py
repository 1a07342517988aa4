"""What is asked for around a task that is made on the command line: approval, check, review."""

from __future__ import annotations

from typing import Any

from tinytownd.domain import gates
from tinytownd.domain.errors import Conflict
from tinytownd.domain.names import ROLE, check_role, check_text
from tinytownd.domain.plan import SHELL
from tinytownd.domain.town import Town
from tinytownd.handlers.registry import Context
from tinytownd.handlers.rights import refuse_command


def wanted(
    ctx: Context, owner: str | None, *, approve: bool, check: str | None, review: str | None
) -> dict[str, Any]:
    """A new task's fields for its gates; `owner` is an agent's name, if somebody has it already.

    Raises `BadInput`, `NotFound` for a reviewer who is not there, `Conflict` for a shell.
    """
    if check is not None:
        check_text(check, "check")
        refuse_command(ctx, "the task")
    reviewer = reviewer_of(ctx.town, review) if review is not None else None
    gates.check_reviewer(reviewer, owner)
    return {"approve": approve, "check": check, "review": reviewer}


def reviewer_of(town: Town, who: str) -> str:
    """An agent's own spelling of its name, or a role: `role:reviewer`."""
    if who.startswith(ROLE):
        return ROLE + check_role(who.removeprefix(ROLE))
    agent = town.agent(who)
    if agent.cli == SHELL:
        raise Conflict(f"{agent.name} runs commands and reviews nothing", hint="--check COMMAND")
    return agent.name
