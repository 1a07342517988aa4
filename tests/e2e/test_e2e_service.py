"""`tt service`, and `tt` with a service, over a stand-in for systemd that starts real daemons."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.town import BIN, Done, Home

MANAGER = Path(__file__).with_name("service_manager.py")
INSTALLED = [
    "systemctl --user show --property=Version --value",
    "systemctl --user daemon-reload",
    "systemctl --user enable --now tinytownd.service",
]


class Machine:
    """A home whose user has a service manager; what it was told, and what it knows."""

    def __init__(self, home: Home, state: Path) -> None:
        self.home, self.state = home, state
        programs = state / "bin"
        programs.mkdir(parents=True)
        for name in ("systemctl", "loginctl"):
            words = shlex.join([sys.executable, str(MANAGER), str(state), name])
            (programs / name).write_text(f'#!/bin/sh\nexec {words} "$@"\n')
            (programs / name).chmod(0o755)
        home.env["PATH"] = f"{programs}:{home.env['PATH']}"
        home.env["SHELL"] = "/bin/bash"
        self.unit = Path(home.env["HOME"]) / ".config/systemd/user/tinytownd.service"

    def tt(self, *words: str, code: int = 0) -> Done:
        return self.home.tt(*words, cwd=self.home.path, code=code)

    def calls(self) -> list[str]:
        """What the manager was told since this was asked last, but for questions about state."""
        file = self.state / "calls"
        calls = [shlex.join(json.loads(line)) for line in file.read_text().splitlines()]
        file.write_text("")
        return [call for call in calls if " show-user " not in call and "MainPID" not in call]

    def is_unreachable(self) -> None:
        (self.state / "unreachable").touch()


@pytest.fixture
def machine(make_home: Callable[..., Home], tmp_path: Path) -> Machine:
    return Machine(make_home(), tmp_path / "manager")


def test_a_dry_run_shows_all_and_does_nothing(machine: Machine) -> None:
    told = machine.tt("service", "install", "--dry-run", "--linger").out
    assert f"Would write {machine.unit}\n" in told
    assert f'\nExecStart="{BIN}/tinytownd"\nEnvironment="TINYTOWN_HOME={machine.home.path}"' in told
    *commands, last = told.splitlines()[-3:]
    assert [*commands, last] == [f"  {one}" for one in INSTALLED[1:]] + ["  loginctl enable-linger"]
    assert "Would remove" in machine.tt("service", "uninstall", "--dry-run").out
    assert not machine.unit.exists()
    assert not (machine.state / "calls").exists()
    assert machine.home.pid == 0


def test_installing_takes_over_from_a_daemon_without_losing_a_round(machine: Machine) -> None:
    town = machine.home.town(machine.home.path.parent / "town")
    town.team("dev")
    task = town.assign("dev", "wait go")
    town.rounds(1)
    before = machine.home.pid
    told = machine.tt("service", "install").out
    assert told.startswith(f"Installed the service ({machine.unit})\n")
    assert machine.calls() == INSTALLED
    pid = machine.home.pid
    assert f"state     active (running), pid {pid}\n" in told
    assert pid == int((machine.state / "pid").read_text()) != before
    town.go("go")
    town.wait("--task", task)
    assert len(town.task(task)["rounds"]) == 1

    assert machine.tt("service", "install").out.startswith("The service is installed already")
    assert machine.calls() == INSTALLED[:1]
    machine.unit.write_text(machine.unit.read_text() + "# old\n")
    assert machine.tt("service", "install", "--json").data["done"] == "updated"
    assert machine.home.pid not in (0, pid)
    assert "# old" not in machine.unit.read_text()
    assert "linger    no" in machine.tt("service", "status").out
    assert "linger    yes" in machine.tt("service", "install", "--linger").out


def test_tt_uses_the_service_from_then_on(machine: Machine) -> None:
    machine.tt("service", "install")
    machine.calls()
    assert machine.tt("daemon", "stop").out.startswith("Stopped tinytownd")
    assert machine.calls() == ["systemctl --user stop tinytownd.service"]
    assert machine.tt("service", "status", code=3).out.count("inactive") == 1
    told = machine.tt("towns").err
    assert told == f"started tinytownd (pid {machine.home.pid}, by systemd)\n"
    assert machine.calls() == ["systemctl --user start tinytownd.service"]
    first = machine.home.pid
    machine.tt("daemon", "restart")
    assert machine.home.pid == int((machine.state / "pid").read_text()) != first

    machine.tt("daemon", "stop")
    machine.is_unreachable()
    note, started = machine.tt("towns").err.splitlines()
    assert note.startswith("your service manager cannot be reached: Failed to connect to bus")
    assert started == f"started tinytownd (pid {machine.home.pid})"
    assert "may start the daemon again" in machine.tt("daemon", "stop").err


def test_uninstalling_leaves_the_town_to_tt(machine: Machine) -> None:
    assert machine.tt("service", "uninstall").out == "No service is installed\n"
    machine.tt("service", "install")
    machine.calls()
    assert machine.tt("service", "uninstall").out.startswith("Removed the service")
    assert machine.calls() == [
        INSTALLED[0],
        "systemctl --user disable --now tinytownd.service",
        "systemctl --user daemon-reload",
    ]
    assert not machine.unit.exists()
    assert "by systemd" not in machine.tt("towns").err
    assert machine.tt("service", "status", code=3).err.startswith("tt: no service is installed")


def test_what_cannot_be_installed_changes_nothing(machine: Machine, tmp_path: Path) -> None:
    machine.is_unreachable()
    told = machine.tt("service", "install", code=3).err
    assert told.count("\n") == 1
    assert "your service manager cannot be reached" in told
    assert not machine.unit.exists()
    credentials = tmp_path / "credentials"
    credentials.write_text('{"town": "t", "agent": "a", "dir": "/", "socket": "/s"}')
    for verb in ("install", "uninstall"):
        words = (str(BIN / "tt"), "service", verb)
        home = machine.home
        assert home.run(*words, cwd=home.path, TINYTOWN_CREDENTIALS=str(credentials)).code == 2


def test_another_home_keeps_its_service(machine: Machine, make_home: Callable[..., Home]) -> None:
    machine.unit.parent.mkdir(parents=True)
    machine.unit.write_text('[Service]\nEnvironment="TINYTOWN_HOME=/srv/other"\n')
    for verb in ("install", "status", "uninstall"):
        told = machine.tt("service", verb, code=2).err
        assert "another home: /srv/other (TINYTOWN_HOME=/srv/other tt service uninstall)" in told
    assert "by systemd" not in machine.tt("towns").err


def test_agents_of_a_service_have_what_the_login_shell_has(machine: Machine) -> None:
    user = Path(machine.home.env["HOME"])
    (user / ".bash_profile").write_text(
        "echo Welcome back\nexport FROM_PROFILE=yes DEPLOY_TOKEN=value-of-the-token\n"
    )
    town = machine.home.town(machine.home.path.parent / "town")
    machine.tt("service", "install")
    town.quick("spawn", "sh", "--cli", "shell")
    town.plan('[[tasks]]\nid = "look"\nagent = "sh"\ndescription = "Look"\nrun = "env > seen"\n')
    town.quick("conductor")
    seen = (town.directory / "seen").read_text().splitlines()
    assert {"FROM_PROFILE=yes", "DEPLOY_TOKEN=value-of-the-token"} <= set(seen)
    names = {line.partition("=")[0] for line in seen}
    assert not names & {"NOTIFY_SOCKET", "INVOCATION_ID", "TINYTOWN_LOGIN_ENVIRONMENT"}
    kept = b"".join(file.read_bytes() for file in machine.home.path.rglob("*") if file.is_file())
    assert b"FROM_PROFILE" in kept  # the log has the names
    shell = (user / ".bash_profile").read_bytes()
    assert kept.replace(shell, b"").count(b"value-of-the-token") == 0


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
def test_systemd_finds_nothing_wrong_with_what_is_installed(machine: Machine) -> None:
    odd = machine.home.path.parent / "50% home"
    machine.home.env["TINYTOWN_HOME"] = str(odd)
    told = machine.tt("service", "install", "--dry-run", "--json").data
    unit = machine.home.path / "tinytownd.service"
    unit.write_text(told["text"])
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", str(unit)],
        env={**machine.home.env, "XDG_RUNTIME_DIR": str(machine.home.path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "TINYTOWN_HOME=" in told["text"]
    assert "50%% home" in told["text"]
