"""`tt doctor` as it is printed: groups, marks, the verdict, and what the daemon says of itself."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.scripted import FakeDaemon, Tt
from tinytown_cli import app, checkup, quick
from tinytownd import __version__

Road = Callable[[list[str]], int]


def line(out: str, check: str) -> str:
    """The line of a check, without its mark's spaces."""
    return next(" ".join(one.split()) for one in out.splitlines() if f" {check}: " in one)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A PATH of one's own, with none of the CLIs on it, and a user with no files."""
    monkeypatch.setenv("PATH", os.pathsep.join((str(tmp_path / "bin"), "/usr/bin", "/bin")))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("road", [app.run, quick.run], ids=["the long road", "the front door"])
def test_all_is_well(road: Road, empty_home: Path, machine: Path, tt: Tt) -> None:
    out, err = tt("doctor", run=road)
    titles = [one for one in out.splitlines() if one and one[0] != " "]
    verdict = "All that is needed is here; no agent CLI is: rehearse, tt spawn NAME --cli rehearsal"
    assert titles == ["Machine", "Tinytown", "Agent CLIs", verdict]
    assert line(out, "daemon") == "ok daemon: not running: tt starts it"
    assert line(out, "gemini") == "- gemini: not found (npm install -g @google/gemini-cli)"
    assert not err
    assert not empty_home.exists()


def test_something_is_missing(empty_home: Path, machine: Path, tt: Tt) -> None:
    empty_home.mkdir(mode=0o755)
    out, _ = tt("doctor", code=1)
    told = f"missing permissions: {empty_home} is open to other users (chmod 700 {empty_home})"
    assert line(out, "permissions") == told
    assert out.endswith("1 thing to mend before tinytown works here\n")


def test_json_is_a_list_of_checks(empty_home: Path, machine: Path, tt: Tt) -> None:
    empty_home.mkdir(mode=0o700)
    report = json.loads(tt("doctor", "--json")[0])
    assert all(list(one) == ["check", "ok", "required", "detail", "fix"] for one in report)
    names = [one["check"] for one in report if not one["check"].startswith("cli ")]
    assert names == [
        *("python", "disk", "git", "home", "permissions", "config"),
        *("redis", "socket", "daemon", "service"),
    ]


def test_a_daemon_of_another_version_is_to_be_restarted(
    daemon: FakeDaemon, machine: Path, tt: Tt
) -> None:
    (daemon.home / "endpoint.json").chmod(0o600)
    daemon.replies["daemon.status"] = {"version": __version__}
    out, _ = tt("doctor")
    assert line(out, "daemon") == f"ok daemon: runs, pid {os.getpid()}, version {__version__}"
    daemon.replies["daemon.status"] = {"version": "0.0.1"}
    out, _ = tt("doctor")
    told = f"version 0.0.1, and this tt is {__version__} (tt daemon restart)"
    assert line(out, "daemon") == f"look daemon: runs, pid {os.getpid()}, {told}"


def test_a_daemon_that_does_not_answer(
    daemon: FakeDaemon, machine: Path, tt: Tt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkup, "_DAEMON_SECONDS", 0.2)
    daemon.mute.add("daemon.status")
    out, _ = tt("doctor", code=1)
    assert line(out, "daemon").startswith(f"missing daemon: runs, pid {os.getpid()}, and does not")
    assert line(out, "daemon").endswith("(tt daemon restart)")


def test_an_installation_that_is_not_whole(
    machine: Path, empty_home: Path, tt: Tt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tinytownd.doctor", None)
    err = tt("doctor", code=3)[1]
    assert err.startswith("tt: this installation is not whole: ")
    assert "pip install --force-reinstall tinytown" in err
