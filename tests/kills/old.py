"""A Redis with a town of the Rust tinytown in it, for the verb that brings it over."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Iterator

from tests.kills.daemons import Home, until
from tests.store.rust_town import write_town
from tinytownd.home import Endpoint
from tinytownd.store.binary import find_binary
from tinytownd.store.client import connect


@contextlib.contextmanager
def old_town(home: Home, *, wanted: bool) -> Iterator[None]:
    """The old server, as `old.sock` beside the home; nobody kills it."""
    if not wanted:
        yield
        return
    socket = home.base / "old.sock"
    server = subprocess.Popen(
        [find_binary(os.environ), "--port", "0", "--unixsocket", "old.sock", "--save", ""],
        cwd=home.base,
        stdout=subprocess.DEVNULL,
    )
    try:
        until(socket.exists, "the old server")
        asyncio.run(_fill(Endpoint(socket=str(socket))))
        yield
    finally:
        server.kill()
        server.wait()


async def _fill(endpoint: Endpoint) -> None:
    client = connect(endpoint)
    await write_town(client, "shop", hashes=True)
    await client.aclose()
