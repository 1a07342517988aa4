"""Approvals, reviews and questions by the Python API."""

from __future__ import annotations

import pytest

from tests.api.conftest import Run, script
from tests.e2e.town import TownUnderTest
from tinytown_cli.api import BadInput, Conflict, Town


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
