"""Handing out work that is anybody's: who is free takes the best that is for it. Pure.

What it is that an agent may take is in `domain/lines.py`.
"""

from __future__ import annotations

from collections.abc import Collection

from tinytownd.domain.agent import Agent
from tinytownd.domain.index import is_line
from tinytownd.domain.lines import keeps, next_of
from tinytownd.domain.names import ROLE
from tinytownd.domain.town import Town


def serve(town: Town, owners: Collection[str]) -> None:
    """Free agents take work: those among the owners, or all where there is something new to take.

    Who has worked least takes first.
    """
    asked = list(town.agents.values())
    if not any(map(is_line, owners)):
        asked = [agent for owner in owners if (agent := town.find_agent(owner))]
    for agent in sorted(asked, key=lambda one: (one.rounds, one.order)):
        take(town, agent)


def take(town: Town, agent: Agent) -> None:
    """Gives a free agent the best task that it can take, if there is one."""
    task = next_of(town, agent)
    if task is None:
        return
    if task.role is None:
        told = {"task": task.id, "agent": agent.name, "text": "from the backlog"}
        town.event("task.moved", "conductor", **told)
    # A pause was for the agent that failed.
    town.put(task.but(agent=agent.name, not_before=None))


def give_back(town: Town, owner: str) -> None:
    """What waits for an agent that is not there to do it goes back to the role that lent it."""
    agent = town.find_agent(owner)
    lent = [town.tasks[task] for task in town.index.lent[owner]]
    for task in sorted(lent, key=lambda one: one.seq):
        if task.state == "pending" and not keeps(town, agent, task):
            town.put(task.but(agent=None, not_before=None))
            told = {"task": task.id, "agent": f"{ROLE}{task.role}"}
            town.event("task.moved", "conductor", **told, text=f"{task.agent} is not there")
