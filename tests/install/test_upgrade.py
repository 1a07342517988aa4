"""An upgrade over a town at work: the new wheel is installed while rounds of the old one run.

The old one is this project as it was before towns had an archive: its store format is 2, the
present one 3 or more, so that the new daemon finds records to bring up, and its `tt` had another
way in. Its wheel gets a smaller version, so that the upgrade is the one that a user does.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.install.wheels import ROOT, THIS, Environment, build, environment, install, run, unpack
from tests.waiting import until
from tinytownd import __version__

#: "The benchmarks' frame": the last revision that writes format 2.
BEFORE = "0920f012456b"
OLD_VERSION = "0.0.1"
VERSION = re.compile(r'^(version|__version__) = ".*"$', re.MULTILINE)
AGENT = ROOT / "tests" / "e2e" / "scripted_agent.py"
CONFIG = f"""\
[town]
default_cli = "scripted"
[conductor]
enabled = false
[agent_clis.scripted]
command = {json.dumps([sys.executable, "-IS", str(AGENT)])}
"""
#: Both first rounds are at work through the upgrade: one ends before the restart, one after it.
PLAN = """
[[tasks]]
id = "early"
description = "One\\ndo: wait early\\ndo: tt send b 'hello b'\\ndo: tt task complete --result E"
agent = "a"
[[tasks]]
id = "late"
description = "Two\\ndo: wait late\\ndo: tt task complete --result L"
agent = "b"
[[tasks]]
id = "between"
description = "Three\\ndo: wait between\\ndo: tt task complete --result B"
agent = "a"
parent = "early"
[[tasks]]
id = "last"
description = "Four\\ndo: tt task complete --result X"
agent = "b"
depends_on = ["late", "between"]
"""


@pytest.fixture(scope="session")
def old_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the old revision; skips the test where this clone has no such revision."""
    folder = tmp_path_factory.mktemp("old")
    packed = folder / "old.tar"
    kept = run("git", "archive", "--output", packed, BEFORE, cwd=ROOT)
    if kept.returncode:
        pytest.skip(f"the revision {BEFORE} is not in this clone: {kept.stderr.strip()}")
    unpack(packed, folder / "tree")
    times = 0
    for name in ("pyproject.toml", "tinytownd/__init__.py"):  # before, and since it is there
        file = folder / "tree" / name
        text, found = VERSION.subn(rf'\1 = "{OLD_VERSION}"', file.read_text())
        file.write_text(text)
        times += found
    assert times == 1
    return build(folder / "tree", folder)


@pytest.fixture
def town(
    tmp_path: Path, wheelhouse: Callable[[str], Path], old_wheel: Path
) -> Iterator[tuple[Environment, Path]]:
    """The old version, installed, and its town with two rounds at work."""
    old = environment(sys.executable, tmp_path)
    install(old.python, wheelhouse(THIS), old_wheel)
    (old.home / ".tt").mkdir(mode=0o700)
    (old.home / ".tt" / "config.toml").write_text(CONFIG)
    directory = old.home / "town"
    directory.mkdir()
    (directory / "tasks.toml").write_text(PLAN)
    for words in ("init", "spawn a", "spawn b", "sync push"):
        old.say("tt", *words.split(), cwd=directory)
    yield old, directory
    (directory / "everybody-go").touch()
    old.say("tt", "daemon", "stop", "--kill")


@pytest.fixture
def follower(town: tuple[Environment, Path]) -> Iterator[subprocess.Popen[str]]:
    """Somebody's `tt conductor` of the old version, in a terminal that stays open."""
    old, directory = town
    tt = old.path / "bin" / "tt"
    with subprocess.Popen(
        [tt, "conductor"], cwd=directory, env=old.variables, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def lines(file: Path) -> list[dict[str, Any]]:
    """The objects that the agents noted in a file, so far."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def rounds(directory: Path, count: int) -> list[dict[str, Any]]:
    """What the agents noted of their rounds, as soon as there are so many."""
    file = directory / "rounds.jsonl"
    until(lambda: len(lines(file)) >= count, f"{count} rounds")
    return lines(file)


def test_an_upgrade_while_agents_work(
    town: tuple[Environment, Path],
    follower: subprocess.Popen[str],
    wheelhouse: Callable[[str], Path],
) -> None:
    here, directory = town

    def see(*words: str) -> Any:
        return json.loads(here.say("tt", *words, "--json", cwd=directory))

    started = {one["task"]: one["pid"] for one in rounds(directory, 2)}
    assert set(started) == {"early", "late"}
    old = see("daemon", "status")
    assert old["version"] == OLD_VERSION

    install(here.python, wheelhouse(THIS), "tinytown")
    assert here.say("tt", "--version").startswith(f"tt {__version__}")
    told_in_one_line(here, directory)
    # A round of the old daemon, with the new `tt`; and the old daemon starts another one.
    (directory / "early").touch()
    assert rounds(directory, 3)[-1]["task"] == "between"

    restarted = see("daemon", "restart")
    assert sorted(one["agent"] for one in restarted["rounds"]) == ["a", "b"]
    new = see("daemon", "status")
    assert (new["version"], new["pid"]) == (__version__, restarted["pid"])
    assert new["pid"] != old["pid"]

    # "late" last: with nothing to do in between, its agent would have a round for its mail alone.
    (directory / "between").touch()
    here.say("tt", "wait", "--task", "between", "--timeout", "60", cwd=directory)
    (directory / "late").touch()
    here.say("tt", "wait", "--all", "--timeout", "60", cwd=directory)
    nothing_is_lost_and_nothing_is_twice(see, directory)
    assert "Plan completed: 4 of 4 done" in follower.communicate(timeout=30)[0]
    assert follower.returncode == 0


def told_in_one_line(here: Environment, directory: Path) -> None:
    """The new `tt` with the old daemon: it works, or says in one line what would help."""
    pages = ("list", "task list", "task show late", "inbox a", "status", "plan status", "report")
    refused = []
    for words in pages:
        done = here.run("tt", *words.split(), cwd=directory)
        if done.returncode:
            refused.append(words)
            assert done.returncode == 3, done
            assert done.stderr.count("\n") == 1, done
            assert done.stderr.endswith("(tt daemon restart; rounds that run go on)\n"), done
    assert "list" in refused  # its reply has another shape since then
    assert "task show late" not in refused


def nothing_is_lost_and_nothing_is_twice(see: Callable[..., Any], directory: Path) -> None:
    """Each task had one round and one end, with its result; the history has both versions' part."""
    done = {one["id"]: one for one in see("task", "list", "--all")}
    results = {name: one["result"] for name, one in done.items()}
    assert results == {"early": "E", "late": "L", "between": "B", "last": "X"}
    assert [one["attempts"] for one in done.values()] == [1, 1, 1, 1]
    assert [one["task"] for one in rounds(directory, 4)][2:] == ["between", "last"]
    assert [one["code"] for one in lines(directory / "said.jsonl")] == [0] * 5
    (mail,) = (one for one in see("inbox", "--all") if one["to"] == "b")
    assert (mail["text"], mail["state"]) == ("hello b", "acknowledged")

    events = [(one["event"], one.get("task")) for one in see("events")]
    for name in done:
        for event in ("task.created", "task.started", "task.completed", "round.ended"):
            assert events.count((event, name)) == 1, (event, name)
    order = [event for event, _ in events]
    assert order.index("agent.spawned") < order.index("town.migrated")
    assert order.index("town.migrated") < order.index("plan.completed")
