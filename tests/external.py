"""A server that is not a home's own, for tests of what the daemon may do on one."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from tinytownd.home import Home
from tinytownd.store.binary import find_binary
from tinytownd.store.client import connect
from tinytownd.store.server import EmbeddedServer


class External:
    """It runs on a Unix socket; `admin` and its `password` may do everything."""

    admin = "daemon"

    def __init__(self, server: EmbeddedServer, directory: Path) -> None:
        self._endpoint = server.endpoint("daemon")
        self.password = self._endpoint.password
        self.directory = directory

    def url(self, user: str, password: str) -> str:
        """Its address, for the setting `redis.url`."""
        return f"unix://{user}:{password}@{self._endpoint.socket}"

    def say(self, command: str) -> object:
        """What it answers to its administrator, as `redis-cli` would show it."""

        async def ask() -> object:
            client = connect(self._endpoint)
            try:
                name, *words = command.split()
                return await client.execute_command(" ".join([name, *words[:1]]), *words[1:])
            finally:
                await client.aclose()

        return asyncio.run(ask())


@contextlib.contextmanager
def external(directory: Path) -> Iterator[External]:
    """Such a server, with its files in that directory."""
    home = Home(directory / "home")
    home.create()
    server = EmbeddedServer(home, find_binary(os.environ))
    asyncio.run(server.start())
    try:
        yield External(server, home.path)
    finally:
        asyncio.run(server.stop())
