"""One home with its daemon for most tests, a town of its own for each."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from tests.e2e.town import CONFIG, Home, TownUnderTest


@pytest.fixture(scope="session")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home that tests share which do nothing to its daemon."""
    home = Home(tmp_path_factory.mktemp("shared") / "home")
    yield home
    home.end()


@pytest.fixture
def town(shared_home: Home, tmp_path: Path) -> Iterator[TownUnderTest]:
    """A fresh town of the shared home; agents that wait are let go at the end."""
    town = shared_home.town(tmp_path / "town")
    yield town
    town.go("everybody-go")


@pytest.fixture
def make_home(tmp_path: Path) -> Iterator[Callable[..., Home]]:
    """Makes homes with daemons of their own, which are ended with the test."""
    homes: list[Home] = []
    numbers = itertools.count(1)

    def make(more: str = "", config: str = CONFIG) -> Home:
        homes.append(Home(tmp_path / f"home{next(numbers)}", config + more))
        return homes[-1]

    yield make
    for home in homes:
        home.end(tmp_path)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows the end of the daemon's log."""
    report = yield
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            home = value.home if isinstance(value, TownUnderTest) else value
            if isinstance(home, Home):
                report.sections.append((f"log of {home.path}", home.log()))
    return report
