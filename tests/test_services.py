"""The service files: what their own readers make of them."""

from __future__ import annotations

import configparser
import os
import plistlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SYSTEMD = ROOT / "systemd"
UNIT = SYSTEMD / "tinytownd.service"
TEMPLATE = SYSTEMD / "tinytownd@.service"
AGENT = SYSTEMD / "io.tinytown.tinytownd.plist"
LOCAL_PROGRAM = ".local/bin/tinytownd"
#: What `systemd-analyze security` may say of the template at most, in tenths: 50 is where "medium"
#: begins. The user unit has no sandbox, and docs/service.md says why.
EXPOSURE = 50


def sections(unit: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keys keep their case
    parser.read_string(unit.read_text(encoding="utf-8"))
    return parser


def verify(unit: Path, home: Path, *manager: str) -> list[str]:
    """What systemd says against a unit whose program is installed in `home`."""
    program = home / LOCAL_PROGRAM
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    # Warnings do not change the exit status, so the words are what counts.
    done = subprocess.run(
        ["systemd-analyze", *manager, "verify", str(unit)],
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
both = pytest.mark.parametrize("unit", [UNIT, TEMPLATE], ids=lambda unit: str(unit.name))


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """The template, for a user, with a program that is there."""
    made = tmp_path / "tinytownd@ann.service"
    text = TEMPLATE.read_text().replace("/usr/local/bin", str(tmp_path / "home/.local/bin"))
    made.write_text(text)
    return made


@needs_systemd
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path, template: Path) -> None:
    assert verify(UNIT, tmp_path / "user", "--user") == []
    assert verify(template, tmp_path / "home") == []


@needs_systemd
def test_systemd_would_have_found_a_misspelt_key(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("KillMode", "KilMode"))
    assert any("KilMode" in line for line in verify(unit, tmp_path / "home", "--user"))


@needs_systemd
def test_the_template_is_hardened(template: Path) -> None:
    words = ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE}"]

    def judge() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*words, str(template)], capture_output=True, text=True, timeout=30, check=False
        )

    done = judge()
    assert done.returncode == 0, done.stdout[-200:] + done.stderr
    text = template.read_text()
    template.write_text(text.replace("CapabilityBoundingSet=\n", ""))
    assert judge().returncode != 0, "the threshold is too high to tell"


@both
def test_every_line_of_a_unit_is_explained(unit: Path) -> None:
    told = set(re.findall(r"`([A-Z]\w+)=", (ROOT / "docs/service.md").read_text(encoding="utf-8")))
    plain = {"ExecStart", "StandardOutput", "StandardError", "SyslogIdentifier", "User"}
    assert set(sections(unit)["Service"]) - plain - {"WorkingDirectory"} <= told


def test_the_unit_starts_the_daemon_where_installers_put_it() -> None:
    assert sections(UNIT)["Service"]["ExecStart"] == f"%h/{LOCAL_PROGRAM}"
    assert sections(TEMPLATE)["Service"]["User"] == "%i"


@both
def test_rounds_survive_the_daemon_under_systemd(unit: Path) -> None:
    service = sections(unit)["Service"]
    assert service["KillMode"] == "process"
    assert service["OOMPolicy"] == "continue"
    # Both would be gone with the daemon, while rounds go on in them.
    assert not {"PrivateTmp", "RuntimeDirectory"} & set(service)


@both
def test_systemd_restarts_after_a_failure_but_not_after_bad_input(unit: Path) -> None:
    service = sections(unit)["Service"]
    assert service["Restart"] == "on-failure"
    assert service["RestartPreventExitStatus"].split() == ["0", "2"]
    assert sections(unit)["Unit"]["StartLimitIntervalSec"] == "0"


@both
def test_the_daemon_is_watched_and_asks_the_login_shell(unit: Path) -> None:
    service = sections(unit)["Service"]
    assert service["Type"] == "notify"
    assert int(service["WatchdogSec"]) >= 10
    assert service["ExecReload"].endswith("kill -HUP $MAINPID")
    assert service["Environment"] == "TINYTOWN_LOGIN_ENVIRONMENT=1"


def test_the_launchd_agent_says_the_same() -> None:
    agent = plistlib.loads(AGENT.read_bytes())
    assert agent["Label"] == AGENT.name.removesuffix(".plist")
    assert agent["KeepAlive"] == {"SuccessfulExit": False}
    assert agent["AbandonProcessGroup"] is True
    assert agent["RunAtLoad"] is True
    assert agent["EnvironmentVariables"]["TINYTOWN_LOGIN_ENVIRONMENT"] == "1"


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
