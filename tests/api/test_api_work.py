"""Agents, tasks, the backlog and plans, from Python."""

from __future__ import annotations

from datetime import UTC, timedelta
from pathlib import Path

import anyio
import pytest

from tests.api.conftest import PLAN, Run, script
from tests.e2e.town import TownUnderTest
from tinytown_cli.api import (
    BadInput,
    Conflict,
    IllegalTransition,
    NotFound,
    PlanError,
    TaskCancelled,
    TaskFailed,
    TaskHeld,
    TimedOut,
    Town,
)


def test_a_task_has_a_result(town: TownUnderTest, run: Run) -> None:
    async def talk(api: Town) -> None:
        dev = await api.spawn("dev", role="developer")
        again = await api.spawn("dev", role="developer")
        assert (again.info.id, dev.name, dev.info.role) == (dev.info.id, "dev", "developer")
        with pytest.raises(Conflict, match="role is developer"):
            await api.spawn("dev", role="other")
        task = await dev.assign(script("say forty-two"), tags="ui", priority="high")
        assert (task.info.tags, task.info.priority, task.info.agent) == (("ui",), "high", "dev")
        assert (await task.result(timeout=60)).strip() == "forty-two"
        assert task.info.state == "completed"
        assert task.info.finished_at
        assert task.info.finished_at.tzinfo == UTC
        (only,) = await task.rounds()
        assert (only.agent, only.outcome) == ("dev", "completed")
        assert [only] == await task.rounds(gates=True) == await dev.rounds()
        assert (await dev.refresh()).rounds == 1
        assert [one.name for one in await api.agents()] == ["dev"]

    run(town, talk)


def test_a_task_without_a_result_says_why(town: TownUnderTest, run: Run) -> None:
    async def talk(api: Town) -> None:
        dev = await api.spawn("dev")
        bad = await dev.assign(script("exit 3"))
        later = await dev.assign("Later", after=bad)
        with pytest.raises(TaskFailed, match=f"task {bad.id} failed: .*exit code 3") as failed:
            await bad.result()
        assert failed.value.task.state == "failed"
        assert failed.value.hint == f"tt task retry {bad.id}"
        with pytest.raises(TaskHeld, match=f"waits for {bad.id}"):
            await later.result()
        assert [one.id for one in await bad.cancel(cascade=True)] == [bad.id, later.id]
        with pytest.raises(TaskCancelled, match=f"task {later.id} was cancelled"):
            await later.result(timeout=0)
        with pytest.raises(IllegalTransition):
            await later.cancel()

    run(town, talk)


def test_waiting_has_an_end(town: TownUnderTest, run: Run) -> None:
    async def talk(api: Town) -> None:
        dev = await api.spawn("dev")
        task = await dev.assign(script("wait go"))
        for timeout in (0, 0.2):
            with pytest.raises(TimedOut, match=rf"task {task.id} is still .* after {timeout:g} s"):
                await task.result(timeout=timeout)
        with pytest.raises(TimedOut, match=r"dev is still not idle after 0.1 s"):
            await dev.wait_for_idle(timeout=0.1)
        with pytest.raises(TimedOut, match=r"the team is still not idle"):
            await api.wait_for_idle(timeout=0.1)
        with pytest.raises(TimedOut, match="still not done"):
            await api.wait_until_done(0.1)
        for wrong in (-1, float("nan"), "soon"):
            with pytest.raises(BadInput, match="a timeout is a number of seconds"):
                await task.result(timeout=wrong)  # type: ignore[arg-type]
        town.go("go")
        assert await task.result() == ""
        assert await dev.wait_for_idle() == []

    run(town, talk)


def test_the_fan_in_builds_on_all_results(town: TownUnderTest, run: Run) -> None:
    async def talk(api: Town) -> None:
        parts = []
        for name in ("a", "b", "c"):
            worker = await api.spawn(name)
            parts.append(await worker.assign(script(f"say part-{name}")))
        reviewer = await api.spawn("reviewer")
        review = await reviewer.assign(script("say all good"), after=[*parts[:2], parts[2].id])
        assert review.info.depends_on == tuple(part.id for part in parts)
        assert (await review.result()).strip() == "all good"
        prompt = town.rounds(4)[-1]["prompt"]
        assert all(f"part-{name}" in prompt for name in "abc")

    run(town, talk)


