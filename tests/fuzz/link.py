"""A bare connection to the store, for those who send what no client library would."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import hiredis

from tinytownd.home import connect_path

#: What nobody may answer later than this, in seconds: the machine may be loaded.
PATIENCE = 60.0
_NOTHING = object()


class Link:
    """One connection, by a socket's path and a user."""

    def __init__(self, path: str, user: str, password: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE)
        self._socket.connect(connect_path(Path(path)))
        self._reader = hiredis.Reader(encoding="utf-8", errors="replace", notEnoughData=_NOTHING)
        self.ask("HELLO", "3", "AUTH", user, password)

    def close(self) -> None:
        """Hangs up; whoever reads gets `OSError`."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the other side did so first
        finally:
            self._socket.close()

    def send(self, commands: Iterable[tuple[str | bytes, ...]]) -> None:
        """Writes all of them at once."""
        packed = (hiredis.pack_command(one) for one in commands)  # type: ignore[arg-type]
        self._socket.sendall(b"".join(packed))

    def read(self) -> Any:
        """The next reply or push; an error is returned, not raised. Raises `OSError`."""
        while (message := self._reader.gets()) is _NOTHING:
            data = self._socket.recv(1 << 20)
            if not data:
                raise ConnectionResetError("the server hung up")
            self._reader.feed(data)
        return message

    def ask(self, *command: str | bytes) -> Any:
        """One command and its reply."""
        self.send([command])
        return self.read()

    def all(self, commands: list[tuple[str | bytes, ...]]) -> Iterator[Any]:
        """One pipeline, and its replies. What is sent is less than what sockets can hold back."""
        self.send(commands)
        for _ in commands:
            yield self.read()
