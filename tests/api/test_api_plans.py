"""Several plans from Python: pushed, held up, proposed, and decided on."""

from __future__ import annotations

import pytest

from tests.api.conftest import PLAN, Run
from tests.e2e.town import TownUnderTest
from tinytown_cli.api import BadInput, Conflict, NotFound, Town


def test_plans_side_by_side(town: TownUnderTest, run: Run) -> None:
    async def talk(api: Town) -> None:
        billing = api.plan("billing")
        with pytest.raises(NotFound, match=r"there is no .*plans/billing\.toml"):
            await billing.push()
        (town.directory / "plans").mkdir()
        town.write("plans/billing.toml", PLAN)
        assert [one.id for one in (await billing.push()).added] == [
            "billing/first",
            "billing/second",
        ]
        await api.plan.push(PLAN)
        assert [plan.name for plan in await api.plans()] == ["billing", "main"]
        assert (await billing.start(spawn=True)).plan.name == "billing"
        assert (await billing.wait(timeout=60)).state == "completed"
        assert (await api.plan.wait(timeout=60)).state == "completed"
        assert await billing.pull() == ["first", "second"]
        with pytest.raises(Conflict, match="plan billing is over"):
            await billing.pause()
        agent = await api.agent("a")
        chore = await agent.assign("Sweep", plan="chores")
        assert (chore.id, chore.info.plan) == ("chores/t1", "chores")
        await chore.wait(timeout=60)
        assert (await api.plan("chores").status()).state == "completed"

    run(town, talk)


def test_what_a_person_decides_about_a_plan(town: TownUnderTest, run: Run) -> None:
    async def talk(api: Town) -> None:
        site = api.plan("site")
        assert (await site.push(PLAN, propose=True)).plan.state == "proposed"
        with pytest.raises(Conflict, match="waits for an approval"):
            await site.start()
        assert (await site.reject("Too big")).state == "cancelled"
        await site.push(PLAN)
        assert (await site.approve()).state == "stalled"
        assert (await site.pause()).state == "paused"
        with pytest.raises(Conflict, match="plan site is paused"):
            await site.start()
        await api.spawn("a")
        assert (await site.resume()).state == "running"
        await site.wait(timeout=60)
        await site.push(PLAN + '[[tasks]]\nid = "more"\ndescription = "M"\nagent = "b"\n')
        assert (await site.cancel()).state == "cancelled"
        assert (await site.wait(timeout=5)).state == "cancelled"
        for name in ("all", "a/b", ""):
            with pytest.raises(BadInput):
                api.plan(name)
        with pytest.raises(NotFound, match="there is no plan 'sight'"):
            await api.plan("sight").status()

    run(town, talk)
