"""Slots: how many rounds run at once in the whole daemon, and who gets the next one."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

#: What a round counts for (a town, a CLI, an account), and how many of it may run at once; 0: any.
Bounds = Mapping[str, int]
#: A slot that is held: what it counts for.
Slot = frozenset[str]


def unbounded() -> Bounds:
    """For a round that counts for nothing but the daemon."""
    return {}


@dataclass(eq=False)
class _Waiter:
    rank: tuple[int, int]
    town: str
    bounds: Callable[[], Bounds]
    #: What it counts for, as soon as it may run.
    ready: asyncio.Future[Slot] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Slots:
    """A semaphore by priority, then round-robin over towns, then age, with bounds within it.

    The first one whose bounds leave room goes: a CLI that is full holds up nobody on another. All
    bounds are asked at every turn, so that a changed configuration counts at once.
    """

    def __init__(self, bound: Callable[[], int]) -> None:
        self._bound = bound
        self._taken = 0
        self._counts: Counter[str] = Counter()
        self._waiters: list[_Waiter] = []
        self._served: dict[str, int] = {}
        self._turn = 0

    @property
    def taken(self) -> int:
        """How many rounds run."""
        return self._taken

    def look(self) -> None:
        """Lets in who waits: a bound has changed."""
        self._pass_on()

    async def acquire(
        self, town: str, priority: int, age: int, bounds: Callable[[], Bounds] = unbounded
    ) -> Slot:
        """Waits for a slot; lower numbers of `priority` and `age` come first."""
        waiter = _Waiter((priority, age), town, bounds)
        self._waiters.append(waiter)
        self._pass_on()
        try:
            return await waiter.ready
        except asyncio.CancelledError:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            else:
                self.release(waiter.ready.result())
            raise

    def take(self, bounds: Bounds, instead: Slot | None = None) -> Slot | None:
        """A slot at once, or `instead` of one; None where somebody waits, or there is no room."""
        if self._waiters:
            return None
        if instead is not None:
            self._uncount(instead)
        if self._taken < self._bound() and self._fits(bounds):
            return self.adopt(bounds)
        if instead is not None:
            self.adopt(instead)
        return None

    def _pass_on(self) -> None:
        while self._taken < self._bound() and (chosen := self._next()) is not None:
            self._waiters.remove(chosen)
            self._turn += 1
            self._served[chosen.town] = self._turn
            chosen.ready.set_result(self.adopt(chosen.bounds()))

    def _next(self) -> _Waiter | None:
        """The first in line that its bounds let run."""
        # One that was cancelled in this very turn of the loop is in the list still.
        waiting = [waiter for waiter in self._waiters if not waiter.ready.done()]
        waiting.sort(key=lambda w: (w.rank[0], self._served.get(w.town, 0), w.rank))
        return next((waiter for waiter in waiting if self._fits(waiter.bounds())), None)

    def _fits(self, bounds: Bounds) -> bool:
        return all(not bound or self._counts[what] < bound for what, bound in bounds.items())

    def adopt(self, counted: Iterable[str] = ()) -> Slot:
        """Counts a round, also one that ran before this daemon came, and what it counts for."""
        counted = frozenset(counted)
        self._taken += 1
        self._counts.update(counted)
        return counted

    def release(self, slot: Slot) -> None:
        """Gives a slot back."""
        self._uncount(slot)
        self._pass_on()

    def _uncount(self, slot: Slot) -> None:
        self._taken -= 1
        self._counts.subtract(slot)
