"""The API while daemons and servers die under it, calls are cancelled and towns are closed."""

from __future__ import annotations

import os
import random
import signal
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from tests.api.conftest import Run, script
from tests.e2e.town import Home, TownUnderTest, until
from tinytown_cli import conversation
from tinytown_cli.api import BadInput, Closed, Event, NotFound, Task, Town

Make = Callable[..., Home]
Within = Callable[[Home], None]


def test_a_daemon_is_started_where_none_runs(make_home: Make, tmp_path: Path, run: Run) -> None:
    home = make_home()
    town = home.town(tmp_path / "town")
    home.tt("daemon", "stop", cwd=tmp_path)

    async def talk(api: Town) -> None:
        assert (await api.spawn("a")).name == "a"

    run(town, talk)
    assert home.pid


def kill(home: Home, what: str) -> None:
    """SIGKILL for the daemon, the server or both."""
    for pid in [home.pid] * (what != "server") + [home.server_pid()] * (what != "daemon"):
        os.kill(pid, signal.SIGKILL)


async def listen(api: Town, heard: list[Event]) -> None:
    """All events, until the last agent is there."""
    async for event in api.events(since="0"):
        heard.append(event)
        if event.agent == "last":
            return


@pytest.mark.parametrize("killed", ["daemon", "server", "both"])
def test_calls_go_on_when_all_is_killed(
    killed: str, make_home: Make, tmp_path: Path, run: Run
) -> None:
    """Results, idleness, events and new commands, through three kills."""
    home = make_home()
    town = home.town(tmp_path / "town")
    heard: list[Event] = []
    results: list[str] = []

    async def wait(task: Task) -> None:
        results.append((await task.result()).strip())

    async def talk(api: Town) -> None:
        a = await api.spawn("a")
        held = await a.assign(script("wait go", "say survived"))
        async with anyio.create_task_group() as group:
            group.start_soon(listen, api, heard)
            for _ in range(5):
                group.start_soon(wait, held)
            tasks = []
            for _ in range(3):
                kill(home, killed)
                tasks.append(await a.assign(script("say later"), after=held))
            town.go("go")
            for task in tasks:
                assert (await task.result()).strip() == "later"
            assert await a.wait_for_idle() == []
            await api.spawn("last")
        assert results == ["survived"] * 5
        assert len(await api.tasks()) == 4, "each was assigned once"
        assert heard == await api.history(limit=10_000)

    run(town, talk)


def test_a_restart_is_waited_for(make_home: Make, tmp_path: Path, run: Run) -> None:
    home = make_home()
    town = home.town(tmp_path / "town")

    async def talk(api: Town) -> None:
        a = await api.spawn("a")
        task = await a.assign(script("wait go", "say there"))
        async with anyio.create_task_group() as group:

            async def wait() -> None:
                assert (await task.result()).strip() == "there"

            group.start_soon(wait)
            before = home.pid
            await anyio.to_thread.run_sync(lambda: home.tt("daemon", "restart", cwd=tmp_path))
            assert home.pid != before
            town.go("go")

    run(town, talk)


def test_a_closed_town_says_so(town: TownUnderTest, loop: str, within: Within) -> None:
    within(town.home)
    refused: list[str] = []

    async def wait(task: Task) -> None:
        with pytest.raises(Closed, match="This town is closed"):
            await task.result()
        refused.append("result")

    async def follow(api: Town) -> None:
        with pytest.raises(Closed):
            async for _ in api.events():
                pass
        refused.append("events")

    async def main() -> None:
        async with anyio.create_task_group() as group, Town.connect(town.directory) as api:
            a = await api.spawn("a")
            task = await a.assign(script("wait go"))
            group.start_soon(wait, task)
            group.start_soon(follow, api)
            await anyio.wait_all_tasks_blocked()
        for call in (api.status(), a.assign("x"), task.result(), api.plan.status()):
            with pytest.raises(Closed):
                await call
        with pytest.raises(Closed):
            await anext(api.events(since="0"))

    anyio.run(main, backend=loop)
    assert sorted(refused) == ["events", "result"]


