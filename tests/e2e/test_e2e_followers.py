"""Commands that go on for long, and a daemon that is stopped, restarted or killed beneath them."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.town import BIN, Home, TownUnderTest, alive, until

PLAN = """\
[[tasks]]
id = "build"
description = "Work\\ndo: wait go"
agent = "dev"
"""
#: Seconds; a loaded machine starts a daemon in a few.
PATIENCE = 60.0


def followed(town: TownUnderTest, *words: str) -> subprocess.Popen[str]:
    """`tt …`, as soon as it has a connection."""
    process = subprocess.Popen(
        [BIN / "tt", *words],
        cwd=town.directory,
        env=town.home.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: talks(process.pid), "a connection")
    return process


def talks(pid: int) -> bool:
    """Whether a process has a socket."""
    try:
        fds = list(Path(f"/proc/{pid}/fd").iterdir())
        return any(str(fd.readlink()).startswith("socket:") for fd in fds)
    except FileNotFoundError:
        return False


def busy_town(make_home: Callable[..., Home], tmp_path: Path) -> TownUnderTest:
    town = make_home().town(tmp_path / "town")
    town.team("dev")
    town.plan(PLAN)
    return town


@pytest.mark.parametrize(
    "words",
    [("conductor",), ("wait", "--all"), ("events", "-f"), ("status", "--watch")],
    ids=" ".join,
)
def test_a_daemon_that_was_stopped_stays_stopped(
    words: tuple[str, ...], make_home: Callable[..., Home], tmp_path: Path
) -> None:
    town = busy_town(make_home, tmp_path)
    town.quick("conductor", "status")
    follower = followed(town, *words)
    town.tt("daemon", "stop")
    _, said = follower.communicate(timeout=PATIENCE)
    assert said == "tt: the daemon was stopped (any command that needs it starts it)\n"
    assert follower.returncode == 3
    assert not (town.home.path / "endpoint.json").exists()
    town.go("go")


def test_a_daemon_that_is_restarted_is_followed_on(
    make_home: Callable[..., Home], tmp_path: Path
) -> None:
    town = busy_town(make_home, tmp_path)
    follower = followed(town, "conductor")
    until(lambda: town.states() == {"build": "running"}, "the round")
    town.tt("daemon", "restart")
    town.go("go")
    out, _ = follower.communicate(timeout=PATIENCE)
    assert follower.returncode == 0
    assert "Plan completed: 1 of 1 done" in out


def test_a_daemon_that_died_is_brought_back(make_home: Callable[..., Home], tmp_path: Path) -> None:
    town = busy_town(make_home, tmp_path)
    follower = followed(town, "wait", "--all")
    town.quick("conductor", "stop")
    killed = town.home.pid
    os.kill(killed, signal.SIGKILL)
    until(lambda: not alive(killed), "the daemon's death")
    until(lambda: town.home.pid not in (0, killed), "another daemon")
    town.go("go")
    town.quick("task", "cancel", "build")
    follower.communicate(timeout=PATIENCE)
    assert follower.returncode == 0
