"""A town whose conductor has an agent of its own, a scripted one: its rules, and its rounds."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.town import TownUnderTest, until


def rules(town: TownUnderTest, *pairs: tuple[str, list[str]]) -> None:
    """What the scripted conductor does when it finds a pattern in its prompt."""
    town.write("conductor.rules", json.dumps(pairs))


def asked(town: TownUnderTest) -> list[dict[str, Any]]:
    """The rounds of the conductor's agent so far."""
    return [one for one in town.rounds() if one["agent"] == "conductor"]


def conductor(town: TownUnderTest) -> dict[str, Any]:
    """The conductor's agent, or nothing."""
    return next((one for one in town.see("list") if one["name"] == "conductor"), {})


def at_rest(town: TownUnderTest, rounds: int) -> None:
    """The conductor's agent has had so many rounds, and nothing waits for it."""

    def rests() -> bool:
        agent = conductor(town)
        waits = agent.get("waiting", {})
        return (
            agent.get("rounds", 0) >= rounds and agent["state"] == "idle" and not waits["request"]
        )

    until(rests, f"{rounds} rounds of the conductor")
    assert conductor(town)["rounds"] == rounds
    assert len(asked(town)) == rounds
