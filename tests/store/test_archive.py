"""What a town has put away: in one place or the other, found by its id, and as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.domain.towns import round_, task
from tests.store.steps import Cut, loaded, seen
from tinytownd.conductor.schedule import settle
from tinytownd.domain.errors import Conflict, Unavailable
from tinytownd.domain.message import Round
from tinytownd.domain.policy import History, Policy
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town
from tinytownd.home import Endpoint
from tinytownd.store import archive, formats, keys
from tinytownd.store.client import Client, connect
from tinytownd.store.town import TownStore


def done(number: int, **fields: Any) -> Task:
    told = {"result": f"It is done: {number} — ü", "state": "completed", **fields}
    return task(number, "ann", created_at=number, finished_at=number + 5, **told)


def put(*records: Task | Round) -> Callable[[Town], None]:
    def decide(town: Town) -> None:
        for one in records:
            town.put(one)

    return decide


def away(*records: Task | Round) -> Callable[[Town], None]:
    def decide(town: Town) -> None:
        for one in records:
            town.archive(one)

    return decide


async def everything(store: TownStore) -> list[str]:
    return [record.id async for record in store.archive.everything()]


async def newest(store: TownStore) -> list[str]:
    return [one.id async for one in store.archive.newest()]


async def test_what_is_put_away_is_found_as_it_was(client: Client, store: TownStore) -> None:
    tasks = [done(n, tags=("ui", "x"), needs=("t9",)) for n in range(1, 4)]
    await store.transact(put(*tasks))
    await store.transact(away(*tasks[:2]))
    assert list((await loaded(client, store.id)).tasks) == ["t3"]
    found = await store.archive.tasks(["t2", "t1", "t3", "t1", "nothing"])
    assert found == {"t1": tasks[0], "t2": tasks[1]}
    assert await store.archive.count() == 2
    assert await store.archive.tasks([]) == {}


async def test_the_last_that_was_put_away_comes_first(
    store: TownStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "CHUNK", 2)
    await store.transact(away(*map(done, range(1, 6))))
    await store.transact(away(*map(done, range(10, 12))))
    assert await newest(store) == ["t11", "t10", "t5", "t4", "t3", "t2", "t1"]
    assert sorted(await store.archive.tasks(f"t{n}" for n in range(20))) == sorted(
        await newest(store)
    )


async def test_a_task_s_rounds_are_found_by_when_they_ran(
    store: TownStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "CHUNK", 3)
    rounds = [round_(n, "ann", task=f"t{n % 4}", started_at=n, outcome="failed") for n in range(40)]
    await store.transact(away(*rounds))
    found = await store.archive.rounds_of(done(10, id="t2"))
    assert [one.id for one in found] == ["10", "14"]
    assert found[0] == rounds[10]


async def test_a_page_begins_where_the_last_one_ended(
    store: TownStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "CHUNK", 2)
    await store.transact(away(*map(done, range(1, 6))))
    placed = [(place, one.id) async for place, one in store.archive.newest_from()]
    await store.transact(away(done(6)))
    for number, (place, _) in enumerate(placed):
        behind = [one.id async for _, one in store.archive.newest_from(place)]
        assert behind == [one for _, one in placed[number + 1 :]]


async def test_what_ended_since_then_is_found(
    store: TownStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "CHUNK", 2)
    assert await store.archive.first_round_at() is None
    tasks = [done(n) for n in (9, 1, 2, 3, 8, 4)]  # each ends five after it was made
    rounds = [round_(n, "ann", started_at=n, ended_at=n + 10, outcome="x") for n in (1, 9, 2, 3)]
    await store.transact(away(*tasks, *rounds))
    assert [one.id async for one in store.archive.tasks_since(13)] == ["t9", "t8"]
    assert [one.id async for one in store.archive.rounds_since(13)] == ["9", "3"]
    assert await store.archive.first_round_at() == 1


async def test_a_task_that_comes_back_and_goes_again_is_there_once(store: TownStore) -> None:
    await store.transact(away(done(1), done(2)))
    await store.transact(put(done(1, tokens=5)))
    await store.transact(away(done(1, tokens=7)))
    assert (await store.archive.tasks(["t1"]))["t1"].tokens == 7
    assert await newest(store) == ["t1", "t2"]
    assert await everything(store) == ["t2", "t1"]


async def test_what_comes_back_in_the_same_change_was_never_put_away(store: TownStore) -> None:
    def both(town: Town) -> None:
        town.archive(done(1))
        town.put(done(1))

    await store.transact(both)
    assert await newest(store) == []


async def test_those_around_a_task_come_with_it(store: TownStore) -> None:
    inner = done(3, needs=("t1", "t9"), parent="t4")
    await store.transact(away(done(8, parent="t4", state="failed")))
    failed = [done(6, parent="t4", state="failed"), done(7, parent="t6", state="cancelled")]
    around = (done(4, parent="t5"), done(5), done(10, parent="t5"), *failed)
    await store.transact(away(done(1), done(2), inner, *around))
    found = await store.archive.tasks_around(["t3"])
    # A group without those that failed in it would be taken for one that is completed.
    assert sorted(found) == ["t1", "t3", "t4", "t5", "t6", "t7"]


async def test_an_emptied_archive_is_empty_and_takes_more(store: TownStore) -> None:
    await store.transact(away(done(1)))

    def empty(town: Town) -> None:
        town.empty_archive()
        town.archive(done(2))

    await store.transact(empty)
    assert (await newest(store), await store.archive.count()) == (["t2"], 1)


async def test_a_town_that_is_forgotten_leaves_no_archive(client: Client, store: TownStore) -> None:
    await store.transact(away(done(1), round_(1, "ann")))
    await store.forget()
    assert [key async for key in client.scan_iter(f"*{store.id}*")] == []


async def test_a_chunk_is_small(client: Client, store: TownStore) -> None:
    tasks = [done(n, description=f"Build page {n} of the shop") for n in range(400)]
    await store.transact(away(*tasks))
    chunks: Any = await client.hvals(keys.archive_key(store.id))
    assert sum(map(len, chunks)) < sum(len(json.dumps(one.to_json())) for one in tasks) / 3


async def test_a_town_without_an_archive_is_brought_up(client: Client, store: TownStore) -> None:
    await store.transact(put(done(1)))
    await client.hset(keys.town_key(store.id), "format", "2")
    town = await loaded(client, store.id)
    assert (list(town.tasks), await newest(store)) == (["t1"], [])
    assert await client.hget(keys.town_key(store.id), "format") == str(formats.FORMAT)


async def test_damage_and_what_is_newer_are_told_in_one_line(
    client: Client, store: TownStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.transact(away(done(1)))
    monkeypatch.setattr(formats, "FORMAT", formats.FORMAT - 1)
    with pytest.raises(Conflict, match="newer tinytown"):
        await newest(store)
    monkeypatch.undo()
    (name,) = await client.hkeys(keys.archive_key(store.id))
    for chunk in ("", "=", "eJw=", "AAAA"):
        await client.hset(keys.archive_key(store.id), name, chunk)
        with pytest.raises(Unavailable, match=r"archive of the town .* is damaged"):
            await store.archive.tasks(["t1"])


# In one step with the town itself


async def test_a_write_whose_answer_is_lost_puts_everything_away_once(
    server: Endpoint, client: Client, store: TownStore, tmp_path: Path
) -> None:
    await store.transact(put(*map(done, range(1, 6))))
    async with Cut(server, tmp_path / "cut.sock") as cut:
        far_client = connect(cut.endpoint)
        far = TownStore(far_client, store.id, settle, lambda: Policy(history=History(days=1)))
        await far.transact(put(done(7)))  # the script is there from now on

        def number(town: Town) -> None:
            town.put(town.meta.but(numbered=20))  # before, ids could have been given again
            town.looked = ((0, 0, ""), 0, 0)

        cut.swallow("EVALSHA")
        await far.transact(number)
        assert cut.cuts == 1
        town = await far.read(lambda town: town)
        await far_client.aclose()
    fresh = await loaded(client, store.id)
    assert seen(fresh) == seen(town)
    assert (list(fresh.tasks), sorted(await newest(store))) == (
        [],
        [f"t{n}" for n in (*range(1, 6), 7)],
    )
    assert fresh.meta.archived == {"completed": await store.archive.count()}
