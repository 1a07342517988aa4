"""The desk: what comes in a burst is as if it had come one by one."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import structlog.testing

from tests.domain.towns import task
from tests.store.steps import entry_in, loaded, reply_to, running, seen, until, waiting_in
from tinytownd import desk, handlers, wire
from tinytownd.desk import Desk
from tinytownd.domain import retention
from tinytownd.domain.town import Town
from tinytownd.handlers.registry import VERBS, Context
from tinytownd.store import keys
from tinytownd.store.client import Client, end
from tinytownd.store.commands import Command
from tinytownd.store.replies import Entry
from tinytownd.store.town import TownStore

assert handlers.__all__  # importing them fills the table of verbs


Asked = tuple[Entry, str, dict[str, Any]]


class Bursts:
    """A desk of a town, and what it is asked all at once."""

    def __init__(self, client: Client, store: TownStore, desk: Desk) -> None:
        self.client = client
        self.store = store
        self._desk = desk

    async def entry(self, command: str = "") -> Entry:
        return await entry_in(self.client, self.store.id, command=command)

    async def ask(self, *asked: Asked) -> list[dict[str, Any]]:
        """The replies to commands that are there before the first one is carried out."""
        await self.carry_out(*asked)
        return [await reply_to(self.client, entry) for entry, _, _ in asked]

    async def carry_out(self, *asked: Asked) -> None:
        """Until all of them were taken out of their stream."""
        for entry, verb, args in asked:
            await self._desk.deliver(Command(entry, verb, args, wire.now_ms() + 60_000))
        await until(self._answered)

    async def add(self, text: str) -> Asked:
        return await self.entry(), "backlog.add", {"text": text}

    async def revision(self) -> int:
        return int(await self.client.hget(keys.town_key(self.store.id), "revision") or 0)

    async def texts(self) -> list[str]:
        """What the tasks say, in memory and in the store."""
        fresh = await loaded(self.client, self.store.id)
        assert await self.store.read(seen) == seen(fresh)
        return [task.description for task in fresh.tasks.values()]

    async def answers_later(self) -> bool:
        return bool(self._desk._answering)

    async def _answered(self) -> bool:
        return await waiting_in(self.client, keys.commands_key(self.store.id)) == 0


@pytest.fixture
async def bursts(
    client: Client, blocking: Client, store: TownStore, tmp_path: Path
) -> AsyncIterator[Bursts]:
    await store.load()
    async with running(blocking, client) as reader, _working(store, reader, tmp_path) as one:
        yield Bursts(client, store, one)


@contextlib.asynccontextmanager
async def _working(store: TownStore, reader: Any, directory: Path) -> AsyncIterator[Desk]:
    one = Desk(store, reader, directory, None)
    task = asyncio.create_task(one.run())
    yield one
    assert not task.done(), "the desk ended"
    await end([task])
    await one.close()


async def test_a_burst_is_one_step(bursts: Bursts) -> None:
    before = await bursts.revision()
    replies = await bursts.ask(*[await bursts.add(text) for text in "abcd"])
    assert [one["data"]["task"]["id"] for one in replies] == ["t1", "t2", "t3", "t4"]
    assert await bursts.texts() == ["a", "b", "c", "d"]
    assert await bursts.revision() == before + 1


async def test_a_burst_has_its_bounds(bursts: Bursts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "TOGETHER", 3)
    replies = await bursts.ask(*[await bursts.add(text) for text in "abcdefg"])
    assert all(one["ok"] for one in replies)
    assert await bursts.texts() == [*"abcdefg"]
    assert await bursts.revision() == 3


async def test_a_read_sees_what_was_asked_before_it_and_nothing_else(bursts: Bursts) -> None:
    adding = [await bursts.add(text) for text in "abc"]
    read: Asked = (await bursts.entry(), "task.list", {})
    replies = await bursts.ask(adding[0], adding[1], read, adding[2])
    assert [task["description"] for task in replies[2]["data"]["tasks"]] == ["a", "b"]
    assert await bursts.texts() == ["a", "b", "c"]
    assert await bursts.revision() == 2


async def test_what_is_refused_in_a_burst_is_answered_so(bursts: Bursts) -> None:
    unknown: Asked = (await bursts.entry(), "no.verb", {})
    wrong = (await bursts.entry(), "backlog.add", {"nothing": 1})
    missing = (await bursts.entry(), "task.cancel", {"task": "t9"})
    first, last = await bursts.add("a"), await bursts.add("b")
    replies = await bursts.ask(first, wrong, missing, unknown, last)
    assert [one["ok"] for one in replies] == [True, False, False, False, True]
    assert [one["error"]["kind"] for one in replies[1:4]] == ["bad_input", "not_found", "bad_input"]
    assert await bursts.texts() == ["a", "b"]


async def test_a_command_that_is_there_twice_is_done_once(bursts: Bursts) -> None:
    first = await bursts.add("a")
    again = (await bursts.entry(first[0].command), *first[1:])
    other = await bursts.add("b")
    replies = await bursts.ask(first, again, other)
    assert replies[0] == replies[1]
    assert await bursts.texts() == ["a", "b"]


async def test_a_fault_is_its_own(bursts: Bursts, monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(ctx: Context, *, task: str) -> None:
        raise RecursionError

    cancel = dataclasses.replace(VERBS["task.cancel"], run=fault)
    monkeypatch.setitem(VERBS, "task.cancel", cancel)
    broken = (await bursts.entry(), "task.cancel", {"task": "t1"})
    replies = await bursts.ask(await bursts.add("a"), broken, await bursts.add("b"))
    assert [one["ok"] for one in replies] == [True, False, True]
    assert replies[1]["error"]["kind"] == "internal"
    assert await bursts.texts() == ["a", "b"]


@pytest.mark.parametrize("verb", ["backlog.add", "plan.push", "town.history"])
async def test_what_was_done_before_gets_its_first_reply(bursts: Bursts, verb: str) -> None:
    entry = await bursts.entry()
    await bursts.client.set(entry.done_key, '{"first": true}')
    args = {} if verb == "town.history" else {"text": "x"}
    assert await bursts.ask((entry, verb, args)) == [{"first": True}]
    assert await bursts.texts() == []


async def test_who_was_answered_does_not_wait_again(bursts: Bursts) -> None:
    await bursts.ask(await bursts.add("nobody does this"))
    entry = await bursts.entry()
    await bursts.client.set(entry.done_key, '{"first": true}')
    assert await bursts.ask((entry, "town.wait", {"task": "t1"})) == [{"first": True}]


@pytest.mark.parametrize(
    ("verb", "args", "kind"),
    [
        ("backlog.add", {"text": "no room"}, "unavailable"),
        ("task.cancel", {"task": "t9"}, "not_found"),
        ("plan.push", {"text": "no plan"}, "plan"),
        ("task.list", {}, None),
    ],
)
async def test_an_answer_that_the_server_refuses_is_told_and_taken_later(
    bursts: Bursts, blocking: Client, verb: str, args: dict[str, Any], kind: str | None
) -> None:
    entry = await bursts.entry()
    async with blocking.pubsub(ignore_subscribe_messages=True) as heard:
        await heard.subscribe(entry.channel)
        await bursts.client.config_set("min-replicas-to-write", 1)  # it takes no write at all
        try:
            asking = asyncio.create_task(bursts.carry_out((entry, verb, args)))
            async with asyncio.timeout(30):
                # The word that it is subscribed is none, and may come now.
                while (first := await heard.get_message(timeout=5)) is None:
                    pass
            await until(bursts.answers_later)  # even to acknowledge it was refused
        finally:
            await bursts.client.config_set("min-replicas-to-write", 0)
        # Recorded it is only if the server took that, too, when it was tried again.
        await asking
    reply = json.loads(first["data"])
    assert reply.get("error", {}).get("kind") == kind
    assert await bursts.texts() == []


async def test_a_burst_that_the_server_refuses_is_told_so(bursts: Bursts) -> None:
    asked = [await bursts.add(text) for text in "abc"]
    await bursts.client.config_set("min-replicas-to-write", 1)
    with structlog.testing.capture_logs() as said:
        asking = asyncio.create_task(bursts.ask(*asked))
        await until(lambda: _waits(said, 3))
    await bursts.client.config_set("min-replicas-to-write", 0)
    assert {one["error"]["kind"] for one in await asking} == {"unavailable"}
    assert await bursts.texts() == []
    assert {line["log_level"] for line in said} == {"warning"}


async def _waits(said: list[Any], count: int) -> bool:
    return [line["event"] for line in said].count("store.waiting") == count


async def test_a_burst_may_name_tasks_of_the_archive(bursts: Bursts) -> None:
    def worked(town: Town) -> None:
        away = task(1, state="completed", result="A design", finished_at=5)
        town.archive(away)
        retention.count(town, [away], 1)
        town.put(town.meta.but(tasks=9, numbered=9))

    await bursts.store.transact(worked)
    builds = {"text": "Build", "after": ["t1"]}
    asked: list[Asked] = [
        await bursts.add("first"),
        (await bursts.entry(), "task.edit", {"task": "t1", "text": "Else"}),
        (await bursts.entry(), "backlog.add", builds),
        (await bursts.entry(), "task.edit", {"task": "t99", "text": "Else"}),
        (await bursts.entry(), "town.wait", {"task": "t1"}),
        await bursts.add("last"),
    ]
    replies = await bursts.ask(*asked)
    kinds = [one["ok"] or one["error"]["kind"] for one in replies]
    assert kinds == [True, "conflict", True, "not_found", True, True]
    assert replies[2]["data"]["task"]["waits_for"] == []
    assert replies[4]["data"]["failed"] == []
    assert sorted(await bursts.texts()) == ["Build", "Do 1", "first", "last"]
