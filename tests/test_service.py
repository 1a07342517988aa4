"""The small parts of the service: messages, signs of life, the login shell, what changed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
from pathlib import Path

import pytest
import structlog
import structlog.testing

from tests.e2e.town import alive, processes
from tinytownd import login, reload, sdnotify, service
from tinytownd.service import STALLED_SECONDS, Pulse, Vitals, status_line
from tinytownd.watched import Watched


def test_messages_are_lines_without_lines_in_them() -> None:
    assert sdnotify.message({"READY": 1, "STATUS": "two\nlines"}) == b"READY=1\nSTATUS=two lines"


@pytest.mark.parametrize(
    ("name", "address"), [("@abstract", "\0abstract"), ("/run/x", "/run/x"), ("vsock:2:1", "")]
)
def test_addresses_of_the_notify_socket(name: str, address: str) -> None:
    assert sdnotify.address(name) == address
    sdnotify.Manager({"NOTIFY_SOCKET": name}).tell(READY=1)  # nobody is there: no fault


@pytest.mark.parametrize(
    ("env", "seconds"),
    [
        ({}, 0),
        ({"WATCHDOG_USEC": "2500000"}, 2.5),
        ({"WATCHDOG_USEC": "2500000", "WATCHDOG_PID": "7"}, 2.5),
        ({"WATCHDOG_USEC": "2500000", "WATCHDOG_PID": "8"}, 0),
        ({"WATCHDOG_USEC": "soon"}, 0),
    ],
)
def test_the_watchdog_may_be_meant_for_another(env: dict[str, str], seconds: float) -> None:
    assert sdnotify.watchdog_seconds(env, 7) == seconds


def test_only_the_journal_gets_priorities(tmp_path: Path) -> None:
    with (tmp_path / "stderr").open("w") as file:
        status = os.fstat(file.fileno())
        stream = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        assert sdnotify.is_journal(stream, file.fileno())
        assert not sdnotify.is_journal({}, file.fileno())
        assert not sdnotify.is_journal({"JOURNAL_STREAM": "1:1"}, file.fileno())
    assert [sdnotify.priority(level) for level in ("error", "info", None)] == ["<3>", "<6>", "<6>"]


def test_alive_is_who_reads_commands_or_waits_for_the_store() -> None:
    pulse, late = Pulse(), STALLED_SECONDS + 1
    assert pulse.alive(1, 0.0)
    assert pulse.alive(1, STALLED_SECONDS)
    assert not pulse.alive(1, late)
    assert pulse.alive(2, late)
    assert pulse.alive(None, 5 * late)  # the store is away
    assert pulse.alive(None, 10 * late)
    assert pulse.alive(2, 10 * late + 1)
    assert not pulse.alive(2, 11 * late + 1)


def test_the_status_is_one_line() -> None:
    assert status_line(Vitals(1, 2, 7), "") == "1 town, 2 rounds"
    assert status_line(Vitals(0, 1, None), "9:00") == "0 towns, 1 round; Redis away since 9:00"


def test_a_daemon_that_reads_nothing_gives_no_sign_of_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(place))
        manager = sdnotify.Manager({"NOTIFY_SOCKET": str(place), "WATCHDOG_USEC": "1000000"})
        running = service.Service(manager, lambda: Vitals(1, 0, 7))

        def told() -> list[bytes]:
            running._tick()
            notify.setblocking(False)
            found: list[bytes] = []
            with contextlib.suppress(BlockingIOError):
                while True:
                    found += notify.recv(4096).splitlines()
            return found

        assert told() == [b"EXTEND_TIMEOUT_USEC=30000000", b"STATUS=starting", b"WATCHDOG=1"]
        running.ready()
        assert b"WATCHDOG=1" in told()
        monkeypatch.setattr(service, "STALLED_SECONDS", -1)
        assert told() == []
        running.stopping()
        assert b"WATCHDOG=1" in told()


def test_only_a_daemon_that_serves_reloads(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = sdnotify.Manager({})
    told: list[str] = []
    monkeypatch.setattr(manager, "tell", lambda **said: told.append(next(iter(said))))
    running = service.Service(manager, lambda: Vitals(1, 0, 7))
    running.reloading()
    running.reloaded()
    for phase in (running.ready, running.stopping):
        phase()
        running.reloading()
        running.reloaded()
    assert told == ["READY", "RELOADING", "READY", "STOPPING"]


def test_a_reload_tells_each_change_once(tmp_path: Path) -> None:
    home, town = tmp_path / "config.toml", tmp_path / "tinytown.toml"
    town.write_text("")
    settings = Watched(home), Watched(home, town)
    for one in settings:
        one.get()
    home.write_text('[redis]\ndurability = "always"\n[limits]\nattempts = 2\n')
    town.write_text("[limits]\nreworks = 4\n")
    with structlog.testing.capture_logs() as lines:
        reload.tell(settings[0], {"t1": settings[1]})
        home.write_text("[")
        reload.tell(settings[0], {"t1": settings[1]})
    of_home, of_town, broken = lines
    assert [one["setting"] for one in of_home["changed"]] == ["limits.attempts", "redis.durability"]
    assert of_home["restart"] == ["redis.durability"]
    assert of_town["town"] == "t1"
    assert of_town["changed"] == [{"setting": "limits.reworks", "old": 3, "new": 4}]
    assert broken["event"] == "config.broken"


def test_what_changed_is_told_without_secrets(tmp_path: Path) -> None:
    home, town = tmp_path / "config.toml", tmp_path / "tinytown.toml"
    home.write_text('[redis]\nurl = "redis://:old-password@host"\n[env]\nMY_TOKEN = "value"\n')
    town.write_text("[limits]\nattempts = 2\n")
    settings = Watched(home), Watched(home, town)
    for one in settings:
        one.get()
    home.write_text('[redis]\nurl = "redis://:new-password@host"\n[env]\nNAME = "x"\n')
    town.write_text("")
    changed, own = (reload.differences(*one.renewed()) for one in settings)
    assert changed == [
        {"setting": "redis.url", "old": "redis://:***@host", "new": "redis://:***@host"},
        {"setting": "env.MY_TOKEN", "old": "***", "new": None},
        {"setting": "env.NAME", "old": None, "new": "x"},
    ]
    assert {"setting": "limits.attempts", "old": 2, "new": 3} in own
    assert reload.differences(*settings[0].renewed()) == []


START = {
    "bash": ".bash_profile",
    "zsh": ".zshrc",
    "fish": ".config/fish/config.fish",
    "dash": ".profile",
}


def shell_of(name: str) -> str:
    """Where the shell is; without it there is nothing to test."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed here")
    return found


