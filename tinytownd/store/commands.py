"""The command streams: one blocking reader for all of them, each entry delivered at least once.

What makes it exactly once is the done record, written with the change itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import anyio
import redis.asyncio
import structlog
from redis.exceptions import ResponseError

from tinytownd import wire
from tinytownd.domain.errors import BadInput, Internal, TimedOut, TownError
from tinytownd.domain.names import shown
from tinytownd.redact import encode_error
from tinytownd.store import keys
from tinytownd.store.line import Line
from tinytownd.store.patience import FIRST_WAIT, LONGEST_WAIT, LOST
from tinytownd.store.replies import Entry, answer, read_script

log = structlog.get_logger(__name__)
#: How long one blocking read waits, in milliseconds; well below the client's socket time-out.
BLOCK_MS = 2_000
#: Entries a read.
BATCH = 100
#: How often streams are looked at for what no read tells of, in seconds: poison, and entries that
#: went to a connection that was lost. A server may serve a lost one until its blocking read is
#: over: so soon after a new connection, too.
LOOK_SECONDS, SOON_SECONDS = 60.0, 5.0
READ = ("XREADGROUP", "GROUP", keys.GROUP, keys.CONSUMER, "COUNT", BATCH, "BLOCK")
#: An entry as RESP3 has it: its id, its fields' names and values; none of one that was deleted.
Read = tuple[str, list[str] | None]
#: Levels of objects and lists in a command's arguments; verbs take no more than a list.
MAX_DEPTH = 20
#: Clocks differ: so far ahead of ours an id may have been made, and so much of the done record's
#: life is kept back, that an id is refused before its record is gone.
AHEAD_MS = 60 * 60 * 1000
#: An entry's id that names a later time (1 January 2100) is not the server's doing. One that names
#: a time to come merely may be: the server goes on from there when its clock is set back.
LATEST_MS = 4_102_444_800_000


@dataclass(frozen=True)
class Command:
    """A command that can be carried out, and where it came from.

    It may have been carried out before: the done record tells.
    """

    entry: Entry
    verb: str
    args: dict[str, Any]
    expires_at: int
    directory: str = ""
    #: Of its arguments as they came, in characters.
    size: int = 0


def parse(stream: str, entry_id: str, fields: dict[str, str]) -> Command:
    """A stream entry as a command; raises `BadInput` or, for one that came too late, `TimedOut`."""
    town, agent = keys.parse_commands(stream)
    command = fields.get("id", "")
    made = wire.made_at(command)
    if fields.get("v") != str(wire.VERSION):
        raise BadInput(
            f"a command of version {shown(fields.get('v', ''))}, not {wire.VERSION}",
            hint="tt and tinytownd differ: tt daemon restart",
        )
    now = wire.now_ms()
    if not -AHEAD_MS <= now - made <= wire.DONE_SECONDS * 1000 - AHEAD_MS:
        raise BadInput("the command's id is not of this day", hint="send it again with a new id")
    try:
        text = fields.get("args", "{}")
        args = _decode(text)
        expires_at = min(int(fields.get("expires_at", "0")), now + wire.DONE_SECONDS * 1000)
    except (ValueError, RecursionError):
        raise BadInput("the command's arguments are not JSON") from None
    if not isinstance(args, dict):
        raise BadInput("the command's arguments are no JSON object")
    if _too_deep(args):
        raise BadInput("the command's arguments are nested too deeply")
    if expires_at < now:
        raise TimedOut("the command came too late", hint="send it again")
    entry = Entry(stream, entry_id, command, town, agent)
    directory = fields.get("dir", "")
    return Command(entry, fields.get("verb", ""), args, expires_at, directory, len(text))


def _decode(text: str) -> object:
    """JSON as Python has it; raises ValueError, also for half a character: it is no UTF-8."""
    data = json.loads(text)
    if "\\u" in text:
        json.dumps(data, ensure_ascii=False).encode()
    return data


def _too_deep(data: object, most: int = MAX_DEPTH) -> bool:
    """Whether whoever walks through the data might fall over it."""
    inner = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    return most < 0 or any(_too_deep(one, most - 1) for one in inner)


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
        #: Told to a reader that has nothing to read.
        self._interrupted = asyncio.Event()
        self._in_flight: set[tuple[str, str]] = set()
        #: The reading connection's id while it may be blocked, else 0; its reads so far.
        self._reader_id = 0
        self._reads = 0
        self._look_at = 0.0
        self._mend = client.register_script(read_script("mend"))

    @property
    def reads(self) -> int | None:
        """How often it has read so far; None while the server is away."""
        return self._reads if self._reader_id else None

    async def follow(self, stream: str) -> None:
        """Reads this stream, too; what waits in it comes first."""
        if stream not in self._cursors:
            await self._make_group(stream)
            self._in_flight = {one for one in self._in_flight if one[0] != stream}
            self._cursors[stream] = "0"
            await self._interrupt()

    def unfollow(self, stream: str) -> None:
        """Does not read this stream any more; what comes stays in it."""
        self._cursors.pop(stream, None)

    async def let_go(self, stream: str) -> None:
        """The same, also for the read under way, which would fail when the stream is deleted."""
        self.unfollow(stream)
        await self._interrupt()

    def finished(self, command: Command) -> None:
        """The command was answered."""
        self._in_flight.discard((command.entry.stream, command.entry.entry))

    async def again(self, *commands: Command) -> None:
        """The commands could not be carried out for now: delivers them once more."""
        for command in commands:
            self.finished(command)
            if command.entry.stream in self._cursors:
                self._cursors[command.entry.stream] = "0"
        await self._interrupt()

    async def check(self, streams: Sequence[str]) -> list[str]:
        """Mends those of the streams after whose last id hardly another one can come; which."""
        pipe = self._client.pipeline(transaction=False)
        for stream in streams:
            pipe.xinfo_stream(stream)
        found = await pipe.execute(raise_on_error=False)
        # One that is gone or no stream fails the next read, and is mended then.
        broken = [
            stream
            for stream, info in zip(streams, found, strict=True)
            if not isinstance(info, ResponseError) and _beyond(info["last-generated-id"])
        ]
        for stream in broken:
            await self._renew(stream)
        return broken

    async def run(self) -> None:
        """Reads until it is cancelled; a server that is away is waited for."""
        wait = FIRST_WAIT
        while True:
            try:
                # One connection of its own, or its id would not be that of the blocked one.
                async with self._own_line() as line:
                    await self._start_over()
                    wait = FIRST_WAIT
                    await self._read_on(line)
            except LOST as error:
                log.warning("redis.away", error=str(error), seconds=wait)
            except ResponseError as error:
                log.warning("commands.broken", error=str(error), seconds=wait)
            finally:
                self._reader_id = 0
            wait = await self._come_back(wait)

    async def _come_back(self, wait: float) -> float:
        """Waits until the server is as it was, with its users; how long it waited last.

        A reader that went on without would answer nobody: clients of an external server that was
        started anew are unknown to it.
        """
        while True:
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)
            try:
                await self._revive()
            except (*LOST, ResponseError, TownError) as error:
                log.warning("redis.still_away", error=str(error), seconds=wait)
            else:
                return wait

    @contextlib.asynccontextmanager
    async def _own_line(self) -> AsyncIterator[Line]:
        line = Line(self._blocking.connection_pool)
        try:
            yield line
        finally:
            # anyio cancels again what waits after a cancellation: the connection would stay open.
            with anyio.CancelScope(shield=True):
                await line.close()

    async def _read_on(self, line: Line) -> None:
        self._reader_id = await line.ask("CLIENT", "ID")
        while True:
            self._reads += 1
            if not self._cursors:
                self._interrupted.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(FIRST_WAIT):
                        await self._interrupted.wait()
                await line.ask("PING")  # nobody else would find out that the server is gone
                continue
            asked = dict(self._cursors)
            found = await line.ask(*READ, BLOCK_MS, "STREAMS", *asked, *asked.values())
            await self._take(asked, found or {})
            # Whoever took a command sends what it came to before the next reading is sent.
            await asyncio.sleep(0)
            await self._look_over()

    async def _take(self, asked: dict[str, str], found: dict[str, list[Read]]) -> None:
        for stream, entries in found.items():
            # Not where the stream was set back while it was being read.
            if asked[stream] != ">" and self._cursors.get(stream) == asked[stream]:
                self._cursors[stream] = entries[-1][0] if entries else ">"
            for entry_id, fields in entries:
                if _beyond(entry_id):
                    self._look_at = 0.0
                if (stream, entry_id) not in self._in_flight:
                    await self._accept(stream, entry_id, _pairs(fields or []))

    async def _accept(self, stream: str, entry_id: str, fields: dict[str, str]) -> None:
        try:
            command = parse(stream, entry_id, fields)
        except TownError as error:
            await self._refuse(stream, entry_id, fields.get("id", ""), error)
            return
        self._in_flight.add((stream, entry_id))
        await self._hand_over(command)

    async def _hand_over(self, command: Command) -> None:
        """A command that brings us down must not do so again at every start: it is refused."""
        try:
            await self._deliver(command)
        except Exception:
            entry = command.entry
            log.exception("command.fault", stream=entry.stream, verb=command.verb)
            await self._refuse(entry.stream, entry.entry, entry.command, Internal())

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
        await answer(self._client, entry, str(known or encode_error(command, error)))

    async def _make_group(self, stream: str) -> None:
        """Makes the stream and its group where they are missing, and mends what is poisoned."""
        try:
            await self._client.xgroup_create(stream, keys.GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                await self._renew(stream)
                return
        await self.check([stream])

    async def _look_over(self) -> None:
        """Now and then, and when an id looks like it: mends streams, and reads what was missed."""
        now = asyncio.get_running_loop().time()
        if now >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            await self.check(list(self._cursors))
            # A read whose connection was lost may have taken entries along: pending, and unseen.
            self._cursors = dict.fromkeys(self._cursors, "0")

    async def _renew(self, stream: str) -> None:
        log.warning("commands.mended", stream=stream)
        await self._mend(keys=[stream], args=[keys.GROUP, LATEST_MS])
        if stream in self._cursors:
            self._cursors[stream] = "0"

    async def _start_over(self) -> None:
        self._look_at = asyncio.get_running_loop().time() + SOON_SECONDS
        for stream in list(self._cursors):
            await self._make_group(stream)
            if stream in self._cursors:
                self._cursors[stream] = "0"

    async def _interrupt(self) -> None:
        """Has the reader ask again: a read under way does not know of a cursor that changed."""
        reads = self._reads
        self._interrupted.set()
        with contextlib.suppress(*LOST):  # then all streams are read from their start anyway
            while self._reader_id and self._reads == reads:
                await self._client.client_unblock(self._reader_id)


def _beyond(entry_id: str) -> bool:
    """Whether an id is of no time: who may write a stream may write any id into it."""
    return int(entry_id.partition("-")[0]) > LATEST_MS


def _pairs(words: list[str]) -> dict[str, str]:
    return dict(zip(words[::2], words[1::2], strict=True))
