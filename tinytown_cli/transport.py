"""One connection to Redis: a plain socket and hiredis, since redis-py alone costs 100 ms to import.

RESP3, so that a connection that is subscribed can still run commands.
"""

from __future__ import annotations

import os
import socket
import time
import urllib.parse
from pathlib import Path
from typing import Self

import hiredis

from tinytown_cli.places import Address
from tinytownd.domain.errors import BadInput, Unavailable

# sizeof(sockaddr_un.sun_path) less its closing NUL, unix(7).
_SOCKET_PATH_LIMIT = 107
_CONNECT_SECONDS = 5.0
# What a server says that comes up, or whose users are being made anew: worth another try.
_PASSING = ("WRONGPASS", "NOAUTH", "LOADING", "BUSY", "MASTERDOWN", "TRYAGAIN")
_NOTHING = object()


class Lost(Exception):
    """The connection failed, or could not be made; another try may do better."""


class Link:
    """A connection that has said who it is. Use as a context manager."""

    def __init__(self, address: Address) -> None:
        self._socket = _connect(address)
        self._reader = hiredis.Reader(encoding="utf-8", errors="replace", notEnoughData=_NOTHING)
        hello: list[str] = ["HELLO", "3"]
        if address.password:
            hello += ["AUTH", address.user or "default", address.password]
        database = _database(address.url)
        opening = [hello, *([["SELECT", database]] if database != "0" else [])]
        self._skip = len(opening)
        self.write(*opening)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def write(self, *commands: list[str]) -> None:
        """Sends commands in one write. Raises `Lost`."""
        try:
            self._socket.settimeout(None)
            # The stub of pack_command wants a tuple of exactly one.
            packed = (hiredis.pack_command(tuple(c)) for c in commands)  # type: ignore[arg-type]
            self._socket.sendall(b"".join(packed))
        except OSError as error:
            raise Lost(str(error)) from None

    def read(self, seconds: float | None) -> object:
        """The next reply or push. Raises `TimeoutError`, `Lost`, `Unavailable`."""
        until = None if seconds is None else time.monotonic() + seconds
        while True:
            message = self._reader.gets()
            if message is _NOTHING:
                self._receive(until)
            elif isinstance(message, hiredis.ReplyError):
                raise _refusal(str(message))
            elif self._skip and not isinstance(message, hiredis.PushNotification):
                self._skip -= 1
            else:
                return message

    def ask(self, *command: str, seconds: float = _CONNECT_SECONDS) -> object:
        """One command and its reply; a server that is silent for so long is `Lost`."""
        self.write(list(command))
        try:
            return self.read(seconds)
        except TimeoutError:
            raise Lost(f"no answer to {command[0]}") from None

    def _receive(self, until: float | None) -> None:
        try:
            if until is not None:
                # A timeout of 0 would mean "do not block" and raise another error.
                self._socket.settimeout(max(until - time.monotonic(), 0.001))
            data = self._socket.recv(65536)
        except TimeoutError:
            raise
        except OSError as error:
            raise Lost(str(error)) from None
        if not data:
            raise Lost("the server closed the connection")
        self._reader.feed(data)


def _database(url: str) -> str:
    """The number of the database that a URL names, where redis-py looks for it, too."""
    parts = urllib.parse.urlsplit(url)
    named = urllib.parse.parse_qs(parts.query).get("db")
    if named:
        return named[0]
    return "0" if parts.scheme == "unix" else parts.path.strip("/") or "0"


def _connect(address: Address) -> socket.socket:
    try:
        if address.url and not address.url.startswith("unix:"):
            return _connect_tcp(address.url)
        named = urllib.parse.unquote(urllib.parse.urlsplit(address.url).path)
        path = Path(address.socket or named)
        return _connect_unix(path)
    except OSError as error:
        raise Lost(error.strerror or str(error)) from None


def _connect_unix(path: Path) -> socket.socket:
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(_CONNECT_SECONDS)
    try:
        if len(os.fsencode(path)) <= _SOCKET_PATH_LIMIT:
            link.connect(str(path))
            return link
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            link.connect(f"/proc/self/fd/{directory}/{path.name}")
        finally:
            os.close(directory)
    except OSError:
        link.close()
        raise
    return link


def _connect_tcp(url: str) -> socket.socket:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("redis", "rediss"):
        raise BadInput(f"{url} is not the address of a Redis", hint="redis://host:6379")
    host = parts.hostname or "localhost"
    link = socket.create_connection((host, parts.port or 6379), timeout=_CONNECT_SECONDS)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if parts.scheme == "redis":
        return link
    import ssl  # noqa: PLC0415  # 20 ms that only a server behind TLS need cost

    return ssl.create_default_context().wrap_socket(link, server_hostname=host)


def _refusal(said: str) -> Exception:
    if said.startswith(_PASSING):
        return Lost(said)
    if said.startswith("NOPERM"):
        return BadInput("Redis does not allow this to you: an agent sees its own part only")
    return Unavailable(f"Redis refused: {said}", hint="tt doctor")
