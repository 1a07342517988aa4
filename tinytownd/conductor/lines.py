"""Handing out work that is anybody's: who is free takes the best that is for it. Pure.

What it is that an agent may take is in `domain/lines.py`.
"""

from __future__ import annotations

from collections.abc import Collection

from tinytownd.domain.agent import Agent
from tinytownd.domain.index import is_line, word_of
from tinytownd.domain.lines import keeps, next_of
from tinytownd.domain.names import BACKLOG
from tinytownd.domain.town import Town


def serve(town: Town, owners: Collection[str]) -> None:
    """Free agents take work: those among the owners, and those for whom there is something new.

    Who works on its own CLI takes first, and of those who has worked least.
    """
    asked = {agent.id: agent for owner in owners if (agent := town.find_agent(owner))}
    for line in filter(is_line, owners):
        if any(True for _ in town.ready(line)):
            asked |= {agent.id: agent for agent in town.members(word_of(line))}
    turn = {one.id: (one.on_hold(town.now), one.rounds, one.order) for one in asked.values()}
    for agent in sorted(asked.values(), key=lambda one: turn[one.id]):
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
    town.put(task.but(agent=agent.name, auto_claimed=task.role is None, not_before=None))


def give_back(town: Town, owner: str) -> None:
    """What waits for an agent that is not there to do it goes back to who lent it."""
    agent = town.find_agent(owner)
    lent = [town.tasks[task] for task in town.index.lent[owner]]
    for task in sorted(lent, key=lambda one: one.seq):
        if task.state == "pending" and not keeps(town, agent, task):
            back = task.but(agent=None, auto_claimed=False, not_before=None)
            town.put(back)
            why = f"{task.agent} is not there"
            told = {"task": task.id, "agent": back.owner or BACKLOG, "text": why}
            town.event("task.moved", "conductor", **told)
