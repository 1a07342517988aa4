"""Calls that go on for long, and a daemon that is stopped or restarted beneath them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from tests.api.conftest import Run
from tests.e2e.test_e2e_outages import External, make_external
from tests.e2e.town import Home, TownUnderTest, until
from tinytown_cli import places
from tinytown_cli.api import Town, Unavailable
from tinytown_cli.api.connections import Connections, Following

__all__ = ["make_external"]

Make = Callable[..., Home]
Outside = Callable[..., External]
Call = Callable[[Town], Awaitable[object]]

PLAN = '[[tasks]]\nid = "build"\ndescription = "Work\\ndo: wait go"\nagent = "ann"\n'


async def result(api: Town) -> object:
    return await (await api.task("build")).result()


async def idle(api: Town) -> object:
    return await (await api.agent("ann")).wait_for_idle()


async def events(api: Town) -> None:
    async for event in api.events():
        if event.event == "task.completed":
            return


async def mail(api: Town) -> None:
    async for message in api.messages("ann"):
        if message.text == "over":
            return


#: All calls that have no end of their own.
CALLS: tuple[Call, ...] = (
    result,
    idle,
    events,
    mail,
    lambda api: api.wait_until_done(),
    lambda api: api.wait_for_idle("ann"),
    lambda api: api.plan.wait(),
)


def busy_town(home: Home, directory: Path) -> TownUnderTest:
    """A town that works until it is let go."""
    town = home.town(directory)
    town.team("ann")
    town.plan(PLAN)
    town.quick("conductor", "status")
    return town


async def beneath(
    api: Town, town: TownUnderTest, call: Callable[[Call], Coroutine[Any, Any, None]], then: str
) -> None:
    """Makes all calls at once, and has `tt daemon …` done when each of them waits."""
    connections = api._session.io
    assert isinstance(connections, Connections)
    async with anyio.create_task_group() as group:
        for one in CALLS:
            group.start_soon(call, one)
        wires = connections._wires
        all_wait = lambda: sum(len(wire._waiting) for wire in list(wires)) >= len(CALLS)  # noqa: E731
        await anyio.to_thread.run_sync(until, all_wait, "all calls to wait")
        await anyio.to_thread.run_sync(town.tt, "daemon", then)
        if then == "restart":
            town.go("go")
            await api.send("ann", "over", kind="info")


@pytest.mark.parametrize("where", ["embedded", "outside"])
def test_a_daemon_that_was_stopped_stays_stopped(
    where: str, make_external: Outside, make_home: Make, tmp_path: Path, run: Run
) -> None:
    more = "" if where == "embedded" else f'\n[redis]\nurl = "{make_external().url}"\n'
    town = busy_town(make_home(more), tmp_path / "town")
    ended: list[Call] = []

    async def talk(api: Town) -> None:
        async def refused(call: Call) -> None:
            with pytest.raises(Unavailable, match=r"^the daemon was stopped$"):
                await call(api)
            ended.append(call)

        await api.plan.start()
        await beneath(api, town, refused, "stop")
        assert len(ended) == len(CALLS)
        assert not town.home.pid
        assert (await api.status()).town.name, "a command of its own starts it, as those of tt do"
        assert town.home.pid
        town.go("go")

    run(town, talk)


def test_a_restart_is_followed(make_home: Make, tmp_path: Path, run: Run) -> None:
    town = busy_town(make_home(), tmp_path / "town")
    ended: list[Call] = []

    async def talk(api: Town) -> None:
        async def goes_on(call: Call) -> None:
            await call(api)
            ended.append(call)

        await api.plan.start()
        before = town.home.pid
        await beneath(api, town, goes_on, "restart")
        assert len(ended) == len(CALLS)
        assert town.home.pid not in (0, before)

    run(town, talk)


async def test_a_daemon_that_is_stopped_just_after_it_was_seen_is_not_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = places.Endpoint(places.Address("", "redis://127.0.0.1:1", "", ""), 1)
    seen = iter([known])
    monkeypatch.setattr(places, "ready_endpoint", lambda: next(seen, None))
    connections = Connections()
    starts = []

    async def start() -> places.Endpoint:
        starts.append(1)
        return known

    monkeypatch.setattr(connections, "endpoint", start)
    following = Following(connections)
    following._met = True
    assert await following.endpoint() == known
    assert not starts
