"""Verbs about rounds."""

from __future__ import annotations

from tinytownd.domain.agent import Agent
from tinytownd.domain.message import Round
from tinytownd.handlers import paging, views
from tinytownd.handlers.registry import Context, verb
from tinytownd.handlers.tasks import may_have_more


@verb("agent.rounds", "read")
def rounds(ctx: Context, *, name: str, limit: int = paging.USUAL) -> dict[str, object]:
    """The last rounds of an agent that are at hand, oldest first; of one that is gone, too."""
    most = paging.checked(limit)
    found = [one for one in ctx.town.rounds.values() if one.agent.lower() == name.lower()]
    agent = ctx.town.find_agent(name)
    if agent is None and not found:
        ctx.town.agent(name)  # raises
    return {
        "agent": _spelt(agent, found),
        "rounds": [views.round_(ctx.town, one) for one in found[-most:]],
    }


def _spelt(agent: Agent | None, rounds: list[Round]) -> str:
    """The name as the agent was spawned: the directory of its rounds is called so."""
    return agent.name if agent else rounds[-1].agent


@verb("task.rounds", "query")
async def of_task(ctx: Context, *, task: str) -> dict[str, object]:
    """A task with its rounds, and those of its checks and reviews, in their order."""
    town, found = ctx.town, ctx.task_anywhere(task)
    before = await ctx.host.store.archive.rounds_of(found) if may_have_more(town, found) else []
    gates = {one.id for one in town.tasks.values() if one.gate_of == found.id}
    at_hand = (one for one in town.rounds.values() if one.task in {found.id, *gates})
    return {
        "task": views.task(town, found),
        "rounds": [views.round_(town, one) for one in (*before, *at_hand)],
    }
