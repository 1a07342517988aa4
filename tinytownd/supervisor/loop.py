"""One supervisor an agent: it asks `decide` what to do, and does it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import structlog

from tinytownd import changes, wire
from tinytownd.domain import budgets
from tinytownd.domain.agent import Agent
from tinytownd.domain.errors import TownError
from tinytownd.domain.message import Round
from tinytownd.domain.names import PRIORITIES
from tinytownd.domain.town import Town
from tinytownd.redact import redact
from tinytownd.supervisor import verdict
from tinytownd.supervisor.decide import Begin, Gone, Move, Nudge, Sleep, Step, next_step
from tinytownd.supervisor.host import Host, counts, limits, permissions
from tinytownd.supervisor.round import RoundRunner
from tinytownd.supervisor.slots import Slot
from tinytownd.supervisor.start import Start, as_written, prepare
from tinytownd.supervisor.verdict import Ending, Retries

log = structlog.get_logger(__name__)
#: The pause after a fault of our own, in seconds.
FAULT_PAUSE = 1.0
#: How long a mistake in the settings holds an agent before it is looked at again, in milliseconds.
HOLD_MS = 3_000


class Begun(NamedTuple):
    """A round that began with the change that made it due, and may not be written down yet."""

    start: Start
    slot: Slot


@dataclass
class Supervisor:
    """Keeps one agent as it is wanted, and its work going."""

    host: Host
    agent_id: str

    def __post_init__(self) -> None:
        self._wake = asyncio.Event()
        #: The slot that its round has.
        self._slot: Slot | None = None
        #: Whether a change may begin its next round: it sleeps, or its last round is over.
        self._free = False
        self._begun: Begun | None = None
        #: The agent's name, as it was when it was looked at last.
        self._name: str | None = None

    def wake(self) -> None:
        """Has it look now."""
        self._wake.set()

    async def run(self) -> None:
        """Runs until the agent is gone or the daemon stops. A fault of ours never ends it."""
        while True:
            try:
                await self._run()
                return
            except Exception:
                log.exception("supervisor.fault", town=self.host.store.id, agent=self._name)
                await asyncio.sleep(FAULT_PAUSE)

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            if self._begun is not None:
                await self._go_on(self._begun)
                continue
            step = await self.host.store.view(self._look)
            match step:
                case Round():
                    await self._take_over(step)
                case Gone():
                    return
                case Sleep(until):
                    await self._sleep(until)
                case Begin():
                    await self._begin(step)
                case _:
                    await self._step(step)

    def _look(self, town: Town) -> Step | Round:
        """What to do; or the round that is open although nobody here follows it."""
        return open_round(town, self.agent_id) or self._next(town)

    def _next(self, town: Town) -> Step:
        if agent := town.agents.get(self.agent_id):
            self._name = agent.name
        return next_step(town, self.agent_id, self._usable)

    def _usable(self, agent: Agent, cli: str) -> bool:
        """Whether a fallback can be started now; one that cannot be is passed over."""
        try:
            runtime = self.host.runtime(cli)
            runtime.allowing(permissions(self.host, agent))
            why = self.host.missing(runtime) or self.host.shortage()
        except TownError as error:
            why = error.message
        if why:
            about = {"town": self.host.store.id, "agent": agent.name, "cli": cli}
            log.warning("fallback.skipped", **about, error=redact(why))
        return not why

    async def _sleep(self, until: int | None) -> None:
        """Until it is woken, or until that time (UTC, milliseconds); see also `safety.py`."""
        left = None if until is None else max(0.0, (until - wire.now_ms()) / 1000)
        self._free = True
        try:
            async with asyncio.timeout(left):
                await self._wake.wait()
        except TimeoutError:
            pass
        finally:
            self._free = False

    async def _step(self, step: Step) -> None:
        await self.host.store.transact(lambda town: carry_out(town, self.agent_id, step, self._cli))

    def _cli(self, agent: Agent) -> str | None:
        """Why the agent's CLI cannot be started, or None; `_start` sees mistakes in settings."""
        try:
            return self.host.missing(self.host.runtime(agent.cli))
        except TownError:
            return None

    async def _begin(self, step: Begin) -> None:
        """Waits for a slot, then starts what is due by then, and follows it to its end."""
        rank, age = (
            step.task.rank
            if step.task
            else (min(PRIORITIES.index(m.priority) for m in step.messages), step.messages[0].seq)
        )
        needed = partial(counts, self.host, step.cli)
        self._slot = await self.host.slots.acquire(self.host.store.id, rank, age, needed)
        try:
            base = await self._base()
            start = await self.host.store.transact(lambda town: self._due(town, step.cli, base))
            if start is not None:
                await self._follow(start.running, lambda one: one.run(start, certain=True))
        finally:
            self._give_back()

    def begin(self, town: Town) -> None:
        """Begins what a change made due, in that change, if it is free and there is a slot.

        Its process is made ready while the change is being written. What a commit is to be noted
        of first begins later, as does what has to wait for a slot.
        """
        if not self._free or self._begun is not None:
            return
        step = self._next(town)
        if not isinstance(step, Begin) or (step.task is not None and step.task.review is not None):
            return
        slot = self.host.slots.take(counts(self.host, step.cli), self._slot)
        if slot is None:
            return
        self._slot = None
        try:
            start = self._start(town, step)
        except BaseException:
            self.host.slots.release(slot)
            raise
        if start is None:
            self.host.slots.release(slot)
            return
        self._begun = Begun(start, slot)
        self._wake.set()

    async def _go_on(self, begun: Begun) -> None:
        """Follows such a round, if it was written down."""
        self._begun, self._slot = None, begun.slot
        try:
            running = begun.start.running
            await self._follow(running, lambda one: one.run(begun.start, certain=False))
        finally:
            self._give_back()

    async def _base(self) -> str | None:
        """The commit that work begins with which somebody will review, to compare it with then."""
        step, where = await self.host.store.view(lambda town: (self._next(town), town.meta.dir))
        if not isinstance(step, Begin) or step.task is None or step.task.review is None:
            return None
        return step.task.base or await asyncio.to_thread(changes.commit, Path(where))

    def _due(self, town: Town, cli: str, base: str | None) -> Start | None:
        """Begins what is due by now, unless it runs on another CLI than the slot is for."""
        step = self._next(town)
        if not isinstance(step, Begin) or step.cli != cli:
            return None
        return self._start(town, step, base)

    def _start(self, town: Town, step: Begin, base: str | None = None) -> Start | None:
        agent = town.agents[self.agent_id]
        try:
            self.host.runtime(step.cli).allowing(permissions(self.host, agent, step.task))
            why = self.host.shortage()
        except TownError as error:
            why = error.message
        if why:
            # A mistake in a settings file, or a full disk, is nobody's failure: it waits.
            hold(town, agent, why)
            return None
        token = os.urandom(16).hex()
        running = verdict.begin(town, agent, step, token=token, cli=step.cli, base=base)
        return prepare(town, self.agent_id, running)

    def adopt(self, town: Town) -> None:
        """Counts the round that an earlier daemon started, before another one takes its slot."""
        running = open_round(town, self.agent_id)
        if running is not None and self._slot is None:
            self._slot = self.host.slots.adopt(counts(self.host, running.cli))

    def disown(self) -> None:
        """Nobody follows its rounds any more."""
        self._give_back()
        if self._begun is not None:
            self.host.slots.release(self._begun.slot)
            self._begun = None

    def _give_back(self) -> None:
        if self._slot is not None:
            self.host.slots.release(self._slot)
            self._slot = None

    async def _take_over(self, running: Round) -> None:
        """Follows a round that an earlier daemon started, or that was written down late."""
        try:
            await self.host.store.view(self.adopt)
            await self._follow(running, RoundRunner.take_over)
        finally:
            self._give_back()

    async def _follow(
        self, running: Round, follow: Callable[[RoundRunner], Awaitable[Ending | None]]
    ) -> None:
        ending = await follow(RoundRunner(self.host, self.agent_id, running, self._wake))
        if ending is None:
            return
        await self.host.leave(self.agent_id)
        self._free = True
        try:
            await self.host.store.transact(lambda town: self._finish(town, running, ending))
        finally:
            self._free = False

    def _finish(self, town: Town, running: Round, ending: Ending) -> None:
        known = as_written(town, running)
        if known is not None and not known.over:
            verdict.finish(town, known, ending, retries(self.host, known))
            if agent := town.agents.get(self.agent_id):
                town.wake(agent)  # its next round may begin in this very change


