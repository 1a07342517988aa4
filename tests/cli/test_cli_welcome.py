"""`tt` alone: what it says at each place where somebody can stand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli import shapes
from tests.cli.scripted import AGENT, TOWN, FakeDaemon, Tt
from tinytown_cli import app, quick, welcome

STATUS: dict[str, Any] = dict(shapes.REPLIES["town.status"])
REPORT: dict[str, Any] = dict(shapes.REPLIES["town.report"])
QUIET = {**REPORT, "counts": [], "done": [], "failed": [], "needs": []}


def commands(out: str) -> list[str]:
    """The commands that it proposes: the bold ones, two columns in."""
    return [line.strip().split("  ")[0] for line in out.splitlines() if line.startswith("  tt ")]


@pytest.mark.parametrize("road", [app.run, quick.run], ids=["the long road", "the front door"])
def test_where_there_is_no_town(
    road: Callable[[list[str]], int],
    empty_home: Path,
    tmp_path: Path,
    tt: Tt,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    out, err = tt(run=road)
    assert out.startswith("There is no town here.\nA town is a project directory with a team")
    assert commands(out) == ["tt init", "tt doctor"]
    assert out.endswith("\n\ntt --help lists all commands\n")
    assert not err
    assert not empty_home.exists()


def test_who_has_towns_elsewhere_is_told_how_to_see_them(
    empty_home: Path, tmp_path: Path, tt: Tt, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty_home.mkdir()
    (empty_home / "towns.toml").touch()
    monkeypatch.chdir(tmp_path)
    assert commands(tt()[0]) == ["tt init", "tt towns", "tt doctor"]


def test_a_town_that_is_named_must_be_there(tmp_path: Path, empty_home: Path, tt: Tt) -> None:
    err = tt("-t", str(tmp_path), code=2)[1]
    assert err == f"tt: --town: there is no town in {tmp_path} (tt init)\n"


def test_without_a_daemon_it_tells_what_files_tell(town: Path, empty_home: Path, tt: Tt) -> None:
    for agent in ("tester", "dev"):
        (town / ".tt" / "rounds" / agent).mkdir(parents=True)
    (town / "tasks.toml").touch()
    out, _ = tt()
    assert f"There is a town in {town}. No daemon runs" in out
    assert "Agents that have worked here: dev, tester.\nIt has a plan, tasks.toml." in out
    assert commands(out) == ["tt status"]
    assert not empty_home.exists()


def test_a_daemon_that_does_not_know_the_town_is_not_said_to_be_missing(
    daemon: FakeDaemon, town: Path, tt: Tt
) -> None:
    (town / ".tt" / "town").unlink()  # as in a fresh clone
    told = json.loads(tt("--json")[0])
    assert told["state"] == "not_open"
    assert "The daemon has not opened it yet" in told["said"][0]
    assert not daemon.sent


@pytest.mark.parametrize(
    ("installed", "proposed"),
    [
        ("codex", ["tt spawn developer --cli codex"]),
        ("", ["tt spawn developer --cli rehearsal", "tt doctor"]),
    ],
)
def test_a_town_without_agents(  # noqa: PLR0917  # fixtures
    installed: str,
    proposed: list[str],
    daemon: FakeDaemon,
    town: Path,
    tmp_path: Path,
    tt: Tt,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if installed:
        (tmp_path / installed).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    daemon.replies["town.status"] = {**STATUS, "team": {}, "agents": []}
    assert commands(tt()[0]) == proposed


def test_agents_without_work(daemon: FakeDaemon, town: Path, tt: Tt) -> None:
    daemon.replies["town.status"] = {**STATUS, "tasks": {"by_state": {}, "by_agent": {}}}
    daemon.replies["town.report"] = QUIET
    assert commands(tt()[0]) == ['tt assign developer "What to do"', "tt plan --init"]


def test_work_under_way(daemon: FakeDaemon, town: Path, tt: Tt) -> None:
    busy = shapes.agent(state="working", task="t5")
    daemon.replies["town.status"] = {**STATUS, "agents": [busy]}
    daemon.replies["town.report"] = QUIET
    out, _ = tt()
    assert "Tasks: 1 running.\n  developer works on t5 (" in out
    assert commands(out) == ["tt status", "tt wait --all"]


def test_a_team_that_has_ended_is_brought_back_first(
    daemon: FakeDaemon, town: Path, tt: Tt
) -> None:
    ended = {**STATUS, "team": {"stopped": 1, "cold": 1}}
    daemon.replies["town.report"] = QUIET
    daemon.replies["town.status"] = ended
    assert commands(tt()[0]) == ["tt start", "tt status"]
    daemon.replies["town.status"] = {**ended, "tasks": {"by_state": {}, "by_agent": {}}}
    assert commands(tt()[0])[0] == "tt start"


def test_what_waits_for_a_person_comes_first(daemon: FakeDaemon, town: Path, tt: Tt) -> None:
    out, _ = tt()
    assert "1 thing waits for you." in out
    assert commands(out) == ["tt task retry t1", "tt status"]
    assert "t1: failed: no" in out


def test_work_that_is_done(daemon: FakeDaemon, town: Path, tt: Tt) -> None:
    over = {"by_state": {"completed": 1, "failed": 1}, "by_agent": {}}
    daemon.replies["town.status"] = {**STATUS, "tasks": over}
    daemon.replies["town.report"] = {**REPORT, "needs": []}
    out, _ = tt()
    assert "No work is open. In the last 12 hours: 1 done, 1 failed." in out
    assert commands(out) == ["tt report"]


def test_json_has_the_same(daemon: FakeDaemon, town: Path, tt: Tt) -> None:
    told = json.loads(tt("--json")[0])
    assert list(told) == ["state", "dir", "said", "next"]
    assert (told["state"], told["dir"]) == ("working", str(town))
    assert told["next"][0] == {"command": "tt task retry t1", "why": "t1: failed: no"}


def test_an_agent_sees_its_task_and_how_to_end_it(
    daemon: FakeDaemon, town: Path, tt: Tt, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"v": 1, "socket": str(daemon.socket), "url": None, "user": "a", "password": "b"}
    told |= {"town": TOWN, "agent": AGENT, "dir": str(town)}
    (town / "credentials").write_text(json.dumps(told))
    monkeypatch.setenv("TINYTOWN_CREDENTIALS", str(town / "credentials"))
    daemon.replies["task.current"] = {"task": shapes.task(id="t7", agent="developer")}
    out, _ = tt()
    assert out.startswith("You are developer. Your task is t7: ")
    assert commands(out)[:2] == ['tt task complete --result "TEXT"', 'tt task fail --reason "TEXT"']
    daemon.replies["task.current"] = {"task": None}
    assert "have no task now" in tt()[0]
    assert not {sent.stream for sent in daemon.sent if not sent.stream.endswith(AGENT)}


def test_every_command_that_it_proposes_is_one() -> None:
    source = Path(welcome.__file__).read_text()
    words = {part.split()[0].strip('",{') for part in source.split('"tt ')[1:]}
    assert words - {"--help"} <= set(app.COMMANDS)


@pytest.mark.parametrize(
    ("options", "there", "said"),
    [
        ([], True, "No tasks at hand\nOlder ones that were put away: tt task list --archived\n"),
        (["--state", "failed"], True, "No such task at hand\nOlder ones that were put away: "),
        (["--state", "failed"], False, "No such task\n"),
        ([], False, 'No tasks. Try: tt assign developer "…"'),
    ],
)
def test_a_list_without_tasks_says_where_more_may_be(
    options: list[str], there: bool, said: str, daemon: FakeDaemon, town: Path, tt: Tt
) -> None:
    daemon.replies["task.list"] = shapes.listed("tasks", [])
    daemon.replies["task.archived"] = {"tasks": [shapes.task()] if there else [], "next": None}
    assert tt("task", "list", *options)[0].startswith(said)
