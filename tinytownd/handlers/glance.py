"""The town at a glance: what fits on a screen, at a cost that goes with the screen. Pure.

Counts are kept as the town changes; of a large team and of many plans some are shown.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from itertools import islice

from tinytownd.domain.agent import Agent
from tinytownd.domain.message import KINDS, QUESTION
from tinytownd.domain.names import ROLE
from tinytownd.domain.task import FINISHED, STATES
from tinytownd.domain.town import Town
from tinytownd.domain.track import ENDED, TrackedPlan
from tinytownd.handlers import views
from tinytownd.handlers.views import View

#: Up to so many agents or plans are all shown; of more, so many. Ours: a table that one can look
#: over, and one that leaves room on the screen for the rest.
FEW, SOME = 50, 20
ROUNDS = 10
#: Which agents a person wants to see, by their state, first those that need one. "held" is a state
#: only here: that of an agent which waits for a time, or for a word on its budget.
INTEREST = ("error", "held", "paused", "draining", "working", "starting", "idle", "cold", "stopped")


def status(town: Town, *, everything: bool = False) -> View:
    """The counts, the last rounds, and the team and the plans: some of them, or everything."""
    team = list(town.agents.values()) if everything else shown_agents(town)
    plans = list(town.plans.values()) if everything else shown_plans(town)
    unowned: Mapping[str, int] = town.index.owner_states.get(None, {})
    return {
        "town": {"id": town.id, "name": town.meta.name, "dir": town.meta.dir},
        "conductor": views.conductor(town),
        "plans": [views.plan(town, one.id) for one in plans],
        "plans_left": len(town.plans) - len(plans),
        "agents": [views.agent(town, one) for one in team],
        "team": {state: count for state, count in town.agent_states.items() if count},
        "tasks": {
            "by_state": {state: town.index.states[state] for state in STATES},
            "by_agent": by_owner(town, team),
        },
        "messages": {kind: town.waiting[kind] for kind in KINDS},
        "questions": town.waiting[QUESTION],
        "backlog": sum(count for state, count in unowned.items() if state not in FINISHED),
        "rounds": last_rounds(town),
    }


def shown_agents(town: Town) -> list[Agent]:
    """The team; of a large one, first those that need a person, then those that work."""
    team = town.agents.values()
    if len(team) <= FEW:
        return list(team)
    return heapq.nsmallest(SOME, team, key=lambda agent: interest(agent, town.now))


def interest(agent: Agent, now: int) -> int:
    """Where an agent stands among those that a person wants to see."""
    waits = agent.state in ("idle", "starting") and agent.is_held(now)
    return INTEREST.index("held" if waits else agent.state)


def shown_plans(town: Town) -> list[TrackedPlan]:
    """The plans as they were made; of many, those that are not over, then the newest."""
    plans = town.plans.values()
    if len(plans) <= FEW:
        return list(plans)
    chosen = heapq.nlargest(SOME, plans, key=lambda plan: (plan.state not in ENDED, plan.order))
    return sorted(chosen, key=lambda plan: plan.order)


def by_owner(town: Town, team: Iterable[Agent]) -> dict[str, View]:
    """Who of the team, and which role or stranger, has how many tasks in which state."""
    counts = town.index.owner_states
    places = {agent.name.lower(): place for place, agent in enumerate(team)}

    def place(owner: str) -> tuple[int, bool, str]:
        return places.get(owner.lower(), len(places)), not owner.startswith(ROLE), owner

    owners = [
        owner
        for owner, states in counts.items()
        if owner is not None
        and any(states.values())
        and (owner.lower() in places or not town.find_agent(owner))
    ]
    return {
        owner: {state: counts[owner][state] for state in STATES if counts[owner][state]}
        for owner in heapq.nsmallest(len(places) + FEW, owners, key=place)
    }


def last_rounds(town: Town) -> list[View]:
    """The newest rounds, oldest first."""
    newest = list(islice(reversed(town.rounds.values()), ROUNDS))
    return [views.round_(town, one) for one in reversed(newest)]
