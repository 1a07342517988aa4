"""A town that is open: commands and waits, as all parts of the API ask for them."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterable
from typing import Any, Protocol

import anyio

from tinytown_cli import conversation
from tinytown_cli.api.connections import Connections, Following
from tinytown_cli.api.errors import Closed
from tinytown_cli.conversation import Data, Target
from tinytown_cli.options import PATIENCE
from tinytownd.domain.errors import BadInput, TimedOut

#: The daemon goes on waiting for a caller that has gone away, for so many seconds at most.
_SLICE = 60.0
#: So many commands are under way at once; the time that others get begins when it is their turn.
#: Waits are not counted.
_AT_ONCE = 32


class Session:
    """One client of one town. All that it asks goes over `io`, and in the name of `target`."""

    def __init__(
        self,
        io: Connections | Following,
        target: Target,
        turns: anyio.Semaphore | None = None,
    ) -> None:
        self.io, self.target = io, target
        self._turns = turns or anyio.Semaphore(_AT_ONCE)

    def following(self) -> Session:
        """The same for one call that goes on for long: see `Following`."""
        if isinstance(self.io, Following):
            return self
        return Session(Following(self.io), self.target, self._turns)

    async def ask(self, verb: str, *, seconds: float = PATIENCE, **args: Any) -> Data:
        """A command's reply, within so many seconds. Arguments of None are left out.

        Raises what the daemon refused it with, `TimedOut`, `Unavailable`, `BadInput`, `Closed`.
        """
        async with self._turns:
            self.check_open()
            return await conversation.send(self.io, self.target, verb, args, seconds)

    async def listed(self, verb: str, what: str, **args: Any) -> list[Data]:
        """All that a verb lists as `what`, page by page. Raises as `ask`."""
        reply = await self.ask(verb, **args, after="")
        found: list[Data] = reply[what]
        while reply["next"] is not None:
            reply = await self.ask(verb, **args, after=reply["next"])
            found += reply[what]
        return found

    async def wait(self, what: str, deadline: Deadline, **args: object) -> list[Data]:
        """Waits until the town says that it is over; the tasks that have failed.

        Raises `TimedOut`, with `what` that was waited for, and `Unavailable` when the daemon was
        stopped.
        """
        io = self.following().io
        while not deadline.over:
            self.check_open()
            with contextlib.suppress(TimedOut):
                reply = await conversation.send(
                    io, self.target, "town.wait", args, deadline.left(_SLICE)
                )
                failed: list[Data] = reply["failed"]
                return failed
        raise deadline.missed(what)

    def check_open(self) -> None:
        """Raises `Closed`."""
        if self.io.closed:
            raise Closed


class Deadline:
    """A time by which something has to happen: so many seconds from now, or None for never."""

    def __init__(self, timeout: float | None) -> None:
        if timeout is not None and not (isinstance(timeout, int | float) and timeout >= 0):
            raise BadInput(f"a timeout is a number of seconds, 0 or more, or None: not {timeout!r}")
        self._timeout = timeout
        self._at = math.inf if timeout is None else time.monotonic() + timeout

    @property
    def over(self) -> bool:
        """Whether it has passed."""
        return time.monotonic() >= self._at

    def left(self, at_most: float = math.inf) -> float:
        """Seconds until then, never below 0."""
        return max(min(self._at - time.monotonic(), at_most), 0)

    def missed(self, what: str) -> TimedOut:
        """The error for what has not happened by then."""
        return TimedOut(f"{what} after {self._timeout:g} s", hint="give it more time, or none")


class Named(Protocol):
    """What is told by its id."""

    @property
    def id(self) -> str:
        """Its id."""


def ref(one: str | Named) -> str:
    """The id of what is given as a handle, as a record or by its id."""
    return one if isinstance(one, str) else one.id


def refs(several: str | Named | Iterable[str | Named]) -> list[str] | None:
    """The ids of one or several; None for none at all."""
    if isinstance(several, str) or hasattr(several, "id"):
        return [ref(several)]  # type: ignore[arg-type]  # narrowed by its attribute
    return [ref(one) for one in several] or None


def texts(several: str | Iterable[str]) -> list[Any] | None:
    """One text or several as a list; None for none at all."""
    return [several] if isinstance(several, str) else list(several) or None
