"""The doctor tells of a mistake in the home's settings like of anything else that is missing."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import waiting
from tests.external import External, external
from tinytownd import doctor
from tinytownd.doctor import SERVICE, checks
from tinytownd.domain.clis import CLIS
from tinytownd.home import Home
from tinytownd.runtimes import installed
from tinytownd.runtimes.catalogue import PRESETS
from tinytownd.runtimes.installed import signed_in
from tinytownd.store.access import line


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ('[agent_clis.mine]\nprompt = "stdin"\n', "agent_clis.mine has no command"),
        ("[limits]\nattempts = 0\n", "limits.attempts must be"),
    ],
)
def test_a_mistake_in_the_settings_is_one_of_its_lines(
    tmp_path: Path, settings: str, told: str
) -> None:
    home = Home(tmp_path / "home")
    home.create()
    home.config.write_text(settings)
    report = list(checks({**os.environ, "TINYTOWN_HOME": str(home.path)}))
    (problem,) = (one for one in report if one["required"] and not one["ok"])
    assert told in str(problem["detail"])


def test_a_cli_of_the_homes_own_is_looked_for(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    home.config.write_text('[agent_clis.mine]\ncommand = "no-such-program"\ninstall = "get it"\n')
    report = list(checks({**os.environ, "TINYTOWN_HOME": str(home.path)}))
    mine = next(one for one in report if one["check"] == "cli mine")
    assert (mine["ok"], mine["required"], mine["fix"]) == (False, False, "get it")


# --- somebody else's server

Report = dict[str, dict[str, object]]


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[External]:
    """A server that is not the home's own."""
    with external(tmp_path_factory.mktemp("server")) as server:
        yield server


def report(home: Home, server: External, user: str, password: str = "PASSWORD") -> Report:
    """What the doctor says of the server to a daemon that is that user there."""
    home.create()
    home.config.write_text(f'[redis]\nurl = "{server.url(user, password)}"\n')
    found = checks({**os.environ, "TINYTOWN_HOME": str(home.path)})
    return {str(one["check"]): one for one in found}


def test_a_server_of_others_gets_a_user_with_the_least_rights(
    tmp_path: Path, server: External
) -> None:
    home = Home(tmp_path / "home")
    before = report(home, server, server.admin, server.password)
    assert (before["redis user"]["ok"], before["redis user"]["required"]) == (False, False)
    assert before["redis users"]["ok"]
    fix = str(before["redis user"]["fix"])
    line = fix.removeprefix("in redis-cli: ").partition(" , then")[0]
    assert line.startswith("ACL SETUSER tinytown reset on >PASSWORD ~tt:* ")
    server.say(line)
    after = report(home, server, "tinytown")
    assert after["redis user"]["ok"]
    assert after["redis users"]["ok"]


def test_a_server_that_lets_nobody_make_users(tmp_path: Path, server: External) -> None:
    server.say("ACL SETUSER plain on >PASSWORD ~tt:* &tt:* +@all -@admin")
    told = report(Home(tmp_path / "home"), server, "plain")["redis users"]
    assert (told["ok"], told["required"]) == (False, False)
    assert "does not let the daemon make users" in str(told["detail"])
    assert "ACL SETUSER tinytown" in str(told["fix"])


def test_nothing_of_the_examination_stays(tmp_path: Path, server: External) -> None:
    report(Home(tmp_path / "home"), server, server.admin, server.password)
    assert server.say("ACL USERS") == ["daemon", "default"]


def test_a_server_that_does_not_know_the_daemon(tmp_path: Path, server: External) -> None:
    told = report(Home(tmp_path / "home"), server, "nobody", "hunter2hunter2")
    assert not told["redis"]["ok"]
    assert "hunter2" not in str(told)


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    home.config.write_text('[redis]\nurl = "redis://127.0.0.1:1"\n')
    told = of(home)["redis"]
    assert (told["ok"], told["required"]) == (False, True)
    assert told["fix"] == "start that server, or take redis.url out of config.toml"


