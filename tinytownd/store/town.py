"""One town in Redis: loading it, and writing what was decided on it in one atomic step.

The daemon is the only writer of a town, so it reads the town once and decides on memory. Every
write carries the revision that it was decided on; Redis refuses one that was decided on anything
else. A write whose answer was lost is told from one that never happened by its transaction id.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import redis.asyncio
import structlog
from redis.exceptions import ResponseError

from tinytownd import wire
from tinytownd.domain.change import Change
from tinytownd.domain.errors import NotFound, TownError, Unavailable
from tinytownd.domain.meta import Meta
from tinytownd.domain.policy import Policy
from tinytownd.domain.town import Town
from tinytownd.redact import encode_error
from tinytownd.store import formats, keys
from tinytownd.store.archive import Archive
from tinytownd.store.commit import Committer, Replies, dump
from tinytownd.store.patience import LOST, patiently
from tinytownd.store.replies import Entry, answer

T = TypeVar("T")
log = structlog.get_logger(__name__)
#: What a command decides: it returns what to answer once the town has settled.
Decide = Callable[[Town], Callable[[], dict[str, object]]]
EVENTS_A_READ = 2_000


@dataclass
class Attempt:
    """One decision on its way into the store, over as many tries as it takes.

    A server that hung may carry out a try that was given up: each has its own id and result.
    """

    results: dict[str, Any] = field(default_factory=dict)
    #: The try that was found in the store after all, its answer having been lost.
    written: str = ""


class AlreadyAnswered(Exception):
    """The command was done before; its first reply has been sent again."""


class TownStore:
    """A town's records in Redis, and the one lock under which decisions on it are taken."""

    def __init__(
        self,
        client: redis.asyncio.Redis,
        town_id: str,
        settle: Callable[[Town], None],
        policy: Callable[[], Policy] = Policy,
        begin: Callable[[Town, Iterable[str]], None] = lambda _town, _woken: None,
    ) -> None:
        self.id = town_id
        self.last_event = "0-0"
        self.archive = Archive(client, town_id)
        #: Is told the events of a change once it is written; must not wait, nor raise.
        self.heard: Callable[[list[dict[str, object]]], None] = lambda _: None
        self._client = client
        self._settle = settle
        self._policy = policy
        self._begin = begin
        self._lock = asyncio.Lock()
        self._town: Town | None = None
        self._revision = "0"
        #: Decisions under way.
        self._attempts: list[Attempt] = []
        self._watchers: set[asyncio.Event] = set()
        self._commit = Committer(client, town_id)

    async def create(self, meta: Meta) -> None:
        """Writes a new town; one that is there already stays as it is."""
        key = keys.town_key(self.id)
        if await self._client.hexists(key, "meta"):
            return
        # At once: half of a new town would be taken for an old one.
        fields: Any = {"meta": dump(meta), "revision": "0", "format": str(formats.FORMAT)}
        await self._client.hset(key, mapping=fields)

    async def load(self) -> Town:
        """Reads the whole town, and brings one of an older format up.

        Raises `NotFound` where there is none, `Conflict` for one that a newer tinytown wrote.
        """
        # No MULTI, which Redis 7.0 refuses when it is out of memory. The revision comes first: what
        # is written behind it makes the next decision stale.
        pipe = self._client.pipeline(transaction=False)
        pipe.hgetall(keys.town_key(self.id))
        for kind in keys.RECORD_KINDS:
            pipe.hvals(keys.records_key(self.id, kind))
        pipe.xrevrange(keys.events_key(self.id), count=1)
        head, *tables, last = await pipe.execute()
        if int(head.get("revision", "0")) < int(self._revision):
            self._town = None
            raise Unavailable(
                f"Redis has lost what the town {self.id} was: its data is gone, or an older copy",
                hint="bring the data back; or, to take what is there: tt daemon restart",
            )
        if "meta" not in head:
            raise NotFound(f"Redis holds no town {self.id}", hint="tt init")
        town, found, written = self._parse(head, tables)
        self._revision = head.get("revision", "0")
        # Nobody writes between a lost answer and the reading that follows it, so this finds it.
        for attempt in self._attempts:
            if head.get("tx") in attempt.results:
                attempt.written = head["tx"]
        self.last_event = last[0][0] if last else "0-0"
        if written < formats.FORMAT:
            await self._bring_up(town, found, written)
        self._town = town
        self._tell_watchers()
        return town

    def _parse(
        self, head: dict[str, str], tables: list[list[str]]
    ) -> tuple[Town, formats.Loaded, int]:
        """The town, its records, and the format in which they were."""
        texts = {Meta.kind: [head["meta"]], **dict(zip(keys.RECORD_KINDS, tables, strict=True))}
        try:
            written = int(head.get("format", 0))
            rows = {kind: list(map(json.loads, table)) for kind, table in texts.items()}
            found = formats.load(rows, written)
            records = sorted(found.records, key=lambda one: one.order)
            return Town(found.meta, records, now=wire.now_ms()), found, written
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Unavailable(
                f"what Redis holds of the town {self.id} is damaged: {error}",
                hint="put back a copy of the data",
            ) from error

    async def _bring_up(self, town: Town, found: formats.Loaded, written: int) -> None:
        """Writes a town of an older format as it is now, in one step."""
        for record in (town.meta, *found.records):
            town.put(record)
        town.change.records.update(dict.fromkeys(found.gone))
        town.event("town.migrated", "daemon", text=f"format {written} to {formats.FORMAT}")
        if await self._write(town, town.change, _transaction_id()) != "done":
            raise Unavailable("something else writes this town", hint="tt daemon status")

    async def reread(self) -> bool:
        """Reads the whole town again; whether memory had it as it is."""
        async with self._lock:
            known = self._town
            town = await self.load()
            return known is None or all(
                getattr(known, kind) == getattr(town, kind) for kind in ("meta", *keys.RECORD_KINDS)
            )

    async def read(self, look: Callable[[Town], T]) -> T:
        """Looks at the town as it was last written."""
        async with self._lock:
            town = self._town or await self.load()
            town.now, town.policy = wire.now_ms(), self._policy()
            return look(town)

    async def view(self, look: Callable[[Town], T]) -> T:
        """The same, waiting for Redis as long as it takes: for those that must not give up."""
        return await patiently(lambda: self.read(look), (*LOST, Unavailable), town=self.id)

    async def transact(self, decide: Callable[[Town], T]) -> T:
        """Decides and writes, waiting for Redis as long as it takes: for the daemon's own facts.

        `decide` may be called again on a freshly read town when a write was lost.
        """
        attempt = Attempt()

        async def once() -> T:
            async with self._lock:
                result: T = await self._once(decide, attempt, None)
                return result

        self._attempts.append(attempt)
        try:
            return await patiently(once, (*LOST, Unavailable), town=self.id)
        finally:
            self._attempts.remove(attempt)

    async def execute(self, entry: Entry, decide: Decide) -> None:
        """Carries out one command: state, events, reply and acknowledgement in one step.

        A refusal is an answer too.
        Raises what redis-py raises when the server is away: the entry then is still pending.
        """
        async with self._lock:
            try:
                await self._once(decide, Attempt(), entry)
            except AlreadyAnswered:
                return
            except TownError as error:
                await self.answer(entry, encode_error(entry.command, error))

    async def execute_all(self, commands: Sequence[tuple[Entry, Decide]]) -> bool:
        """Carries out commands one after the other, and writes them together, in one step.

        False: nothing was done, and each is to be carried out by itself: one of them is there twice
        or was done before, or the town is not the one in memory. Raises what `execute` raises, and
        what a decision raises that is no refusal: then nothing was done, either.
        """
        async with self._lock:
            town = self._town
            # Sent again, one command has several entries: it is done once.
            if town is None or len({entry.done_key for entry, _ in commands}) < len(commands):
                return False
            town.now, town.policy = wire.now_ms(), self._policy()
            change, replies = Change(), []
            try:
                for entry, decide in commands:
                    replies.append((entry, self._outcome(town, entry, decide)))
                    change.add(town.next_change())
                self._go_on(town, change)
            except BaseException:
                town.rollback(all_changes=True)
                raise
            return await self._write(town, change, _transaction_id(), replies) == "done"

    def _outcome(self, town: Town, entry: Entry, decide: Decide) -> str:
        """The reply to a command that is decided; a refusal leaves the town as it was."""
        try:
            answer = decide(town)
            self._settle(town)
        except TownError as refusal:
            town.rollback()
            return encode_error(entry.command, refusal)
        return _reply(entry.command, answer)

    def _go_on(self, town: Town, change: Change) -> None:
        """Adds to a change what those begin at once whom it wakes."""
        try:
            self._begin(town, change.wakes)
            if town.change:
                self._settle(town)
        except Exception:
            # They look by themselves when it is written.
            log.exception("begin.fault", town=self.id)
            town.rollback()
        change.add(town.next_change())

    async def answer(self, entry: Entry, reply: str, *, life: int = wire.DONE_SECONDS) -> None:
        """Answers a command that changed nothing."""
        await answer(self._client, entry, reply, life=life)

    async def reply_to(self, entry: Entry) -> str | None:
        """The reply to a command that was carried out before."""
        known = await self._client.get(entry.done_key)
        return str(known) if known is not None else None

    async def changed(self) -> None:
        """Returns after the next change to the town."""
        event = asyncio.Event()
        self._watchers.add(event)
        try:
            await event.wait()
        finally:
            self._watchers.discard(event)

    async def history(self, count: int) -> list[dict[str, object]]:
        """The last `count` events, oldest first, each with its `id`."""
        key = keys.events_key(self.id)
        found: Any = await self._client.xrevrange(key, count=count)
        return [{"id": at, **json.loads(fields["event"])} for at, fields in reversed(found)]

    async def events_until(self, last: str) -> AsyncIterator[str]:
        """The text of every event up to that id, oldest first."""
        start = "-"
        while found := await self._events(start, last):
            for _, fields in found:
                yield fields["event"]
            start = f"({found[-1][0]}"

    async def _events(self, start: str, last: str) -> Any:
        return await self._client.xrange(keys.events_key(self.id), start, last, count=EVENTS_A_READ)

    async def forget(self) -> None:
        """Deletes everything that the store knows of the town."""
        town = self._town or await self.load()
        names = [keys.town_key(self.id), keys.events_key(self.id), keys.commands_key(self.id)]
        names += [keys.archive_key(self.id), keys.archived_key(self.id)]
        names += [keys.records_key(self.id, kind) for kind in keys.RECORD_KINDS]
        names += [keys.commands_key(self.id, agent) for agent in town.agents]
        await self._client.delete(*names)
        self._town, self._revision = None, "0"

    async def _once(
        self, decide: Callable[[Town], Any], attempt: Attempt, entry: Entry | None
    ) -> Any:
        for _ in range(3):
            town = self._town or await self.load()
            if attempt.written:
                return attempt.results[attempt.written]
            town.now, town.policy = wire.now_ms(), self._policy()
            try:
                result = decide(town)
                self._settle(town)
                reply = _reply(entry.command, result) if entry else ""
            except BaseException:
                town.rollback()
                raise
            change = town.next_change()
            self._go_on(town, change)
            tx = _transaction_id()
            attempt.results[tx] = result
            how = await self._write(town, change, tx, [(entry, reply)] if entry else [])
            if how == "known":
                raise AlreadyAnswered
            if how == "done":
                return result
        raise Unavailable("something else writes this town", hint="tt daemon status")

    async def _write(self, town: Town, change: Change, tx: str, replies: Replies = ()) -> str:
        """Writes what is decided: "done". "known": it was done before; "stale": on another town."""
        if not change and not replies:
            town.commit()
            return "done"
        try:
            how, told = await self._commit.write(
                self._revision, tx if change else "", change, replies
            )
        except TownError:
            town.rollback(all_changes=True)
            raise
        except ResponseError as error:
            town.rollback(all_changes=True)
            raise Unavailable(
                f"Redis refused to write: {error}", hint="free memory or disk, then try again"
            ) from error
        except BaseException:
            self._town = None
            raise
        if how == "done":
            self._written(town, change, told)
        elif told == self._revision:
            town.rollback(all_changes=True)
        else:
            self._town = None  # what was known may have been written late, behind our reading
        return how

    def _written(self, town: Town, change: Change, last_event: str) -> None:
        town.commit()
        if change:
            self._revision = str(int(self._revision) + 1)
        self.last_event = last_event or self.last_event
        self._tell_watchers()
        self.heard(change.events)

    def _tell_watchers(self) -> None:
        for watcher in self._watchers:
            watcher.set()


def _transaction_id() -> str:
    return os.urandom(8).hex()


def _reply(command: str, answer: Callable[[], dict[str, object]]) -> str:
    """What to answer. An answer that raises is a refusal that leaves its change: it is recorded."""
    try:
        return wire.encode_reply(command, answer())
    except TownError as refusal:
        return encode_error(command, refusal)
