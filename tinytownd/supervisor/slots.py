"""Slots: how many rounds run at once in the whole daemon, and who gets the next one."""

from __future__ import annotations

import asyncio
import bisect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(eq=False)
class _Waiter:
    rank: tuple[int, int]
    town: str
    ready: asyncio.Future[None]


class Slots:
    """A semaphore by priority, then age, round-robin over towns within a priority.

    `bound` is asked at every turn, so that a changed configuration counts at once.
    """

    def __init__(self, bound: Callable[[], int]) -> None:
        self._bound = bound
        self._taken = 0
        self._waiters: list[_Waiter] = []
        self._served: dict[str, int] = {}
        self._turn = 0

    @property
    def taken(self) -> int:
        """How many rounds run."""
        return self._taken

    @asynccontextmanager
    async def slot(self, town: str, priority: int, age: int) -> AsyncIterator[None]:
        """Holds a slot; lower numbers of `priority` and `age` come first."""
        await self._acquire(town, priority, age)
        try:
            yield
        finally:
            self.release()

    async def _acquire(self, town: str, priority: int, age: int) -> None:
        if self._taken < self._bound() and not self._waiters:
            self._take(town)
            return
        waiter = _Waiter((priority, age), town, asyncio.get_running_loop().create_future())
        bisect.insort(self._waiters, waiter, key=lambda one: one.rank)
        try:
            await waiter.ready
        except asyncio.CancelledError:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            else:
                self.release()
            raise

    def _pass_on(self) -> None:
        while self._taken < self._bound():
            # One that was cancelled in this very turn of the loop is in the list still.
            waiting = [waiter for waiter in self._waiters if not waiter.ready.done()]
            if not waiting:
                return
            best = waiting[0].rank[0]
            first = [waiter for waiter in waiting if waiter.rank[0] == best]
            chosen = min(first, key=lambda w: (self._served.get(w.town, 0), w.rank))
            self._waiters.remove(chosen)
            self._take(chosen.town)
            chosen.ready.set_result(None)

    def _take(self, town: str) -> None:
        self._turn += 1
        self._served[town] = self._turn
        self._taken += 1

    def adopt(self) -> None:
        """Counts a round that ran before this daemon came; its end frees the slot."""
        self._taken += 1

    def release(self) -> None:
        """Gives a slot back, also one that was counted by `adopt`."""
        self._taken -= 1
        self._pass_on()
