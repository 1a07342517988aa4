"""The daemon on somebody else's server, with the rights that the doctor prints and no others."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.town import Home, TownUnderTest, until
from tests.external import External, external

# A town of agents that talk, a plan, and what is rarely done: all that reaches the store.
PLAN = """
[[tasks]]
id = "one"
description = "do: say first"
agent = "a"

[[tasks]]
id = "two"
description = "do: tt send a --info thanks"
agent = "b"
depends_on = ["one"]
"""


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[External]:
    """Its user `default` may do nothing but say hello, as administrators have it."""
    with external(tmp_path_factory.mktemp("server")) as server:
        yield server


def as_the_doctor_says(home: Home, server: External) -> None:
    """Makes the user that the doctor wants, by the very line that it prints."""
    settings = (home.path / "config.toml").read_text()
    url = server.url(server.admin, server.password)
    (home.path / "config.toml").write_text(f'{settings}\n[redis]\nurl = "{url}"\n')
    checks = json.loads(home.tt("doctor", "--json", cwd=home.path, code=None).out)
    (fix,) = (check["fix"] for check in checks if check["check"] == "redis user")
    server.say(fix.removeprefix("in redis-cli: ").partition(" , then")[0])
    # Redis 7.0 reads its data back as this user: he keeps his rights, and nobody can be him.
    server.say("ACL SETUSER default resetpass off")
    url = server.url("tinytown", "PASSWORD")
    (home.path / "config.toml").write_text(f'{settings}\n[redis]\nurl = "{url}"\n')


def live(town: TownUnderTest) -> None:
    """Everything that a town does."""
    town.team("a", "b")
    town.plan(PLAN)
    town.quick("conductor")
    town.assign("a", "tt assign b 'Go on'", "tt task complete --result mine", "say ignored")
    town.quick("send", "b", "hello")
    town.wait("--all")
    town.home.tt("daemon", "restart", cwd=town.directory)
    for words in ("status", "history", "inbox --all", "task list", "conductor stop", "stop"):
        town.quick(*words.split())
    until(lambda: {agent["state"] for agent in town.see("list")} == {"cold"}, "their end")
    town.quick("prune")
    assert set(town.states().values()) == {"completed"}


def test_the_rights_that_the_doctor_prints_are_enough(
    server: External, make_home: Callable[..., Home], tmp_path: Path
) -> None:
    home = make_home()
    as_the_doctor_says(home, server)
    town = home.town(tmp_path / "town")
    live(town)
    users = server.say("ACL USERS")
    assert isinstance(users, list)
    assert [user for user in users if user.startswith("tt-")]  # people have their own
    log = (home.path / "logs" / "tinytownd.jsonl").read_text()
    assert "NOPERM" not in log
    assert [line for line in log.splitlines() if '"level": "warning"' in line] == []
    assert [line for line in log.splitlines() if '"level": "error"' in line] == []
    home.tt("towns", "--forget", str(town.directory), cwd=tmp_path)
    keys = server.say("KEYS tt:*")
    assert isinstance(keys, list)
    assert [key for key in keys if "{home}" not in key and ":done:" not in key] == []


def test_it_does_without_users_where_it_may_make_none(
    server: External, make_home: Callable[..., Home], tmp_path: Path
) -> None:
    server.say("ACL SETUSER plain on >PASSWORD ~tt:* &tt:* +@all -acl")
    home = make_home(f'\n[redis]\nurl = "{server.url("plain", "PASSWORD")}"\n')
    town = home.town(tmp_path / "town")
    live(town)
    assert "redis.no_users" in (home.path / "logs" / "tinytownd.jsonl").read_text()
