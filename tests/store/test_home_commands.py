"""The daemon's own commands: one that cannot be answered does not end the daemon."""

from __future__ import annotations

import asyncio

import pytest

from tests.store.steps import entry_in, reply_to, until
from tinytownd import wire
from tinytownd.home import Home
from tinytownd.root import Daemon
from tinytownd.store.client import Client, end
from tinytownd.store.commands import Command, CommandReader


@pytest.fixture
async def daemon(client: Client, blocking: Client, home: Home) -> Daemon:
    """A daemon over a real server; nothing reads commands for it."""
    daemon = Daemon(home, {})
    daemon.client = client
    daemon.reader = CommandReader(blocking, client, daemon._deliver, lambda: asyncio.sleep(0))
    return daemon


async def test_a_reply_that_the_server_refuses_does_not_end_the_daemon(
    daemon: Daemon, client: Client, town_id: str
) -> None:
    good = await entry_in(client, town_id)
    # What Redis refuses on a full disk it refuses here for good: the stream is no stream.
    bad = await entry_in(client, f"{town_id}-bad")
    await client.set(bad.stream, "no stream")
    for entry in (bad, good):
        await daemon._inbox.put(Command(entry, "town.list", {}, wire.now_ms() + 60_000))
    working = asyncio.create_task(daemon._work())

    async def answered() -> bool:
        return working.done() or bool(await client.exists(good.done_key))

    try:
        await until(answered)
        assert not working.done(), working.exception()
        assert (await reply_to(client, good))["data"] == {"towns": []}
    finally:
        await client.delete(bad.stream)
        await end([working])
