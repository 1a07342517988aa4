"""Every plan of docs/patterns.md, as it stands there, carried out by agents that rehearse."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.town import CONFIG, Home
from tinytownd.runtimes.catalogue import PRESETS

PAGE = (Path(__file__).parents[2] / "docs" / "patterns.md").read_text()
#: The heading over each plan, and the plan.
PLANS = {
    re.findall(r"^## (.+)$", PAGE[: found.start()], re.MULTILINE)[-1]: found[1]
    for found in re.finditer(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
}
#: Roles that the plans ask for, and who has them.
ROLES = {"developer": ("dora", "dan"), "reviewer": ("rita",)}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home whose default CLI is the one that rehearses."""
    argv = [word for word in PRESETS["rehearsal"].argv if not word.startswith("{")]
    table = f'\n[agent_clis.played]\ncommand = {json.dumps(argv)}\nreader = "claude"\n'
    config = CONFIG.replace('default_cli = "scripted"', 'default_cli = "played"')
    home = Home(tmp_path_factory.mktemp("page") / "home", config + table)
    yield home
    home.end()


def test_all_plans_are_there() -> None:
    assert list(PLANS) == ["Sequential", "Parallel", "Fan-out, fan-in", "Review"]


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_is_carried_out(name: str, home: Home, tmp_path: Path) -> None:
    town = home.town(tmp_path / "town")
    for role, names in ROLES.items():
        for one in names if f"role:{role}" in PLANS[name] else ():
            town.quick("spawn", one, "--role", role)
    town.write("tasks.toml", PLANS[name])
    town.tt("sync", "push")
    town.tt("conductor", "--spawn")
    town.tt("wait", "--all")
    states = town.states()
    assert set(states.values()) == {"completed"}
    assert ("implement.review" in states, "document.review" in states) == (name == "Review", False)
