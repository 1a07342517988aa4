"""What a town has put away: finished tasks, and rounds that ended, compressed and not loaded.

Records go in by the chunk, in the same step that takes them out of the town; each chunk is one text
of its own, so that the archive is as large as its contents and a look at one task reads one chunk.
A task that came back is in the town and in its old chunk: what is in the town counts. One that was
put away again is in two chunks: the index names the later one, and that counts. A chunk's name says
its kind, the revision it was written with, its number in that, for rounds when the first of them
began, and when the last of all came to its end, in milliseconds since the epoch.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

import redis.asyncio

from tinytownd.domain.change import Change
from tinytownd.domain.errors import Unavailable
from tinytownd.domain.message import Round
from tinytownd.domain.record import Record
from tinytownd.domain.task import Task
from tinytownd.store import formats, keys

T = TypeVar("T")
#: Where a task stands in the archive: its chunk's `order`, and its number in that.
Place = tuple[int, ...]
#: Records a chunk. Ours: a fifth of the size of single ones, and read in about a millisecond.
CHUNK = 200
#: Ids a question to the index.
ASKED = 1_000
#: Chunks of rounds that are looked through for those of one task, the oldest first.
LOOKED = 20


def writes(town: str, change: Change, stamp: str) -> Iterator[list[str]]:
    """What a change writes into the archive, as Redis commands; `stamp` is the change's revision.

    A record that the same change has in the town after all is not put away.
    """
    if change.empties_archive:
        yield ["DEL", keys.archive_key(town), keys.archived_key(town)]
    if not change.archived:
        return
    gone = [one for key, one in change.archived.items() if change.records.get(key, one) is None]
    tasks = [one for one in gone if isinstance(one, Task)]
    rounds = [one for one in gone if isinstance(one, Round)]
    for number, some in enumerate(batches(tasks, CHUNK)):
        name = f"{Task.kind}:{stamp}:{number}:{max(map(ended, some))}"
        yield ["HSET", keys.archive_key(town), name, pack(some)]
        index = [word for one in some for word in (one.id, name)]
        yield ["HSET", keys.archived_key(town), *index]
    for number, ran in enumerate(batches(rounds, CHUNK)):
        first = min(one.started_at for one in ran)
        name = f"{Round.kind}:{stamp}:{number}:{first}:{max(map(ended, ran))}"
        yield ["HSET", keys.archive_key(town), name, pack(ran)]


def ended(one: Task | Round) -> int:
    """When it came to its end, in milliseconds since the epoch."""
    return (one.finished_at or 0) if isinstance(one, Task) else (one.ended_at or one.started_at)


def pack(records: Sequence[Record]) -> str:
    """Records of one kind as a chunk. As text, as everything in the store is."""
    rows = {"format": formats.FORMAT, records[0].kind: [one.to_json() for one in records]}
    text = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode())).decode()


def unpack(chunk: str) -> list[Record]:
    """The records of a chunk, as the present format has them; raises ValueError, `Conflict`."""
    try:
        rows = json.loads(zlib.decompress(base64.b64decode(chunk, validate=True)))
    except (zlib.error, binascii.Error) as error:
        raise ValueError(str(error)) from error
    now = formats.chunk(rows, rows.pop("format"))
    return [cls.from_json(row) for kind, cls in formats.RECORDS.items() for row in now[kind]]


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The items in their order, so many at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def order(name: str) -> Place:
    """A chunk's place among those of its kind: the revision, and the number in that."""
    return tuple(int(part) for part in name.split(":")[1:3])


def last(name: str) -> int:
    """When the last of a chunk's records came to its end."""
    return int(name.rpartition(":")[2])


