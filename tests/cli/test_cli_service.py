"""`tt service` without a manager that answers, and launchd's side of it, which runs nowhere."""

from __future__ import annotations

import json
import os
import plistlib
from pathlib import Path

import pytest

from tests.cli.scripted import Tt
from tinytown_cli import launchd, managers, places, systemd
from tinytownd.domain.errors import BadInput, Unavailable

LAUNCHCTL = r"""#!/bin/sh
echo "$@" >> "$HOME/calls"
[ -e "$HOME/fails" ] && { echo "Bootstrap failed: 5: Input/output error" >&2; exit 5; }
[ "$1" = print ] && printf 'gui/1/io.tinytown.tinytownd = {\n\tstate = running\n\n\tpid = 4711\n}\n'
exit 0
"""


@pytest.fixture
def user(tmp_path: Path, empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    user = tmp_path / "user"
    (user / "bin").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(user))
    monkeypatch.setenv("PATH", str(user / "bin"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return user


@pytest.fixture
def mac(user: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user of launchd, in so far as `tt` goes to it."""
    program = user / "bin" / "launchctl"
    program.write_text(LAUNCHCTL)
    program.chmod(0o755)
    # Not sys.platform: the home's lock is asked about in this system's way.
    monkeypatch.setattr(managers, "here", launchd.Launchd)
    return user


def calls(user: Path) -> list[str]:
    told = (user / "calls").read_text().splitlines()
    (user / "calls").unlink()
    return told


def test_without_a_manager_no_service_is_needed(tt: Tt, user: Path) -> None:
    told = tt("service", "install", code=3)[1]
    assert told.startswith("tt: there is no systemctl on this machine (no service is needed")
    assert told.count("\n") == 1
    assert managers.installed(places.home()) is None


def test_launchd_gets_the_program_the_home_and_a_log(
    tt: Tt, mac: Path, empty_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINYTOWN_REDIS_SERVER", "/opt/valkey-server")
    target, file = f"gui/{os.getuid()}", mac / "Library/LaunchAgents/io.tinytown.tinytownd.plist"
    told = tt("service", "install")[0]
    assert "state     running, pid 4711\n" in told
    assert "linger" not in told
    agent = plistlib.loads(file.read_bytes())
    assert agent["ProgramArguments"] == [str(managers.program())]
    assert agent["StandardErrorPath"] == f"{empty_home}/logs/start.log"
    assert agent["EnvironmentVariables"] == {
        "TINYTOWN_LOGIN_ENVIRONMENT": "1",
        "TINYTOWN_AUTOSTART": "1",
        "TINYTOWN_HOME": str(empty_home),
        "TINYTOWN_REDIS_SERVER": "/opt/valkey-server",
    }
    assert agent["KeepAlive"] == {"SuccessfulExit": False}
    assert [call for call in calls(mac) if "io.tinytown" in call][:2] == [
        f"bootstrap {target} {file}",
        f"kickstart {target}/io.tinytown.tinytownd",
    ]
    found = managers.installed(places.home())
    assert found is not None
    assert found.start() == ["launchctl", "kickstart", f"{target}/io.tinytown.tinytownd"]
    assert found.stop() is None
    assert found.logs(5, follow=True) == ["tail", "-n", "5", "-F", f"{empty_home}/logs/start.log"]
    assert tt("service", "uninstall", "--json")[0].count("removed") == 1
    assert calls(mac)[-1] == f"bootout {target}/io.tinytown.tinytownd"
    assert not file.exists()


def test_what_launchd_refuses_is_told_in_one_line(tt: Tt, mac: Path) -> None:
    (mac / "fails").touch()
    told = tt("service", "install", code=3)[1]
    assert told.count("\n") == 1
    assert "Bootstrap failed: 5: Input/output error" in told
    assert "--linger is for systemd" in tt("service", "install", "--linger", code=2)[1]
    assert not (mac / "Library").exists()


def test_the_home_of_an_installed_unit(user: Path) -> None:
    manager = systemd.Systemd()
    assert manager.home() is None
    manager.file.parent.mkdir(parents=True)
    for line, home in [
        ("", user / ".tt"),
        ('Environment="TINYTOWN_HOME=/srv/50%% town"', Path("/srv/50% town")),
        ("Environment=TINYTOWN_HOME=%h/town", user / "town"),
    ]:
        manager.file.write_text(f"[Service]\nEnvironment=TINYTOWN_LOGIN_ENVIRONMENT=1\n{line}\n")
        assert manager.home() == home


@pytest.mark.parametrize("path", ['/a"b', "/a\\b", "/a\nb"])
def test_a_path_that_no_unit_can_hold_is_refused(path: str) -> None:
    with pytest.raises(BadInput, match="no service file takes"):
        systemd.Systemd().text(Path(path), {})


def test_the_service_files_come_with_the_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "ExecStart=" in managers.template(managers.UNIT)
    installed = [place for place in managers._places(managers.UNIT)[1:] if place.is_file()]
    assert installed, "nothing but the checkout has them"
    with pytest.raises(Unavailable, match="this installation has no"):
        managers.template("nothing.service")


def test_a_dry_run_needs_no_answer(tt: Tt, mac: Path) -> None:
    told = json.loads(tt("service", "install", "--dry-run", "--json")[0])
    assert set(told) == {"file", "text", "commands"}
    assert plistlib.loads(told["text"].encode())["RunAtLoad"] is True
    assert not (mac / "calls").exists()
