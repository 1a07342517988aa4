"""Real towns, driven by the Python API in this process, under each event loop that is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import anyio
import pytest

from tests.e2e.conftest import make_home, shared_home, town
from tests.e2e.town import Home, TownUnderTest
from tinytown_cli.api import Town

__all__ = ["make_home", "shared_home", "town"]

#: Two tasks, one after the other.
PLAN = """
[[tasks]]
id = "first"
description = "One"
agent = "a"

[[tasks]]
id = "second"
description = "Two"
agent = "a"
depends_on = ["first"]
"""
#: Seconds; no test takes so long.
PATIENCE = 90.0
LOOPS = ["asyncio", *(["trio"] if importlib.util.find_spec("trio") else [])]

Talk: TypeAlias = Callable[[Town], Awaitable[None]]
Run: TypeAlias = Callable[[TownUnderTest, Talk], None]


@pytest.fixture
def within(monkeypatch: pytest.MonkeyPatch) -> Callable[[Home], None]:
    """Has this process live in a home, as a user's program would."""

    def within(home: Home) -> None:
        for name, value in home.env.items():
            monkeypatch.setenv(name, value)

    return within


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> str:
    """The event loop that a test runs in."""
    return str(request.param)


@pytest.fixture
def run(loop: str, within: Callable[[Home], None]) -> Run:
    """Opens a town and talks to it."""

    def run(town: TownUnderTest, talk: Talk) -> None:
        within(town.home)

        async def main() -> None:
            with anyio.fail_after(PATIENCE):
                async with Town.connect(town.directory) as opened:
                    await talk(opened)

        anyio.run(main, backend=loop)

    return run


def script(*lines: str) -> str:
    """A task that a scripted agent carries out line by line."""
    return "\n".join(["Work", *(f"do: {line}" for line in lines)])
