"""The server is killed again and again while commands flow: none is lost, none is done twice."""

from __future__ import annotations

import asyncio
import collections
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest

from tests.store.steps import add, answering, entry_in, loaded, seen, until, waiting_in, write
from tinytownd import wire
from tinytownd.conductor.schedule import settle
from tinytownd.domain.meta import Meta
from tinytownd.home import Home
from tinytownd.host import TownHost
from tinytownd.place import Place
from tinytownd.store import keys, patience
from tinytownd.store.binary import find_binary
from tinytownd.store.client import Client, connect, end
from tinytownd.store.commands import Command, CommandReader
from tinytownd.store.patience import LOST
from tinytownd.store.server import EmbeddedServer
from tinytownd.store.town import TownStore
from tinytownd.supervisor.slots import Slots

pytestmark = [
    pytest.mark.usefixtures("strays"),
    pytest.mark.filterwarnings("ignore:unclosed <StreamWriter:ResourceWarning"),
]
TOWN = "killed-town"
KILLS = 24
CLIENTS = 6
#: Commands that must be answered between two kills.
BETWEEN = 8


@pytest.fixture
async def embedded(home: Home) -> AsyncIterator[EmbeddedServer]:
    """A server of this test's own, which it may kill."""
    server = EmbeddedServer(home, find_binary(os.environ))
    await server.start()
    yield server
    await server.stop()


class Desk:
    """An open town, as the daemon has it, over a server that may die at any time."""

    def __init__(self, home: Home, server: EmbeddedServer, directory: Path) -> None:
        self._server = server
        self.client = connect(server.endpoint("daemon"))
        self.blocking = connect(server.endpoint("daemon"), blocking=True)
        self.reader = CommandReader(self.blocking, self.client, self._deliver, server.start)
        around: Any = SimpleNamespace(
            home=home,
            client=self.client,
            reader=self.reader,
            slots=Slots(lambda: 1),
            users_env=MappingProxyType({}),
        )
        self.host = TownHost(around, Place(directory), TOWN)

    async def _deliver(self, command: Command) -> None:
        await self.host.deliver(command)

    async def __aenter__(self) -> Desk:
        await self.host.store.create(Meta(id=TOWN, name="x", dir=str(self.host.place.directory)))
        await self.host.open()
        self._reading = asyncio.create_task(self.reader.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        await end([self._reading])
        await self.host.close()
        await self.client.aclose()
        await self.blocking.aclose()


class Caller:
    """One `tt` after the other: sends a command until it is answered, with the same id."""

    def __init__(self, client: Client, answered: dict[str, dict[str, Any]]) -> None:
        self._client = client
        self._answered = answered

    async def run(self, name: str, over: asyncio.Event) -> None:
        number = 0
        while not over.is_set():
            number += 1
            await self.ask(f"{name}-{number}")

    async def ask(self, text: str) -> None:
        fields = dict(wire.encode_command("backlog.add", {"text": text}))
        stream, done = keys.commands_key(TOWN), keys.done_key(TOWN, fields["id"])
        sent = False
        while text not in self._answered:
            try:
                if not sent:
                    await write(self._client, stream, fields)
                    sent = True
                found = await self._client.get(done)
            except LOST:
                sent = False
                found = None
            if found is not None:
                self._answered[text] = json.loads(found)
            await asyncio.sleep(0.005)


async def kill(server: EmbeddedServer) -> None:
    """Ends the server in the middle of whatever it does, and waits until it is gone."""
    process = server.process._process
    if process is None or process.poll() is not None:
        return
    process.send_signal(signal.SIGKILL)

    async def gone() -> bool:
        return process.poll() is not None

    await until(gone)


async def test_nothing_is_lost_or_doubled_under_kills(
    home: Home, embedded: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "LONGEST_WAIT", 0.2)
    answered: dict[str, dict[str, Any]] = {}
    over = asyncio.Event()
    calling = connect(embedded.endpoint("daemon"))
    async with Desk(home, embedded, tmp_path / "town") as desk:
        callers = [
            asyncio.create_task(Caller(calling, answered).run(f"c{n}", over))
            for n in range(CLIENTS)
        ]
        for _ in range(KILLS):
            enough = len(answered) + BETWEEN

            async def going(enough: int = enough) -> bool:
                return len(answered) >= enough

            await until(going)
            await kill(embedded)
        over.set()
        await asyncio.wait_for(asyncio.gather(*callers), 10)
        await until(lambda: nothing_waits(desk.client))
        fresh = await loaded(desk.client, TOWN)
        assert await desk.host.store.read(seen) == seen(fresh)
        made = collections.Counter(task.description for task in fresh.tasks.values())
        told = {text: reply["data"]["task"]["id"] for text, reply in answered.items()}
        assert set(made.values()) == {1}
        assert told == {task.description: task.id for task in fresh.tasks.values()}
        history = await desk.host.store.history(100_000)
        assert [event["task"] for event in history] == [f"t{n + 1}" for n in range(len(made))]
        print(f"{KILLS} kills, {len(answered)} commands answered")
    await calling.aclose()


async def nothing_waits(client: Client) -> bool:
    try:
        return await waiting_in(client, keys.commands_key(TOWN)) == 0
    except LOST:
        return False  # the last kill may have come after the last answer


async def test_a_town_survives_its_server(embedded: EmbeddedServer) -> None:
    client = connect(embedded.endpoint("daemon"))
    store = TownStore(client, TOWN, settle)
    await store.create(Meta(id=TOWN, name="x", dir="/nowhere"))
    for number in range(3):
        await store.execute(await entry_in(client, TOWN), answering(add(f"task {number}")))
    before = await store.read(seen)
    await kill(embedded)
    await embedded.start()
    assert seen(await loaded(client, TOWN)) == before
    assert await nothing_waits(client)
    assert len(await store.history(9)) == 3
    await client.aclose()


async def test_a_daemon_that_dies_leaves_its_commands_to_the_next(
    home: Home, embedded: EmbeddedServer, tmp_path: Path
) -> None:
    answered: dict[str, dict[str, Any]] = {}
    calling = connect(embedded.endpoint("daemon"))
    caller = Caller(calling, answered)
    for day in range(5):
        waiting = [asyncio.create_task(caller.ask(f"{day}-{n}")) for n in range(40)]
        async with Desk(home, embedded, tmp_path / "town") as desk:

            async def some(enough: int = 40 * day + 3) -> bool:
                return len(answered) >= enough

            await until(some)  # then it ends, with the rest under way
        async with Desk(home, embedded, tmp_path / "town") as desk:
            await asyncio.wait_for(asyncio.gather(*waiting), 10)
            fresh = await loaded(desk.client, TOWN)
            assert len(fresh.tasks) == len(answered) == 40 * (day + 1)
    await calling.aclose()
