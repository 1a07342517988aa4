"""What `tt recover` finds beside the records of an open town, and the files that a reset leaves."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.store.hosts import host_of
from tests.store.steps import until
from tinytownd import recovery
from tinytownd.domain.agent import Agent
from tinytownd.domain.message import Round
from tinytownd.domain.record import Record
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town
from tinytownd.host import TownHost
from tinytownd.recovery import Finding
from tinytownd.store import keys
from tinytownd.store.client import Client

MAX_ID = f"{2**64 - 1}-{2**64 - 1}"
ANN = Agent(id="a1", name="ann", cli="shell", state="paused", desired="pause")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "NOTICED_SECONDS", 0.05)


@pytest.fixture
async def host(client: Client, town_id: str, tmp_path: Path) -> AsyncIterator[TownHost]:
    """A town with an agent that is paused; nobody reads its commands."""
    host = await host_of(client, town_id, tmp_path, ANN)
    await host.open()
    yield host
    await host.close()


async def behind_its_back(client: Client, town_id: str, record: Record) -> None:
    """Writes a record as nobody should."""
    text = json.dumps(record.to_json())
    await client.hset(keys.records_key(town_id, record.kind), record.id, text)


async def test_a_town_that_is_well_needs_nothing(host: TownHost) -> None:
    assert await host.mend() == []


async def test_a_town_that_somebody_else_wrote_is_read_again(
    host: TownHost, client: Client, town_id: str
) -> None:
    task = Task(id="t1", description="By hand", seq=1)
    await behind_its_back(client, town_id, task)
    assert await host.mend() == [
        Finding("the town in memory was not the one in Redis", "read again")
    ]
    assert await host.store.read(lambda town: town.tasks["t1"]) == task
    assert await host.mend() == []


async def test_an_agent_that_nobody_looks_after_gets_its_supervisor(
    host: TownHost, client: Client, town_id: str
) -> None:
    await behind_its_back(client, town_id, Agent(id="a2", name="bob", cli="shell"))
    _, found = await host.mend()
    assert found == Finding("nobody looked after bob", "its supervisor was started")
    await in_state(host, "a2", "idle")
    host._tasks["a1"].cancel()
    await asyncio.wait([host._tasks["a1"]])
    assert await host.mend() == [Finding("nobody looked after ann", "its supervisor was started")]
    await host.store.transact(lambda town: town.put(town.agents["a1"].but(desired="run")))
    host.wake("a1")
    await in_state(host, "a1", "idle")
    assert await host.mend() == []


async def in_state(host: TownHost, agent: str, state: str) -> None:
    async def there() -> bool:
        return await host.store.read(lambda town: town.agents[agent].state) == state

    await until(there)


async def test_a_command_stream_that_is_full_is_mended(
    host: TownHost, client: Client, town_id: str
) -> None:
    await host.readmit(ANN, working()[1])  # without credentials: no more than a word in the log
    for agent in ("", "a1"):
        stream = keys.commands_key(town_id, agent)
        await client.execute_command("XADD", stream, "MAXLEN", "0", MAX_ID, "poison", "x")
    found = await host.mend()
    assert sorted(one.what for one in found) == [
        "the command stream of ann was broken",
        "the command stream of people was broken",
    ]
    await client.xadd(keys.commands_key(town_id), {"v": "1"})
    assert await host.mend() == []


# Rounds and processes


def working(token: str = "secret") -> tuple[Agent, Round]:
    """An agent in its round, which is to end in a pause."""
    running = Round(id="7", agent="ann", token=token, cli="shell", cwd="/")
    return ANN.but(state="working", round="7"), running


async def begin(host: TownHost, token: str = "secret") -> None:
    """The records of a round that no supervisor knows of."""

    def write(town: Town) -> None:
        for record in working(token):
            town.put(record)

    await host.store.transact(write)


async def test_a_round_whose_process_is_gone_is_ended(host: TownHost) -> None:
    await begin(host)
    assert await host.mend() == [
        Finding("the process of round 7 of ann is gone", "its supervisor was started afresh")
    ]
    await in_state(host, "a1", "paused")
    assert await host.store.read(lambda town: town.rounds["7"].outcome) == "interrupted"
    assert await host.mend() == []


Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(host: TownHost, town_id: str, tmp_path: Path) -> Iterator[Start]:
    """Starts processes of the town's rounds, and ends them with the test."""
    home = {"TINYTOWN_TOWN": town_id, "TINYTOWN_HOME": str(tmp_path / "home")}
    started: list[subprocess.Popen[bytes]] = []

    def start(token: str, **changes: str) -> subprocess.Popen[bytes]:
        env = {**home, "TINYTOWN_ROUND_TOKEN": token, **changes}
        started.append(subprocess.Popen(["/bin/sleep", "300"], env=env, start_new_session=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


async def test_what_is_left_of_rounds_that_are_over_is_ended(host: TownHost, start: Start) -> None:
    over = Round(id="3", agent="ann", token="old", outcome="completed")
    await host.store.transact(lambda town: town.put(over))
    left, more, unknown = start("old"), start("old"), start("older")
    found = await host.mend()
    assert sorted(found) == [
        Finding("1 process of a round that is forgotten", "ended"),
        Finding("2 processes of round 3 of ann, which is over", "ended"),
    ]
    assert [one.wait(10) for one in (left, more, unknown)] == [-15, -15, -15]
    assert await host.mend() == []


async def test_what_is_not_left_over_is_left_alone(host: TownHost, start: Start) -> None:
    await begin(host, "now")
    held = host.files(working()[1])
    held.directory.mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        stack.enter_context(locked(held.lock))
        mine = start("now")
        others = [start("old", TINYTOWN_HOME="/elsewhere"), start("old", TINYTOWN_TOWN="other")]
        assert await host.mend() == []
        assert [one.poll() for one in (mine, *others)] == [None] * 3


@contextlib.contextmanager
def locked(lock: Path) -> Iterator[None]:
    """Holds a round's lock, as its processes do."""
    lock.touch()
    holder = subprocess.Popen(
        ["flock", lock, "sh", "-c", "echo held; exec sleep 300"],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    try:
        yield
    finally:
        holder.stdout.close()
        os.killpg(holder.pid, 9)
        holder.wait()


# Files


def rounds_of(host: TownHost) -> list[str]:
    base = host.place.private / "rounds"
    return sorted(str(one.relative_to(base)) for one in base.glob("*/*"))


def with_files(host: TownHost, *names: str) -> None:
    for name in names:
        directory = host.place.private / "rounds" / name
        directory.mkdir(parents=True)
        (directory / "stdout").write_text("said\n")


async def clear(host: TownHost, upto: int) -> None:
    await host.store.transact(lambda town: town.put(town.meta.but(cleared=upto)))
    host.wake("")


async def swept(host: TownHost) -> None:
    await asyncio.wait([host._tasks["files"]])


async def test_files_of_rounds_that_were_dropped_go(host: TownHost) -> None:
    with_files(host, "ann/1", "ann/7", "ann/8", "bob/2", "bob/notes")
    with_files(host, "cay/3")
    await swept(host)
    host.wake("")
    await swept(host)
    assert len(rounds_of(host)) == 6, "nothing was dropped so far"
    await clear(host, 7)
    await swept(host)
    assert rounds_of(host) == ["ann/8", "bob/notes"]
    assert not (host.place.private / "rounds" / "cay").exists()


async def test_what_is_dropped_while_files_are_removed_goes_as_well(host: TownHost) -> None:
    with_files(host, *(f"ann/{number}" for number in range(1, 8)))
    for upto in range(1, 7):
        await clear(host, upto)
    await swept(host)
    assert rounds_of(host) == ["ann/7"]


async def test_what_an_earlier_daemon_left_goes_when_the_town_is_opened(host: TownHost) -> None:
    await swept(host)
    await host.close()
    with_files(host, "ann/1", "ann/9")
    rounds = host.place.private / "rounds"
    (rounds / "a file").touch()
    (rounds / "a circle").symlink_to(rounds / "a circle")  # which nobody can look into
    await host.store.transact(lambda town: town.put(town.meta.but(cleared=7)))
    await host.open()
    await swept(host)
    assert rounds_of(host) == ["ann/9"]


async def test_a_store_that_is_younger_than_the_files_counts_on(host: TownHost) -> None:
    await host.close()
    with_files(host, "ann/12", "bob/9", "bob/notes", "bob/99999999999")
    await host.open()
    assert await host.store.read(lambda town: town.meta.rounds) == 12


async def test_files_of_a_round_that_was_never_written_down_go(host: TownHost) -> None:
    await host.store.transact(lambda town: town.put(town.meta.but(rounds=8)))
    await host.close()
    with_files(host, "ann/9")  # it said something
    for name, files in {
        "ann/7": "",
        "ann/10": "prompt.md credentials stdout",
        "bob/11": "",
    }.items():
        directory = host.place.private / "rounds" / name
        directory.mkdir(parents=True)
        for file in files.split():
            (directory / file).touch()
    (host.place.private / "rounds" / "ann" / "12").mkdir()
    (host.place.private / "rounds" / "ann" / "12" / "mine").touch()
    await host.open()
    assert rounds_of(host) == ["ann/12", "ann/7", "ann/9"]
    assert await host.store.read(lambda town: town.meta.rounds) == 12


async def test_no_link_is_followed(host: TownHost, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    for name in ("1", "2"):
        (outside / name).mkdir(parents=True)
        (outside / name / "precious").touch()
    with_files(host, "ann/1", "ann/2")
    rounds = host.place.private / "rounds"
    (rounds / "bob").symlink_to(outside)
    (rounds / "ann" / "3").symlink_to(outside / "1")
    (rounds / "ann" / "1" / "link").symlink_to(outside)
    await clear(host, 7)
    await swept(host)
    assert rounds_of(host) == ["ann/3", "bob/1", "bob/2"]
    assert sorted(outside.rglob("precious")) == [outside / n / "precious" for n in ("1", "2")]
    (rounds / "ann" / "3").unlink()
    rounds.rename(tmp_path / "moved")
    rounds.symlink_to(tmp_path / "moved")
    with_files(host, "ann/4")
    host.wake("")
    await swept(host)
    assert rounds_of(host) == ["ann/4", "bob/1", "bob/2"]
