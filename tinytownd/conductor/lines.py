"""Handing out work that is anybody's: who is free takes the best that is for it. Pure.

What it is that an agent may take is in `domain/lines.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from tinytownd.domain.agent import Agent
from tinytownd.domain.index import is_line, word_of
from tinytownd.domain.lines import keeps, next_of
from tinytownd.domain.names import BACKLOG
from tinytownd.domain.roster import turn
from tinytownd.domain.town import Town


def serve(town: Town, owners: Collection[str]) -> None:
    """Free agents take work: those among the owners, and those for whom there is something new.

    Who works on its own CLI takes first, and of those who has worked least.
    """
    new = [line for line in owners if is_line(line) and town.has_ready(line)]
    served = set()
    for agent in in_turn(town, town.roster.resting(*map(word_of, new))) if new else ():
        if not any(map(town.has_ready, new)):
            break
        take(town, agent)
        served.add(agent.id)
    named = [one for owner in owners if (one := town.find_agent(owner))]
    for agent in in_turn(town, sorted(named, key=turn) if len(named) > 1 else named):
        if agent.id not in served:
            take(town, agent)


def in_turn(town: Town, agents: Iterable[Agent]) -> Iterator[Agent]:
    """The same agents, those that are on hold last."""
    held = []
    for agent in agents:
        if agent.on_hold(town.now):
            held.append(agent)
        else:
            yield agent
    yield from held


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
    lent = [town.tasks[task] for task in town.index.lent.get(owner, ())]
    agent = town.find_agent(owner) if lent else None
    for task in sorted(lent, key=lambda one: one.seq):
        if task.state == "pending" and not keeps(town, agent, task):
            back = task.but(agent=None, auto_claimed=False, not_before=None)
            town.put(back)
            why = f"{task.agent} is not there"
            told = {"task": task.id, "agent": back.owner or BACKLOG, "text": why}
            town.event("task.moved", "conductor", **told)
