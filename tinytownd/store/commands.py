"""The command streams: one blocking reader for all of them, each entry delivered at least once.

What makes it exactly once is the done record, written with the change itself.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import redis.asyncio
import structlog
from redis.exceptions import ResponseError

from tinytownd import wire
from tinytownd.domain.errors import BadInput, TimedOut, TownError, Unavailable
from tinytownd.store import keys
from tinytownd.store.town import FIRST_WAIT, LONGEST_WAIT, LOST, Entry, answer

log = structlog.get_logger(__name__)
#: How long one blocking read waits, in milliseconds; well below the client's socket time-out.
BLOCK_MS = 2_000
#: Entries a read.
BATCH = 100


@dataclass(frozen=True)
class Command:
    """A command that can be carried out, and where it came from."""

    entry: Entry
    verb: str
    args: dict[str, Any]
    expires_at: int
    directory: str = ""


def parse(stream: str, entry_id: str, fields: dict[str, str]) -> Command:
    """A stream entry as a command; raises `BadInput` or, for one that came too late, `TimedOut`."""
    town, agent = keys.parse_commands(stream)
    command = fields.get("id", "")
    made = wire.made_at(command)
    if fields.get("v") != str(wire.VERSION):
        raise BadInput(
            f"a command of version {fields.get('v')}, not {wire.VERSION}",
            hint="tt and tinytownd differ: tt daemon restart",
        )
    if wire.now_ms() - made > wire.DONE_SECONDS * 1000:
        raise BadInput("the command's id is over a day old", hint="send it again with a new id")
    try:
        args = json.loads(fields.get("args", "{}"))
        expires_at = int(fields.get("expires_at", "0"))
    except ValueError:
        raise BadInput("the command's arguments are not JSON") from None
    if not isinstance(args, dict):
        raise BadInput("the command's arguments are no JSON object")
    if expires_at < wire.now_ms():
        raise TimedOut("the command came too late", hint="send it again")
    entry = Entry(stream, entry_id, command, town, agent)
    return Command(entry, fields.get("verb", ""), args, expires_at, fields.get("dir", ""))


class CommandReader:
    """Reads all streams that are followed, and hands each new command on."""

    def __init__(
        self,
        blocking: redis.asyncio.Redis,
        client: redis.asyncio.Redis,
        deliver: Callable[[Command], Awaitable[None]],
        revive: Callable[[], Awaitable[None]],
    ) -> None:
        self._blocking = blocking
        self._client = client
        self._deliver = deliver
        self._revive = revive
        #: Stream → the id to read from: pending entries first, then '>' for new ones.
        self._cursors: dict[str, str] = {}
        self._in_flight: set[tuple[str, str]] = set()
        self._reader_id = 0

    async def follow(self, stream: str) -> None:
        """Reads this stream, too; what waits in it comes first."""
        if stream not in self._cursors:
            await self._make_group(stream)
            self._cursors[stream] = "0"
            await self._interrupt()

    def unfollow(self, stream: str) -> None:
        """Does not read this stream any more; what comes stays in it."""
        self._cursors.pop(stream, None)

    def finished(self, command: Command) -> None:
        """The command was answered."""
        self._in_flight.discard((command.entry.stream, command.entry.entry))

    async def again(self, command: Command) -> None:
        """The command could not be carried out for now: delivers it once more."""
        self.finished(command)
        if command.entry.stream in self._cursors:
            self._cursors[command.entry.stream] = "0"

    async def run(self) -> None:
        """Reads until it is cancelled; a server that is away is waited for."""
        wait = FIRST_WAIT
        while True:
            try:
                self._reader_id = await self._blocking.client_id()
                await self._read_on()
            except LOST as error:
                log.warning("redis.away", error=str(error), seconds=wait)
            except ResponseError as error:
                log.warning("commands.regroup", error=str(error))
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)
            try:
                await self._revive()
                await self._start_over()
                wait = FIRST_WAIT
            except (*LOST, Unavailable) as error:
                log.warning("redis.still_away", error=str(error), seconds=wait)

    async def _read_on(self) -> None:
        while True:
            if not self._cursors:
                await asyncio.sleep(FIRST_WAIT)
                continue
            streams: Any = dict(self._cursors)
            found = await self._blocking.xreadgroup(
                keys.GROUP, keys.CONSUMER, streams, count=BATCH, block=BLOCK_MS
            )
            await self._take(_normalised(found))

    async def _take(self, found: dict[str, list[tuple[str, dict[str, str]]]]) -> None:
        commands: list[Command] = []
        for stream, entries in found.items():
            if self._cursors.get(stream, ">") != ">":
                self._cursors[stream] = entries[-1][0] if entries else ">"
            for entry_id, fields in entries:
                if (stream, entry_id) not in self._in_flight:
                    commands += await self._accept(stream, entry_id, fields or {})
        await self._hand_on(commands)

    async def _accept(self, stream: str, entry_id: str, fields: dict[str, str]) -> list[Command]:
        try:
            command = parse(stream, entry_id, fields)
        except TownError as error:
            await self._refuse(stream, entry_id, fields.get("id", ""), error)
            return []
        self._in_flight.add((stream, entry_id))
        return [command]

    async def _hand_on(self, commands: list[Command]) -> None:
        """Answers again what was answered before, and delivers the rest."""
        if not commands:
            return
        pipe = self._client.pipeline(transaction=False)
        for command in commands:
            pipe.get(command.entry.done_key)
        for command, known in zip(commands, await pipe.execute(), strict=True):
            if known is None:
                await self._deliver(command)
            else:
                await answer(self._client, command.entry, known)
                self.finished(command)

    async def _refuse(self, stream: str, entry_id: str, command: str, error: TownError) -> None:
        log.warning("command.refused", stream=stream, entry=entry_id, error=error.message)
        try:
            wire.made_at(command)
        except BadInput:
            await self._client.xack(stream, keys.GROUP, entry_id)
            await self._client.xdel(stream, entry_id)
            return
        entry = Entry(stream, entry_id, command, *keys.parse_commands(stream))
        known = await self._client.get(entry.done_key)
        await answer(self._client, entry, str(known or wire.encode_error(command, error)))

    async def _make_group(self, stream: str) -> None:
        try:
            await self._client.xgroup_create(stream, keys.GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def _start_over(self) -> None:
        for stream in list(self._cursors):
            await self._make_group(stream)
            self._cursors[stream] = "0"

    async def _interrupt(self) -> None:
        if self._reader_id:
            await self._client.client_unblock(self._reader_id)


def _normalised(found: Any) -> dict[str, list[tuple[str, dict[str, str]]]]:
    """redis-py answers in several shapes, by protocol version: one shape for all of them."""
    if not found:
        return {}
    if isinstance(found, dict):
        return {
            stream: entries[0] if entries and isinstance(entries[0], list) else entries
            for stream, entries in found.items()
        }
    return dict(found)
