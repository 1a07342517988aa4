"""One command: into the daemon's stream, and its reply back.

The command keeps its id however often it is sent; the daemon does it once. The reply cannot be
missed: the connection listens before it writes, and looks up the kept reply after a silence.

The rules stand here once, as coroutines that leave all waiting to an `IO`. That of `tt` blocks
(`client`), so that its coroutines end without ever being suspended and need no event loop, which
would double its start-up; that of the Python API waits in its caller's loop (`api.connections`).
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

import hiredis

from tinytown_cli import places, transport
from tinytown_cli.options import AGENT_PATIENCE, PATIENCE
from tinytownd import wire
from tinytownd.domain import errors

Data = dict[str, Any]

QUIET_SECONDS = 1.0
# A server that was started anew knows a running round's user again after this long at most.
_ADMITTED_SECONDS = 5.0
_PAUSES = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


class Link(Protocol):
    """A connection that has said who it is. Use as a context manager."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *error: object) -> None: ...

    async def write(self, *commands: list[str]) -> None:
        """Sends commands. Raises `Lost`."""

    async def read(self, seconds: float) -> object:
        """The next reply or push. Raises `TimeoutError`, `Lost`, `TownError`s."""


class IO(Protocol):
    """How a conversation waits."""

    async def endpoint(self) -> places.Endpoint:
        """That of a daemon that runs; starts one if need be. Raises `TownError`s."""

    async def connect(self, address: places.Address, *, alone: bool = False) -> Link:
        """A connection; `alone` for commands that block it. Raises `Lost`."""

    async def sleep(self, seconds: float) -> None:
        """Waits."""


class Target(NamedTuple):
    """Whom a command is for and who speaks: a town's id (or home), an agent's id or nothing.

    `directory` is the town's, for the daemon that does not know it yet.
    """

    town: str
    agent: str = ""
    directory: Path | None = None


def for_people() -> None:
    """Raises `BadInput` in an agent's process, `Unavailable` in one that its round left behind."""
    if places.credentials():
        raise errors.BadInput(
            "an agent cannot use this command", hint="run it outside the agent's process"
        )


async def home(io: IO, verb: str, args: Data) -> Data:
    """Asks the daemon itself. Raises `TownError`s, as all of these do."""
    for_people()
    return await send(io, Target(wire.HOME), verb, args)


async def here(io: IO, named: str | os.PathLike[str] = "") -> Target:
    """The town in the directory that is named, or the one that is meant, known by an id."""
    directory = places.town_directory(named)
    agent = places.credentials()
    if agent:
        return Target(agent.town, agent.agent, agent.directory)
    known = places.town_id(directory)
    if not known:
        opened = await home(io, "town.open", {"dir": str(directory)})
        known = opened["town"]["id"]
    return Target(known, "", directory)


async def address(io: IO, target: Target) -> places.Address:
    """The server to talk to, and as whom; starts a daemon for people, never for an agent."""
    agent = places.credentials() if target.agent else None
    return agent.address if agent else (await io.endpoint()).address


async def ask(link: Link, *command: str, seconds: float = transport.SILENT_SECONDS) -> object:
    """One command of Redis's and its reply; a server that is silent for so long is `Lost`."""
    await link.write(list(command))
    try:
        return await link.read(seconds)
    except TimeoutError:
        raise transport.Lost(f"no answer to {command[0]}") from None


