"""The conversation as `tt` has it: each step blocks, and nothing of an event loop is imported."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Self, TypeVar

from tinytown_cli import conversation, launch, places, transport
from tinytown_cli.conversation import Data, Target, for_people
from tinytown_cli.options import AGENT_PATIENCE, PATIENCE, chosen
from tinytownd.domain.errors import Unavailable

__all__ = ["AGENT_PATIENCE", "IO", "PATIENCE", "Data", "Following", "Target", "for_people"]

T = TypeVar("T")
#: So many records are listed where nobody says: a page of the daemon's.
USUAL = 200
#: What a person is told of verbs that may take long.
_DOING = {
    "town.save": "Saving the town",
    "town.restore": "Restoring the town",
    "town.migrate": "Bringing the town over",
    "town.archive": "Archiving",
    "town.wait": "Waiting for the rounds that run",
    "town.recover": "Looking at everything",
    "town.report": "Writing the report",
    "plan.push": "Pushing the plan",
    "plan.pull": "Pulling the plan",
    "plan.check": "Checking the plan",
}


class _Link:
    """A blocking connection in the place of one that is awaited."""

    def __init__(self, address: places.Address, wait: transport.Wait | None = None) -> None:
        self._link = transport.Link(address, wait)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._link.close()

    async def write(self, *commands: list[str]) -> None:
        self._link.write(*commands)

    async def read(self, seconds: float) -> object:
        return self._link.read(seconds)


class _Blocking:
    """Waits by blocking the process; each connection serves one command."""

    async def endpoint(self) -> places.Endpoint:
        return launch.ensure()

    async def connect(self, address: places.Address, *, alone: bool = False) -> _Link:  # noqa: ARG002  # all are
        return _Link(address)

    async def sleep(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251  # there is no loop to hold up


class Following(_Blocking):
    """For a command that goes on for long: a daemon that was stopped beneath it stays stopped.

    `wait` is what its connections wait with; see `transport.Wait`.
    """

    def __init__(self, wait: transport.Wait | None = None) -> None:
        self._wait = wait
        self._met = False

    async def endpoint(self) -> places.Endpoint:
        found = launch.rejoin() if self._met else launch.ensure()
        self._met = True
        return found

    async def connect(self, address: places.Address, *, alone: bool = False) -> _Link:  # noqa: ARG002  # all are
        return _Link(address, self._wait)


class _Glancing(_Blocking):
    """For a look in passing: it never starts a daemon."""

    async def endpoint(self) -> places.Endpoint:
        ready = places.ready_endpoint()
        if ready is None:
            raise Unavailable("no daemon runs")
        return ready


IO = _Blocking()


def run(talk: Coroutine[Any, Any, T]) -> T:
    """What a coroutine comes to whose steps block: it never has to be taken up again."""
    try:
        talk.send(None)
    except StopIteration as over:
        result: T = over.value
        return result
    raise RuntimeError("this coroutine waits for an event loop, and there is none")


def home(verb: str, **args: object) -> Data:
    """Asks the daemon itself. Raises `TownError`s, as all of these do."""
    return _watched(verb, conversation.home(IO, verb, args))


def town(verb: str, **args: object) -> Data:
    """Asks the town that is meant."""
    return send(here(), verb, args)


def listed(
    verb: str, what: str, *, limit: int | None = None, everything: bool = False, **args: object
) -> tuple[list[Data], int]:
    """A page of what a verb of the town lists, or `everything`, and how many more there are."""
    target = here()
    reply = send(target, verb, {**args, "limit": limit, "after": "" if everything else None})
    found: list[Data] = reply[what]
    with telling(f"Reading {what}") as tell:
        while everything and reply["next"] is not None:
            tell(len(found), reply["total"])
            reply = send(target, verb, {**args, "limit": limit, "after": reply["next"]})
            found += reply[what]
    return found, 0 if everything else reply["total"] - len(found)


def archived(
    *, limit: int | None = None, everything: bool = False, **args: object
) -> tuple[list[Data], bool]:
    """The tasks of the archive that were put away last, or `everything`; whether there are more."""
    target, found, most = here(), list[Data](), limit or USUAL
    after: str | None = ""
    while after is not None and (everything or len(found) < most):
        size = USUAL if everything else most - len(found)
        reply = send(target, "task.archived", {**args, "limit": size, "after": after})
        found += reply["tasks"]
        after = reply["next"]
    return found, after is not None


def glance(town: str, verb: str, seconds: float, **args: object) -> Data:
    """What a daemon that runs answers at once, from a town or (`wire.HOME`) by itself.

    Raises `TownError`s; nothing is started for it.
    """
    conversation.for_people()
    return send(Target(town), verb, args, seconds, _Glancing())


def here() -> Target:
    """The town that is meant, known to the daemon by an id."""
    return _watched("town.open", conversation.here(IO))


def send(
    target: Target,
    verb: str,
    args: Data,
    seconds: float | None = PATIENCE,
    io: conversation.IO = IO,
) -> Data:
    """A command's reply, within so many seconds (None: whenever). Arguments of None are left out.

    Raises what the daemon refused it with, `TimedOut`, `Unavailable`, `BadInput`.
    """
    # What the front door has sent already keeps its id, and is not taken for a second command.
    sent = chosen.sent.pop(verb, "")
    talk = conversation.send(io, target, verb, args, seconds, sent)
    return _watched(verb, talk) if io is IO else run(talk)


def _watched(verb: str, talk: Coroutine[Any, Any, T]) -> T:
    """The same as `run`; a person at a terminal sees what takes long."""
    with telling(_DOING.get(verb, "Waiting for the daemon")):
        return run(talk)


@contextlib.contextmanager
def telling(doing: str) -> Iterator[Callable[[int, int], None]]:
    """See `spinner.spinning`, which is imported only where somebody watches."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from tinytown_cli import spinner  # noqa: PLC0415  # as said

    with spinner.spinning(doing) as tell:
        yield tell