@pytest.mark.parametrize("shell", START)
async def test_login_shells_tell_their_environment(shell: str, tmp_path: Path) -> None:
    start = tmp_path / START[shell]
    start.parent.mkdir(parents=True, exist_ok=True)
    start.write_text("echo Welcome\nexport FROM_START='two\nlines'\nexport PATH=/opt/x:/usr/bin\n")
    env = {"HOME": str(tmp_path), "SHELL": shell_of(shell), "OLD": "x", "PATH": "/bin"}
    told = await login.login_environment(env)
    assert told is not None
    assert (told["FROM_START"], told["OLD"]) == ("two\nlines", "x")
    assert told["PATH"].startswith("/opt/x:")
    assert not told.keys() & {"SHLVL", login.ASKING}


async def test_what_a_login_shell_leaves_in_the_background_holds_nobody_up(tmp_path: Path) -> None:
    start = "sleep 60 &\necho $! > ~/pid\nexport FROM_START=yes\n"
    (tmp_path / ".bash_profile").write_text(start)
    told = await login.login_environment({"HOME": str(tmp_path), "SHELL": "/bin/bash"})
    assert told is not None
    assert told["FROM_START"] == "yes"
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)  # it was left alone


@pytest.mark.parametrize("script", ["exit 3", "sleep 60 & wait", "exec tmux-that-is-not-there"])
async def test_a_login_shell_that_tells_nothing_is_given_up(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = tmp_path / "shell"
    shell.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\n{script}\n")
    shell.chmod(0o755)
    if "wait" in script:
        monkeypatch.setattr(login, "LOGIN_SECONDS", 0.3)
    assert await login.login_environment({"SHELL": str(shell), "PATH": "/bin"}) is None
    group = int((tmp_path / "pid").read_text())
    assert [pid for pid in processes() if alive(pid) and group_of(pid) == group] == []


def group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


async def test_a_login_shell_that_is_not_there_is_no_fault() -> None:
    assert await login.login_environment({"SHELL": "/nowhere/sh"}) is None


def test_a_part_of_an_environment_is_none() -> None:
    mark = "\0--tinytown-environment--\0"
    assert login.parse(f"noise{mark}A=1\0B=2{mark}more".encode()) == {"A": "1", "B": "2"}
    assert login.parse(f"noise{mark}A=1".encode()) == {}
