"""Starting the daemon: with a stand-in for it that really takes the lock and serves."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.scripted import Tt, server_binary
from tinytown_cli import launch, places
from tinytownd.domain import errors

ROOT = Path(__file__).parents[2]
# Becomes the server itself: it keeps the pid, and the lock that it holds.
READY = f"""
import fcntl, json, os, struct, sys
home, pid = os.environ["TINYTOWN_HOME"], os.getpid()
lock = os.open(home + "/daemon.lock", os.O_RDWR | os.O_CREAT)
request = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, pid, 0)
try:
    fcntl.fcntl(lock, fcntl.F_OFD_SETLK, request)
except OSError:
    sys.exit(0)
os.set_inheritable(lock, True)
told = {{"v": 1, "socket": home + "/redis.sock", "user": "", "password": "", "pid": pid}}
with open(home + "/endpoint.json", "w") as file:
    json.dump(told, file)
with open(home + "/environment", "w") as file:
    json.dump(dict(os.environ), file)
os.chdir(home)
os.execv({str(server_binary())!r}, ["valkey-server", "--port", "0", "--unixsocket", "redis.sock"])
"""


def end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert places.daemon_pid() == 0


@pytest.fixture
def daemon_program(
    tmp_path: Path, empty_home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    package = tmp_path / "path" / "tinytownd"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"__path__.append({str(ROOT / 'tinytownd')!r})\n")
    monkeypatch.setenv("PYTHONPATH", f"{package.parent}:{ROOT}")
    yield package / "daemon.py"
    if pid := places.daemon_pid():
        end(pid)


def test_a_daemon_is_started_once(
    daemon_program: Path,
    empty_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    daemon_program.write_text(READY)
    monkeypatch.setenv("TINYTOWN_AGENT_NAME", "developer")
    first = launch.ensure()
    assert capfd.readouterr().err == f"started tinytownd (pid {first.pid})\n"
    assert launch.ensure() == first
    assert capfd.readouterr().err == ""
    assert "TINYTOWN_AGENT_NAME" not in (empty_home / "environment").read_text()
    assert empty_home.stat().st_mode & 0o777 == 0o700
    assert os.getsid(first.pid) == first.pid


def test_a_daemon_that_was_killed_is_started_again(daemon_program: Path, empty_home: Path) -> None:
    daemon_program.write_text(READY)
    first = launch.ensure()
    end(first.pid)
    assert (empty_home / "endpoint.json").exists()
    assert launch.ensure().pid != first.pid


KILLED_ONCE = """
import os
try:
    open(os.environ["TINYTOWN_HOME"] + "/once", "x").close()
    os.kill(os.getpid(), 9)
except FileExistsError:
    pass
"""


def test_a_daemon_that_is_killed_while_it_starts_is_started_again(
    daemon_program: Path, empty_home: Path
) -> None:
    daemon_program.write_text(KILLED_ONCE + READY)
    assert launch.ensure().pid == places.daemon_pid()
    assert (empty_home / "once").exists()


def test_a_daemon_that_is_killed_each_time_says_so(daemon_program: Path, empty_home: Path) -> None:
    daemon_program.write_text("import os; os.kill(os.getpid(), 9)")
    with pytest.raises(errors.Unavailable, match=r"does not start: it was killed by signal 9$"):
        launch.ensure()


@pytest.mark.parametrize(
    ("code", "error"), [(1, errors.Unavailable), (3, errors.Unavailable), (2, errors.BadInput)]
)
def test_a_daemon_that_does_not_start_says_why(
    code: int, error: type[errors.TownError], daemon_program: Path, empty_home: Path, tt: Tt
) -> None:
    daemon_program.write_text(
        f"import sys; print('noise\\ntinytownd: no server (apt install it)', file=sys.stderr);"
        f"sys.exit({code})"
    )
    with pytest.raises(error, match=r"does not start: no server \(apt install it\)$"):
        launch.ensure()
    err = tt("towns", code=error.exit_code)[1]
    assert err.count("\n") == 1
    assert "noise" in (empty_home / "logs" / "start.log").read_text()


def test_a_home_that_cannot_be_used(
    tt: Tt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TINYTOWN_HOME", str(tmp_path / "file" / "home"))
    assert "set TINYTOWN_HOME" in tt("towns", code=2)[1]


def test_without_a_daemon_its_status_is_exit_code_3(
    daemon_program: Path, empty_home: Path, tt: Tt
) -> None:
    daemon_program.write_text("raise SystemExit('started')")
    assert "no daemon runs" in tt("daemon", "status", code=3)[1]
    assert tt("daemon", "stop")[0] == "No daemon runs\n"
    assert not empty_home.exists()
