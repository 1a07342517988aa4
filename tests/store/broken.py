"""Real append-only files, and ways to break them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from tinytownd.home import Home
from tinytownd.store import aof
from tinytownd.store.binary import find_binary
from tinytownd.store.client import Client, connect
from tinytownd.store.server import EmbeddedServer

BINARY = find_binary(os.environ)
TRANSACTIONS = 12
INCREMENT = "appendonly.aof.1.incr.aof"
BASE = "appendonly.aof.1.base.aof"


@dataclass(frozen=True)
class Written:
    """What a server wrote before it was killed; `ends[n]` is where transaction n ends."""

    home: Home
    data: bytes
    ends: list[int]

    @property
    def last(self) -> list[int]:
        """The offsets within the last two transactions; a server does not look at the last byte."""
        edges = {at for end in self.ends for at in (end - 1, end)}
        return [at for at in range(self.ends[-3], self.ends[-1]) if at not in edges]

    def copy(self, path: Path) -> Home:
        """The same in another home."""
        shutil.copytree(self.home.path, path, ignore=shutil.ignore_patterns("redis.sock"))
        return Home(path)

    def whole(self, offset: int) -> int:
        """How many transactions are whole in so many bytes."""
        return sum(end <= offset for end in self.ends)


def increment(home: Home) -> Path:
    """The file to which the server appends."""
    return aof.folder(home.data) / INCREMENT


async def write(home: Home) -> Written:
    """Runs a server through some transactions, and kills it."""
    home.create()
    ends = []
    async with opened(home) as client:
        for number in range(TRANSACTIONS):
            pipe = client.pipeline(transaction=True)
            pipe.rpush("numbers", number)
            pipe.hset("records", str(number), '{"text": "line\\nline"}')
            await pipe.execute()
            ends.append(increment(home).stat().st_size)
    return Written(home, increment(home).read_bytes(), ends)


@contextlib.asynccontextmanager
async def opened(home: Home) -> AsyncIterator[Client]:
    """A client of the home's server, which is killed at the end."""
    server = EmbeddedServer(home, BINARY)
    try:
        await server.start()
        client = connect(server.endpoint("daemon"))
        yield client
        await client.aclose()
    finally:
        if (process := server.process._process) is not None:
            process.kill()
            process.wait()


async def numbers(client: Client) -> int:
    """How many transactions are there, each of them whole."""
    found = await client.lrange("numbers", 0, -1)
    assert found == [str(number) for number in range(len(found))]
    assert set(await client.hkeys("records")) == set(found)
    return len(found)


def fingerprint(home: Home) -> dict[str, str]:
    """Every append-only file, and what is in it."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in aof.folder(home.data).iterdir()
    }


def frame(data: bytes) -> set[int]:
    """The offsets of all that is no word: headers and ends of lines."""
    found: set[int] = set()
    at = 0
    while at < len(data):
        after = data.index(b"\n", at) + 1
        found |= set(range(at, after))
        if data[at : at + 1] == b"$":
            after += int(data[at + 1 : after])
            found |= {after, after + 1}
            after += 2
        at = after
    return found