def hold(town: Town, agent: Agent, why: str) -> None:
    """Keeps an agent from starting for a while, and says so once."""
    why = redact(why)
    if agent.hold_reason != why:
        town.event("agent.held", "daemon", agent=agent.name, text=why)
    town.put(agent.held(town.now + HOLD_MS, why))


def open_round(town: Town, agent_id: str) -> Round | None:
    """The round that the agent is in, as the store has it."""
    agent = town.agents.get(agent_id)
    found = town.rounds.get(agent.round) if agent is not None and agent.round else None
    return found if found is not None and not found.over else None


def retries(host: Host, running: Round) -> Retries:
    """The limits of attempts that hold for the round."""
    bounds = limits(host, agent=running.agent)
    return Retries(
        int(bounds.attempts), bounds.backoff_seconds * 1000, bounds.backoff_max_seconds * 1000
    )


def carry_out(town: Town, agent_id: str, step: Step, broken: Callable[[Agent], str | None]) -> None:
    """A step without a process, if it is still the one to take."""
    agent = town.agents.get(agent_id)
    if agent is None or next_step(town, agent_id) != step:
        return
    if isinstance(step, Nudge):
        budgets.new_day(town)
        town.touch(agent.name)
    elif isinstance(step, Move):
        move(town, agent, step, broken(agent) if step.event == "rest" else None)


def move(town: Town, agent: Agent, step: Move, broken: str | None) -> None:
    """One step in the agent's table, with its event."""
    if step.event == "start":
        start(town, agent)
        return
    if broken is not None:
        town.put(agent.advance("break", town.now, hold_reason=broken))
        town.event("agent.error", "daemon", agent=agent.name, text=broken)
        return
    desired = "stop" if step.event == "kill" else agent.desired
    town.put(agent.advance(step.event, town.now, desired=desired))
    told = {"kill": "agent.stopped", "close": "agent.closed", "pause": "agent.paused"}
    if step.event in told:
        town.event(told[step.event], "daemon", agent=agent.name, text=step.reason)


def start(town: Town, agent: Agent) -> None:
    """A start, or what is left of one for an agent that rests anyway."""
    fresh = agent.but(restart=False)
    if agent.state != "paused":
        fresh = fresh.but(rounds_since_start=0)
    if agent.state in ("paused", "cold", "stopped", "error"):
        fresh = fresh.advance("start", town.now)
    if agent.state in ("cold", "stopped", "error"):
        town.event("agent.started", "daemon", agent=agent.name)
    town.put(fresh)
