"""A town goes to another machine in a file, and a town of the Rust tinytown comes over."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.town import Home, TownUnderTest, until
from tests.store.rust_town import write_town
from tinytownd.home import Endpoint, connect_path
from tinytownd.store import formats
from tinytownd.store.binary import find_binary
from tinytownd.store.client import connect

MakeHome = Callable[..., Home]


def history(town: TownUnderTest) -> list[str]:
    return [event["event"] for event in town.see("history", "--limit", "1000")]


def test_a_town_at_work_moves_to_another_machine(
    town: TownUnderTest, make_home: MakeHome, tmp_path: Path
) -> None:
    here = town
    there = make_home().town(tmp_path / "moved")
    here.team("ann", "bob")
    here.quick("interrupt", "bob")
    done = here.assign("ann", "say this is done")
    here.wait("ann")
    running = here.assign("ann", "wait go", "say made there")
    here.quick("send", "bob", "Hello")
    later = here.assign("bob", "say later")
    here.rounds(2)

    file = tmp_path / "shop.save"
    told = here.data("save", str(file))
    assert (told["path"], told["bytes"]) == (str(file), file.stat().st_size)
    counts = {"agents": 2, "tasks": 3, "messages": 1, "rounds": 2, "plans": 0}
    counts |= {"archived_tasks": 0, "archived_rounds": 0}
    assert told["counts"] == {**counts, "events": len(history(here))}

    said = there.tt("restore", "../shop.save").out.splitlines()
    assert said[0].startswith("Restored 2 agents, 3 tasks, 1 message, 2 rounds, ")
    assert said[0].endswith(" events of town 'town'")
    assert said[1] == "Its agents are closed. Have a look: tt status; then: tt start"
    assert there.states() == {done: "completed", running: "pending", later: "assigned"}
    assert [(one["name"], one["state"]) for one in there.see("list")] == [
        ("ann", "cold"),
        ("bob", "paused"),
    ]
    assert there.task(done)["result"] == here.task(done)["result"]
    assert there.see("status")["town"]["name"] == "moved"
    assert history(there)[0] == "agent.spawned"
    assert "town.restored" in history(there)

    there.go("go")
    there.quick("start")
    until(lambda: there.task(running)["state"] == "completed", "the work there")
    assert there.task(running)["result"] == "made there"
    there.quick("resume", "bob")
    until(lambda: there.task(later)["state"] == "completed", "bob's work there")
    assert "Hello" in there.rounds()[-1]["prompt"]
    here.go("go")
    here.wait("ann")
    assert here.task(running)["state"] == "completed"


def test_what_goes_wrong_is_told_in_a_line(town: TownUnderTest, tmp_path: Path) -> None:
    file = tmp_path / "x.save"
    town.tt("save", str(file))
    town.quick("backlog", "add", "One more")
    before = file.read_bytes()
    for words, told in {
        ("save", str(file)): f"tt: {file} is there already (--force replaces it)",
        ("save", "no/such/x"): f"tt: {town.directory}/no/such/x cannot be written: No such file",
        ("restore", str(file)): "tt: this town is not empty: it has 1 task (tt reset empties it;",
    }.items():
        done = town.tt(*words, code=2)
        assert done.err.startswith(told), done
        assert (done.out, done.err.count("\n")) == ("", 1)
    assert file.read_bytes() == before
    town.tt("save", str(file), "--force")
    assert file.read_bytes() != before


def test_a_file_that_is_no_save_changes_nothing(town: TownUnderTest) -> None:
    town.write("x", "not a save")
    for file, told in {
        "x": "is no save of a town",
        "y": "does not exist",
        ".": "Is a directory",
    }.items():
        done = town.tt("restore", file, code=2)
        assert told in done.err
    assert (town.see("task", "list"), town.see("history")) == ([], [])


def test_agents_can_do_none_of_it(town: TownUnderTest) -> None:
    town.team("a")
    town.assign("a", "tt save x.save", "tt restore x.save", "tt migrate")
    town.wait("a", code=None)
    assert [one["code"] for one in town.said()] == [2, 2, 2]
    assert {one["err"].strip() for one in town.said()} == {
        "tt: an agent cannot use this command (run it outside the agent's process)"
    }
    assert not (town.directory / "x.save").exists()


# The Rust tinytown


@pytest.fixture
def other_redis(town: TownUnderTest) -> Iterator[Endpoint]:
    """The Redis that a town of the Rust tinytown left running in its directory."""
    socket = town.directory / ".tt" / "redis.sock"
    path = connect_path(socket)
    server = subprocess.Popen(
        [find_binary(os.environ), "--port", "0", "--unixsocket", path, "--save", ""],
        stdout=subprocess.DEVNULL,
        cwd=town.directory,
    )
    until(socket.exists, "the socket")
    yield Endpoint(socket=str(socket))
    server.send_signal(signal.SIGKILL)
    server.wait()


def fill(endpoint: Endpoint, *names: str, hashes: bool = True) -> None:
    async def write() -> None:
        client = connect(endpoint)
        for name in names:
            await write_town(client, name, hashes=hashes)
        await client.aclose()

    asyncio.run(write())


def content(endpoint: Endpoint) -> dict[str, Any]:
    """All that a Redis holds."""

    async def read() -> dict[str, Any]:
        client = connect(endpoint)
        keys = sorted([key async for key in client.scan_iter("*")])
        found = {key: await client.type(key) for key in keys}
        info: Any = await client.info("persistence")
        await client.aclose()
        return {"keys": found, "changes": info["rdb_changes_since_last_save"]}

    return asyncio.run(read())


@pytest.mark.parametrize("hashes", [False, True], ids=["JSON", "hashes"])
def test_a_town_of_the_rust_tinytown_comes_over(
    town: TownUnderTest, other_redis: Endpoint, hashes: bool
) -> None:
    fill(other_redis, "shop", hashes=hashes)
    before = content(other_redis)
    plan = town.tt("migrate", "--dry-run").out
    assert plan.startswith("Would bring 2 agents, 6 tasks, 4 messages from town 'shop' at ")
    assert (town.see("list"), town.see("task", "list"), town.see("history")) == ([], [], [])

    done = town.tt("migrate").out
    assert done.replace("Brought", "Would bring").startswith(plan)
    assert "  agent ann (claude)\n" in done
    assert "  task t4 (pending, backlog): Do 4\n" in done
    assert "  query from bob to ann: Is it done?\n" in done
    assert "Not brought: agent 00000000-0000-0000-0000-000000000001: the conductor is" in done
    assert "closed" in done.splitlines()[-1]
    assert [one["state"] for one in town.see("list")] == ["cold", "cold"]
    assert [one["id"] for one in town.see("backlog", "list")] == ["t4", "t6"]
    events = history(town)
    assert events[-1] == "town.migrated"

    again = town.data("migrate")
    assert again["there"] == {"agents": 2, "tasks": 6, "messages": 4}
    assert not any(again["came"].values())
    assert history(town) == events
    assert content(other_redis) == before


def test_which_town_it_is_can_be_said(town: TownUnderTest, other_redis: Endpoint) -> None:
    fill(other_redis, "shop", "mill")
    several = town.tt("migrate", code=2).err
    assert "holds 2 towns: 'mill', 'shop' (say which: --name)" in several
    missing = town.tt("migrate", "--name", "barn", code=2).err
    assert "holds no town 'barn' (it has 'mill', 'shop')" in missing
    old = town.write("old.toml", 'name = "mill"\n[redis]\nsocket_path = ".tt/redis.sock"\n')
    for source in (str(old), f"unix://{other_redis.socket}", str(other_redis.socket)):
        named = () if source == str(old) else ("--name", "shop")
        told = town.data("migrate", "--from", source, *named, "--dry-run")
        assert told["name"] == (named[-1] if named else "mill")
        assert told["source"].endswith(".tt/redis.sock")


def test_without_such_a_town_there_is_nothing_to_do(town: TownUnderTest, tmp_path: Path) -> None:
    told = town.tt("migrate").out
    assert told.startswith(f"This town's format ({formats.FORMAT}) is current")
    nobody = town.tt("migrate", "--from", "redis://:hunter2@127.0.0.1:1", code=3).err
    assert "does not answer at redis://127.0.0.1:1" in nobody
    assert "hunter2" not in nobody + town.home.log()
    ours = town.tt("migrate", "--from", str(town.home.path / "redis.sock"), code=None)
    assert ours.code in (2, 3)
    wrong = town.tt("migrate", "--from", str(town.directory), code=2).err
    assert "is no tinytown.toml of the Rust tinytown" in wrong
    assert json.loads(town.tt("history", "--json").out) == []