class Archive:
    """Reads what one town has put away. Raises what redis-py raises, and `Unavailable`."""

    def __init__(self, client: redis.asyncio.Redis, town: str) -> None:
        self._client = client
        self._town = town

    async def count(self) -> int:
        """How many tasks were put away, those that came back included."""
        found: Any = await self._client.hlen(keys.archived_key(self._town))
        return int(found)

    async def tasks(self, ids: Iterable[str]) -> dict[str, Task]:
        """Those of the tasks that are in the archive, by their ids."""
        wanted: dict[str, set[str]] = {}
        for some in batches(list(dict.fromkeys(ids)), ASKED):
            for one, name in zip(some, await self._places(some), strict=True):
                if name is not None:
                    wanted.setdefault(name, set()).add(one)
        found: dict[str, Task] = {}
        for name, here in wanted.items():
            chunk = await self._chunk(name)
            found |= {t.id: t for t in chunk if isinstance(t, Task) and t.id in here}
        return found

    async def tasks_around(self, ids: Iterable[str]) -> dict[str, Task]:
        """The same, with all that must come back with them, so that they may move again.

        That is what they need, what they are within, and what is within that and is not completed:
        a group whose failed tasks are missing would be taken for one without any.
        """
        found = await self.tasks(ids)
        todo = {near for one in found.values() for near in (*one.needs, one.parent) if near}
        while todo := todo - found.keys():
            more = await self.tasks(todo)
            found |= more
            todo = {one.parent for one in more.values() if one.parent}
        return found | await self._within(list(found))

    async def _within(self, ids: Sequence[str]) -> dict[str, Task]:
        """What is within these, however deep, and not completed: it went in the same change."""
        names = [name for name in await self._places(ids) if name is not None] if ids else []
        stamps = {name.split(":")[1] for name in names}
        found: dict[str, Task] = {}
        for name in await self._names(Task.kind) if stamps else ():
            if name.split(":")[1] in stamps:
                found |= {one.id: one for one in (await self._valid(name)).values()}
        inside, before = set(ids), 0
        while len(inside) > before:
            before = len(inside)
            inside |= {one.id for one in found.values() if one.parent in inside}
        return {i: one for i, one in found.items() if i in inside and one.state != "completed"}

    async def rounds_of(self, task: Task) -> list[Round]:
        """A finished task's rounds, the oldest first: of those that began while it was open."""
        end = task.finished_at or 0
        spans = [(name, name.split(":")[3:]) for name in await self._names(Round.kind)]
        then = (n for n, (a, b) in spans if int(a) <= end and int(b) >= task.created_at)
        rounds: list[Round] = []
        for name in islice(then, LOOKED):
            chunk = await self._chunk(name)
            rounds += [one for one in chunk if isinstance(one, Round) and one.task == task.id]
        return rounds

    async def newest(self) -> AsyncIterator[Task]:
        """All tasks, those that were put away last come first; some may be in the town again."""
        async for _, one in self.newest_from():
            yield one

    async def newest_from(self, after: Place = ()) -> AsyncIterator[tuple[Place, Task]]:
        """The same, each with its place; only those behind the place `after`, where it is given.

        What is put away later comes before all others, and moves no place.
        """
        for name in reversed(await self._names(Task.kind)):
            where = order(name)
            if not after or where <= after[:2]:
                for number, one in reversed((await self._valid(name)).items()):
                    if not after or (*where, number) < after:
                        yield (*where, number), one

    async def tasks_since(self, start: int) -> AsyncIterator[Task]:
        """The tasks that came to their end since then; some may be in the town again."""
        for name in await self._names(Task.kind, start):
            for one in (await self._valid(name)).values():
                if ended(one) >= start:
                    yield one

    async def rounds_since(self, start: int) -> AsyncIterator[Round]:
        """The rounds that ended since then."""
        for name in await self._names(Round.kind, start):
            for one in await self._chunk(name):
                if isinstance(one, Round) and ended(one) >= start:
                    yield one

    async def first_round_at(self) -> int | None:
        """When the first of its rounds began; None: it has none."""
        names = await self._names(Round.kind)
        return min((int(name.split(":")[3]) for name in names), default=None)

    async def everything(self) -> AsyncIterator[Record]:
        """All that is in it, as it was put away; some tasks may be in the town again."""
        for name in await self._names(Task.kind):
            for one in (await self._valid(name)).values():
                yield one
        for name in await self._names(Round.kind):
            for record in await self._chunk(name):
                yield record

    async def _valid(self, name: str) -> dict[int, Task]:
        """The tasks of a chunk that were not put away again later, by their number in it."""
        chunk = [one for one in await self._chunk(name) if isinstance(one, Task)]
        places = await self._places([one.id for one in chunk]) if chunk else []
        return {n: one for n, one in enumerate(chunk) if places[n] == name}

    async def _places(self, ids: Sequence[str]) -> list[str | None]:
        """The names of the chunks that tasks are in."""
        found: Any = await self._client.hmget(keys.archived_key(self._town), list(ids))
        return list(found)

    async def _names(self, kind: str, since: int = 0) -> list[str]:
        """The names of all chunks of a kind, in the order in which they were written.

        With `since`, of those with records that came to their end since then.
        """
        found: Any = await self._client.hkeys(keys.archive_key(self._town))
        mine = [n for n in found if n.startswith(f"{kind}:") and last(n) >= since]
        return sorted(mine, key=order)

    async def _chunk(self, name: str) -> list[Record]:
        """The records of a chunk; none where the archive was emptied meanwhile."""
        chunk: Any = await self._client.hget(keys.archive_key(self._town), name)
        if chunk is None:
            return []
        try:
            return unpack(chunk)
        except (ValueError, TypeError, KeyError) as error:
            raise Unavailable(
                f"what Redis holds in the archive of the town {self._town} is damaged: {error}",
                hint="put back a copy of the data",
            ) from error