@pytest.mark.parametrize("rest", ["hunter2/hunter2@host", "x@host:99999", "hunter2#@host:1"])
def test_an_address_that_is_none_is_bad_input_and_is_not_told(tmp_path: Path, rest: str) -> None:
    home = Home(tmp_path / "home")
    home.create()
    home.config.write_text(f'[redis]\nurl = "redis://:{rest}"\n')
    told = of(home)["redis"]
    assert (told["ok"], told["required"]) == (False, True)
    started = subprocess.run(
        [Path(sys.executable).with_name("tinytownd")],
        env={**os.environ, "TINYTOWN_HOME": str(home.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert started.returncode == 2
    assert len(started.stderr.splitlines()) == 1
    assert "hunter2" not in f"{told}{started.stderr}"


def test_redis_7_0_with_a_restricted_default_user(tmp_path: Path, server: External) -> None:
    old = "redis_version:7.0." in str(server.say("INFO server"))
    home = Home(tmp_path / "home")
    password = server.password
    assert "redis restart" not in report(home, server, server.admin, password)
    server.say("ACL SETUSER default -@all +ping")
    told = report(home, server, server.admin, password)
    assert ("redis restart" in told) == old
    if old:
        fix = str(told["redis restart"]["fix"])
        server.say(fix.removeprefix("in redis-cli: ").partition(" (")[0])
        assert "redis restart" not in report(home, server, server.admin, password)


def test_the_page_on_security_has_the_same_command() -> None:
    page = Path(__file__).parents[1] / "docs" / "security.md"
    assert f"    {line()}\n" in page.read_text()


# --- the home


def of(home: Home, **env: str) -> Report:
    """What the doctor says of a home, by check."""
    found = checks({**os.environ, "TINYTOWN_HOME": str(home.path), **env})
    return {str(one["check"]): one for one in found}


def test_a_home_that_is_not_there_yet_is_not_made(tmp_path: Path) -> None:
    told = of(Home(tmp_path / "home"))
    assert told["home"]["ok"]
    assert "is made when it is needed" in str(told["home"]["detail"])
    assert all(one["ok"] for one in told.values() if one["required"])
    assert not list(tmp_path.iterdir())


def test_a_home_that_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = of(Home(tmp_path / "file"))["home"]
    assert (told["ok"], told["required"]) == (False, True)
    assert "set TINYTOWN_HOME" in str(told["fix"])


def test_a_home_that_nobody_can_look_at(tmp_path: Path) -> None:
    told = of(Home(tmp_path / ("long" * 100)))  # refused like one below a closed directory
    assert not told["config"]["ok"]


def test_what_goes_while_it_looks_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path / "home")
    home.create()
    monkeypatch.setattr(doctor, "_files", lambda directory: [directory / "gone"])
    assert of(home)["permissions"]["ok"]


def test_what_is_open_to_others_is_closed_by_the_command(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    for path, mode in ((home.path, 0o755), (home.credentials, 0o644), (home.endpoint, 0o640)):
        path.touch()
        path.chmod(mode)
    for _ in range(3):
        told = of(home)["permissions"]
        assert not told["ok"]
        subprocess.run(shlex.split(str(told["fix"])), check=True)
    assert of(home)["permissions"]["ok"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_another_user_in_the_home(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    os.chown(home.logs, 12345, -1)
    told = of(home)["permissions"]
    assert told["detail"] == f"{home.logs} is another user's"
    assert told["fix"] == f'sudo chown -R "$(id -un)" {home.path}'


def test_a_long_socket_path_is_no_problem_here(tmp_path: Path) -> None:
    told = of(Home(tmp_path / ("x" * 120)))["socket"]
    assert told["ok"]
    assert "by way of /proc/self/fd" in str(told["detail"])


def test_the_service_is_told_by_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, user = Home(tmp_path / "home"), tmp_path / "user"
    env = {"HOME": str(user), "XDG_CONFIG_HOME": "", "USER": "nobody-of-this-name"}
    assert "not installed" in str(of(home, **env)["service"]["detail"])
    units = user / ".config" / "systemd" / "user"
    (units / "default.target.wants").mkdir(parents=True)
    (units / SERVICE).touch()
    told = of(home, **env)["service"]
    assert (told["ok"], told["fix"]) == (False, f"systemctl --user enable {SERVICE}")
    (units / "default.target.wants" / SERVICE).symlink_to(units / SERVICE)
    assert of(home, **env)["service"]["fix"] == "loginctl enable-linger"
    monkeypatch.setattr(doctor, "SYSTEM_UNITS", tmp_path)
    (tmp_path / "multi-user.target.wants").mkdir()
    unit = tmp_path / "multi-user.target.wants" / "tinytownd@nobody-of-this-name.service"
    unit.symlink_to("/nowhere")
    assert of(home, **env)["service"]["ok"]


# --- agent CLIs


def program(directory: Path, name: str, says: str) -> Path:
    """A program that only says something."""
    directory.mkdir(exist_ok=True)
    file = directory / name
    file.write_text(f"#!/bin/sh\n{says}\n")
    file.chmod(0o755)
    return file


def cli(tmp_path: Path, name: str, **env: str) -> dict[str, object]:
    """What is said of a CLI that is in `bin`, to somebody whose files are in `user`."""
    path = os.pathsep.join((str(tmp_path / "bin"), os.defpath))
    names = {variable: "" for one in CLIS.values() for variable in one.variables}
    env = {**names, "HOME": str(tmp_path / "user"), "PATH": path, **env}
    told = of(Home(tmp_path / "home"), **env)
    return told[f"cli {name}"]


def test_the_version_of_a_package_is_read_and_nothing_started(tmp_path: Path) -> None:
    package = tmp_path / "lib" / "auggie"
    package.mkdir(parents=True)
    (package / "package.json").write_text('{"name": "auggie", "version": "0.36.0"}')
    script = program(package / "dist", "cli.js", f"touch {tmp_path}/started")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "auggie").symlink_to(script)
    assert f"{tmp_path}/bin/auggie 0.36.0, not signed in" == cli(tmp_path, "auggie")["detail"]
    assert not (tmp_path / "started").exists()


def test_what_a_cli_leaves_in_the_background_holds_nobody_up(tmp_path: Path) -> None:
    left = f"setsid sleep 60 & echo $! > {tmp_path}/pid; echo 1.2.3"
    asked = program(tmp_path, "leaves", left)
    began = time.monotonic()
    try:
        assert installed.versions([asked], os.environ) == {asked: "1.2.3"}
        assert time.monotonic() - began < 30
    finally:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_others_are_asked_and_those_who_hang_are_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installed, "VERSION_SECONDS", 1.0)
    asked = [
        program(tmp_path, "hangs", f"echo $$ > {tmp_path}/pid; sleep 600"),
        program(tmp_path, "says", 'echo "codex-cli 1.2.3-beta.1"'),
        program(tmp_path, "quiet", 'test "$DISABLE_AUTOUPDATER" && echo broken; exit 1'),
    ]
    told = installed.versions(asked, os.environ)
    assert [told[one] for one in asked] == ["", "1.2.3-beta.1", ""]
    pid = int((tmp_path / "pid").read_text())
    waiting.until(lambda: not Path(f"/proc/{pid}").exists(), "the end of who hung", patience=10)


@pytest.mark.parametrize("name", ["claude", "auggie", "codex", "gemini"])
def test_a_sign_in_is_seen_by_its_file_or_variable(name: str, tmp_path: Path) -> None:
    program(tmp_path / "bin", name, "echo 1.0.0")
    told = cli(tmp_path, name)
    assert (told["ok"], told["required"], told["fix"]) == (False, False, CLIS[name].login)
    variable = CLIS[name].variables[0]
    secret = cli(tmp_path, name, **{variable: "sk-very-secret"})
    assert str(secret["detail"]).endswith(f"signed in ({variable})")
    assert "secret" not in str(secret)
    file = tmp_path / "user" / CLIS[name].file
    file.parent.mkdir(parents=True)
    file.touch(mode=0)
    assert str(cli(tmp_path, name)["detail"]).endswith(f"signed in (~/{CLIS[name].file})")


def test_a_sign_in_may_be_elsewhere(tmp_path: Path) -> None:
    codex, copilot = CLIS["codex"], CLIS["copilot"]
    (tmp_path / "auth.json").touch()
    assert signed_in(codex, {"CODEX_HOME": str(tmp_path)})[0]
    unseen = (True, "whether it is signed in cannot be seen")
    assert signed_in(copilot, {"HOME": str(tmp_path)}) == unseen
    assert signed_in(CLIS["claude"], {"HOME": str(tmp_path)}, "darwin") == unseen


def test_what_agents_get_by_the_configuration_counts(tmp_path: Path) -> None:
    program(tmp_path / "bin", "claude", "echo 1.0.0")
    home = Home(tmp_path / "home")
    home.create()
    (home.path / "secrets").write_text("ANTHROPIC_API_KEY=x\n")
    home.config.write_text('[agent_clis.claude]\nenv = { ANTHROPIC_AUTH_TOKEN = "x" }\n')
    assert "ANTHROPIC_AUTH_TOKEN" in str(cli(tmp_path, "claude")["detail"])
    home.config.write_text('env_file = "secrets"\n')
    assert "ANTHROPIC_API_KEY" in str(cli(tmp_path, "claude")["detail"])


def test_the_table_of_clis_is_the_catalogues() -> None:
    known = {name: one.argv[0] for name, one in PRESETS.items() if one.install}
    assert {name: one.program for name, one in CLIS.items()} == known
