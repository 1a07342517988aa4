"""Who is in a round may speak, and nobody else, however often Redis goes away meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.store.hosts import host_of
from tests.store.steps import Cut, post
from tinytownd.domain.agent import Agent
from tinytownd.domain.message import Round
from tinytownd.host import TownHost
from tinytownd.runtimes.catalogue import Runtime
from tinytownd.runtimes.process import open_files
from tinytownd.store import keys
from tinytownd.store.client import Client, connect
from tinytownd.store.patience import LOST

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <StreamWriter:ResourceWarning")
ANN = Agent(id="a1", name="ann", cli="shell", state="working", round="1")
RUNNING = Round(id="1", agent="ann", token="secret", cli="shell", cwd="/")


@pytest.fixture
async def host(cut: Cut, client: Client, town_id: str, tmp_path: Path) -> AsyncIterator[TownHost]:
    """A town with an agent in a round, over a wire that can be cut; nothing reads commands."""
    daemon = connect(cut.endpoint)
    host = await host_of(daemon, town_id, tmp_path, ANN, RUNNING, own_users=True)
    yield host
    await host.close()
    await daemon.aclose()
    await client.execute_command("ACL", "DELUSER", f"tt-{town_id}-a1")


def enter(host: TownHost) -> None:
    """Has the round let in, as it is when its process was let go."""
    entry = host.enter(ANN, RUNNING, Runtime("shell", ()))
    files = host.files(RUNNING)
    assert entry.env["TINYTOWN_CREDENTIALS"] == str(files.credentials)
    with open_files(files, {files.credentials: entry.credentials}):
        pass
    entry.let_in()


async def may_speak(client: Client, town_id: str) -> bool:
    return f"tt-{town_id}-a1" in await client.execute_command("ACL", "USERS")


@pytest.mark.parametrize("word", ["SETUSER", "XGROUP"])
async def test_a_round_that_begins_waits_for_redis(
    cut: Cut, host: TownHost, client: Client, town_id: str, word: str
) -> None:
    cut.swallow(word)
    enter(host)
    await host._door.opened("a1")
    assert cut.cuts == 1
    assert await may_speak(client, town_id)


@pytest.mark.parametrize("word", ["SETUSER", "XGROUP"])
async def test_a_round_that_is_taken_over_waits_for_redis(
    cut: Cut,
    host: TownHost,
    client: Client,
    town_id: str,
    word: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tinytownd.door.LINGER_SECONDS", 0.0)
    enter(host)
    await host.leave(ANN.id)
    await asyncio.sleep(0)  # for the timer: its stream is not read any more
    cut.swallow(word)
    await host.readmit(ANN, RUNNING)
    assert cut.cuts == 1
    assert await may_speak(client, town_id)


@pytest.mark.parametrize("word", ["XLEN", "DELUSER"])
async def test_a_round_that_ends_waits_for_redis(
    cut: Cut, host: TownHost, client: Client, town_id: str, word: str
) -> None:
    enter(host)
    cut.swallow(word)
    await host.leave(ANN.id)
    assert cut.cuts == 1
    assert not await may_speak(client, town_id)


async def test_what_a_round_said_is_not_taken_for_the_next_one(
    host: TownHost, client: Client, town_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinytownd.door.DRAIN_SECONDS", 0.05)
    enter(host)
    stream = keys.commands_key(town_id, "a1")
    await post(client, stream, "task.complete")  # and nobody carries it out
    await host.leave(ANN.id)
    assert await client.xlen(stream) == 0


async def test_a_cancel_that_is_swallowed_does_not_keep_a_round_from_its_end(
    host: TownHost, client: Client, town_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinytownd.door.DRAIN_SECONDS", 0.05)
    enter(host)
    await post(client, keys.commands_key(town_id, "a1"), "task.complete")
    there = host._around.client
    real = there.xlen

    async def deaf(stream: str) -> int:
        """As redis-py is on Python 3.11, when a cancel comes together with its answer."""
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0.2)
        return int(await real(stream))

    monkeypatch.setattr(there, "xlen", deaf)
    leaving = asyncio.create_task(host.leave(ANN.id))
    await asyncio.wait({leaving}, timeout=10)
    ended = leaving.done()
    monkeypatch.undo()
    await client.delete(keys.commands_key(town_id, "a1"))
    await leaving
    assert ended


async def test_the_stream_of_a_round_is_read_on_for_a_while_and_no_longer(
    host: TownHost, town_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = host._around.reader._cursors
    for seconds, still in ((60.0, True), (0.0, False)):
        monkeypatch.setattr("tinytownd.door.LINGER_SECONDS", seconds)
        enter(host)
        await host.leave(ANN.id)
        await asyncio.sleep(0.01)
        assert (keys.commands_key(town_id, "a1") in read) is still


async def test_only_who_is_in_a_round_is_let_in_again(
    host: TownHost, client: Client, town_id: str
) -> None:
    enter(host)
    await host._door.opened("a1")
    await client.execute_command("ACL", "DELUSER", f"tt-{town_id}-a1")
    await host.readmit_all()
    assert await may_speak(client, town_id)
    await host.leave(ANN.id)
    await host.readmit_all()  # its end is not in the records yet
    assert not await may_speak(client, town_id)


async def test_nothing_runs_for_a_town_that_did_not_open(
    cut: Cut, host: TownHost, town_id: str
) -> None:
    cut.swallow("XGROUP")
    with pytest.raises(LOST):
        await host.open()
    assert not [task for task in asyncio.all_tasks() if town_id in task.get_name()]
