"""Work that is anybody's: tasks for a role, and the backlog's with a tag. Who may take what. Pure.

Such a task stands in a line and waits until one of those that it is for is free; nothing of it is
handed ahead, so that of several the first one free gets it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from tinytownd.domain import budgets, rate_limits
from tinytownd.domain.agent import Agent
from tinytownd.domain.names import ROLE, TAG
from tinytownd.domain.plan import SHELL
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town


def due(town: Town, owner: str) -> Iterator[Task]:
    """An agent's ready tasks that may start now: one that failed waits for the end of its pause."""
    return (t for t in town.ready(owner) if t.not_before is None or t.not_before <= town.now)


def is_free(town: Town, agent: Agent) -> bool:
    """Whether an agent has nothing to do, and would do what it is given at once."""
    return (
        agent.desired == "run"
        and agent.state in ("idle", "starting")
        and agent.round is None
        and not agent.used_up
        and not agent.over_budget
        and not waits(town, agent)
        and not budgets.over_for_today(town)
        and agent.name.lower() not in town.index.queues
    )


def waits(town: Town, agent: Agent) -> bool:
    """Whether a hold keeps an agent from working: no other CLI is there for it meanwhile."""
    there = set(rate_limits.fallbacks(town, agent)) - town.policy.absent
    return agent.on_hold(town.now) and not there


def lines_of(town: Town, agent: Agent) -> tuple[str, ...]:
    """The lines that an agent takes work from: its role's, and those of its role and its tags.

    A shell takes none, nor does the conductor's agent. Nobody takes from the backlog where the
    settings say so.
    """
    if agent.cli == SHELL or agent.is_conductor:
        return ()
    return _lines(agent.role, agent.tags, town.policy.auto_claim)


@lru_cache(1_000)
def _lines(role: str | None, tags: tuple[str, ...], auto_claim: bool) -> tuple[str, ...]:
    roles = [role.lower()] if role is not None else []
    words = {*roles, *(tag.lower() for tag in tags)} if auto_claim else ()
    return *(ROLE + word for word in roles), *(TAG + word for word in sorted(words))


def next_of(town: Town, agent: Agent) -> Task | None:
    """The best task that an agent can take now, if it is free and there is one."""
    lines = lines_of(town, agent)
    if not lines or not is_free(town, agent):
        return None
    heads = (
        next((task for task in town.ready(line) if may_take(town, agent, task)), None)
        for line in lines
    )
    return min((task for task in heads if task), key=lambda task: task.rank, default=None)


def may_take(town: Town, agent: Agent, task: Task) -> bool:
    """Whether a task in one of an agent's lines is for it: nobody reviews its own work."""
    reviewed = town.tasks.get(task.gate_of or "")
    own = reviewed is not None and reviewed.agent == agent.name
    return not own and (task.review or "").lower() != agent.name.lower()


def keeps(town: Town, agent: Agent | None, task: Task) -> bool:
    """Whether a task stays with its agent.

    One that its role or the backlog lent it goes back there when the agent is gone. While it is
    paused, at a rate limit or over its budget, it keeps what it has begun: that is in its session.
    """
    if not task.lent:
        return True
    if agent is None or not agent.available:
        return False
    limited = agent.over_budget or (agent.limited and waits(town, agent))
    return task.started_at is not None or (agent.desired == "run" and not limited)
