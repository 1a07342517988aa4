"""A town in Redis: written in one step or not at all, and the same town when it is read again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

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
    until,
    waiting_in,
)
from tinytownd.conductor.schedule import settle
from tinytownd.domain.errors import Conflict, NotFound, Unavailable
from tinytownd.domain.meta import Meta
from tinytownd.domain.town import Town
from tinytownd.store import keys
from tinytownd.store.client import Client, connect
from tinytownd.store.patience import LOST
from tinytownd.store.town import TownStore


@pytest.fixture
async def far(cut: Cut, store: TownStore) -> AsyncIterator[TownStore]:
    """The same town through a wire that can be cut; its script is there already."""
    client = connect(cut.endpoint)
    far = TownStore(client, store.id, settle)
    await far.transact(add("first"))
    yield far
    await client.aclose()


async def test_a_new_town_is_what_was_created(client: Client, town_id: str) -> None:
    store = TownStore(client, town_id, settle)
    with pytest.raises(NotFound, match=town_id):
        await store.load()
    meta = Meta(id=town_id, name="näme", dir="/some where", created_at=1, scratch=True)
    await store.create(meta)
    await store.create(meta.but(name="other"))
    assert (await store.load()).meta == meta


async def test_records_events_and_revision_are_written_together(
    client: Client, store: TownStore
) -> None:
    assert await store.transact(add("one")) == "t1"
    assert await store.transact(add("two")) == "t2"
    fresh = await loaded(client, store.id)
    assert [task.description for task in fresh.tasks.values()] == ["one", "two"]
    assert await client.hget(keys.town_key(store.id), "revision") == "2"
    events = await store.history(10)
    assert [event["task"] for event in events] == ["t1", "t2"]
    assert store.last_event == events[-1]["id"]
    assert [event["task"] for event in await store.history(1)] == ["t2"]


async def test_no_change_is_not_written(client: Client, store: TownStore) -> None:
    assert await store.transact(lambda town: town.id) == store.id
    assert await client.hget(keys.town_key(store.id), "revision") == "0"


async def test_a_refused_decision_changes_nothing(client: Client, store: TownStore) -> None:
    await store.transact(add("one"))

    def refuse(town: Town) -> None:
        add("two")(town)
        raise Conflict("no")

    before = await store.read(seen)
    with pytest.raises(Conflict):
        await store.transact(refuse)
    assert await store.read(seen) == before == seen(await loaded(client, store.id))


async def test_what_was_decided_on_an_old_revision_is_decided_again(
    client: Client, store: TownStore
) -> None:
    other = TownStore(client, store.id, settle)
    for number in range(3):
        await store.transact(add(f"ours {number}"))
        await other.transact(add(f"theirs {number}"))
    fresh = await loaded(client, store.id)
    assert len(fresh.tasks) == 6
    assert fresh.meta.tasks == 6
    assert await other.read(seen) == seen(fresh)


async def test_a_town_that_another_always_writes_is_not_fought_over(
    client: Client, store: TownStore
) -> None:
    def spoiled(town: Town) -> str:
        town.put(town.meta.but(name="mine"))
        store._revision = "999"
        return ""

    entry = await entry_in(client, store.id)
    await store.execute(entry, answering(spoiled))
    reply = await reply_to(client, entry)
    assert reply["error"]["kind"] == "unavailable"
    assert (await loaded(client, store.id)).meta.name == "test"


@pytest.mark.parametrize("another", [False, True], ids=["alone", "another-writes-between"])
async def test_a_lost_answer_is_not_done_twice(
    client: Client, far: TownStore, cut: Cut, *, another: bool
) -> None:
    cut.swallow("EVALSHA")
    lost = asyncio.create_task(far.transact(add("lost")))

    async def cut_off() -> bool:
        return cut.cuts == 1

    await until(cut_off)
    if another:
        await far.transact(add("another"))
    assert await lost == "t2"
    fresh = await loaded(client, far.id)
    texts = [task.description for task in fresh.tasks.values()]
    assert texts == ["first", "lost", *(["another"] if another else [])]
    assert len(await far.history(10)) == len(texts)
    assert await far.read(seen) == seen(fresh)


async def test_a_lost_answer_is_told_to_those_who_watch(far: TownStore, cut: Cut) -> None:
    watching = asyncio.create_task(far.changed())
    await asyncio.sleep(0)
    cut.swallow("EVALSHA")
    await far.transact(add("lost"))
    await asyncio.wait_for(watching, 5)
    assert [event["task"] for event in await far.history(9)] == ["t1", "t2"]
    assert far.last_event == (await far.history(1))[0]["id"]


async def test_a_command_whose_answer_was_lost_is_answered_as_the_first_time(
    client: Client, far: TownStore, cut: Cut
) -> None:
    entry = await entry_in(client, far.id)
    cut.swallow("EVALSHA")
    with pytest.raises(LOST):
        await far.execute(entry, answering(add("once")))
    first = await reply_to(client, entry)
    await far.execute(entry, answering(add("twice")))
    assert await reply_to(client, entry) == first
    fresh = await loaded(client, far.id)
    assert [task.description for task in fresh.tasks.values()] == ["first", "once"]
    assert await far.read(seen) == seen(fresh)


async def test_a_command_is_recorded_acknowledged_and_announced(
    client: Client, blocking: Client, store: TownStore
) -> None:
    entry = await entry_in(client, store.id)
    async with blocking.pubsub(ignore_subscribe_messages=True) as heard:
        await heard.subscribe(entry.channel)
        await heard.get_message(timeout=5)
        await store.execute(entry, answering(add("x")))
        message = await heard.get_message(timeout=5)
    reply = await reply_to(client, entry)
    assert reply == {"v": 1, "id": entry.command, "ok": True, "data": {"task": "t1"}}
    assert message is not None
    assert json.loads(message["data"]) == reply
    assert await waiting_in(client, entry.stream) == 0
    assert 0 < await client.ttl(entry.done_key) <= 24 * 3600


@pytest.mark.parametrize("good", [True, False], ids=["done", "refused"])
async def test_the_same_command_again_gets_its_first_reply(
    client: Client, store: TownStore, *, good: bool
) -> None:
    text = "work" if good else " "
    first = await entry_in(client, store.id)
    await store.execute(first, asked("backlog.add", text=text))
    reply = await reply_to(client, first)
    assert reply["ok"] is good
    again = await entry_in(client, store.id, command=first.command)
    await store.execute(again, asked("backlog.add", text="something else"))
    assert await reply_to(client, again) == reply
    assert await waiting_in(client, first.stream) == 0
    fresh = await loaded(client, store.id)
    assert len(fresh.tasks) == (1 if good else 0)
    assert await store.read(seen) == seen(fresh)


async def test_wakes_go_out_with_the_change(
    client: Client, blocking: Client, store: TownStore
) -> None:
    def wake(town: Town) -> None:
        add("x")(town)
        town.change.wakes.update({"a1", "a2"})

    async with blocking.pubsub(ignore_subscribe_messages=True) as heard:
        await heard.psubscribe(keys.wake_channel(store.id, "*"))
        await heard.get_message(timeout=5)
        await store.transact(wake)
        woken = [await heard.get_message(timeout=5) for _ in range(2)]
    assert [keys.parse_wake(one["channel"]) for one in woken if one] == [
        (store.id, "a1"),
        (store.id, "a2"),
    ]


async def test_whoever_watches_hears_of_every_change(store: TownStore) -> None:
    for _ in range(3):
        watching = asyncio.create_task(store.changed())
        await asyncio.sleep(0)
        await store.transact(add("x"))
        await asyncio.wait_for(watching, 5)


async def test_without_memory_nothing_changes_and_all_is_well_afterwards(
    client: Client, store: TownStore
) -> None:
    await store.transact(add("before"))
    entry, later = await entry_in(client, store.id), await entry_in(client, store.id)
    before = await store.read(seen)
    await client.config_set("maxmemory", 1)
    try:
        await store.execute(entry, answering(add("no room")))
        assert await waiting_in(client, entry.stream) == 2  # `later`: pending, and in its stream
        assert not await client.exists(entry.done_key)
        assert await store.read(seen) == before == seen(await loaded(client, store.id))
        lost = asyncio.create_task(store.transact(add("waits for room")))
    finally:
        await client.config_set("maxmemory", 0)
    assert await lost == "t2"
    await store.execute(later, answering(add("room again")))
    assert (await reply_to(client, later))["data"] == {"task": "t3"}
    assert await store.read(seen) == seen(await loaded(client, store.id))


async def test_a_command_without_memory_is_told_so(
    client: Client, blocking: Client, store: TownStore
) -> None:
    entry = await entry_in(client, store.id)
    async with blocking.pubsub(ignore_subscribe_messages=True) as heard:
        await heard.subscribe(entry.channel)
        await heard.get_message(timeout=5)
        await client.config_set("maxmemory", 1)
        try:
            await store.execute(entry, answering(add("no room")))
        finally:
            await client.config_set("maxmemory", 0)
        message = await heard.get_message(timeout=5)
    assert message is not None
    error = json.loads(message["data"])["error"]
    assert error["kind"] == Unavailable.kind
    assert "memory" in error["hint"]


async def test_a_poisoned_command_stream_does_not_undo_what_was_done(
    client: Client, store: TownStore
) -> None:
    entry = await entry_in(client, store.id)
    await client.delete(entry.stream)
    await client.set(entry.stream, "no stream")
    await store.execute(entry, answering(add("done")))
    assert (await reply_to(client, entry))["data"] == {"task": "t1"}
    assert await store.read(seen) == seen(await loaded(client, store.id))


async def test_a_history_of_the_wrong_type_is_noticed_before_anything_is_written(
    client: Client, store: TownStore
) -> None:
    await client.set(keys.events_key(store.id), "no stream")
    entry = await entry_in(client, store.id)
    await store.execute(entry, answering(add("not written")))
    assert (await reply_to(client, entry))["error"]["kind"] == "unavailable"
    assert await client.hlen(keys.records_key(store.id, "tasks")) == 0
    await client.delete(keys.events_key(store.id))
    assert await store.transact(add("written")) == "t1"


async def test_a_forgotten_town_leaves_nothing(client: Client, store: TownStore) -> None:
    entry = await entry_in(client, store.id)
    await store.execute(entry, answering(add("x")))
    await store.forget()
    left = [key async for key in client.scan_iter(f"tt:{{{store.id}}}:*")]
    assert left == [entry.done_key]
    with pytest.raises(NotFound):
        await store.load()
