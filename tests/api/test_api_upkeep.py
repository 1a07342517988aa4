"""The report, and what a person does for a town, by the Python API."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.api.conftest import Run, script
from tests.e2e.town import TownUnderTest
from tinytown_cli.api import BadInput, Conflict, Town


def test_the_morning_page(town: TownUnderTest, run: Run) -> None:
    async def talk(api: Town) -> None:
        ann = await api.spawn("ann")
        await (await ann.assign(script("say built"))).wait(60)
        await (await ann.assign(script("exit 3"), plan="chores")).wait(60)
        never = await ann.assign("Deploy", approve=True)
        page = await api.report()
        assert [(one.id, one.agent, one.result) for one in page.done] == [("t1", "ann", "built")]
        assert [(one.plan, one.result) for one in page.failed] == [("chores", None)]
        assert page.done[0].finished_at > page.since
        assert page.until - page.since == timedelta(hours=12)
        assert (page.cost.rounds, page.cost.whole) == (2, True)
        assert [(one.name, one.rounds) for one in page.cost.agents] == [("ann", 2)]
        assert [plan.name for plan in page.plans] == ["chores"]
        assert {one.kind for one in page.needs} == {"question", "task"}
        assert page.needs[0].command == f"tt approve {never.id}"
        assert (await api.report(timedelta(days=2))).done == page.done
        for wrong in (timedelta(), timedelta(days=-1), timedelta(days=400)):
            with pytest.raises(BadInput, match="is no time to look back"):
                await api.report(wrong)

    run(town, talk)


def test_a_directory_is_made_a_town(town: TownUnderTest, run: Run, tmp_path: Path) -> None:
    directory = tmp_path / "shop"
    directory.mkdir()

    async def talk(api: Town) -> None:
        await Town.init(directory, name="corner-shop")
        async with Town.connect(directory) as shop:
            assert (shop.name, shop.directory) == ("corner-shop", directory)
            ann = await shop.spawn("ann", cli="scripted", tags=("web",), fallback=("talking",))
            assert (ann.info.tags, ann.info.fallback) == (("web",), ("talking",))
            await Town.init(directory)
            assert [one.name for one in await shop.agents()] == ["ann"]
        with pytest.raises(BadInput, match="there is no directory"):
            await Town.init(tmp_path / "none")
        assert not await api.agents(), "another town"

    run(town, talk)


def test_work_is_taken_back_and_agents_are_removed(town: TownUnderTest, run: Run) -> None:
    async def talk(api: Town) -> None:
        ann, bob = await api.spawn("ann"), await api.spawn("bob")
        await ann.kill()
        await bob.kill()
        task = await ann.assign("Sweep")
        told = await api.reclaim()
        assert [one.id for one in told.tasks] == [task.id]
        assert (await task.refresh()).agent == "ann", "without `to` it is only told"
        pruned = await api.prune()
        assert [one.name for one in pruned.removed] == ["bob"]
        assert [(one.name, task.id in one.why) for one in pruned.kept] == [("ann", True)]
        assert [one.id for one in (await api.reclaim(to="backlog")).tasks] == [task.id]
        assert [one.id for one in await api.backlog.tasks()] == [task.id]
        assert [one.name for one in (await api.prune(everyone=True)).removed] == ["ann"]
        assert await api.recover() == []

    run(town, talk)


def test_a_town_is_saved_emptied_and_restored(
    town: TownUnderTest, run: Run, tmp_path: Path
) -> None:
    async def talk(api: Town) -> None:
        ann = await api.spawn("ann")
        await ann.assign(script("wait never"))
        async with api.events(since="0") as events:
            async for event in events:
                if event.event == "task.started":
                    break
        with pytest.raises(Conflict, match="empty"):
            await api.restore(tmp_path / "a.save")
        saved = await api.save(tmp_path / "a.save")
        assert (saved.counts["agents"], saved.counts["tasks"]) == (1, 1)
        assert saved.bytes == (tmp_path / "a.save").stat().st_size
        with pytest.raises(Conflict):
            await api.save(tmp_path / "a.save")
        assert (await api.save(tmp_path / "a.save", force=True)).path == saved.path
        gone = await api.reset()
        assert (gone["agents"], gone["tasks"]) == (1, 1)
        assert not await api.agents()
        assert not await api.tasks()

    run(town, talk)
    other = town.home.town(tmp_path / "other")

    async def talk_to_other(api: Town) -> None:
        assert (await api.restore(tmp_path / "a.save"))["tasks"] == 1
        assert [one.info.state for one in await api.agents()] == ["cold"]
        (task,) = await api.tasks()
        assert task.info.state in ("pending", "assigned")
        await task.cancel()

    run(other, talk_to_other)
