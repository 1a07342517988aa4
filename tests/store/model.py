"""What a town in Redis ought to be, as plain dicts, beside a real one: each rule does both.

The town is reached through a wire that can be cut, on a server that can be killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.store.steps import Cut, add, answering, entry_in, loaded, seen, until, waiting_in
from tinytownd.conductor.schedule import settle
from tinytownd.domain.errors import Conflict, NotFound
from tinytownd.domain.meta import Meta
from tinytownd.domain.town import Town
from tinytownd.handlers.registry import Answer
from tinytownd.store import keys
from tinytownd.store.client import connect
from tinytownd.store.patience import LOST
from tinytownd.store.replies import Entry
from tinytownd.store.server import EmbeddedServer
from tinytownd.store.town import TownStore

T = TypeVar("T")
TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
PICK = st.integers(0, 1_000)


class Model:
    """The records, the events and the replies that there ought to be."""

    def __init__(self, replies: dict[str, dict[str, Any]]) -> None:
        self.tasks: dict[str, str] = {}
        self.events: list[tuple[str, str]] = []
        self.replies = replies
        self.revision = 0
        self.made = 0

    def added(self, text: str) -> str:
        """One more task; its id."""
        self.made += 1
        self.tasks[f"t{self.made}"] = text
        self.wrote("task.created", f"t{self.made}")
        return f"t{self.made}"

    def wrote(self, event: str, task: str) -> None:
        """One more revision, and what it tells of."""
        self.revision += 1
        self.events.append((event, task))


class World:
    """The server, a wire to it, and the clients; of one event loop."""

    def __init__(self, server: EmbeddedServer, wire: Path) -> None:
        self.server = server
        self.wire = wire

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[World]:
        await self.server.start()
        direct = self.server.endpoint("daemon")
        async with Cut(direct, self.wire) as self.cut:
            self.direct, self.far = connect(direct), connect(self.cut.endpoint)
            try:
                yield self
            finally:
                await self.far.aclose()
                await self.direct.aclose()

    async def kill(self) -> None:
        """SIGKILL, and the server is started again as the daemon does it."""
        pid = (await self.direct.info("server"))["process_id"]
        os.kill(int(pid), signal.SIGKILL)
        await self.server.start()
        with contextlib.suppress(*LOST):  # that was one of the dead one's connections
            await self.direct.ping()
        await self.direct.connection_pool.disconnect()


def edited(task: str, text: str) -> Callable[[Town], Answer]:
    """A decision: the task's text is another."""

    def decide(town: Town) -> Answer:
        town.put(town.task(task).but(description=text))
        town.event("task.edited", "test", task=task)
        return lambda: {"task": task}

    return decide


def dropped(task: str) -> Callable[[Town], Answer]:
    """A decision: the task is gone."""

    def decide(town: Town) -> Answer:
        town.drop(town.tasks[task])
        town.event("task.dropped", "test", task=task)
        return lambda: {"task": task}

    return decide


def refused(text: str) -> Callable[[Town], Answer]:
    """A decision that is taken back at its end."""

    def decide(town: Town) -> Answer:
        add(text)(town)
        town.put(town.meta.but(name=text))
        raise Conflict("thought better of it")

    return decide


