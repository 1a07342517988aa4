"""Permission modes: where they are written, which one a round gets, and who refuses one."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.town import Home, TownUnderTest, until

#: A CLI that prints its arguments, and knows two modes.
TELLS = f"""
[agent_clis.tells]
command = {json.dumps([sys.executable, "-c", "import sys; print('told', *sys.argv[1:])"])}
permissions = {{ bypass = "--all", read = "--look only" }}
"""


@pytest.fixture
def telling(town: TownUnderTest) -> TownUnderTest:
    """A town that has that CLI."""
    with (town.directory / "tinytown.toml").open("a") as file:
        file.write(TELLS)
    return town


def told(town: TownUnderTest, agent: str) -> str:
    """The arguments that the agent's CLI got in a new round."""
    task = town.assign(agent, "anything")
    town.wait("--task", task)
    return str(town.task(task)["result"])


def test_the_owner_sees_the_default_in_the_towns_file(town: TownUnderTest) -> None:
    line = next(
        line
        for line in (town.directory / "tinytown.toml").read_text().splitlines()
        if line.startswith("permissions = ")
    )
    assert line.startswith(
        'permissions = "bypass"  # what agents may do unasked: bypass (anything)'
    )
    [setting] = town.see("config", "permissions")
    assert (setting["value"], setting["origin"]) == ("bypass", "town")


def test_a_new_towns_file_says_what_the_home_says(
    make_home: Callable[..., Home], tmp_path: Path
) -> None:
    home = make_home()
    home.tt("config", "town.permissions", "edit", cwd=home.path)
    town = home.town(tmp_path / "town")
    assert '\npermissions = "edit"  #' in (town.directory / "tinytown.toml").read_text()


def test_a_round_gets_the_agents_mode_else_the_towns_as_it_is_then(telling: TownUnderTest) -> None:
    telling.quick("spawn", "free", "--cli", "tells")
    telling.quick("spawn", "held", "--cli", "tells", "--permissions", "read")
    assert (told(telling, "free"), told(telling, "held")) == ("told --all", "told --look only")
    telling.quick("config", "town.permissions", "read")
    assert (told(telling, "free"), told(telling, "held")) == ("told --look only",) * 2
    shown = {agent["name"]: agent["permissions"] for agent in telling.see("list")}
    assert shown == {"free": None, "held": "read"}


@pytest.mark.parametrize(
    ("words", "line", "hint"),
    [
        (
            ("--cli", "tells", "--permissions", "edit"),
            "the CLI 'tells' cannot be held to the permissions 'edit' (it has bypass, read)",
            "agent_clis.tells.permissions",
        ),
        (
            ("--cli", "shell", "--permissions", "read"),
            "the CLI 'shell' cannot be held to the permissions 'read' (it has bypass)",
            "agent_clis.shell.permissions",
        ),
        (("--permissions", "raed"), "'raed' is no permission mode", "did you mean read?"),
    ],
)
def test_a_mode_that_cannot_be_kept_is_refused_at_spawn(
    telling: TownUnderTest, words: tuple[str, ...], line: str, hint: str
) -> None:
    done = telling.tt("spawn", "a", *words, code=2)
    assert line in done.err.splitlines()[0]
    assert hint in done.err
    assert telling.see("list") == []


def test_a_default_that_a_cli_cannot_keep_holds_the_agent(town: TownUnderTest) -> None:
    town.team("a")
    town.tt("config", "town.permissions", "edit")
    task = town.assign("a", "say well")
    hold = until(lambda: town.agent("a")["hold"], "the hold")
    assert hold["reason"] == (
        "the CLI 'scripted' cannot be held to the permissions 'edit' (it has bypass)"
    )
    assert town.rounds() == []
    refused = town.tt("spawn", "b", code=2).err
    assert hold["reason"] in refused
    town.tt("config", "town.permissions", "bypass")
    town.wait("--task", task)
    assert town.task(task)["attempts"] == 1
    held = [event for event in town.see("history") if event["event"] == "agent.held"]
    assert len(held) == 1, "it is said once, however often it is looked at"


def test_commands_of_a_plan_need_an_agent_that_may_do_anything(town: TownUnderTest) -> None:
    town.tt("config", "town.permissions", "read")
    town.plan('[[tasks]]\nid = "lint"\ndescription = "Lint"\nrun = "echo clean"\n')
    refused = town.tt("conductor", code=2).err
    assert "the CLI 'shell' cannot be held to the permissions 'read'" in refused
    town.tt("spawn", "shell", "--cli", "shell", "--permissions", "bypass")
    town.tt("conductor")
    assert town.task("lint")["result"] == "clean"
