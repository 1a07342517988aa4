"""The one step in which decisions are written: records, events, replies, wakes."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import redis.asyncio
from redis.exceptions import NoScriptError

from tinytownd import wire
from tinytownd.domain.agent import Agent
from tinytownd.domain.change import Change
from tinytownd.domain.errors import BadInput
from tinytownd.domain.meta import Meta
from tinytownd.domain.record import Record
from tinytownd.store import archive, formats, keys
from tinytownd.store.line import Word, line_of
from tinytownd.store.replies import Entry, read_script

#: About as many events as a town keeps; XADD trims whole nodes.
MAX_EVENTS = 100_000
#: Words of one write, at most: Lua's `unpack` ends near 8,000.
MAX_WORDS = 1_000
#: Words of one step, at most: Redis takes 1,048,576 (`Protocol error: invalid multibulk length`).
MOST_WORDS = 1_000_000
#: Commands that were carried out, each with what is replied to it.
Replies = Sequence[tuple[Entry, str]]
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Committer:
    """Writes what was decided about a town, if it is as it was when that was decided."""

    def __init__(self, client: redis.asyncio.Redis, town: str) -> None:
        self._town = town
        self._line = line_of(client)
        self._script = read_script("commit")
        self._sha = hashlib.sha1(self._script.encode(), usedforsecurity=False).hexdigest()

    async def write(
        self, revision: str, tx: str, change: Change, replies: Replies = ()
    ) -> tuple[str, str]:
        """How it went, as commit.lua tells it. `tx` is empty where nothing changed.

        Raises `BadInput` for a change that is too large, `ResponseError` where Redis refuses it,
        and what redis-py raises when the server is away.
        """
        words: list[Word] = [revision, tx, MAX_EVENTS, wire.DONE_SECONDS, keys.GROUP]
        writes = list(_writes(self._town, change))
        writes += archive.writes(self._town, change, str(int(revision) + 1))
        words += len(replies), len(writes), len(change.events)
        names = [keys.town_key(self._town), keys.events_key(self._town)]
        for entry, reply in replies:
            names += entry.done_key, entry.stream
            words += entry.entry, reply, entry.channel
        for write in writes:
            words.append(len(write))
            words += write
        words += map(_encode, change.events)
        words += (keys.wake_channel(self._town, agent) for agent in sorted(change.wakes))
        if len(words) > MOST_WORDS:
            raise BadInput("that changes too much in one step", hint="do it in parts")
        how, told = await self._call(len(names), *names, *words)
        return how, told

    async def _call(self, *words: Word) -> Any:
        """Calls the script by its digest; a server that was started anew gets its text first."""
        try:
            return await self._line.ask("EVALSHA", self._sha, *words)
        except NoScriptError:
            await self._line.ask("SCRIPT", "LOAD", self._script)
            return await self._line.ask("EVALSHA", self._sha, *words)


def dump(record: Record) -> str:
    """A record as it is kept."""
    return _encode(record.to_json())


def _writes(town: str, change: Change) -> Iterator[list[str]]:
    """The commands that write the records: of several to one hash, as few as it takes."""
    put, gone = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    for (kind, record_id), record in change.records.items():
        if record is None:
            gone[keys.records_key(town, kind)].append(record_id)
            if kind == Agent.kind:
                yield ["DEL", keys.commands_key(town, record_id)]
        elif kind == Meta.kind:
            put[keys.town_key(town)] += "meta", dump(record), "format", str(formats.FORMAT)
        else:
            put[keys.records_key(town, kind)] += record_id, dump(record)
    for command, tables in (("HSET", put), ("HDEL", gone)):
        for key, fields in tables.items():
            for some in archive.batches(fields, MAX_WORDS):
                yield [command, key, *some]
