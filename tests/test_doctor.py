"""The doctor tells of a mistake in the home's settings like of anything else that is missing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tinytownd.doctor import checks
from tinytownd.home import Home


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ('[agent_clis.mine]\nprompt = "stdin"\n', "agent_clis.mine has no command"),
        ("[limits]\nattempts = 0\n", "limits.attempts must be"),
    ],
)
def test_a_mistake_in_the_settings_is_one_of_its_lines(
    tmp_path: Path, settings: str, told: str
) -> None:
    home = Home(tmp_path / "home")
    home.create()
    home.config.write_text(settings)
    report = list(checks({**os.environ, "TINYTOWN_HOME": str(home.path)}))
    (problem,) = (one for one in report if one["required"] and not one["ok"])
    assert told in str(problem["detail"])


def test_a_cli_of_the_homes_own_is_looked_for(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    home.config.write_text('[agent_clis.mine]\ncommand = "no-such-program"\ninstall = "get it"\n')
    report = list(checks({**os.environ, "TINYTOWN_HOME": str(home.path)}))
    mine = next(one for one in report if one["check"] == "cli mine")
    assert (mine["ok"], mine["required"], mine["fix"]) == (False, False, "get it")
