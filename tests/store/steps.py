"""What the tests of the store have in common: decisions, commands, and a cut in the wire."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from tests.handlers.desk import Nothing, Shelf
from tinytownd import wire
from tinytownd.conductor.schedule import settle
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town
from tinytownd.handlers.registry import VERBS, Answer, Context, Speaker
from tinytownd.home import Endpoint, connect_path
from tinytownd.store import keys
from tinytownd.store.client import Client, end
from tinytownd.store.commands import Command, CommandReader
from tinytownd.store.replies import Entry
from tinytownd.store.town import TownStore

PATIENCE = 8.0
CHUNK = 1 << 16


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = PATIENCE) -> None:
    """Waits for a condition; fails when it does not come true in time."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        await asyncio.sleep(0.002)


def add(text: str) -> Callable[[Town], str]:
    """A decision: one more task in the backlog, with an event; its id."""

    def decide(town: Town) -> str:
        number = town.next_id("tasks")
        town.put(Task(id=f"t{number}", description=text, seq=number))
        town.event("task.created", "test", task=f"t{number}")
        return f"t{number}"

    return decide


def answering(decide: Callable[[Town], str]) -> Callable[[Town], Answer]:
    """The same decision as a command's: it answers with the task's id."""

    def run(town: Town) -> Answer:
        made = decide(town)
        return lambda: {"task": made}

    return run


def asked(verb: str, services: Any = None, **args: Any) -> Callable[[Town], Answer]:
    """What a person's command decides; nothing of what it is about is in the archive."""
    found = VERBS[verb]
    services = services or SimpleNamespace()
    services.store = SimpleNamespace(archive=Shelf({}))

    def decide(town: Town) -> Answer:
        context = Context(town, Speaker(), services, archived=Nothing())
        answer: Any = found.run(context, **found.bind(args))
        if found.kind == "prepare":
            try:
                answer.send(None)  # it waits for nothing: no archive is asked
            except StopIteration as over:
                answer = over.value(context)
        told: Answer = answer
        return told

    return decide


async def post(
    client: Client, stream: str, verb: str = "backlog.add", *, command: str = "", **args: object
) -> str:
    """Writes a command into a stream, as `tt` does; its id."""
    fields = dict(wire.encode_command(verb, args, command=command))
    await write(client, stream, fields)
    return fields["id"]


async def write(client: Client, stream: str, fields: dict[str, str], entry_id: str = "*") -> None:
    """Adds any entry to a stream."""
    loose: Any = fields
    await client.xadd(stream, loose, id=entry_id)


async def entry_in(client: Client, town: str, command: str = "") -> Entry:
    """A command that was read from its stream and waits to be carried out."""
    stream = keys.commands_key(town)
    if not await client.exists(stream):
        await client.xgroup_create(stream, keys.GROUP, id="0", mkstream=True)
    command = await post(client, stream, command=command or wire.command_id())
    found: Any = await client.xreadgroup(keys.GROUP, keys.CONSUMER, {stream: ">"})
    table = found if isinstance(found, dict) else dict(found)
    entry_id = str(table[stream][0][-1][0])
    return Entry(stream, entry_id, command, town, "")


async def reply_to(client: Client, entry: Entry) -> dict[str, Any]:
    """The recorded reply."""
    found = await client.get(entry.done_key)
    assert found is not None
    reply: dict[str, Any] = json.loads(found)
    return reply


async def waiting_in(client: Client, stream: str) -> int:
    """Entries of a stream that nobody has answered."""
    pending: Any = await client.xpending(stream, keys.GROUP)
    return int(pending["pending"]) + int(await client.xlen(stream))


async def loaded(client: Client, town_id: str) -> Town:
    """The town as another daemon would read it."""
    return await TownStore(client, town_id, settle).load()


