"""One connection to Redis: a plain socket and hiredis, since redis-py alone costs 100 ms to import.

RESP3, so that a connection that is subscribed can still run commands. `Codec` and the functions
around it do no I/O: the Python API speaks through them, too, over connections of its own kind.
"""

from __future__ import annotations

import _socket
import contextlib
import os
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Self

import hiredis

from tinytown_cli.places import Address
from tinytownd.domain.errors import BadInput, Unavailable

# sizeof(sockaddr_un.sun_path) less its closing NUL, unix(7).
_SOCKET_PATH_LIMIT = 107
#: A server that is silent for so long when it owes an answer, or a connection, is lost.
SILENT_SECONDS = 5.0
# What a server says that comes up, or whose users are being made anew: worth another try.
_PASSING = ("WRONGPASS", "NOAUTH", "LOADING", "BUSY", "MASTERDOWN", "TRYAGAIN")
#: What `Codec.next` returns when it needs more bytes.
MORE = object()


#: Waits until the socket has something, at most until a time of the monotonic clock; what it does
#: meanwhile is its own affair. Raises `TimeoutError`.
Wait = Callable[[_socket.socket, float | None], None]


class Lost(Exception):
    """The connection failed, or could not be made; another try may do better."""


class Codec:
    """What is said over a connection, without the connection: bytes in, messages out."""

    def __init__(self) -> None:
        self._reader = hiredis.Reader(encoding="utf-8", errors="replace", notEnoughData=MORE)

    def feed(self, data: bytes) -> None:
        """Takes what came. Raises `Lost` for nothing: that is the end of a stream."""
        if not data:
            raise Lost("the server closed the connection")
        self._reader.feed(data)

    def next(self) -> object:
        """The next reply or push, a `hiredis.ReplyError` for a refusal, or `MORE`."""
        message: object = self._reader.gets()
        return message


def packed(commands: Iterable[list[str]]) -> bytes:
    """Commands as they travel."""
    # The stub of pack_command wants a tuple of exactly one.
    return b"".join(hiredis.pack_command(tuple(one)) for one in commands)  # type: ignore[arg-type]


def opening(address: Address) -> list[list[str]]:
    """The commands that begin a connection: who we are, and where."""
    hello = ["HELLO", "3"]
    if address.password:
        hello += ["AUTH", address.user or "default", address.password]
    database = _database(address.url)
    return [hello, *([["SELECT", database]] if database != "0" else [])]


class Link:
    """A connection that has said who it is. Use as a context manager."""

    def __init__(self, address: Address, wait: Wait | None = None) -> None:
        self._wait = wait
        self._socket = _connect(address)
        self._codec = Codec()
        first = opening(address)
        self._skip = len(first)
        self.write(*first)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection."""
        self._socket.close()

    def write(self, *commands: list[str]) -> None:
        """Sends commands in one write. Raises `Lost`."""
        try:
            self._socket.settimeout(None)
            self._socket.sendall(packed(commands))
        except OSError as error:
            raise Lost(str(error)) from None

    def read(self, seconds: float | None) -> object:
        """The next reply or push. Raises `TimeoutError`, `Lost`, `Unavailable`."""
        until = None if seconds is None else time.monotonic() + seconds
        while True:
            message = self._codec.next()
            if message is MORE:
                self._receive(until)
            elif isinstance(message, hiredis.ReplyError):
                raise refusal(str(message))
            elif self._skip and not isinstance(message, hiredis.PushNotification):
                self._skip -= 1
            else:
                return message

    def ask(self, *command: str, seconds: float = SILENT_SECONDS) -> object:
        """One command and its reply; a server that is silent for so long is `Lost`."""
        self.write(list(command))
        try:
            return self.read(seconds)
        except TimeoutError:
            raise Lost(f"no answer to {command[0]}") from None

    def _receive(self, until: float | None) -> None:
        # What TLS has decrypted already is not to be seen on the socket.
        if self._wait and not getattr(self._socket, "pending", int)():
            self._wait(self._socket, until)
        try:
            if until is not None:
                # A timeout of 0 would mean "do not block" and raise another error.
                self._socket.settimeout(max(until - time.monotonic(), 0.001))
            data = self._socket.recv(65536)
        except TimeoutError:
            raise
        except OSError as error:
            raise Lost(str(error)) from None
        self._codec.feed(data)


def _database(url: str) -> str:
    """The number of the database that a URL names, where redis-py looks for it, too."""
    parts = urllib.parse.urlsplit(url)
    named = urllib.parse.parse_qs(parts.query).get("db")
    if named:
        return named[0]
    return "0" if parts.scheme == "unix" else parts.path.strip("/") or "0"


class Place(NamedTuple):
    """Where a server is: the path of a Unix socket, or a host with a port, behind TLS or not."""

    path: Path | None
    host: str = ""
    port: int = 0
    tls: bool = False


def place(address: Address) -> Place:
    """Where to connect to. Raises `BadInput` for a URL that is none of Redis."""
    parts = urllib.parse.urlsplit(address.url)
    if address.socket or parts.scheme == "unix":
        return Place(Path(address.socket or urllib.parse.unquote(parts.path)))
    if parts.scheme not in ("redis", "rediss"):
        raise BadInput(f"{address.url} is not the address of a Redis", hint="redis://host:6379")
    return Place(None, parts.hostname or "localhost", parts.port or 6379, parts.scheme == "rediss")


@contextlib.contextmanager
def short(path: Path) -> Iterator[str]:
    """A spelling of a socket's path that is within the system's limit, for as long as it is used.

    Raises OSError.
    """
    if len(os.fsencode(path)) <= _SOCKET_PATH_LIMIT:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


def _connect(address: Address) -> _socket.socket:
    where = place(address)
    try:
        return _connect_unix(where.path) if where.path else _connect_tcp(where)
    except OSError as error:
        raise Lost(error.strerror or str(error)) from None


def _connect_unix(path: Path) -> _socket.socket:
    link = _socket.socket(_socket.AF_UNIX)
    link.settimeout(SILENT_SECONDS)
    try:
        with short(path) as spelled:
            link.connect(spelled)
    except OSError:
        link.close()
        raise
    return link


def _connect_tcp(where: Place) -> _socket.socket:
    import socket  # noqa: PLC0415  # 5 ms that a Unix socket need not cost

    link = socket.create_connection((where.host, where.port), timeout=SILENT_SECONDS)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if not where.tls:
        return link
    import ssl  # noqa: PLC0415  # 20 ms that only a server behind TLS need cost

    return ssl.create_default_context().wrap_socket(link, server_hostname=where.host)


def refusal(said: str) -> Exception:
    """What a refusal of the server's means: `Lost`, `BadInput` or `Unavailable`."""
    if said.startswith(_PASSING):
        return Lost(said)
    if said.startswith("NOPERM"):
        return BadInput("Redis does not allow this to you: an agent sees its own part only")
    return Unavailable(f"Redis refused: {said}", hint="tt doctor")
