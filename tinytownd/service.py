"""The daemon as a service: what its manager is told, and that it is still alive.

Alive means that the event loop turns, and that commands are read from the store; while the store
is away, that it is waited for. A daemon that has hung otherwise is ended by its manager, and the
next one takes its rounds over.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tinytownd.sdnotify import Manager

#: How often the manager is told, at least, in seconds.
TICK_SECONDS = 5.0
#: By so much every tick of a start puts off the manager's patience, in seconds: large towns take
#: long to load, and a login shell may take `login.LOGIN_SECONDS`.
START_SECONDS = 30
#: A reader of commands reads every two seconds; one that did not for so long hangs.
STALLED_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Vitals:
    """How the daemon is now. `reads`: how often commands were read; None: the store is away."""

    towns: int
    rounds: int
    reads: int | None


class Pulse:
    """Whether commands are being read; `now` is in seconds on a steady clock."""

    def __init__(self) -> None:
        self._reads: int | None = None
        self._moved_at: float | None = None

    def alive(self, reads: int | None, now: float) -> bool:
        """Whether the last sign of life is not too long ago."""
        if self._moved_at is None or reads is None or reads != self._reads:
            self._reads, self._moved_at = reads, now
        return now - self._moved_at <= STALLED_SECONDS


def status_line(vitals: Vitals, away_since: str) -> str:
    """What `systemctl status` shows: `2 towns, 1 round; Redis away since 10:31:07`."""
    towns = f"{vitals.towns} town" + "s" * (vitals.towns != 1)
    rounds = f"{vitals.rounds} round" + "s" * (vitals.rounds != 1)
    away = f"; Redis away since {away_since}" if away_since else ""
    return f"{towns}, {rounds}{away}"


class Service:
    """Tells the manager what goes on, for as long as the daemon lives."""

    def __init__(self, manager: Manager, look: Callable[[], Vitals]) -> None:
        self._manager = manager
        self._look = look
        self._phase: Literal["starting", "ready", "stopping"] = "starting"
        self._pulse = Pulse()
        self._told = ""
        self._away_since = ""

    async def keep(self) -> None:
        """Goes on until it is cancelled; without a manager there is nothing to do."""
        half = self._manager.watchdog_seconds / 2  # as sd_watchdog_enabled(3) recommends
        while self._manager.listens:
            self._tick()
            await asyncio.sleep(min(half or TICK_SECONDS, TICK_SECONDS))

    def ready(self) -> None:
        """Commands are served from now on."""
        self._phase = "ready"
        self._manager.tell(READY=1, STATUS=status_line(self._look(), self._away_since))

    def reloading(self) -> None:
        """The settings are read anew; of a daemon that starts or stops nobody waits for that."""
        if self._phase == "ready":
            self._manager.tell(RELOADING=1, MONOTONIC_USEC=time.monotonic_ns() // 1000)

    def reloaded(self) -> None:
        """That is over."""
        if self._phase == "ready":
            self.ready()

    def stopping(self) -> None:
        """The daemon ends."""
        self._phase = "stopping"
        self._manager.tell(STOPPING=1, STATUS="stopping; rounds go on")

    def _tick(self) -> None:
        if self._phase == "starting":
            patience = START_SECONDS * 1_000_000
            self._manager.tell(EXTEND_TIMEOUT_USEC=patience, STATUS="starting")
        elif self._phase == "ready":
            told = self._status()
            if told != self._told:
                self._told = told
                self._manager.tell(STATUS=told)
        if self._phase != "ready" or self._pulse.alive(self._look().reads, time.monotonic()):
            self._manager.tell(WATCHDOG=1)

    def _status(self) -> str:
        vitals = self._look()
        if vitals.reads is not None:
            self._away_since = ""
        elif not self._away_since:
            self._away_since = time.strftime("%H:%M:%S")
        return status_line(vitals, self._away_since)
