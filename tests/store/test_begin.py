"""A round begins in the change that makes it due; once, however that is written."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.store.hosts import host_of
from tests.store.steps import PATIENCE, Cut, until
from tinytownd.domain.agent import Agent
from tinytownd.domain.message import Round
from tinytownd.domain.record import Record
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town
from tinytownd.host import TownHost
from tinytownd.store import keys
from tinytownd.store.client import Client, connect, end
from tinytownd.store.town import TownStore
from tinytownd.store.wakes import listen

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <StreamWriter:ResourceWarning")
ANN = Agent(id="a1", name="ann", cli="shell", state="idle")
BOB = Agent(id="a2", name="bob", cli="shell", state="idle")


@pytest.fixture
async def host(cut: Cut, town_id: str, tmp_path: Path) -> AsyncIterator[TownHost]:
    """An open town with two agents that are idle and one slot, over a wire that can be cut."""
    daemon = connect(cut.endpoint)
    host = await host_of(daemon, town_id, tmp_path, ANN, BOB)
    await host.open()
    waking = asyncio.create_task(listen(daemon, lambda _, agent: host.wake(agent), host.wake_all))
    await until(lambda: asleep(host))
    yield host
    await end([waking])
    await host.close()
    await daemon.aclose()


async def asleep(host: TownHost) -> bool:
    return all(one._free for one in host._supervisors.values())


def work(number: int = 1, agent: str = "ann", run: str = "echo done >>ran") -> Task:
    return Task(id=f"t{number}", description="Do it", seq=number, agent=agent, run=run)


async def hand_out(host: TownHost, *tasks: Task) -> None:
    def put(town: Town) -> None:
        for task in tasks:
            town.put(task)

    await host.store.transact(put)


async def tasks_of(host: TownHost) -> dict[str, tuple[str, int]]:
    """The state of each task, and how often it was tried."""
    found: dict[str, tuple[str, int]] = await host.store.read(
        lambda town: {task.id: (task.state, task.attempts) for task in town.tasks.values()}
    )
    return found


async def all_done(host: TownHost, count: int = 1) -> None:
    """Waits until so many tasks are completed, each by its only round."""
    wanted = {f"t{number}": ("completed", 1) for number in range(1, count + 1)}
    async with asyncio.timeout(PATIENCE):
        while await tasks_of(host) != wanted:
            await host.store.changed()
    await until(lambda: asleep(host))
    assert host.slots.taken == 0
    assert (host.place.directory / "ran").read_text() == "done\n" * count


def directories(host: TownHost) -> list[str]:
    private = host.place.private / "rounds"
    return sorted(str(one.relative_to(private)) for one in private.glob("*/*"))


async def revision(host: TownHost) -> int:
    return int(str(await host.store._client.hget(keys.town_key(host.id), "revision")))


async def test_a_round_begins_in_the_step_that_hands_out_its_task(host: TownHost) -> None:
    before = await revision(host)
    await hand_out(host, work())
    assert await revision(host) == before + 1
    assert await host.store.read(lambda town: town.agents["a1"].round) == "8"
    await all_done(host)
    events = [str(event["event"]) for event in await host.store.history(20)]
    order = ["task.started", "round.started", "task.completed", "round.ended"]
    assert [event for event in events if event in order] == order


async def test_an_agent_begins_its_next_round_in_the_step_that_ends_its_last(
    host: TownHost,
) -> None:
    before = await revision(host)
    await hand_out(host, work(1), work(2), work(3))
    await all_done(host, 3)
    assert await revision(host) == before + 4  # handed out, and three ends


async def test_who_finds_no_slot_begins_when_there_is_one(host: TownHost) -> None:
    await hand_out(host, work(1), work(2, "bob"))
    states = await tasks_of(host)
    assert {states["t1"], states["t2"]} == {("running", 1), ("assigned", 0)}
    await all_done(host, 2)


async def test_what_was_written_although_no_answer_came_runs_once(host: TownHost, cut: Cut) -> None:
    cut.swallow("EVALSHA")
    await hand_out(host, work())
    assert cut.cuts == 1
    await all_done(host)
    assert directories(host) == ["ann/8"]


async def test_what_was_decided_on_another_town_runs_once(
    host: TownHost, client: Client, town_id: str
) -> None:
    """The round that began with it never was; the next one does."""
    other = TownStore(client, town_id, lambda _: None)
    await other.transact(lambda town: town.put(town.meta.but(name="y")))
    await hand_out(host, work())
    await all_done(host)
    assert directories(host) == ["ann/8"]


async def test_a_write_that_is_refused_leaves_nothing(
    host: TownHost, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinytownd.store.commit.MOST_WORDS", 1)
    with pytest.raises(Exception, match="too much in one step"):
        await hand_out(host, work())
    monkeypatch.undo()

    async def nothing_is_left() -> bool:
        return host.slots.taken == 0 and await asleep(host) and not directories(host)

    await until(nothing_is_left)
    assert await tasks_of(host) == {}
    await hand_out(host, work())
    await all_done(host)


async def test_a_round_that_was_written_late_is_found(
    host: TownHost, client: Client, town_id: str
) -> None:
    """A server that hung carries out what was given up: nobody here knows of that round."""
    late: tuple[Record, ...] = (
        work().but(state="running", round="8", attempts=1),
        Round(id="8", agent="ann", token="0" * 32, task="t1", cli="shell", cwd="/"),
        ANN.but(state="working", round="8", task="t1"),
    )
    for record in late:
        text = json.dumps(record.to_json())
        await client.hset(keys.records_key(town_id, record.kind), record.id, text)
    meta = await host.store.read(lambda town: town.meta.but(rounds=8))
    after: Any = {"revision": str(await revision(host) + 1), "meta": json.dumps(meta.to_json())}
    await client.hset(keys.town_key(town_id), mapping=after)
    await host.store.reread()
    host.wake("a1")
    async with asyncio.timeout(PATIENCE):
        while (await tasks_of(host))["t1"][0] != "completed":
            await host.store.changed()
    assert (host.place.directory / "ran").read_text() == "done\n"
    rounds = await host.store.read(lambda town: [one.outcome for one in town.rounds.values()])
    assert rounds == ["interrupted", "completed"]
