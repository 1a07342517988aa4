"""The tutorial's page, from an empty directory, and what a rehearsal needs of its prompt."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.town import Home, TownUnderTest
from tinytownd.runtimes.catalogue import PRESETS

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(bash|toml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PLAY = [word for word in PRESETS["rehearsal"].argv if not word.startswith("{")]
#: The CLIs that the page names, played. `prompt` is for auggie, which else takes a file.
PLAYED = "".join(
    f'\n[agent_clis.{cli}]\ncommand = {json.dumps(PLAY)}\nreader = "claude"\nprompt = "stdin"\n'
    for cli in ("claude", "auggie", "codex-mini")
)
PIPELINE = """
[[tasks]]
id = "design"
description = "Design it"
agent = "architect"
[[tasks]]
id = "build"
description = "Build it"
agent = "developer"
parent = "design"
"""
Make = Callable[..., Home]


def script() -> str:
    """Everything the page says, as one shell script that stops at the first failure."""
    said = ["set -e"]
    for kind, text in BLOCK.findall(PAGE.read_text()):
        said.append(f"cat >tasks.toml <<'END'\n{text}END" if kind == "toml" else text)
    return "\n".join(said)


def test_the_whole_page_as_it_is_printed(make_home: Make, tmp_path: Path) -> None:
    home = make_home(PLAYED)
    done = home.run("bash", "-c", script(), cwd=tmp_path)
    assert done.code == 0, done
    assert "Plan completed: 3 of 3 done" in done.out

    town = TownUnderTest(home, tmp_path / "multi-agent-demo")
    town.tt("wait", "--all", "--timeout", "30")
    tasks = {task["id"]: task for task in town.see("task", "list")}
    assert len(tasks) == 10
    assert {task["state"] for task in tasks.values()} == {"completed"}
    assert tasks["design"]["finished_at"] <= tasks["implement"]["started_at"]
    assert tasks["implement"]["finished_at"] <= tasks["test"]["started_at"]
    assert {f"{task}.md" for task in tasks} <= {path.name for path in town.directory.iterdir()}

    prompts = (town.directory / ".tt" / "rounds" / "developer").glob("*/prompt.md")
    prompt = next(
        text for path in prompts if "# Your task: implement" in (text := path.read_text())
    )
    assert tasks["design"]["result"] in prompt

    people = [one for one in town.see("inbox", "--all") if one["from"] == "person"]
    assert [(one["priority"], one["state"]) for one in people] == [
        ("normal", "acknowledged"),
        ("urgent", "acknowledged"),
    ]
    status = town.see("status")
    assert [agent["state"] for agent in status["agents"]] == ["idle"] * 10
    assert status["messages"]["request"] == 0


def test_a_rehearsal_by_another_name(make_home: Make, tmp_path: Path) -> None:
    """No product code knows the name: as a custom CLI it plays the same pipeline."""
    custom = f'\n[agent_clis.my-own]\ncommand = {json.dumps(PLAY)}\nreader = "claude"\n'
    town = make_home(custom).town(tmp_path / "town")
    town.tt("config", "town.default_cli", "my-own")
    town.plan(PIPELINE)
    done = town.tt("conductor", "--spawn")
    assert "Plan completed: 2 of 2 done" in done.out
    assert "built on design" in town.task("build")["result"]


@pytest.mark.parametrize(
    ("cut", "why"),
    [
        (r's/tt task complete/tt task finish/', "names no `tt task complete ID`"),
        (r's/task complete \S*/task complete/', "names no `tt task complete ID`"),
        (r's/task complete design/task complete sketch/', "no task 'sketch'"),
    ],
    ids=["without the command", "without the id", "with another id"],
)  # fmt: skip
def test_a_rehearsal_that_is_not_told_enough_fails(town: TownUnderTest, cut: str, why: str) -> None:
    play = " ".join([sys.executable, "-I", PLAY[2]])
    command = json.dumps(["sh", "-c", f"sed '{cut}' | {play}"])
    config = (town.directory / "tinytown.toml").read_text()
    town.write(
        "tinytown.toml", f'{config}\n[agent_clis.deaf]\ncommand = {command}\nreader = "claude"\n'
    )
    town.quick("spawn", "architect", "--cli", "deaf")
    town.quick("spawn", "developer", "--cli", "deaf")
    town.plan(PIPELINE)
    done = town.tt("conductor", code=1)
    assert why in done.err
    assert "tt task retry design" in done.err
    assert town.states() == {"design": "failed", "build": "pending"}


def test_rehearse_leaves_nothing_behind(make_home: Make, tmp_path: Path) -> None:
    home = make_home()
    town = home.town(tmp_path / "town")
    town.write("tasks.toml", PIPELINE)
    before = town.see("status"), town.see("towns")
    files = sorted(path.name for path in town.directory.iterdir())
    done = town.tt("conductor", "--rehearse")
    assert "Plan completed: 2 of 2 done" in done.out
    assert (town.see("status"), town.see("towns")) == before
    assert sorted(path.name for path in town.directory.iterdir()) == files
    assert list((home.path / "rehearsals").iterdir()) == []
