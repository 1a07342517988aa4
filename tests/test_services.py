"""The systemd unit and the launchd agent: what their own readers make of them."""

from __future__ import annotations

import configparser
import os
import plistlib
import shutil
import subprocess
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).resolve().parent.parent / "systemd"
UNIT = SYSTEMD / "tinytownd.service"
AGENT = SYSTEMD / "io.tinytown.tinytownd.plist"
LOCAL_PROGRAM = ".local/bin/tinytownd"


@pytest.fixture
def service() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keys keep their case
    parser.read_string(UNIT.read_text(encoding="utf-8"))
    assert set(parser.sections()) == {"Unit", "Service", "Install"}
    return parser["Service"]


def verify(unit: Path, home: Path) -> list[str]:
    """What systemd says against a user unit whose program is installed in `home`."""
    program = home / LOCAL_PROGRAM
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    # Warnings do not change the exit status, so the words are what counts.
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", str(unit)],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "XDG_RUNTIME_DIR": str(home)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return [line for line in done.stderr.splitlines() if unit.name in line]


needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed here"
)


@needs_systemd
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    assert verify(UNIT, tmp_path / "home") == []


@needs_systemd
def test_systemd_would_have_found_a_misspelt_key(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("KillMode", "KilMode"))
    assert any("KilMode" in line for line in verify(unit, tmp_path / "home"))


def test_the_unit_starts_the_daemon_where_installers_put_it(
    service: configparser.SectionProxy,
) -> None:
    assert service["ExecStart"] == f"%h/{LOCAL_PROGRAM}"


def test_rounds_survive_the_daemon_under_systemd(service: configparser.SectionProxy) -> None:
    assert service["KillMode"] == "process"
    assert service["OOMPolicy"] == "continue"


def test_systemd_restarts_after_a_failure_but_not_after_bad_input(
    service: configparser.SectionProxy,
) -> None:
    assert service["Restart"] == "on-failure"
    assert service["RestartPreventExitStatus"] == "2"


def test_the_launchd_agent_says_the_same() -> None:
    agent = plistlib.loads(AGENT.read_bytes())
    assert agent["Label"] == AGENT.name.removesuffix(".plist")
    assert agent["KeepAlive"] == {"SuccessfulExit": False}
    assert agent["AbandonProcessGroup"] is True
    assert agent["RunAtLoad"] is True


def test_the_launchd_agent_becomes_the_program_in_the_home(tmp_path: Path) -> None:
    home = tmp_path / "a home"
    program = home / LOCAL_PROGRAM
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho ran as $$\n")
    program.chmod(0o755)
    argv = plistlib.loads(AGENT.read_bytes())["ProgramArguments"]
    with subprocess.Popen(
        argv, env={"HOME": str(home)}, stdout=subprocess.PIPE, text=True
    ) as process:
        output, _ = process.communicate(timeout=30)
    # The same process id: the shell is gone, so launchd's signals reach the daemon itself.
    assert output == f"ran as {process.pid}\n"
