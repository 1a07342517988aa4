"""How the API waits: in its caller's event loop, over one connection for all commands.

A command that waits (for a result, an idle agent) costs a subscription on that connection: two
hundred of them need neither two hundred connections nor a thread. There is no task behind it,
either: of those that wait, one reads for all. So an error needs no way out of a task group, and a
town may be opened in one task and closed in another.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Self

import anyio
import anyio.to_thread
import hiredis

from tinytown_cli import launch, places, transport
from tinytown_cli.api import streams
from tinytown_cli.api.errors import Closed

_log = logging.getLogger("tinytown")

#: A connection takes so many commands, and is then replaced by a fresh one: the daemon's users may
#: not unsubscribe, and a subscription costs the server some hundred bytes.
SUBSCRIPTIONS = 1_000
#: Hundreds of calls may look at once whether a daemon is back.
_LOOK_SECONDS = 0.1


class Line:
    """One conversation's part of a connection. Use as a context manager."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        #: Whose announcements are for this line.
        self.channels: list[str] = []
        self.messages: deque[object] = deque()
        self.news = anyio.Event()
        self._left = False

    def __del__(self) -> None:
        # A loop over events that was left: nobody can close its connection but the next caller.
        self.leave()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.leave()
        if self._wire.idle:
            await self._wire.aclose()

    def leave(self) -> None:
        """Ends the line; what is still said to it is dropped."""
        if not self._left:
            self._left = True
            self._wire.forget(self)

    async def write(self, *commands: list[str]) -> None:
        """Sends commands in one write. Raises `Lost`."""
        await self._wire.send(self, commands)

    async def read(self, seconds: float) -> object:
        """The next reply or push for this line. Raises `TimeoutError`, `Lost`, `TownError`s."""
        return await self._wire.receive(self, seconds)

    def take(self, message: object) -> None:
        """Puts a message before this line."""
        self.messages.append(message)
        self.news.set()


class Wire:
    """A connection with any number of lines on it. Of those that wait, one reads for all."""

    def __init__(self, address: places.Address, stream: streams.Stream) -> None:
        self.address = address
        #: Whether it takes no more lines; the last one to leave closes it.
        self.retired = False
        #: Why nothing comes any more, if that is so.
        self.end: Callable[[], Exception] | None = None
        self._stream = stream
        self._codec = transport.Codec()
        self._sending = anyio.Lock()
        #: Lines on it now, and as long as it is there.
        self._lines = self._taken = 0
        self._channels: dict[str, Line] = {}
        #: Whose reply comes next (nobody's: that to the opening), and when it was asked for.
        self._owed: deque[tuple[Line | None, float]] = deque()
        # A dict for its order: who began to wait last reads next, since it has the most time.
        self._waiting: dict[Line, None] = {}
        self._reader: Line | None = None

    def line(self) -> Line:
        """A new line."""
        self._lines += 1
        self._taken += 1
        self.retired = self.retired or self._taken >= SUBSCRIPTIONS
        return Line(self)

    @property
    def idle(self) -> bool:
        """Whether nobody uses it, nor will."""
        return self.retired and not self._lines

    def forget(self, line: Line) -> None:
        """One line less."""
        self._lines -= 1
        for channel in line.channels:
            self._channels.pop(channel, None)

    def lose(self, end: Callable[[], Exception]) -> None:
        """Nothing comes any more; all that wait hear why."""
        self.end = self.end or end
        self.retired = True
        for line in self._waiting:
            line.news.set()

    def _lost(self, why: object) -> transport.Lost:
        lost = transport.Lost(str(why) or "the server closed the connection")
        self.lose(lambda: transport.Lost(*lost.args))
        return lost

    async def aclose(self) -> None:
        """Closes the connection, at once."""
        self._lost("the connection is closed")
        await self._stream.aclose()

    async def open(self) -> None:
        """Says who we are. The answer is looked at when something else is waited for."""
        await self._send(None, transport.opening(self.address))

    async def send(self, line: Line, commands: Sequence[list[str]]) -> None:
        """Sends one line's commands. Raises `Lost`."""
        for command in commands:
            if command[0] == "SUBSCRIBE":
                line.channels.append(command[1])
                self._channels[command[1]] = line
        await self._send(line, commands)

    async def _send(self, line: Line | None, commands: Sequence[list[str]]) -> None:
        async with self._sending:
            if self.end:
                raise self.end()
            self._owed.extend((line, time.monotonic()) for _ in commands)
            try:
                await self._stream.send(transport.packed(commands))
            except streams.GONE as error:
                raise self._lost(error) from None
            except BaseException:
                # Cancelled, perhaps in the middle of a command.
                self._lost("a command was cut off")
                raise

    async def receive(self, line: Line, seconds: float) -> object:
        """The next message for a line."""
        with anyio.move_on_after(seconds):
            await self._listen(line)
        if line.messages:
            message = line.messages.popleft()
            if isinstance(message, hiredis.ReplyError):
                raise transport.refusal(str(message))
            return message
        if self._owed and time.monotonic() - self._owed[0][1] > transport.SILENT_SECONDS:
            self._lost("the server is silent")
        if self.end:
            raise self.end()
        raise TimeoutError

    async def _listen(self, line: Line) -> None:
        """Returns when there is something for the line, or nothing comes any more."""
        self._waiting[line] = None
        try:
            while not line.messages and not self.end:
                self._reader = self._reader or line
                if self._reader is line:
                    await self._take_in()
                else:
                    line.news = anyio.Event()
                    await line.news.wait()
        finally:
            del self._waiting[line]
            if self._reader is line:
                self._reader = next(reversed(self._waiting), None)
                if self._reader:
                    self._reader.news.set()

    async def _take_in(self) -> None:
        try:
            self._codec.feed(await self._stream.receive())
            # What comes after a refusal to let us in answers somebody else than us.
            while not self.end and (message := self._codec.next()) is not transport.MORE:
                self._hand_on(message)
        except (*streams.GONE, transport.Lost, hiredis.ProtocolError) as error:
            self._lost(error)

    def _hand_on(self, message: object) -> None:
        if isinstance(message, hiredis.PushNotification):
            if message[0] == "subscribe":
                self._owed.popleft()
            elif line := self._channels.get(message[1]):
                line.take(message)
            return
        if not self._owed:
            raise transport.Lost("the server answers what nobody asked")
        owner, _ = self._owed.popleft()
        if owner:
            owner.take(message)
        elif isinstance(message, hiredis.ReplyError):
            told = str(message)
            self.lose(lambda: transport.refusal(told))


