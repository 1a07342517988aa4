"""The floor of the command rate: a consumer that reads a stream and answers, and does nothing else.

A process of its own, as the daemon is one, with the daemon's client: XREADGROUP, the arguments from
JSON, and a pipeline of XACK, the reply as a key that expires, and its announcement.

    python -m tests.benchmarks.consumer HOME STREAM
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from tinytownd.home import Endpoint
from tinytownd.store.client import Client, connect

GROUP, BATCH, BLOCK_MS = "floor", 100, 2_000
DONE_SECONDS = 24 * 60 * 60


def done_key(stream: str, command: str) -> str:
    """Where the reply to a command is kept, and the channel that it is announced on."""
    return f"{stream}:done:{command}"


async def consume(home: Path, stream: str) -> None:
    """Answers what comes, until it is ended."""
    password = json.loads((home / "credentials.json").read_text())["daemon"]
    endpoint = Endpoint(str(home / "redis.sock"), user="daemon", password=password)
    client, blocking = connect(endpoint), connect(endpoint, blocking=True)
    await client.xgroup_create(stream, GROUP, id="0", mkstream=True)
    print("ready", flush=True)
    while True:
        found: Any = await blocking.xreadgroup(
            GROUP, GROUP, {stream: ">"}, count=BATCH, block=BLOCK_MS
        )
        for entries in found.values() if found else ():
            await answer(client, stream, entries[0])


async def answer(client: Client, stream: str, entries: list[tuple[str, dict[str, str]]]) -> None:
    """One batch: each command acknowledged, its reply kept and told."""
    pipe = client.pipeline(transaction=False)
    for entry, fields in entries:
        args = json.loads(fields["args"])
        reply = json.dumps({"v": 1, "id": fields["id"], "ok": True, "data": args})
        key = done_key(stream, fields["id"])
        pipe.xack(stream, GROUP, entry)
        pipe.set(key, reply, ex=DONE_SECONDS)
        pipe.publish(key, reply)
    await pipe.execute()


if __name__ == "__main__":
    asyncio.run(consume(Path(sys.argv[1]), sys.argv[2]))
