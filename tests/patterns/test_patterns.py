"""Every pattern: how many rounds it takes, and every byte that they are told.

`make patterns` writes what the rounds are told anew, and prints what that costs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import make_home, shared_home
from tests.e2e.town import Home
from tests.patterns.all import CASES, prompts, told
from tests.patterns.overhead import file_of, table

__all__ = ["make_home", "shared_home"]

PAGE = Path(__file__).parents[2] / "docs" / "patterns.md"


@pytest.mark.parametrize("name", CASES)
def test_a_pattern_takes_so_many_rounds_and_tells_them_so_much(
    name: str, shared_home: Home, make_home: Callable[..., Home], tmp_path: Path
) -> None:
    case = CASES[name]
    home = make_home(case.settings) if case.settings else shared_home
    town = home.town(tmp_path / "town")
    case.drive(town)
    found = prompts(town)
    assert told(found) == file_of(name).read_text()
    assert len(found) == case.rounds


def test_the_page_tells_what_it_costs() -> None:
    assert table() in PAGE.read_text()