class Connections:
    """The connections of one open town; all its calls wait through here."""

    def __init__(self) -> None:
        self.closed = False
        self._shared: Wire | None = None
        self._wires: set[Wire] = set()
        self._making = anyio.Lock()
        self._starting = anyio.Lock()

    async def endpoint(self) -> places.Endpoint:
        """That of a daemon that runs; starts one if need be. Raises `TownError`s."""
        ready = places.ready_endpoint()
        if ready:
            return ready
        async with self._starting:
            return await anyio.to_thread.run_sync(launch.ensure, _log.info, abandon_on_cancel=True)

    async def connect(self, address: places.Address, *, alone: bool = False) -> Line:
        """A line on the shared connection, or on one of its own. Raises `Lost`, `Closed`."""
        async with self._making:
            await self._tidy()
            wire = self._shared
            if alone or wire is None or wire.retired or wire.address != address:
                wire = await self._made(address)
                if not alone:
                    if self._shared:
                        self._shared.retired = True
                    self._shared = wire
            line = wire.line()
            wire.retired = wire.retired or alone
            return line

    async def _made(self, address: places.Address) -> Wire:
        wire = Wire(address, await streams.connected(address))
        self._wires.add(wire)
        if self.closed:
            await wire.aclose()
            raise Closed
        await wire.open()
        return wire

    async def _tidy(self) -> None:
        if self.closed:
            raise Closed
        for wire in [one for one in self._wires if one.idle]:
            self._wires.discard(wire)
            await wire.aclose()

    async def sleep(self, seconds: float) -> None:
        """Waits. Raises `Closed`."""
        await anyio.sleep(seconds)
        if self.closed:
            raise Closed

    async def aclose(self) -> None:
        """Closes all connections; calls that are under way raise `Closed`."""
        self.closed = True
        for wire in list(self._wires):
            wire.lose(Closed)
            await wire.aclose()


class Following:
    """For one call that goes on for long: a daemon that was stopped beneath it stays stopped."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._met = False
        self.connect, self.sleep = connections.connect, connections.sleep

    @property
    def closed(self) -> bool:
        """Whether the town is."""
        return self._connections.closed

    async def endpoint(self) -> places.Endpoint:
        """That of a daemon that runs; one that died is brought back, as by `launch.rejoin`."""
        absence = launch.Absence()
        while self._met:
            # What is ready now is taken: asked once more, it might be stopped, and be started.
            if ready := places.ready_endpoint():
                return ready
            if absence.is_death():
                break
            await self.sleep(_LOOK_SECONDS)
        found = await self._connections.endpoint()
        self._met = True
        return found
