"""Approvals, reviews and questions by the Python API."""

from __future__ import annotations

import pytest

from tests.api.conftest import Run, script
from tests.e2e.town import TownUnderTest
from tinytown_cli.api import BadInput, Conflict, NotFound, TaskOptions, Town


def test_all_that_is_said_of_a_task_is_known_to_it(town: TownUnderTest, run: Run) -> None:
    async def talk(api: Town) -> None:
        ann = await api.spawn("ann", role="dev")
        await api.spawn("bob", role="reviewer")
        await ann.interrupt()
        parts = [await ann.assign(script("exit 3")), await ann.assign(script("say in"))]
        all_of_it: TaskOptions = {
            "after": parts,
            "join": 2,
            "failures": "count",
            "tags": ["web", "ui"],
            "priority": "high",
            "approve": True,
            "check": "true",
            "review": "role:reviewer",
            "plan": "site",
        }
        made = await ann.assign("Bring it together", **all_of_it)
        loose = await api.backlog.add("Later", **all_of_it | {"tags": "none"})
        for task, tags in ((made, ("web", "ui")), (loose, ("none",))):
            info = task.info
            assert (info.depends_on, info.join) == (tuple(one.id for one in parts), "2")
            assert (info.failures, info.tags, info.priority) == ("count", tags, "high")
            assert (info.approve, info.check, info.plan) == (True, "true", "site")
            assert info.review == "role:reviewer"
        anybody = await api.assign("role:dev", script("say done"), join="any", after=parts)
        assert (anybody.info.agent, anybody.info.role) == (None, "dev")
        await ann.resume()
        assert await anybody.result(60) == "done"
        assert {one.task for one in await api.questions()} == {made.id, loose.id}
        for wrong in ({"join": 3}, {"join": 0}, {"failures": "maybe"}, {"review": "nobody"}):
            with pytest.raises((BadInput, NotFound)):
                await ann.assign("Never", after=parts, **wrong)

    run(town, talk)


def test_a_person_approves_reviews_and_answers(town: TownUnderTest, run: Run) -> None:
    async def talk(api: Town) -> None:
        ann = await api.spawn("ann")
        deploy = await ann.assign(script("say deployed"), approve=True, check="true")
        (asked,) = await api.questions()
        assert (asked.about, asked.task) == (f"approve:{deploy.id}", deploy.id)
        assert (await deploy.approve()).approved
        assert await deploy.result(60) == "deployed"
        with pytest.raises(Conflict, match="waits for no approval"):
            await deploy.approve()
        never = await api.assign("ann", "Not this", approve=True)
        assert (await never.reject("no")).error == "rejected: no"
        other = await api.assign("ann", "Nor this", approve=True)
        (asked,) = await api.questions()
        with pytest.raises(BadInput, match="neither yes nor no"):
            await api.answer(asked, "perhaps")
        assert (await api.answer(asked, "no")).answer == "no"
        assert (await other.refresh()).state == "failed"
        with pytest.raises(BadInput, match="a person asks agents"):
            await api.ask("Why?")

    run(town, talk)
