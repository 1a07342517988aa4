"""Once a minute, for all agents of a town: a lost wake costs latency, never work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import islice

import structlog

from tinytownd.domain.town import Town
from tinytownd.store.town import TownStore
from tinytownd.supervisor.decide import Sleep, next_step

log = structlog.get_logger(__name__)
#: How often it is looked, in seconds.
SAFETY_TICK = 60.0
#: Agents a look: a thousand at once would hold up everybody else for some milliseconds.
BATCH = 100


async def keep_awake(store: TownStore, wake: Callable[[str], None]) -> None:
    """Wakes the supervisors that sleep although there is something to do, until cancelled.

    A fault of ours never ends it.
    """
    while True:
        await asyncio.sleep(SAFETY_TICK)
        try:
            await _look(store, wake)
        except Exception:
            log.exception("safety.fault", town=store.id)


async def _look(store: TownStore, wake: Callable[[str], None]) -> None:
    agents = iter(await store.view(lambda town: list(town.agents)))
    while batch := list(islice(agents, BATCH)):
        for agent in await store.view(lambda town, some=batch: due(town, some)):  # type: ignore[misc]
            wake(agent)


def due(town: Town, agents: list[str]) -> list[str]:
    """Those of the agents, by id, who have something to do now."""
    steps = {agent: next_step(town, agent) for agent in agents if agent in town.agents}
    return [agent for agent, step in steps.items() if not _sleeps(step, town.now)]


def _sleeps(step: object, now: int) -> bool:
    return isinstance(step, Sleep) and (step.until is None or step.until > now)
