"""Byte streams to a server, for both event loops."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

import anyio
import anyio.abc

from tinytown_cli import transport
from tinytown_cli.places import Address

#: What a stream that is gone raises.
GONE = (OSError, anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError)
_CHUNK = 65536
# A server that takes no more connections for the moment is asked again after so many seconds.
_AGAIN_SECONDS = 0.01


class Stream(Protocol):
    """A connection's two ways."""

    async def send(self, item: bytes, /) -> None:
        """Sends all of it. Raises one of `GONE`."""

    async def receive(self) -> bytes:
        """Some bytes; none, or one of `GONE`, at the end. One that is cancelled has lost none."""

    async def aclose(self) -> None:
        """Ends it at once; whoever waits for it is told."""


class UnixStream:
    """A Unix socket.

    anyio's own lets asyncio complain when bytes come in the moment a wait for them is cancelled,
    and ours are cancelled all the time; it also goes round the loop once more for every call.
    """

    def __init__(self, link: socket.socket) -> None:
        self._socket = link
        self._waiting = 0
        self._closing = False

    async def send(self, item: bytes, /) -> None:
        view = memoryview(item)
        while view:
            try:
                view = view[self._socket.send(view) :]
            except BlockingIOError:
                await self._until(anyio.wait_writable)

    async def receive(self) -> bytes:
        while True:
            try:
                return self._socket.recv(_CHUNK)
            except BlockingIOError:
                await self._until(anyio.wait_readable)

    async def aclose(self) -> None:
        self._closing = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes those that wait
        self._close()

    async def _until(self, ready: Callable[[socket.socket], Awaitable[None]]) -> None:
        self._waiting += 1
        try:
            await ready(self._socket)
        finally:
            self._waiting -= 1
            self._close()

    def _close(self) -> None:
        # Not under one that waits: the loop would never hear of it again.
        if self._closing and not self._waiting:
            self._socket.close()


async def connected(address: Address) -> Stream:
    """A stream to a server. Raises `Lost`, `BadInput`."""
    where = transport.place(address)
    try:
        with anyio.fail_after(transport.SILENT_SECONDS):
            return await (_unix(where.path) if where.path else _tcp(where))
    except OSError as error:  # a TimeoutError is one, too
        raise transport.Lost(error.strerror or str(error) or "no answer") from None


async def _unix(path: Path) -> Stream:
    link = socket.socket(socket.AF_UNIX)
    link.setblocking(False)
    try:
        with transport.short(path) as spelled:
            while True:
                try:
                    link.connect(spelled)
                except BlockingIOError:
                    await anyio.sleep(_AGAIN_SECONDS)
                else:
                    return UnixStream(link)
    except BaseException:
        link.close()
        raise


async def _tcp(where: transport.Place) -> Stream:
    # As in the blocking client: without the goodbye of TLS, which servers leave out.
    stream: anyio.abc.ByteStream = (
        await anyio.connect_tcp(where.host, where.port, tls=True, tls_standard_compatible=False)
        if where.tls
        else await anyio.connect_tcp(where.host, where.port)
    )
    raw = stream.extra(anyio.abc.SocketAttribute.raw_socket)  # noqa: S610  # this is no Django
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return _Forced(stream)


class _Forced:
    """A stream of anyio's that is closed without a goodbye."""

    def __init__(self, stream: anyio.abc.ByteStream) -> None:
        self.send, self.receive = stream.send, stream.receive
        self._stream = stream

    async def aclose(self) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.aclose_forcefully(self._stream)