class Machine(RuleBasedStateMachine):
    """The rules: what may happen to a town, one after the other."""

    server: EmbeddedServer
    wire: Path

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.open = World(self.server, self.wire).open()
        self.world = self.runner.run(self._enter())
        self.town = "m-" + secrets.token_hex(6)
        self.model = Model({})
        self.stale = False
        self.do(self._create())

    async def _enter(self) -> World:
        return await self.open.__aenter__()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.do(self.open.__aexit__(None, None, None))
            self.runner.close()

    def do(self, what: Coroutine[Any, Any, T]) -> T:
        """Has the event loop of this machine do it, within a minute."""

        async def in_time() -> T:
            async with asyncio.timeout(60):
                return await what

        return self.runner.run(in_time())

    async def _create(self) -> None:
        self.store = TownStore(self.world.far, self.town, settle)
        await self.store.create(Meta(id=self.town, name="model", dir="/nowhere"))
        await self.store.load()

    async def _execute(self, entry: Entry, decide: Callable[[Town], Answer]) -> None:
        """As the desk does: what was lost is tried again."""
        while True:
            try:
                await self.store.execute(entry, decide)
            except LOST:
                continue
            else:
                return

    async def _entry(self, command: str = "") -> Entry:
        return await entry_in(self.world.direct, self.town, command=command)

    def _some_task(self, pick: int) -> str:
        return list(self.model.tasks)[pick % len(self.model.tasks)]

    # Rules

    @rule(text=TEXTS, lose=st.booleans())
    def command(self, text: str, lose: bool) -> None:
        """A command, whose answer may get lost."""

        async def run() -> None:
            entry = await self._entry()
            if lose:
                self.world.cut.swallow("EVALSHA")
            await self._execute(entry, answering(add(text)))
            told = {"task": self.model.added(text)}
            self.model.replies[entry.command] = _done(entry.command, told)
            self.stale = False

        self.do(run())

    @rule(text=TEXTS)
    def refused_command(self, text: str) -> None:
        async def run() -> None:
            entry = await self._entry()
            await self._execute(entry, refused(text))
            error = {"kind": "conflict", "message": "thought better of it", "hint": ""}
            told = {"v": 1, "id": entry.command, "ok": False, "error": {**error, "exit_code": 2}}
            self.model.replies[entry.command] = told

        self.do(run())

    @precondition(lambda self: self.model.replies)
    @rule(pick=PICK, good=st.booleans())
    def command_again(self, pick: int, good: bool) -> None:
        """An id that was answered: nothing happens, whatever would be decided now."""

        async def run() -> None:
            command = list(self.model.replies)[pick % len(self.model.replies)]
            entry = await self._entry(command)
            await self._execute(entry, answering(add("again")) if good else refused("again"))

        self.do(run())

    @rule(text=TEXTS, lose=st.booleans())
    def decision(self, text: str, lose: bool) -> None:
        """The daemon's own, whose answer may get lost."""

        async def run() -> None:
            if lose:
                self.world.cut.swallow("EVALSHA")
            assert await self.store.transact(add(text)) == self.model.added(text)
            self.stale = False

        self.do(run())

    @rule(text=TEXTS)
    def refused_decision(self, text: str) -> None:
        with pytest.raises(Conflict):
            self.do(self.store.transact(refused(text)))

    @rule()
    def no_decision(self) -> None:
        assert self.do(self.store.transact(lambda town: town.id)) == self.town

    @precondition(lambda self: self.model.tasks and not self.stale)
    @rule(pick=PICK, text=TEXTS, gone=st.booleans())
    def change(self, pick: int, text: str, gone: bool) -> None:
        """A task is edited, or dropped; one of another writer's is not known before the next."""
        task = self._some_task(pick)

        async def run() -> None:
            await self.store.transact(dropped(task) if gone else edited(task, text))
            self.stale = False

        self.do(run())
        if gone:
            del self.model.tasks[task]
        else:
            self.model.tasks[task] = text
        self.model.wrote("task.dropped" if gone else "task.edited", task)

    @rule(text=TEXTS)
    def another_writer(self, text: str) -> None:
        """Somebody else writes the town: ours does not know until it writes."""

        async def run() -> None:
            other = TownStore(self.world.direct, self.town, settle)
            assert await other.transact(add(text)) == self.model.added(text)
            self.stale = True

        self.do(run())

    @rule()
    def another_daemon(self) -> None:
        """All that was in memory is gone."""
        self.store = TownStore(self.world.far, self.town, settle)
        self.do(self.store.load())
        self.stale = False

    @rule(text=TEXTS, meanwhile=st.booleans())
    def server_killed(self, text: str, meanwhile: bool) -> None:
        """Between two decisions, or in the midst of one."""

        async def run() -> None:
            deciding = asyncio.create_task(self.store.transact(add(text))) if meanwhile else None
            await self.world.kill()
            if deciding is not None:
                assert await deciding == self.model.added(text)
                self.stale = False

        self.do(run())

    @rule()
    def forgotten(self) -> None:
        async def run() -> None:
            await until_done(self.store.forget)
            with pytest.raises(NotFound):
                await self.store.load()
            await self._create()
            self.stale = False

        self.do(run())
        self.model = Model(self.model.replies)  # what was answered stays answered

    # What always holds

    @invariant()
    def is_as_it_ought_to_be(self) -> None:
        if hasattr(self, "model"):
            self.do(self._look())

    async def _look(self) -> None:
        client, model = self.world.direct, self.model
        fresh = await loaded(client, self.town)
        assert {task.id: task.description for task in fresh.tasks.values()} == model.tasks
        assert int(await client.hget(keys.town_key(self.town), "revision") or 0) == model.revision
        assert fresh.meta.tasks == model.made
        told = await TownStore(client, self.town, settle).history(1_000)
        assert [(event["event"], event["task"]) for event in told] == model.events
        for command, reply in model.replies.items():
            found = await client.get(keys.done_key(self.town, command))
            assert json.loads(found or "null") == reply
        stream = keys.commands_key(self.town)
        assert not await client.exists(stream) or await waiting_in(client, stream) == 0
        if not self.stale:
            assert await until_done(lambda: self.store.read(seen)) == seen(fresh)


def _done(command: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"v": 1, "id": command, "ok": True, "data": data}


async def until_done(attempt: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """The first try that does not meet a connection that is gone."""
    done: list[T] = []

    async def once() -> bool:
        with contextlib.suppress(*LOST):
            done.append(await attempt())
        return bool(done)

    await until(once)
    return done[0]


def machine(server: EmbeddedServer, wire: Path) -> type[Machine]:
    """The machine on its server."""
    return type("TownMachine", (Machine,), {"server": server, "wire": wire})
