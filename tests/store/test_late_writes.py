"""A server that hangs may carry out a write long after its sender gave it up; or forget writes."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.store.steps import CHUNK, Cut, add, answering, entry_in, loaded, reply_to, seen
from tinytownd.conductor.schedule import settle
from tinytownd.domain.errors import Unavailable
from tinytownd.domain.town import Town
from tinytownd.home import Endpoint
from tinytownd.store import keys
from tinytownd.store.client import Client, connect
from tinytownd.store.patience import LOST
from tinytownd.store.town import TownStore


class Late(Cut):
    """Holds the first script call back, hangs up, and lets it in just before the second."""

    held = b""
    late = False

    async def _forward(
        self, reader: asyncio.StreamReader, outer: asyncio.StreamWriter, doomed: asyncio.Event
    ) -> None:
        while data := await reader.read(CHUNK):
            if b"EVALSHA" in data and not self.late:
                if not self.held:
                    self.held = data
                    return
                self.late = True
                await self._let_in()
            outer.write(data)

    async def _let_in(self) -> None:
        reader, writer = await self._connect()
        who = [b"AUTH", self.endpoint.user.encode(), self.endpoint.password.encode()]
        if self.endpoint.password:
            writer.write(b"*3\r\n" + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in who))
            assert await reader.readline() == b"+OK\r\n"
        writer.write(self.held)
        assert await reader.readline() == b"*2\r\n"
        writer.close()


@pytest.fixture
async def far(server: Endpoint, store: TownStore, tmp_path: Path) -> AsyncIterator[TownStore]:
    """The same town, over a wire whose first write comes late."""
    await store.transact(add("first"))  # the script is there
    late = Late(server, tmp_path / "late.sock")
    async with late:
        client = connect(late.endpoint)
        yield TownStore(client, store.id, settle)
        await client.aclose()
        assert late.late


async def test_the_result_is_that_of_the_try_that_was_written(
    far: TownStore, client: Client
) -> None:
    made = []

    def decide(town: Town) -> str:
        made.append(secrets.token_hex(4))
        add(made[-1])(town)
        return made[-1]

    result = await far.transact(decide)
    assert len(made) > 1
    tasks = (await loaded(client, far.id)).tasks.values()
    assert [task.description for task in tasks] == ["first", result]


async def test_a_command_that_was_written_late_is_in_memory_too(
    far: TownStore, client: Client
) -> None:
    entry = await entry_in(client, far.id)
    with pytest.raises(LOST):
        await far.execute(entry, answering(add("mine")))
    await far.execute(entry, answering(add("mine")))
    assert (await reply_to(client, entry))["data"] == {"task": "t2"}
    assert await far.read(seen) == seen(await loaded(client, far.id))


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"id": "t1", "seq": "x"}', "\0"])
async def test_a_record_that_is_damaged_is_told(
    client: Client, store: TownStore, text: str
) -> None:
    await store.transact(add("one"))
    await client.hset(keys.records_key(store.id, "tasks"), "t1", text)
    with pytest.raises(Unavailable, match=f"{store.id} is damaged"):
        await store.reread()


@pytest.mark.parametrize("fields", [["meta", "revision", "tx", "format"], ["revision"]])
async def test_a_town_that_the_server_lost_is_not_taken_for_another(
    client: Client, store: TownStore, fields: list[str]
) -> None:
    await store.transact(add("one"))
    loose: Any = await client.hgetall(keys.town_key(store.id))
    await client.hdel(keys.town_key(store.id), *fields)
    entry = await entry_in(client, store.id)
    await store.execute(entry, answering(add("two")))
    refusal = (await reply_to(client, entry))["error"]
    assert "Redis has lost" in refusal["message"]
    assert refusal["exit_code"] == 3
    with pytest.raises(Unavailable, match="Redis has lost"):
        await store.read(seen)  # what is in memory is not true any more
    waiting = asyncio.create_task(store.transact(add("three")))
    await client.hset(keys.town_key(store.id), mapping=loose)
    assert await asyncio.wait_for(waiting, 20) == "t2"
