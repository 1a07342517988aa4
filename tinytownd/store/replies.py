"""Commands that were carried out: where they lie, how their replies are kept and told.

A reply is kept under the command's id for a day; it is the record against doing it twice, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import Any

import redis.asyncio
from redis.exceptions import ResponseError

from tinytownd import wire
from tinytownd.store import keys


@dataclass(frozen=True)
class Entry:
    """A command as it lies in its stream: where, and what must be answered."""

    stream: str
    entry: str
    command: str
    town: str
    agent: str

    @property
    def done_key(self) -> str:
        return keys.done_key(self.town, self.command, self.agent)

    @property
    def channel(self) -> str:
        return keys.reply_channel(self.town, self.command, self.agent)


class Unacknowledged(ResponseError):
    """A reply was announced, and the server refused to take the command out of its stream."""

    def __init__(self, error: ResponseError, reply: str, life: int) -> None:
        super().__init__(str(error))
        self.reply = reply
        self.life = life


async def answer(
    client: redis.asyncio.Redis, entry: Entry, reply: str, *, life: int = wire.DONE_SECONDS
) -> None:
    """Records, acknowledges and announces a reply that goes with no change.

    A server without memory or disk refuses the record: then the reply is announced only, and the
    same command sent again is carried out again. Raises `Unacknowledged` where even the
    acknowledgement was refused: the entry is still pending, and is to be answered so again.
    """
    try:
        await _answer(client, entry, reply, life)
    except ResponseError:
        try:
            await _answer(client, entry, reply, None)
        except ResponseError as error:
            raise Unacknowledged(error, reply, life) from error


async def _answer(client: redis.asyncio.Redis, entry: Entry, reply: str, life: int | None) -> None:
    if life is not None:
        # The same command may have been read twice, and answered in between.
        known: Any = await client.set(entry.done_key, reply, ex=life, nx=True, get=True)
        reply = known or reply
    # No MULTI, which Redis 7.0 refuses when it is out of memory: an entry that stays pending is
    # answered again from its record.
    pipe = client.pipeline(transaction=False)
    pipe.publish(entry.channel, reply)
    pipe.xdel(entry.stream, entry.entry)
    pipe.xack(entry.stream, keys.GROUP, entry.entry)
    for said in await pipe.execute(raise_on_error=False):
        # The stream is others' to write: one that is none any more is mended by its reader.
        if isinstance(said, ResponseError) and not str(said).startswith("WRONGTYPE"):
            raise said


def read_script(name: str) -> str:
    """The text of one of our Lua scripts."""
    return resources.files("tinytownd.store").joinpath("scripts", f"{name}.lua").read_text()
