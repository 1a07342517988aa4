"""Commands that are written together: as if each had been carried out by itself, or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.store.steps import (
    Cut,
    add,
    answering,
    asked,
    entry_in,
    loaded,
    reply_to,
    seen,
    waiting_in,
)
from tinytownd import wire
from tinytownd.conductor.schedule import settle
from tinytownd.domain.errors import Conflict, Unavailable
from tinytownd.domain.town import Town
from tinytownd.home import Endpoint
from tinytownd.store import keys
from tinytownd.store.client import Client, connect
from tinytownd.store.patience import LOST
from tinytownd.store.replies import Entry
from tinytownd.store.town import Decide, TownStore


@pytest.fixture
async def town(client: Client, store: TownStore) -> Together:
    """A town that was read, with a task in it."""
    await store.transact(add("first"))
    return Together(client, store)


class Together:
    """A town, and commands that are carried out in one step."""

    def __init__(self, client: Client, store: TownStore) -> None:
        self.client = client
        self.store = store

    async def entries(self, count: int) -> list[Entry]:
        return [await entry_in(self.client, self.store.id) for _ in range(count)]

    async def done(self, entries: Sequence[Entry], *decisions: Decide) -> bool:
        return await self.store.execute_all(list(zip(entries, decisions, strict=True)))

    async def texts(self) -> list[str]:
        """What the tasks say, in memory and in the store."""
        fresh = await loaded(self.client, self.store.id)
        assert await self.store.read(seen) == seen(fresh)
        return [task.description for task in fresh.tasks.values()]

    async def unanswered(self) -> int:
        return await waiting_in(self.client, keys.commands_key(self.store.id))


def adding(text: str) -> Decide:
    return answering(add(text))


def refused(town: Town) -> Callable[[], dict[str, object]]:
    """A decision that changes much before it is refused."""
    add("refused")(town)
    town.put(town.tasks["t1"].but(description="changed"))
    town.wake(None)
    raise Conflict("no")


async def test_they_are_one_revision_and_each_has_its_reply(town: Together) -> None:
    before = int(await town.client.hget(keys.town_key(town.store.id), "revision") or 0)
    entries = await town.entries(3)
    assert await town.done(entries, *(adding(text) for text in "abc"))
    assert await town.texts() == ["first", "a", "b", "c"]
    assert [(await reply_to(town.client, one))["data"] for one in entries] == [
        {"task": "t2"},
        {"task": "t3"},
        {"task": "t4"},
    ]
    after = int(await town.client.hget(keys.town_key(town.store.id), "revision") or 0)
    assert after == before + 1
    assert [event["task"] for event in await town.store.history(9)] == ["t1", "t2", "t3", "t4"]
    assert await town.unanswered() == 0


async def test_replies_are_announced_in_the_order_of_the_commands(
    town: Together, blocking: Client
) -> None:
    entries = await town.entries(5)
    async with blocking.pubsub(ignore_subscribe_messages=True) as heard:
        await heard.psubscribe(wire.reply_channel(town.store.id, "*"))
        await heard.get_message(timeout=5)
        assert await town.done(entries, *(adding(text) for text in "abcde"))
        said = [await heard.get_message(timeout=5) for _ in entries]
    told = [json.loads(one["data"])["id"] for one in said if one is not None]
    assert told == [one.command for one in entries]


async def test_one_that_is_refused_changes_nothing_and_the_others_happen(town: Together) -> None:
    entries = await town.entries(3)
    assert await town.done(entries, adding("a"), refused, adding("b"))
    assert await town.texts() == ["first", "a", "b"]
    reply = await reply_to(town.client, entries[1])
    assert reply["error"]["kind"] == "conflict"
    assert (await reply_to(town.client, entries[2]))["data"] == {"task": "t3"}
    assert [event["task"] for event in await town.store.history(9)] == ["t1", "t2", "t3"]
    assert await town.unanswered() == 0


async def test_only_refusals_are_answers_too_and_no_change(town: Together) -> None:
    before = await town.client.hgetall(keys.town_key(town.store.id))
    entries = await town.entries(2)
    assert await town.done(entries, refused, refused)
    assert not (await reply_to(town.client, entries[0]))["ok"]
    assert await town.client.hgetall(keys.town_key(town.store.id)) == before
    assert await town.texts() == ["first"]
    assert await town.unanswered() == 0


async def test_each_decides_on_what_the_one_before_it_left(town: Together) -> None:
    entries = await town.entries(3)
    cancel = asked("task.cancel", task="t2")
    assert await town.done(entries, adding("a"), cancel, asked("task.cancel", task="t3"))
    (cancelled,) = (await reply_to(town.client, entries[1]))["data"]["tasks"]
    assert (cancelled["description"], cancelled["state"]) == ("a", "cancelled")
    assert (await reply_to(town.client, entries[2]))["error"]["kind"] == "not_found"
    assert await town.texts() == ["first", "a"]


async def test_one_that_was_done_before_has_nothing_done(town: Together) -> None:
    (known,) = await town.entries(1)
    await town.store.execute(known, adding("a"))
    again = await entry_in(town.client, town.store.id, command=known.command)
    other = await entry_in(town.client, town.store.id)
    first = await reply_to(town.client, known)
    assert not await town.done([other, again], adding("b"), adding("a"))
    assert await town.texts() == ["first", "a"]
    assert not await town.client.exists(other.done_key)
    # Then each is carried out by itself.
    await town.store.execute(other, adding("b"))
    await town.store.execute(again, adding("a"))
    assert await town.texts() == ["first", "a", "b"]
    assert await reply_to(town.client, again) == first
    assert await town.unanswered() == 0


async def test_one_that_is_there_twice_has_nothing_done(town: Together) -> None:
    (one,) = await town.entries(1)
    again = await entry_in(town.client, town.store.id, command=one.command)
    assert not await town.done([one, again], adding("a"), adding("a"))
    assert await town.texts() == ["first"]


async def test_on_an_old_revision_nothing_is_done(town: Together) -> None:
    await TownStore(town.client, town.store.id, settle).transact(add("theirs"))
    entries = await town.entries(2)
    assert not await town.done(entries, adding("a"), adding("b"))
    assert await town.texts() == ["first", "theirs"]
    assert not await town.client.exists(entries[0].done_key)


async def test_a_fault_of_one_takes_all_back(town: Together) -> None:
    def fault(town: Town) -> Callable[[], dict[str, object]]:
        add("fault")(town)
        raise RecursionError

    entries = await town.entries(3)
    with pytest.raises(RecursionError):
        await town.done(entries, adding("a"), fault, adding("b"))
    assert await town.texts() == ["first"]
    assert not await town.client.exists(entries[0].done_key)
    await town.store.transact(add("goes on"))
    assert await town.texts() == ["first", "goes on"]


async def test_without_memory_nothing_is_done(town: Together) -> None:
    entries = await town.entries(2)
    await town.client.config_set("maxmemory", 1)
    try:
        with pytest.raises(Unavailable, match="refused"):
            await town.done(entries, adding("a"), adding("b"))
    finally:
        await town.client.config_set("maxmemory", 0)
    assert await town.texts() == ["first"]
    assert await town.done(entries, adding("a"), adding("b"))
    assert await town.texts() == ["first", "a", "b"]


async def test_a_lost_answer_is_not_done_twice(
    town: Together, server: Endpoint, tmp_path: Path
) -> None:
    entries = await town.entries(2)
    async with Cut(server, tmp_path / "cut.sock") as cut:
        client = connect(cut.endpoint)
        far = Together(client, TownStore(client, town.store.id, settle))
        await far.store.load()
        cut.swallow("EVALSHA")
        with pytest.raises(LOST):
            await far.done(entries, adding("a"), adding("b"))
        first = [await reply_to(town.client, one) for one in entries]
        assert not await far.done(entries, adding("a"), adding("b"))  # the town is not read yet
        for entry, text in zip(entries, "ab", strict=True):
            await far.store.execute(entry, adding(text))
        assert [await reply_to(town.client, one) for one in entries] == first
        assert await far.texts() == ["first", "a", "b"]
        await client.aclose()
