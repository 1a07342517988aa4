"""The one connection under all calls: shared, replaced in time, given up when it is silent."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from tests.api.conftest import Run, script
from tests.e2e.test_e2e_outages import External, free_port, make_external
from tests.e2e.town import Home, TownUnderTest, until
from tinytown_cli import transport
from tinytown_cli.api import Task, Town, connections, streams

__all__ = ["make_external"]

Make = Callable[..., Home]
Outside = Callable[..., External]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The streams to servers that are made, in order."""
    made: list[object] = []
    plain = streams.connected

    async def connected(address: object) -> streams.Stream:
        made.append(address)
        return await plain(address)  # type: ignore[arg-type]

    monkeypatch.setattr(streams, "connected", connected)
    return made


async def at_once(count: int, call: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """The same call, so many times side by side."""
    async with anyio.create_task_group() as group:
        for _ in range(count):
            group.start_soon(call)


def test_a_worn_connection_is_replaced(
    town: TownUnderTest, run: Run, made: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "SUBSCRIPTIONS", 10)

    async def talk(api: Town) -> None:
        a = await api.spawn("a")
        held = await a.assign(script("wait go"))

        async def wait() -> None:
            assert await held.result() == ""

        async with anyio.create_task_group() as group:
            for _ in range(15):
                group.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            before = len(list(Path("/proc/self/fd").iterdir()))
            await at_once(100, api.status)
            assert len(list(Path("/proc/self/fd").iterdir())) <= before + 5
            town.go("go")
        # 3 to begin with, 15 that look, 15 that wait, 15 that look again, 100 beside them.
        assert len(made) == pytest.approx(15, abs=3)

    run(town, talk)


def test_one_connection_is_enough(town: TownUnderTest, run: Run, made: list[object]) -> None:
    async def talk(api: Town) -> None:
        await at_once(100, api.status)
        await api.agents()

    run(town, talk)
    assert len(made) == 1


def test_a_server_that_hangs_is_left_and_found_again(
    make_home: Make,
    tmp_path: Path,
    run: Run,
    made: list[object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transport, "SILENT_SECONDS", 0.5)
    home = make_home()
    town = home.town(tmp_path / "town")

    async def talk(api: Town) -> None:
        a = await api.spawn("a")
        held = await a.assign(script("wait go", "say there"))

        async def wait(task: Task) -> None:
            assert (await task.result()).strip() == "there"

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(wait, held)
            await anyio.wait_all_tasks_blocked()
            server = home.server_pid()
            before = len(made)
            os.kill(server, signal.SIGSTOP)
            try:
                await anyio.to_thread.run_sync(until, lambda: len(made) > before, "a new attempt")
            finally:
                os.kill(server, signal.SIGCONT)
            town.go("go")

    run(town, talk)


def test_over_tcp(make_external: Outside, make_home: Make, tmp_path: Path, run: Run) -> None:
    external = make_external(port=free_port())
    town = make_home(f'\n[redis]\nurl = "{external.url}"\n').town(tmp_path / "town")

    async def talk(api: Town) -> None:
        a = await api.spawn("a")
        task = await a.assign(script("say over tcp"))
        assert (await task.result()).strip() == "over tcp"

    run(town, talk)


def test_a_server_that_does_not_know_us_yet_is_asked_again(
    make_external: Outside, make_home: Make, tmp_path: Path, run: Run
) -> None:
    """One that restarts has no users until the daemon makes them: it answers, but not to us."""
    external = make_external()
    town = make_home(f'\n[redis]\nurl = "{external.url}"\n').town(tmp_path / "town")

    async def talk(api: Town) -> None:
        a = await api.spawn("a")
        for _ in range(5):
            external.kill()
            external.start()
            assert (await a.refresh()).name == "a"

    run(town, talk)
