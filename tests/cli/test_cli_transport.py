"""The road of one command: lost replies, lost connections, agents, long paths, cold imports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.scripted import AGENT, TOWN, FakeDaemon, Tt
from tinytown_cli import client, conversation, launch, places, transport
from tinytownd import wire
from tinytownd.domain import errors

ROOT = Path(__file__).parents[2]
TARGET = client.Target(TOWN)


def agent_credentials(daemon: FakeDaemon, town: Path) -> Path:
    path = town / "credentials.json"
    told = {"v": 1, "socket": str(daemon.socket), "url": None, "user": "a", "password": "b"}
    path.write_text(json.dumps({**told, "town": TOWN, "agent": AGENT, "dir": str(town)}))
    return path


def test_a_lost_connection_is_answered_under_the_same_id(daemon: FakeDaemon, town: Path) -> None:
    daemon.drop = 2
    reply = client.send(TARGET, "agent.list", {})
    assert reply["agents"][0]["name"] == "developer"
    assert len(daemon.sent) == 3
    assert len({sent.id for sent in daemon.sent}) == 1


def test_a_reply_that_was_not_heard_is_looked_up(daemon: FakeDaemon, town: Path) -> None:
    # The record without the announcement: what is left when the announcement is lost.
    def kept(_: dict[str, object]) -> dict[str, object]:
        key = wire.done_key(TOWN, daemon.sent[-1].id)
        reply = wire.encode_reply(daemon.sent[-1].id, {"agents": ["kept"]})
        daemon.redis.set(key, reply, ex=60)
        daemon.redis.execute_command("CLIENT", "KILL", "USER", "client")
        return {"agents": ["kept"]}

    daemon.replies["agent.list"] = kept
    assert client.send(TARGET, "agent.list", {}) == {"agents": ["kept"]}
    assert len({sent.id for sent in daemon.sent}) == 1


def test_silence_opens_the_town_once_and_ends_at_the_deadline(
    daemon: FakeDaemon, town: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "QUIET_SECONDS", 0.05)
    daemon.mute.add("agent.list")
    with pytest.raises(errors.TimedOut) as raised:
        client.send(TARGET._replace(directory=town), "agent.list", {}, seconds=0.5)
    assert raised.value.hint == "tt daemon status"
    verbs = [(sent.verb, sent.args) for sent in daemon.sent]
    assert verbs == [("agent.list", {}), ("town.open", {"dir": str(town)})]


def test_a_town_without_an_id_is_opened_first(daemon: FakeDaemon, town: Path, tt: Tt) -> None:
    (town / ".tt" / "town").unlink()
    tt("list")
    assert [sent.verb for sent in daemon.sent] == ["town.open", "agent.list"]


def test_the_town_is_found_upward_or_named(
    daemon: FakeDaemon, town: Path, tt: Tt, monkeypatch: pytest.MonkeyPatch
) -> None:
    (town / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(town / "a" / "b")
    tt("list")
    monkeypatch.chdir("/")
    tt("list", "-t", str(town))
    monkeypatch.setenv("TINYTOWN_TOWN", str(town))
    tt("list")
    assert {sent.stream for sent in daemon.sent} == {wire.commands_key(TOWN)}
    assert len(daemon.sent) == 3


def test_an_agent_speaks_on_its_own_stream(
    daemon: FakeDaemon, town: Path, tt: Tt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINYTOWN_CREDENTIALS", str(agent_credentials(daemon, town)))
    tt("task", "complete", "7", "--result", "done")
    assert daemon.sent[0].stream == wire.commands_key(TOWN, AGENT)
    assert "an agent cannot use this command" in tt("towns", code=2)[1]
    assert "in its own town only" in tt("-t", str(other_town(town)), "list", code=2)[1]
    assert "does not allow" in tt("events", code=2)[1]
    assert len(daemon.sent) == 1


def other_town(town: Path) -> Path:
    other = town / "other"
    other.mkdir()
    (other / "tinytown.toml").write_text("")
    return other


def test_an_agent_never_starts_a_daemon(
    empty_home: Path, daemon: FakeDaemon, town: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = agent_credentials(daemon, town)
    told = json.loads(path.read_text()) | {"socket": str(town / "gone.sock")}
    path.write_text(json.dumps(told))
    monkeypatch.setenv("TINYTOWN_CREDENTIALS", str(path))
    with pytest.raises(errors.Unavailable, match="Redis cannot be reached"):
        client.send(client.Target(TOWN, AGENT), "agent.list", {}, seconds=0.2)
    assert not empty_home.exists()


def test_credentials_that_are_gone(
    daemon: FakeDaemon, town: Path, tt: Tt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINYTOWN_CREDENTIALS", str(town / "none.json"))
    assert "its round is over" in tt("list", code=3)[1]


def test_a_socket_path_beyond_the_limit(daemon: FakeDaemon, tmp_path: Path) -> None:
    long = tmp_path / ("x" * 100)
    long.symlink_to(daemon.home)
    address = places.Address(str(long / "redis.sock"), "", "client", "secret")
    with transport.Link(address) as link:
        assert link.ask("PING") == "PONG"


def test_a_wrong_password_is_worth_another_try_and_a_bad_server_is_not(daemon: FakeDaemon) -> None:
    wrong = places.Address(str(daemon.socket), "", "client", "wrong")
    with transport.Link(wrong) as link, pytest.raises(transport.Lost, match="WRONGPASS"):
        link.ask("PING")
    right = wrong._replace(password="secret")
    with transport.Link(right) as link, pytest.raises(errors.BadInput, match="does not allow"):
        link.ask("FLUSHALL")


def test_the_lock_tells_who_the_daemon_is(daemon: FakeDaemon) -> None:
    assert places.daemon_pid() == os.getpid()
    assert launch.ensure().pid == os.getpid()
    daemon.write_endpoint(pid=1)
    assert places.ready_endpoint() is None
    daemon.write_endpoint()


def test_the_long_road_imports_little(daemon: FakeDaemon, town: Path) -> None:
    script = (
        "import sys; from tinytown_cli import app; code = app.run(['assign', 'd', 'x']);"
        "print(*sorted(sys.modules), file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    imported = set(done.stderr.split())
    heavy = ("redis", "asyncio", "anyio", "tomlkit", "tomllib", "rich", "dataclasses", "pydantic")
    assert imported.isdisjoint(heavy)
    ours = {name for name in imported if name.startswith(("tinytownd.", "tinytown_cli."))}
    assert ours <= {
        *("tinytownd.wire", "tinytownd.domain", "tinytownd.domain.errors"),
        *(
            f"tinytown_cli.{name}"
            for name in (
                *("app", "client", "command", "conversation", "jsontext", "launch", "layout"),
                *("options", "output", "places", "taskpage", "tasks", "transport", "whereabouts"),
            )
        ),
    }
    assert done.stdout.startswith("Task 7 is assigned to developer")
