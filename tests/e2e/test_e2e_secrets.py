"""Secrets planted in every place where one may be, and looked for wherever something is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.town import Home, TownUnderTest, until
from tests.external import External, external

USERS, TABLE, FILE = "users-own-zq81", "from-the-table-zq82", "from-the-file-zq83"
BEARER, TYPED = "bearer-zq84", "sk-typed-zq85-0123456789"
#: What prints its environment before it fails; the last line is what its error quotes.
NOISY = """
env >&2
echo "Authorization: Bearer bearer-zq84" >&2
echo "no answer from https://me:$FILE_PASSWORD@host for $TABLE_TOKEN, $USERS_SECRET;" \\
    "Authorization: Bearer bearer-zq84" >&2
exit 3
"""
PLAN = """
[[tasks]]
id = "noisy"
description = "fails, and quotes all it knows"
agent = "c"
run = "sh noisy.sh"

[[tasks]]
id = "prints"
description = "its result quotes a secret"
agent = "c"
run = "echo my environment has $USERS_SECRET"

[[tasks]]
id = "talks"
description = "so do its message and its own words"
agent = "c"
run = "tt send conductor it-is-$FILE_PASSWORD && tt task complete --result see-$FILE_PASSWORD"
"""
READ = [
    *("status", "list", "task list", "history", "inbox --all", "backlog list", "config"),
    *("config redis.url", "config env.TABLE_TOKEN", "towns", "daemon status", "conductor status"),
]


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[External]:
    """Somebody else's server, which asks for a password."""
    with external(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def noisy(server: External, make_home: Callable[..., Home], tmp_path: Path) -> TownUnderTest:
    """A town whose server, settings and environment are full of secrets, told by its agents."""
    url = server.url(server.admin, server.password)
    home = make_home(f'\n[redis]\nurl = "{url}?db=3"\n')
    home.env |= {"USERS_SECRET": USERS, "DATABASE_URL": f"postgres://me:{USERS}@host/db"}
    town = home.town(tmp_path / "town")
    settings = (town.directory / "tinytown.toml").read_text()
    town.write("secret.env", f"FILE_PASSWORD={FILE}\n")
    env = f'[env]\nTABLE_TOKEN = "{TABLE}"'
    town.write("tinytown.toml", 'env_file = "secret.env"\n' + settings.replace("[env]", env))
    return town


def work(town: TownUnderTest) -> None:
    """Agents fail and talk, all with secrets; a person types one."""
    town.write("noisy.sh", NOISY)
    town.plan(PLAN)
    town.quick("conductor", "--spawn", code=None)
    town.quick("backlog", "add", f"log in with {TYPED}")
    ends = {"noisy": "failed", "prints": "completed", "talks": "completed"}
    until(lambda: ends.items() <= town.states().items(), "the end of the plan")
    until(lambda: town.agent("c")["state"] == "idle", "its rest")


def told(town: TownUnderTest) -> dict[str, str]:
    """Everything that the town tells, by where it does."""
    home = town.home
    answers = {words: town.quick(*words.split(), "--json").out for words in READ}
    answers |= {f"task show {task}": town.quick("task", "show", task, "--json").out
                for task in town.states()}  # fmt: skip
    logs = {str(file): file.read_text() for file in (home.path / "logs").iterdir()}
    arguments = {
        f"ps {pid}": Path(f"/proc/{pid}/cmdline").read_text()
        for pid in home.processes(town.directory)
    }
    assert len(arguments) >= 1
    assert any("round.ended" in text for text in logs.values())
    return answers | logs | arguments


def _size(path: Path) -> int:
    return path.stat().st_size


def leaks(told: dict[str, str], *secrets: str) -> list[tuple[str, str]]:
    return [(where, one) for where, text in told.items() for one in secrets if one in text]


def test_no_secret_is_told(noisy: TownUnderTest, server: External) -> None:
    work(noisy)
    everything = told(noisy)
    assert leaks(everything, USERS, TABLE, FILE, BEARER, server.password) == []
    # What a person typed is theirs: it is where they put it, and in no log.
    typed = {where for where, _ in leaks(everything, TYPED)}
    assert typed == {"backlog list", "task list", "task show t1"}
    # It was told all the same, as far as it is no secret.
    shown = noisy.task("noisy")
    assert "no answer from https://me:***@host for ***, ***; Authorization: ***" in shown["error"]
    results = [task["result"] for task in noisy.see("task", "list") if task["result"]]
    assert sorted(results) == ["my environment has ***", "see-***"]
    assert "it-is-***" in [message["text"] for message in noisy.see("inbox", "--all")]


def test_no_secret_is_stored_that_nobody_typed(noisy: TownUnderTest, server: External) -> None:
    work(noisy)
    data = {str(file): file.read_text() for file in server.directory.rglob("*.aof")}
    assert any("noisy" in text for text in data.values())
    # What an agent said itself (FILE) went by the store to the daemon, which keeps it without.
    assert leaks(data, USERS, TABLE, BEARER, server.password) == []
    # Raw, for their owner's eyes: what the process printed.
    noise = max((noisy.directory / ".tt" / "rounds").glob("c/*/stderr"), key=_size)
    assert TABLE in noise.read_text()
    assert noise.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("url", ["http://me:{}@host", "redis://me:{}@127.0.0.1:1/0"])
def test_an_error_quotes_no_secret(
    make_home: Callable[..., Home], tmp_path: Path, url: str
) -> None:
    home = make_home()
    town = home.town(tmp_path / "town")
    secret = "a-password-zq86-0123456789"
    answers = [home.tt("config", "redis.url", url.format(secret), cwd=home.path, code=None)]
    (home.path / "config.toml").write_text(f'[redis]\nurl = "{url.format(secret)}"\n')
    answers += [town.tt("config", code=None), home.tt("daemon", "stop", cwd=home.path, code=None)]
    answers += [town.tt("status", code=None), home.tt("doctor", cwd=home.path, code=None)]
    (home.path / "config.toml").unlink()
    told = {str(number): one.out + one.err for number, one in enumerate(answers)}
    told |= {str(file): file.read_text() for file in (home.path / "logs").iterdir()}
    assert any("***" in text or "redis" in text for text in told.values())
    assert leaks(told, secret) == []
