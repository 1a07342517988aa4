"""The safety tick: who sleeps although there is work is woken, nobody else is."""

from __future__ import annotations

import asyncio

import pytest

from tests.domain.towns import NOW, agent, make_town, task
from tests.store.steps import until
from tinytownd.conductor.schedule import settle
from tinytownd.domain.town import Town
from tinytownd.store.client import end
from tinytownd.store.town import TownStore
from tinytownd.supervisor import safety


def test_who_has_something_to_do_is_due() -> None:
    team = [
        agent("idle", 1),
        agent("busy", 2),
        agent("to-pause", 3, desired="pause"),
        agent("held", 4, hold_until=NOW + 1, hold_reason="a limit"),
        agent("held-till-now", 5, hold_until=NOW),
        agent("working", 6, state="working", round="9"),
    ]
    town = make_town(*team)
    for number, name in enumerate(("busy", "held", "held-till-now", "working"), 1):
        town.put(task(number, name, state="assigned"))
    found = safety.due(town, [*town.agents, "gone"])
    assert [town.agents[one].name for one in found] == ["busy", "to-pause", "held-till-now"]


async def test_a_lost_wake_is_made_up_for(
    store: TownStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(safety, "SAFETY_TICK", 0.01)
    monkeypatch.setattr(safety, "BATCH", 2)

    def work(town: Town) -> None:
        for number in range(1, 6):
            town.put(agent(f"agent-{number}", number))
        for number in (1, 4, 5):
            town.put(task(number, f"agent-{number}"))
        settle(town)

    await store.transact(work)
    woken: list[str] = []
    keeping = asyncio.create_task(safety.keep_awake(store, woken.append))

    async def all_woken() -> bool:
        return set(woken) == {"a1", "a4", "a5"}

    await until(all_woken)
    await end([keeping])
