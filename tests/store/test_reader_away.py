"""The command reader while Redis is away, or there is nothing to read: what it was told counts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.store.steps import Cut, post, running, until
from tinytownd.home import Endpoint
from tinytownd.store import commands, keys
from tinytownd.store.client import Client, connect


async def test_a_stream_is_followed_even_if_its_reader_cannot_be_told(
    server: Endpoint, tmp_path: Path, blocking: Client, client: Client, town_id: str
) -> None:
    own, anns = keys.commands_key(town_id), keys.commands_key(town_id, "a1")
    async with Cut(server, tmp_path / "cut.sock") as cut:
        cut_client = connect(cut.endpoint)
        async with running(blocking, cut_client) as reader:
            await reader.follow(anns)
            await post(client, anns)
            await reader.got(1)
            cut.swallow("UNBLOCK")
            await reader.follow(own)
            assert cut.cuts == 1
            command = await post(client, own)
            assert (await reader.got(2))[1] == command
        await cut_client.aclose()


async def test_a_reader_of_nothing_notices_that_the_server_is_away(
    server: Endpoint, tmp_path: Path, client: Client
) -> None:
    async with Cut(server, tmp_path / "cut.sock") as cut:
        cut_client = connect(cut.endpoint, blocking=True)
        async with running(cut_client, client) as reader:
            cut.swallow("PING")

            async def revived() -> bool:
                return reader.revived > 0

            await until(revived)
        await cut_client.aclose()


async def test_a_reader_that_had_nothing_to_read_reads_at_once(
    client: Client, blocking: Client, town_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = keys.commands_key(town_id)
    monkeypatch.setattr(commands, "FIRST_WAIT", 3_600.0)
    async with running(blocking, client) as reader:

        async def reads() -> bool:
            return bool(reader.reads)

        await until(reads)
        async with asyncio.timeout(10):
            await reader.follow(stream)
            command = await post(client, stream)
            assert await reader.got(1) == [command]


async def test_nothing_is_read_before_the_server_is_as_it_was(
    server: Endpoint,
    tmp_path: Path,
    client: Client,
    town_id: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A connection of the pool that was lost, too: then the users were not made again."""
    stream = keys.commands_key(town_id)
    async with Cut(server, tmp_path / "cut.sock") as cut:
        cut_client = connect(cut.endpoint, blocking=True)
        async with running(cut_client, client) as reader:
            tries: list[int] = []

            async def revive() -> None:
                tries.append(len(reader.collector.commands))
                if len(tries) < 3:
                    raise RedisConnectionError("Connection closed by server.")

            monkeypatch.setattr(reader, "_revive", revive)
            await reader.follow(stream)
            await cut.hang_up()
            await post(client, stream)
            await reader.got(1)
            assert tries == [0, 0, 0]
        await cut_client.aclose()
