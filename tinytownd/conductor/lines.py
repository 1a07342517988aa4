"""Work that is anybody's: tasks for a role, and the backlog. Who is free takes the best. Pure.

Nothing is handed ahead here: a task waits until one of those that it is for is free, so that of
several the first one free gets it.
"""

from __future__ import annotations

from collections.abc import Iterator

from tinytownd.domain.agent import Agent
from tinytownd.domain.names import ROLE
from tinytownd.domain.plan import SHELL
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town


def is_free(town: Town, agent: Agent) -> bool:
    """Whether an agent has nothing to do, and would do what it is given at once."""
    return (
        agent.desired == "run"
        and agent.state in ("idle", "starting")
        and agent.round is None
        and agent.cli != SHELL
        and not (agent.hold_until is not None and agent.hold_until > town.now)
        and not town.queue(agent.name)
        and not next(due(town, agent.name), None)
    )


def due(town: Town, owner: str) -> Iterator[Task]:
    """Ready tasks that may start now: one that failed waits for the end of its pause."""
    return (t for t in town.ready(owner) if t.not_before is None or t.not_before <= town.now)


def fits(agent: Agent, task: Task) -> bool:
    """Whether a task of the backlog is for this agent: a tag is its role, or one of its own."""
    words = {word.lower() for word in (agent.role, *agent.tags) if word}
    return any(tag.lower() in words for tag in task.tags)


def has_role(agent: Agent, owner: str) -> bool:
    """Whether an agent is of the role whose line that is."""
    return agent.role is not None and owner == f"{ROLE}{agent.role.lower()}"


def choice(town: Town, agent: Agent) -> Task | None:
    """The best task that a free agent can take, if there is one."""
    found: list[Task | None] = []
    if agent.role is not None:
        mine = due(town, f"{ROLE}{agent.role}")
        found += [next((task for task in mine if not is_own_work(town, agent, task)), None)]
    if town.policy.auto_claim:
        found += [next((task for task in due(town, "") if fits(agent, task)), None)]
    return min((task for task in found if task), key=lambda task: task.rank, default=None)


def is_own_work(town: Town, agent: Agent, task: Task) -> bool:
    """Whether a task is the review of what the agent itself has done."""
    reviewed = town.tasks.get(task.gate_of or "")
    return reviewed is not None and reviewed.agent == agent.name


def take(town: Town, agent: Agent) -> bool:
    """Gives a free agent the best task that it can take; whether there was one."""
    task = choice(town, agent) if is_free(town, agent) else None
    if task is None:
        return False
    if task.role is None:
        told = {"task": task.id, "agent": agent.name, "text": "from the backlog"}
        town.event("task.moved", "conductor", **told)
    town.put(task.but(agent=agent.name))
    return True


def serve(town: Town, owner: str) -> None:
    """Hands out a role's line or the backlog, to those first who have worked least."""
    if not owner and not town.policy.auto_claim:
        return
    for agent in sorted(town.agents.values(), key=lambda one: (one.rounds, one.order)):
        if not owner or has_role(agent, owner):
            take(town, agent)


def nobody_fits(town: Town) -> list[Task]:
    """Ready tasks for a role that no agent on the team has, or none but who did the work."""
    return [
        task
        for owner in town.index.lines()
        for task in (due(town, owner) if owner else ())
        if not any(
            has_role(agent, owner) and not is_own_work(town, agent, task)
            for agent in town.agents.values()
        )
    ]