def test_an_error_leaves_the_block_as_it_is(town: TownUnderTest, loop: str, within: Within) -> None:
    within(town.home)

    async def main() -> None:
        async with Town.connect(town.directory) as api:
            await api.agent("nobody")

    with pytest.raises(NotFound, match="nobody"):
        anyio.run(main, backend=loop)


def test_places_that_are_no_town(town: TownUnderTest, loop: str, within: Within) -> None:
    within(town.home)

    async def main(directory: Path) -> None:
        async with Town.connect(directory):
            raise AssertionError("it was opened")

    for wrong in (town.directory.parent, town.directory / "none"):
        with pytest.raises(NotFound, match=f"^there is no town in {wrong}") as refused:
            anyio.run(main, wrong, backend=loop)
        assert refused.value.hint == "tt init"


def test_any_call_may_be_cancelled_at_any_moment(
    town: TownUnderTest, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand calls are cut short; what the others are told stays right."""
    chance = random.Random(7)
    # So most replies are looked up, side by side, before they are announced.
    monkeypatch.setattr(conversation, "QUIET_SECONDS", 0.001)

    async def talk(api: Town) -> None:
        a = await api.spawn("a")
        await a.interrupt()
        tasks = [await api.backlog.add(f"Number {number}") for number in range(20)]

        async def cut() -> None:
            for _ in range(50):
                with anyio.move_on_after(chance.random() * 0.02):
                    await chance.choice(tasks).refresh()
                with anyio.move_on_after(chance.random() * 0.02):
                    await chance.choice(tasks).wait()

        async def ask(task: Task) -> None:
            for _ in range(25):
                info = await task.refresh()
                assert (info.id, info.description) == (task.id, f"Number {int(task.id[1:]) - 1}")

        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(cut)
            for task in tasks[:5]:
                group.start_soon(ask, task)
        assert len(list(Path("/proc/self/fd").iterdir())) < 40

    run(town, talk)


AGENT = """
    import anyio
    from tinytown_cli.api import BadInput, Town

    async def main():
        async with Town.connect() as town:
            mine = await town.current_task()
            await town.send("conductor", f"I work on {mine.id}", kind="info")
            other = await town.agent("b")
            task = await other.assign("Work\\ndo: say from b")
            told = (await task.result(timeout=60)).strip()
            try:
                await anext(town.events())
            except BadInput as refused:
                told += f"; {refused}"
            print(told)
            await mine.complete(told)

    anyio.run(main)
"""


def test_inside_an_agent_it_is_the_agent_that_speaks(town: TownUnderTest) -> None:
    town.team("b")
    file = town.write("agent.py", textwrap.dedent(AGENT))
    town.plan(
        '[[tasks]]\nid = "inside"\ndescription = "x"\nagent = "a"\n'
        f"run = '{sys.executable} {file}'\n"
    )
    town.tt("conductor", "--spawn")
    told = town.task("inside")
    assert told["state"] == "completed", told
    assert "from b" in told["result"]
    assert "an agent sees its own part only" in told["result"]
    heard = town.see("inbox", "conductor")
    (message,) = (one for one in heard if one["from"] != "daemon")
    assert (message["from"], message["text"]) == ("a", "I work on inside")
    created = [e for e in town.see("history", "--agent", "b") if e["event"] == "task.created"]
    assert [event["actor"] for event in created] == ["a"]


def test_an_agent_speaks_in_its_own_town_only(
    town: TownUnderTest, tmp_path: Path, loop: str, within: Within, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = town.home.town(tmp_path / "other")
    town.team("a")
    town.assign("a", "wait go")
    town.rounds(1)
    file = town.directory / ".tt" / "rounds" / "a" / "1" / "credentials"
    until(file.exists, "the credentials")
    within(town.home)
    monkeypatch.setenv("TINYTOWN_CREDENTIALS", str(file))

    async def main(directory: Path) -> str:
        async with Town.connect(directory) as api:
            return api.name

    assert anyio.run(main, town.directory, backend=loop)
    with pytest.raises(BadInput, match="in its own town only"):
        anyio.run(main, other.directory, backend=loop)
    town.go("go")