async def send(
    io: IO,
    target: Target,
    verb: str,
    args: Data,
    seconds: float | None = PATIENCE,
    sent: str = "",
) -> Data:
    """A command's reply, within so many seconds (None: whenever). Arguments of None are left out.

    `sent` is the command's id where it has been sent before: it happens once all the same.
    Raises what the daemon refused it with, `TimedOut`, `Unavailable`, `BadInput`.
    """
    told = {name: value for name, value in args.items() if value is not None}
    try:
        json.dumps(told, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise errors.BadInput("an argument is not UTF-8") from None
    except (TypeError, ValueError) as error:
        raise errors.BadInput(f"{verb} cannot be asked so: {error}") from None
    if seconds == PATIENCE and target.agent:
        seconds = AGENT_PATIENCE
    try:
        return await _exchanged(_Exchange(io, target, verb, told, seconds), sent)
    except errors.Elsewhere:
        # The town's directory was moved, or this is a copy of it: the daemon tells which.
        await home(io, "town.open", {"dir": str(target.directory)})
    return await _exchanged(_Exchange(io, target, verb, told, seconds))


async def _exchanged(exchange: _Exchange, sent: str = "") -> Data:
    if sent:
        exchange.go_on(sent)
    while True:
        try:
            return await exchange.attempt()
        except transport.Lost as lost:
            await exchange.pause(lost)


class _Exchange:
    """A command under way, over as many connections as it takes."""

    def __init__(
        self, io: IO, target: Target, verb: str, args: Data, seconds: float | None
    ) -> None:
        self._io, self._target, self._verb, self._args = io, target, verb, args
        self._id = wire.command_id()
        self._seconds = seconds
        self._started = time.monotonic()
        self._sent = 0
        self._lost = 0
        self._opened = target.directory is None or bool(target.agent)

    def go_on(self, sent: str) -> None:
        """It was sent before, under this id, and its reply was not heard, or not understood."""
        self._id = sent
        self._sent = 1

    async def attempt(self) -> Data:
        """Sends the command on a new connection and waits for the reply."""
        target = self._target
        done = wire.done_key(target.town, self._id, target.agent)
        async with await self._io.connect(await address(self._io, target)) as link:
            await link.write(
                ["SUBSCRIBE", wire.reply_channel(target.town, self._id, target.agent)],
                *([["GET", done]] if self._sent else []),
                self._entry(),
            )
            self._sent += 1
            while True:
                try:
                    message = await link.read(self._left(QUIET_SECONDS))
                except TimeoutError:
                    await self._quiet()
                    await link.write(["GET", done])
                    continue
                if (reply := _reply_in(message)) is not None:
                    return _data_of(reply)

    async def pause(self, lost: transport.Lost) -> None:
        """Waits a little before the next connection. Raises when there is no time for one."""
        late = time.monotonic() - self._started > _ADMITTED_SECONDS
        if late and self._target.agent and str(lost).startswith("WRONGPASS"):
            raise errors.Unavailable("this round is over: its agent cannot speak any more")
        if self._left(1.0) <= 0:
            if self._sent:
                raise self._timed_out()
            raise errors.Unavailable(f"Redis cannot be reached: {lost}", hint="tt daemon status")
        await self._io.sleep(self._left(_PAUSES[min(self._lost, len(_PAUSES) - 1)]))
        self._lost += 1

    def _entry(self) -> list[str]:
        # A command that nobody waits for any more must not happen.
        left = self._left(wire.DONE_SECONDS)
        fields = wire.encode_command(
            self._verb,
            self._args,
            command=self._id,
            life_ms=int(left * 1000),
            directory=str(self._target.directory or ""),
        )
        stream = wire.commands_key(self._target.town, self._target.agent)
        return ["XADD", stream, "*", *(part for field in fields for part in field)]

    def _left(self, at_most: float) -> float:
        if self._seconds is None:
            return at_most
        return min(self._seconds - (time.monotonic() - self._started), at_most)

    async def _quiet(self) -> None:
        """Nothing came for a while: is the daemon there, does it know the town, is it too late?"""
        if self._left(1.0) <= 0:
            raise self._timed_out()
        if not self._target.agent:
            await self._io.endpoint()
        if not self._opened:
            self._opened = True
            await home(self._io, "town.open", {"dir": str(self._target.directory)})

    def _timed_out(self) -> errors.TimedOut:
        return errors.TimedOut(
            f"no answer to {self._verb} within {self._seconds:.0f} s", hint="tt daemon status"
        )


def _reply_in(message: object) -> str | None:
    """The reply, announced or looked up. Redis's own replies never begin with a brace."""
    if isinstance(message, hiredis.PushNotification):
        message = message[2] if message[0] == "message" else None
    return message if isinstance(message, str) and message.startswith("{") else None


def _data_of(reply: str) -> Data:
    told = json.loads(reply)
    if not told["ok"]:
        raise _refusal(told["error"])
    data: Data = told["data"]
    return data


def _refusal(told: Data) -> errors.TownError:
    """The daemon's refusal as the error that it is; one of a later version is a plain one."""
    kinds = {one.kind: one for one in vars(errors).values() if _is_error(one)}
    kind = kinds.get(told.get("kind"), errors.TownError)
    refused: errors.TownError
    if issubclass(kind, errors.PlanError):
        refused = kind(told.get("problems") or [])
    else:
        refused = kind(told["message"], hint=told.get("hint") or "")
    refused.message = told["message"]
    refused.args = (refused.message,)
    refused.exit_code = int(told.get("exit_code", errors.WORK_FAILED))
    return refused


def _is_error(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, errors.TownError)
