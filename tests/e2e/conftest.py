"""One home with its daemon for most tests, a town of its own for each."""

from __future__ import annotations

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

    def make(more: str = "") -> Home:
        homes.append(Home(tmp_path / f"home{len(homes)}", CONFIG + more))
        return homes[-1]

    yield make
    for home in homes:
        # Captured, and so shown with a failure.
        print(home.log())
        home.end(tmp_path)


@pytest.fixture
def conducted(make_home: Callable[..., Home]) -> Iterator[TownUnderTest]:
    """A town whose conductor has an agent of its own, which may be asked every second."""
    home = make_home()
    town = home.town(home.path.parent / "shop")
    on = "enabled = true\nrounds_per_hour = 3600\n"
    town.write("tinytown.toml", f'[town]\nname = "shop"\n\n[conductor]\n{on}')
    yield town
    town.go("everybody-go")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows the end of the daemon's log."""
    report = yield
    if report.failed:
        values = getattr(item, "funcargs", {}).values()
        homes = {
            one.home if isinstance(one, TownUnderTest) else one
            for one in values
            if isinstance(one, TownUnderTest | Home)
        }
        report.sections += [(f"log of {home.path}", home.log()) for home in homes]
    return report
