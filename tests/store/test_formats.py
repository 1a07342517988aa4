"""A town of an older format is brought up in one step; one of a newer format is left alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.store.steps import Cut, add, loaded, seen
from tinytownd.conductor.schedule import settle
from tinytownd.domain.errors import Conflict
from tinytownd.domain.meta import Meta
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town
from tinytownd.home import Endpoint
from tinytownd.store import formats, keys
from tinytownd.store.client import Client, connect
from tinytownd.store.patience import LOST
from tinytownd.store.town import TownStore

EMPTY: dict[str, list[dict[str, Any]]] = {kind: [] for kind in ("town", *formats.RECORDS)}


async def head(client: Client, town: str) -> dict[str, str]:
    found: Any = await client.hgetall(keys.town_key(town))
    return dict(found)


async def history(client: Client, town: str) -> list[object]:
    return [event["event"] for event in await TownStore(client, town, settle).history(100)]


async def before_numbers(client: Client, store: TownStore) -> Town:
    """The town as it was written when formats had no number yet."""
    await store.transact(add("first"))
    await client.hdel(keys.town_key(store.id), "format")
    return await store.read(lambda town: town)


async def old_shape(client: Client, store: TownStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A town whose tasks had a `text`, and notes that are tasks no more: format 0, made up."""
    await before_numbers(client, store)
    table = keys.records_key(store.id, "tasks")
    await client.hset(table, "t1", json.dumps({"id": "t1", "text": "Build it", "seq": 1}))
    await client.hset(table, "n1", json.dumps({"id": "n1", "text": "A note", "seq": 2}))

    def step(rows: formats.Rows) -> formats.Rows:
        tasks = [{**row, "description": row["text"]} for row in rows["tasks"] if row["id"] != "n1"]
        return {**rows, "tasks": tasks}

    monkeypatch.setitem(formats.STEPS, 0, step)


async def test_a_new_town_carries_the_number_of_its_format(
    client: Client, store: TownStore, town_id: str
) -> None:
    assert (await head(client, town_id))["format"] == str(formats.FORMAT)
    await loaded(client, town_id)
    assert await history(client, town_id) == []


async def test_a_town_from_before_the_numbers_is_brought_up_once(
    client: Client, store: TownStore, town_id: str
) -> None:
    before = seen(await before_numbers(client, store))
    revision = int((await head(client, town_id))["revision"])
    for _ in range(2):
        assert seen(await loaded(client, town_id)) == before
        now = await head(client, town_id)
        assert (now["format"], int(now["revision"])) == (str(formats.FORMAT), revision + 1)
    assert await history(client, town_id) == ["task.created", "town.migrated"]


async def test_an_older_shape_is_brought_up_by_its_step(
    client: Client, store: TownStore, town_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await old_shape(client, store, monkeypatch)
    town = await loaded(client, town_id)
    assert list(town.tasks.values()) == [Task(id="t1", description="Build it", seq=1)]
    table: Any = await client.hgetall(keys.records_key(town_id, "tasks"))
    assert list(table) == ["t1"]
    assert json.loads(table["t1"]) == json.loads(json.dumps(town.tasks["t1"].to_json()))
    assert seen(await loaded(client, town_id)) == seen(town)


async def test_a_town_that_is_brought_up_can_be_decided_on_at_once(
    client: Client, store: TownStore, town_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await old_shape(client, store, monkeypatch)
    fresh = TownStore(client, town_id, settle)
    assert await fresh.transact(add("second")) == "t2"
    assert list((await loaded(client, town_id)).tasks) == ["t1", "t2"]
    assert await history(client, town_id) == ["task.created", "town.migrated", "task.created"]


async def test_an_answer_that_is_lost_brings_it_up_no_second_time(
    client: Client, store: TownStore, town_id: str, server: Endpoint, tmp_path: Path
) -> None:
    before = seen(await before_numbers(client, store))
    async with Cut(server, tmp_path / "wire") as cut:
        through = connect(cut.endpoint)
        cut.swallow("EVALSHA")
        fresh = TownStore(through, town_id, settle)
        with pytest.raises(LOST):
            await fresh.load()
        assert seen(await fresh.load()) == before
        await through.aclose()
    assert await history(client, town_id) == ["task.created", "town.migrated"]


async def test_a_newer_town_is_refused_and_left_as_it_is(
    client: Client, store: TownStore, town_id: str
) -> None:
    await client.hset(keys.town_key(town_id), "format", "7")
    before = await head(client, town_id)
    fresh = TownStore(client, town_id, settle)
    await fresh.create(Meta(id=town_id, name="other", dir="/other"))
    told = rf"newer tinytown \(format 7; this one reads {formats.FORMAT}\)"
    with pytest.raises(Conflict, match=told) as error:
        await fresh.load()
    assert error.value.hint.startswith("upgrade tinytown")
    with pytest.raises(Conflict):
        await fresh.transact(add("never"))
    assert await head(client, town_id) == before


def test_every_older_format_has_its_step() -> None:
    assert sorted(formats.STEPS) == list(range(formats.FORMAT))


def test_the_one_plan_of_earlier_towns_becomes_a_record() -> None:
    meta = {"id": "t", "name": "demo", "dir": "/demo", "plan": "Auth", "plan_state": "running"}
    tasks = [{"id": "a", "plan": "main", "created_at": 7}, {"id": "t1", "created_at": 3}]
    now = formats.brought_up({**EMPTY, "town": [meta], "tasks": tasks}, 1)
    about = {"description": "Auth", "created_at": 7}
    assert now["plans"] == [{"id": "main", "seq": 1, "state": "running", **about}]
    assert now["town"][0]["plans"] == 1
    assert formats.brought_up({**EMPTY, "town": [{**meta, "plan": None}]}, 1)["plans"] == []


def test_steps_are_taken_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def times(number: int) -> Any:
        return lambda rows: {**rows, "tasks": [*rows["tasks"], {"step": number}]}

    monkeypatch.setattr(formats, "FORMAT", 3)
    monkeypatch.setattr(formats, "STEPS", {number: times(number) for number in range(3)})
    assert formats.brought_up(EMPTY, 1)["tasks"] == [{"step": 1}, {"step": 2}]
    assert formats.brought_up(EMPTY, 3)["tasks"] == []
