"""Tasks that are in the store already: written as the daemon writes them, while none runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from itertools import islice

from tests.e2e.town import Home as HomeUnderTest
from tinytownd import wire
from tinytownd.domain.task import Task
from tinytownd.home import Home
from tinytownd.store import keys
from tinytownd.store.binary import find_binary
from tinytownd.store.client import Client, connect
from tinytownd.store.server import EmbeddedServer

#: Records a write.
BATCH = 1_000
#: As in the issue of a busy town: a paragraph each.
DESCRIPTION, RESULT = "Build the next part of it. " * 8, "It is built, and the tests pass. " * 6


def tasks(count: int, state: str) -> Iterator[Task]:
    """Tasks of agents a0…a9 in a state; those that are over have what a round leaves."""
    now = wire.now_ms()
    over = {"result": RESULT, "attempts": 1, "started_at": now, "finished_at": now, "tokens": 9_000}
    for number in range(1, count + 1):
        yield Task(
            id=str(number),
            description=DESCRIPTION,
            seq=number,
            state=state,
            agent=f"a{number % 10}" if state == "completed" else None,
            created_at=now,
            **(over if state == "completed" else {}),  # type: ignore[arg-type]
        )


async def _write(client: Client, town: str, count: int, state: str) -> None:
    left = tasks(count, state)
    while batch := list(islice(left, BATCH)):
        pipe = client.pipeline(transaction=False)
        for task in batch:
            pipe.hset(keys.records_key(town, Task.kind), task.id, json.dumps(task.to_json()))
            event = {"event": f"task.{state}", "at": task.created_at, "task": task.id}
            pipe.xadd(keys.events_key(town), {"event": json.dumps({**event, "actor": "daemon"})})
        await pipe.execute()
    key = keys.town_key(town)
    meta = json.loads(await client.hget(key, "meta") or "")
    meta |= {"tasks": count, "numbered": count}
    await client.hset(key, "meta", json.dumps(meta))


def add_tasks(home: HomeUnderTest, town: str, count: int, state: str) -> None:
    """Gives a town so many tasks, and an event each; no daemon may run in the home."""

    async def add() -> None:
        server = EmbeddedServer(Home(home.path), find_binary(home.env))
        await server.start()
        client = connect(server.endpoint("daemon"))
        try:
            await _write(client, town, count, state)
        finally:
            await client.aclose()
            await server.stop()

    asyncio.run(add())
