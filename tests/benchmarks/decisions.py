"""Decisions: what a town in memory decides, without processes and without a store.

It explains the other rows: what is left of a command or of a plan's task when all I/O is taken
away, and that it costs the same in a small town and in a large one.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator
from types import SimpleNamespace

from tests.benchmarks.figures import Figure, interleaved, median, timed
from tests.domain.towns import agent, make_town, task
from tinytownd.conductor.schedule import settle
from tinytownd.config import Config
from tinytownd.domain.policy import Policy
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town
from tinytownd.handlers import registry
from tinytownd.handlers.registry import Context, Speaker
from tinytownd.supervisor.decide import Begin, next_step
from tinytownd.supervisor.verdict import Ending, Retries, begin, finish

#: Agents and tasks of the small town and of the large one; assignments measured at a time.
SMALL, LARGE, SHORT_LARGE, AT_A_TIME = (10, 100), (1_000, 20_000), (1_000, 4_000), 200
#: Tasks of the plans, and agents that carry them out.
FEW, MANY, SHORT_MANY, TEAM = 100, 10_000, 2_000, 8
TURNS, SHORT_TURNS = 40, 10
RETRIES = Retries(3, 1_000, 60_000)


def measure(short: bool) -> list[Figure]:
    """What an assignment costs, and whether it and a plan's task cost the same at any size."""
    turns = SHORT_TURNS if short else TURNS
    few, many = Assigning(*SMALL), Assigning(*(SHORT_LARGE if short else LARGE))
    found = interleaved(turns, few.some, many.some)
    small, large = (median(seconds) / AT_A_TIME for seconds in found)
    most = SHORT_MANY if short else MANY
    plans = interleaved(3 if short else 5, lambda: plan(FEW), lambda: plan(most))
    one, other = (median(found) for found in plans)
    slope = math.log(other * most / (one * FEW)) / math.log(most / FEW)
    size = f"{len(many.town.agents):,} agents"
    return [
        Figure(f"assign, {size}", large, "s", 1.25, small, f"the same with {SMALL[0]}"),
        Figure("plan, slope of log time over log n", slope, "", 1.05),
    ]


class Assigning:
    """A town of so many agents, to whom so many tasks were assigned."""

    def __init__(self, agents: int, tasks: int) -> None:
        team = [agent(f"agent{number}", number) for number in range(1, agents + 1)]
        self.town = made(make_town(*team))
        self._services = SimpleNamespace(config=Config())
        self._verb = registry.find("task.assign", home=False)
        self._turn = 0
        self._assign(tasks)

    def some(self) -> float:
        """Some assignments, as the daemon decides on them and answers. Seconds."""
        return timed(lambda: self._assign(AT_A_TIME))

    def _assign(self, count: int) -> None:
        for _ in range(count):
            self._turn += 1
            name = f"agent{self._turn % len(self.town.agents) + 1}"
            context = Context(self.town, Speaker(), self._services)
            args = self._verb.bind({"agent": name, "text": "Build it"})
            answer = self._verb.run(context, **args)
            settle(self.town)
            answer()
            self.town.commit()


def made(town: Town) -> Town:
    """The town, settled, with a conductor that could be asked."""
    town.policy = Policy(conductor_cli="claude")
    settle(town)
    town.commit()
    return town


def plan(count: int) -> float:
    """A plan of about so many tasks, each done in a round. Seconds a task."""
    team = [agent(f"agent{number}", number) for number in range(TEAM)]
    tasks = list(shapes(count))
    town = made(make_town(*team, *tasks, conducting=True, tasks=len(tasks)))
    gc.collect()
    seconds = timed(lambda: carry_out(town))
    assert town.plan_counts()["completed"] == len(tasks), town.plan_counts()
    return seconds / len(tasks)


def carry_out(town: Town) -> None:
    """Every agent's rounds begin and end, until there is nothing left to do."""
    running = [""]
    while running:
        running = [one for agent_id in town.agents if (one := started(town, agent_id))]
        for number in running:
            town.now += 1
            finish(town, town.rounds[number], Ending("completed", text="done"), RETRIES)
            settle(town)
            town.commit()


def started(town: Town, agent_id: str) -> str:
    """The number of the round that an agent begins; empty where it has nothing to do."""
    step = next_step(town, agent_id)
    if not isinstance(step, Begin):
        return ""
    running = begin(town, town.agents[agent_id], step, token="token", cli="claude")
    settle(town)
    town.commit()
    return running.id


def shapes(count: int) -> Iterator[Task]:
    """Chains of ten, fans of ten, and diamonds in a row, until there are so many tasks."""
    number = 0
    while number < count:
        for needs in SHAPE:
            number += 1
            after = tuple(f"t{number - back}" for back in needs)
            yield task(number, f"agent{number % TEAM}", needs=after, plan="main")


#: For each task of a shape, how far before it those are that it needs.
CHAIN = [(), *[(1,)] * 9]
FAN = [(), *[(back,) for back in range(1, 11)], tuple(range(1, 11))]
DIAMONDS = [(), *[(1,), (2,), (1, 2)] * 3]
SHAPE: list[tuple[int, ...]] = [*CHAIN, *FAN, *DIAMONDS]
