"""The morning page: what was done, what failed, what it cost, and what needs a person.

A long night's work is in the archive by the morning: all of it is counted, the newest is told.
"""

from __future__ import annotations

import bisect
import heapq
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from itertools import islice

from tinytownd.domain.errors import BadInput
from tinytownd.domain.message import Round
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town
from tinytownd.domain.track import TrackedPlan
from tinytownd.handlers import paging, views
from tinytownd.handlers.needs import needs
from tinytownd.handlers.registry import Context, verb
from tinytownd.handlers.views import View, iso

#: How far back it looks where nobody says, and at most, in seconds: a night, and a year.
USUAL_SECONDS, MOST_SECONDS = 12 * 3_600, 366 * 86_400
#: So many of a kind are told at most; all are counted.
TOLD = paging.USUAL


@verb("town.report", "query")
async def report(ctx: Context, *, since: int = USUAL_SECONDS) -> dict[str, object]:
    """What became of the town's work in so many seconds, and what waits for a person."""
    if not 0 < since <= MOST_SECONDS:
        raise BadInput(f"{since} seconds is no time to look back", hint="1 second to 366 days")
    town, start = ctx.town, ctx.now - since * 1_000
    over = Tally()
    async for task in ended(ctx, start):
        over.add(task)
    away = [task for task in over.newest("failed") if task.id not in town.tasks]
    wanted = needs(town, start, away)
    told = list(islice(wanted, TOLD))
    return {
        "since": iso(start),
        "until": iso(ctx.now),
        "plans": [views.plan(town, plan.id) for plan in moved(town, over)],
        "counts": list(over.counted()),
        "done": over.told("completed"),
        "failed": over.told("failed"),
        "cost": await cost(ctx, start),
        "needs": told,
        "needs_left": sum(1 for _ in wanted),
    }


async def ended(ctx: Context, start: int) -> AsyncIterator[Task]:
    """The tasks that came to their end since then, at hand or in the archive; each once."""
    town = ctx.town
    finished = town.index.finished
    here = [town.tasks[one] for *_, one in finished[bisect.bisect_left(finished, (start,)) :]]
    for task in here:
        yield task
    # Those at hand may be put away while the archive is read.
    known = {task.id for task in here}
    async for task in ctx.host.store.archive.tasks_since(start):
        if task.id not in known and task.id not in town.tasks:
            yield task


class Tally:
    """What came to its end: how many tasks, and the newest of them.

    Only what somebody was to do for its own sake: no group, no check and no review.
    """

    def __init__(self) -> None:
        #: By plan (None: of no plan) and state.
        self.counts: dict[str | None, Counter[str]] = {}
        self._newest: dict[str, list[tuple[int, int, Task]]] = {}

    def add(self, task: Task) -> None:
        """One more; of all that are told, the one that ended first makes way."""
        if task.group or task.gate_of is not None:
            return
        self.counts.setdefault(task.plan, Counter())[task.state] += 1
        newest = self._newest.setdefault(task.state, [])
        heapq.heappush(newest, (task.finished_at or 0, task.seq, task))
        if len(newest) > TOLD:
            heapq.heappop(newest)

    def newest(self, state: str) -> list[Task]:
        """Those in a state that are told, the one that ended last first."""
        return [task for *_, task in sorted(self._newest.get(state, ()), reverse=True)]

    def told(self, state: str) -> list[View]:
        """As many of these as a reply should hold, in the order they were made."""
        newest = self.newest(state)
        fits = len(paging.fitting(newest, finished))
        return [finished(task) for task in sorted(newest[:fits], key=lambda task: task.seq)]

    def counted(self) -> Iterator[View]:
        """How many of each plan are done, and failed."""
        for plan, states in self.counts.items():
            yield {"plan": plan, "done": states["completed"], "failed": states["failed"]}


def moved(town: Town, over: Tally) -> list[TrackedPlan]:
    """The plans that these tasks are of, and those that are under way."""
    plans = town.plans.values()
    return [plan for plan in plans if plan.id in over.counts or plan.state == "running"]


def finished(task: Task) -> View:
    """A task that is over: by whom, in how long, and what came of it."""
    began, ended = task.started_at, task.finished_at
    took = (ended - began) / 1_000 if began is not None and ended is not None else None
    return {
        "id": task.id,
        "description": task.description,
        "agent": task.agent,
        "plan": task.plan,
        "seconds": None if took is None else round(max(0.0, took), 3),
        "finished_at": iso(ended),
        "result": task.result if task.state == "completed" else None,
        "error": task.error if task.state == "failed" else None,
        "tokens": task.tokens,
        "cost_usd": task.cost_usd,
    }


async def cost(ctx: Context, start: int) -> View:
    """What the rounds that ended since then used, by agent, who used most first.

    `whole` is false where older rounds of that time are nowhere any more.
    """
    town, archive = ctx.town, ctx.host.store.archive
    ended = {one.id: one for one in town.rounds.values() if (one.ended_at or 0) >= start}
    began = [one.started_at for one in islice(town.rounds.values(), 1)]
    async for one in archive.rounds_since(start):
        ended.setdefault(one.id, one)
    by_agent: dict[str, list[Round]] = {}
    for one in ended.values():
        by_agent.setdefault(one.agent, []).append(one)
    agents = [{"name": name, **used(rounds)} for name, rounds in by_agent.items()]
    agents.sort(key=lambda one: (one["cost_usd"], one["tokens"]), reverse=True)
    before = await archive.first_round_at()
    began += [] if before is None else [before]
    first = min((one.order for one in ended.values()), default=1)
    whole = town.meta.cleared == 0 or first == 1 or any(at < start for at in began)
    return {**used(list(ended.values())), "agents": agents, "whole": whole}


def used(rounds: list[Round]) -> dict[str, int | float]:
    """How many rounds, and what they used together."""
    tokens = sum((one.input_tokens or 0) + (one.output_tokens or 0) for one in rounds)
    usd = sum(one.cost_usd or 0.0 for one in rounds)
    return {"rounds": len(rounds), "tokens": tokens, "cost_usd": round(usd, 6)}