def test_those_that_failed_are_told_of(town: TownUnderTest, run: Run) -> None:
    async def talk(api: Town) -> None:
        a, b = await api.spawn("a"), await api.spawn("b")
        bad = await a.assign(script("exit 1"))
        await b.assign(script("say fine"))
        assert await api.wait_for_idle(b) == []
        assert [one.id for one in await a.wait_for_idle()] == [bad.id]
        assert [one.id for one in await api.wait_until_done()] == [bad.id]
        (failed,) = await api.tasks(state="failed", agent=a)
        await a.interrupt()
        assert (await failed.retry()).state in ("pending", "assigned")
        assert "better" in (await failed.edit(text=script("say better"))).description
        await a.resume()
        assert (await failed.result()).strip() == "better"

    run(town, talk)


def test_what_was_put_away_is_listed_and_built_upon(town: TownUnderTest, run: Run) -> None:
    async def talk(api: Town) -> None:
        ann = await api.spawn("ann")
        first = await ann.assign(script("say first"))
        await first.result()
        assert await api.tasks(archived=True) == []
        assert (await api.archive(timedelta())).tasks == 1
        assert await api.tasks() == []
        assert [one.id for one in await api.tasks(archived=True, state="completed")] == [first.id]
        second = await ann.assign(script("say second"), after=[first.id])
        await second.result()
        assert "first" in town.rounds(2)[-1]["prompt"], "it is told what it builds on"
        assert await api.tasks(archived=True) == []

    run(town, talk)


def test_the_backlog_and_what_is_done_by_hand(town: TownUnderTest, run: Run) -> None:
    async def talk(api: Town) -> None:
        a = await api.spawn("a")
        await a.interrupt()
        low = await api.backlog.add("Tidy", tags=["chore"], priority="low")
        urgent = await api.backlog.add("Fix", priority="urgent")
        assert [one.id for one in await api.backlog.tasks()] == [urgent.id, low.id]
        assert (await api.backlog.claim(urgent, a)).info.agent == "a"
        with pytest.raises(Conflict, match="not in the backlog"):
            await api.backlog.claim(urgent.id, "a")
        assert [one.id for one in await api.backlog.assign_all(a)] == [low.id]
        assert (await low.edit(tags=(), priority="normal")).tags == ()
        assert (await low.move("backlog")).agent is None
        assert (await api.backlog.remove(low)).info.state == "cancelled"
        assert (await urgent.complete("by hand")).state == "completed"
        assert await (await api.task(urgent)).result() == "by hand"
        other = await a.assign("Never")
        assert (await other.fail("no time")).error == "no time"
        assert [one.id for one in await a.tasks("failed")] == [other.id]
        assert (await a.resume()).desired == "run"
        assert await a.current_task() is None
        assert (await a.close()).desired != "run"
        assert (await a.restart()).desired == "run"

    run(town, talk)


def test_a_plan_is_pushed_started_and_waited_for(town: TownUnderTest, run: Run) -> None:
    async def talk(api: Town) -> None:
        assert (await api.plan.wait(timeout=0)).state == "none"
        file = town.write("other.toml", PLAN)
        pushed = await api.plan.push(file)
        assert [one.id for one in pushed.added] == ["first", "second"]
        (town.directory / "tasks.toml").write_text(PLAN)
        assert [one.id for one in (await api.plan.push()).unchanged] == ["first", "second"]
        assert (await api.plan.status()).state == "waiting"
        assert (await api.plan.wait()).conductor.on is False
        started = await api.plan.start(spawn=True)
        assert started.on
        end = await api.plan.wait(timeout=60)
        assert (end.state, [one.state for one in end.tasks]) == ("completed", ["completed"] * 2)
        assert await api.plan.pull() == ["first", "second"]
        assert 'status = "completed"' in (town.directory / "tasks.toml").read_text()
        assert (await api.plan.stop()).on is False

    run(town, talk)


