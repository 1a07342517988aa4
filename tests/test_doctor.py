"""The doctor tells of a mistake in the home's settings like of anything else that is missing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.external import External, external
from tinytownd.doctor import checks
from tinytownd.home import Home
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
    assert not told["home or redis"]["ok"]
    assert "hunter2" not in str(told)


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
