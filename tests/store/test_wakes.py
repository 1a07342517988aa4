"""Wakes reach the daemon, and after a time in which they may not have, everybody is woken."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from tests.store.steps import Cut, until
from tinytownd.home import Endpoint
from tinytownd.store import keys
from tinytownd.store.client import Client, connect, end
from tinytownd.store.wakes import listen


class Heard:
    """What a listener was told."""

    def __init__(self) -> None:
        self.wakes: list[tuple[str, str]] = []
        self.alls = 0

    def wake(self, town: str, agent: str) -> None:
        self.wakes.append((town, agent))

    async def wake_all(self) -> None:
        self.alls += 1


@contextlib.asynccontextmanager
async def listening(client: Client) -> AsyncIterator[Heard]:
    heard = Heard()
    task = asyncio.create_task(listen(client, heard.wake, heard.wake_all))

    async def subscribed() -> bool:
        return heard.alls == 1

    await until(subscribed)
    yield heard
    assert not task.done(), "the listener ended"
    await end([task])


async def woken(client: Client, heard: Heard, town: str, agent: str) -> None:
    """Wakes until it was heard: a subscription that is announced may not be there yet."""

    async def told() -> bool:
        await client.publish(keys.wake_channel(town, agent), "1")
        return (town, agent) in heard.wakes

    await until(told)


async def test_wakes_of_all_towns_are_heard(client: Client, blocking: Client, town_id: str) -> None:
    async with listening(blocking) as heard:
        await woken(client, heard, town_id, "a1")
        await woken(client, heard, f"{town_id}-2", "a12")
        await client.publish(f"tt:{{{town_id}}}:reply:a1", "no wake")
        await woken(client, heard, town_id, "a2")
    assert set(heard.wakes) == {(town_id, "a1"), (f"{town_id}-2", "a12"), (town_id, "a2")}


async def test_after_the_server_was_away_everybody_is_woken(
    server: Endpoint, client: Client, town_id: str, tmp_path: Path
) -> None:
    async with Cut(server, tmp_path / "cut.sock") as cut:
        through = connect(cut.endpoint, blocking=True)
        async with listening(through) as heard:
            await woken(client, heard, town_id, "a1")
            await cut.hang_up()

            async def again() -> bool:
                return heard.alls == 2

            await until(again)
            await woken(client, heard, town_id, "a2")
        await through.aclose()