def test_a_plan_that_is_none(town: TownUnderTest, run: Run) -> None:
    async def talk(api: Town) -> None:
        with pytest.raises(PlanError, match="the plan has 1 problem") as refused:
            await api.plan.push('[[tasks]]\nid = "x"\n')
        assert refused.value.problems[0]["line"]
        with pytest.raises(BadInput, match="is a file's name and no plan") as meant:
            await api.plan.push("tasks.toml")
        assert meant.value.hint == "Path('tasks.toml')"
        with pytest.raises(NotFound, match=r"there is no none\.toml"):
            await api.plan.push(Path("none.toml"))
        with pytest.raises(BadInput, match="there is no plan to conduct"):
            await api.plan.start()
        await api.plan.push(PLAN)
        await api.spawn("a")
        await (await api.agent("A")).interrupt()
        await api.plan.start()
        with pytest.raises(TimedOut, match=r"the plan is still not over after 0\.2 s"):
            await api.plan.wait(timeout=0.2)

    run(town, talk)


def test_the_town_at_a_glance(town: TownUnderTest, run: Run) -> None:
    async def talk(api: Town) -> None:
        a = await api.spawn("a")
        await a.assign(script("say hello"))
        await a.wait_for_idle()
        status = await api.status()
        assert (status.town.id, api.directory) == (api.id, town.directory)
        assert status.tasks.by_state["completed"] == 1
        assert (status.agents[0].name, status.agents[0].waiting.tasks) == ("a", 0)
        assert status.rounds[0].outcome == "completed"
        history = await api.history(agent=a, limit=3)
        assert len(history) == 3
        assert history[-1].id == status.event
        await api.stop(now=True)
        assert (await a.refresh()).state == "stopped"
        await api.start()
        assert (await a.refresh()).desired == "run"

    run(town, talk)


def test_what_cannot_be_is_refused_in_one_line(town: TownUnderTest, run: Run) -> None:
    async def talk(api: Town) -> None:
        a = await api.spawn("a")
        with pytest.raises(NotFound, match="there is no agent 'nobody'"):
            await api.agent("nobody")
        with pytest.raises(NotFound, match="there is no task"):
            await api.task("t99")
        with pytest.raises(NotFound):
            await api.wait_for_idle("nobody")
        with pytest.raises(BadInput, match="empty"):
            await a.assign("  ")
        with pytest.raises(BadInput, match=r"task\.assign cannot be asked so"):
            await a.assign(Path("x"))  # type: ignore[arg-type]
        with pytest.raises(BadInput, match="not UTF-8"):
            await a.assign("\ud800")
        with pytest.raises(BadInput, match="'text' is not a text"):
            await a.assign(3)  # type: ignore[arg-type]
        with pytest.raises(BadInput, match="takes no 'colour'"):
            await api.spawn("b", colour="red")  # type: ignore[call-arg]
        with pytest.raises(BadInput, match="priority"):
            await a.assign("x", priority="soon")  # type: ignore[arg-type]

    run(town, talk)


def test_two_hundred_wait_over_one_connection(town: TownUnderTest, run: Run) -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    def threads() -> int:
        return len(list(Path("/proc/self/task").iterdir()))

    results: dict[str, str] = {}

    async def talk(api: Town) -> None:
        agents = [await api.spawn(f"a{number}") for number in range(4)]
        before = descriptors(), threads()
        held = [await agent.assign(script("wait go", "say done")) for agent in agents]
        async with anyio.create_task_group() as group:

            async def wait(number: int) -> None:
                results[str(number)] = (await held[number % 4].result()).strip()

            for number in range(200):
                group.start_soon(wait, number)
            # All of them wait: nothing else is to be asked before this is answered.
            await api.status()
            assert descriptors() == before[0]
            assert threads() <= before[1], "an idle one of an earlier test may have ended"
            assert results == {}
            town.go("go")
        assert set(results.values()) == {"done"}
        assert len(results) == 200

    run(town, talk)