def seen(town: Town) -> dict[str, object]:
    """All that a town is: its records in order, and what is derived from them."""
    owners = [*sorted({agent.name for agent in town.agents.values()}), ""]
    return {
        "meta": town.meta,
        **{kind: list(getattr(town, kind).items()) for kind in keys.RECORD_KINDS},
        "ready": {o: [t.id for t in town.ready(o)] for o in owners},
        "queues": {o: [t.id for t in town.queue(o)] for o in owners},
        "inboxes": {o: [m.id for m in town.inbox(o)] for o in [*owners, "conductor"]},
        "unmet": {task.id: town.unmet(task) for task in town.tasks.values()},
        "plan": {name: +town.plan_counts(name) for name in town.plans},
        "found": {name: town.find_agent(name) for name in owners},
    }


class Collector:
    """Takes what a reader delivers."""

    def __init__(self) -> None:
        self.commands: list[Command] = []

    async def deliver(self, command: Command) -> None:
        self.commands.append(command)

    @property
    def ids(self) -> list[str]:
        return [command.entry.command for command in self.commands]

    async def got(self, count: int, seconds: float = PATIENCE) -> list[str]:
        """The ids of the first `count` commands, once they are there."""

        async def enough() -> bool:
            return len(self.commands) >= count

        await until(enough, seconds)
        return self.ids[:count]


class Running(CommandReader):
    """A reader that runs, and what it delivered."""

    def __init__(self, blocking: Client, client: Client) -> None:
        self.collector = Collector()
        self.revived = 0
        super().__init__(blocking, client, self.collector.deliver, self._count)

    async def _count(self) -> None:
        self.revived += 1

    async def got(self, count: int, seconds: float = 20.0) -> list[str]:
        return await self.collector.got(count, seconds)


@contextlib.asynccontextmanager
async def running(blocking: Client, client: Client) -> AsyncIterator[Running]:
    reader = Running(blocking, client)
    task = asyncio.create_task(reader.run())
    yield reader
    assert not task.done(), "the reader ended"
    await end([task])


class Cut:
    """A wire to the server that can swallow an answer: the server did it, the client never knows.

    `swallow(word)` lets the next request with that word through and then hangs up.
    """

    def __init__(self, upstream: Endpoint, path: Path) -> None:
        self.endpoint = Endpoint(str(path), user=upstream.user, password=upstream.password)
        self.cuts = 0
        self._upstream = upstream
        self._word = b""
        self._tasks: set[asyncio.Task[None]] = set()
        self._clients: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Cut:
        path = connect_path(Path(str(self.endpoint.socket)))
        self._server = await asyncio.start_unix_server(self._serve, path)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self.hang_up()

    async def hang_up(self) -> None:
        """Ends all connections; new ones are welcome."""
        for writer in list(self._clients):
            writer.close()
        await asyncio.gather(*self._tasks)

    def swallow(self, word: str) -> None:
        """Swallows the answer to the next request that holds the word."""
        self._word = word.encode()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._clients.add(writer)
        try:
            inner, outer = await self._connect()
        except OSError:  # nobody is there
            writer.close()
            self._clients.discard(writer)
            self._tasks.discard(task)
            return
        doomed = asyncio.Event()
        sides = [
            asyncio.create_task(self._forward(reader, outer, doomed)),
            asyncio.create_task(self._back(inner, writer, doomed)),
        ]
        await asyncio.wait(sides, return_when=asyncio.FIRST_COMPLETED)
        for side in sides:
            side.cancel()
        await asyncio.gather(*sides, return_exceptions=True)
        writer.close()
        outer.close()
        self._clients.discard(writer)
        self._tasks.discard(task)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._upstream.socket:
            return await asyncio.open_unix_connection(connect_path(Path(self._upstream.socket)))
        address = urlsplit(self._upstream.url or "")
        return await asyncio.open_connection(address.hostname, address.port)

    async def _forward(
        self, reader: asyncio.StreamReader, outer: asyncio.StreamWriter, doomed: asyncio.Event
    ) -> None:
        while data := await reader.read(CHUNK):
            if self._word and self._word in data:
                self._word = b""
                doomed.set()
            outer.write(data)

    async def _back(
        self, inner: asyncio.StreamReader, writer: asyncio.StreamWriter, doomed: asyncio.Event
    ) -> None:
        while data := await inner.read(CHUNK):
            if doomed.is_set():
                self.cuts += 1
                return
            writer.write(data)
