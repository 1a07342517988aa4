"""Real daemons on a home of a test's own, forked off this process: Python starts only once."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import functools
import gc
import importlib
import json
import os
import shutil
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests import waiting
from tests.kills.trap import Trace, Trap, install
from tinytownd import daemon, desk, wire
from tinytownd.store import commands, keys, patience, wakes
from tinytownd.store.replies import read_script

PATIENCE = 60.0
BIN = Path(sys.executable).parent
#: Agents of these tests never get to work; the CLI that they would use waits.
CONFIG = """\
[town]
default_cli = "waits"

[agent_clis.waits]
command = ["sleep", "600"]
interactive = ["sleep", "600"]
"""
Client = redis.Redis
#: What a client sees of a server that is dead or comes up.
AWAY = (redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError, redis.ResponseError)


until = functools.partial(waiting.until, patience=PATIENCE, pause=0.003)


class Home:
    """A `TINYTOWN_HOME`, its daemon and its server. `traps` are those of the next daemon."""

    def __init__(self, base: Path) -> None:
        self.path = base / "home"
        self.base = base
        self.path.mkdir(mode=0o700, parents=True)
        (self.path / "config.toml").write_text(CONFIG)
        self.traps: dict[str, Trap] = {}
        self.steps = base / "steps"
        self.steps.touch()
        self.starts = 0
        self._pid = 0
        self._redis: Client | None = None

    @property
    def env(self) -> dict[str, str]:
        """What the daemon and `tt` find around them."""
        path = os.pathsep.join((str(BIN), os.environ.get("PATH", os.defpath)))
        return {
            "PATH": path,
            "HOME": str(self.base),
            "TINYTOWN_HOME": str(self.path),
            "LANG": "C.UTF-8",
        }

    # The daemon

    def start(self) -> None:
        """Starts the daemon; it may come up in its own time."""
        self.starts += 1
        self._pid = os.fork()
        if not self._pid:
            try:
                serve(self)
            finally:
                os._exit(70)

    @property
    def running(self) -> bool:
        """Whether the daemon is there; takes leave of one that is not."""
        if self._pid and os.waitpid(self._pid, os.WNOHANG) != (0, 0):
            self._pid = 0
        return bool(self._pid)

    def restart(self, traps: dict[str, Trap]) -> None:
        """A new daemon in the place of the old one, with these traps."""
        self.kill()
        self.traps = traps
        self.start()

    def kill(self) -> None:
        """Ends the daemon as nothing else would."""
        if self.running:
            os.kill(self._pid, signal.SIGKILL)
            until(lambda: not self.running, "the daemon's end")

    def end(self) -> None:
        """Ends the daemon and its server, and makes sure of it."""
        # Its own way of stopping takes the server along. Told once: a second signal would end it.
        until(self.ready, "a daemon that can be stopped")
        os.kill(self._pid, signal.SIGTERM)
        until(lambda: not self.running, "the end of the daemon")
        if self._redis is not None:
            self._redis.close()
        with (self.path / "data" / "server.lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises while a server has it

    def ready(self) -> bool:
        """Whether the daemon has said where it is, the last of its start; starts it if need be."""
        if not self.running:
            self.start()
        try:
            told = json.loads((self.path / "endpoint.json").read_text())
        except (OSError, ValueError):
            return False
        return bool(told["pid"] == self._pid)

    # Its store

    @property
    def redis(self) -> Client:
        """The store, as one who may do everything."""
        if self._redis is None:
            until((self.path / "credentials.json").exists, "the passwords")
            told = json.loads((self.path / "credentials.json").read_text())
            self._redis = redis.Redis(
                unix_socket_path=str(self.path / "redis.sock"),
                username="daemon",
                password=told["daemon"],
                decode_responses=True,
                protocol=3,
                retry=Retry(NoBackoff(), 0),  # we try again ourselves, and start what is missing
            )
        return self._redis

    def patiently(self, ask: Callable[[Client], Any]) -> Any:
        """Asks the store until it answers; a daemon that is gone is started again."""
        answers: list[Any] = []

        def once() -> bool:
            if not self.running:
                self.start()
            with contextlib.suppress(*AWAY):
                answers.append(ask(self.redis))
            return bool(answers)

        until(once, "an answer of the store")
        return answers[0]

    def post(self, town_id: str, fields: dict[str, str], agent: str = "") -> None:
        """Writes a command's entry into a stream, as `tt` does."""
        stream = keys.commands_key(town_id, agent)
        loose: Any = fields
        self.patiently(lambda r: r.xadd(stream, loose))

    def reply(self, town_id: str, command: str, agent: str = "") -> dict[str, Any]:
        """The recorded reply, as soon as there is one."""
        key = keys.done_key(town_id, command, agent)
        found = until(lambda: self.patiently(lambda r: [r.get(key)])[0], f"a reply to {command}")
        reply: dict[str, Any] = json.loads(found)
        return reply

    def ask(self, town_id: str, verb: str, **args: object) -> dict[str, Any]:
        """A command and its reply."""
        fields = dict(wire.encode_command(verb, args))
        self.post(town_id, fields)
        return self.reply(town_id, fields["id"])

    def lines(self, command: str, kind: str) -> list[str]:
        """What the trace says of a command: its steps, or where somebody died."""
        told = (line.split("\t") for line in self.steps.read_text().splitlines())
        return [words[2] for words in told if words[:2] == [command, kind]]

    def log(self) -> str:
        """The end of what the daemons said."""
        files = [self.path / "logs" / "tinytownd.jsonl", self.path / "logs" / "forked.log"]
        return "".join(file.read_text()[-3000:] for file in files if file.exists())


def serve(home: Home) -> None:
    """The life of a forked daemon."""
    (home.path / "logs").mkdir(exist_ok=True)
    for number, name in ((0, os.devnull), (1, home.path / "logs" / "forked.log")):
        os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), number)
    os.dup2(1, 2)
    sys.stdout = sys.stderr = os.fdopen(1, "w", buffering=1)
    os.environ.clear()
    os.environ.update(home.env)
    warnings.simplefilter("ignore")
    gc.freeze()  # the parent's objects: to look at them is to copy them
    hurry()
    install(Trace(home.steps, home.base, home.traps))
    os._exit(daemon.serve(home.env))


@functools.cache
def warm_up() -> None:
    """Has imported what is imported late: once here, and not in every daemon."""
    importlib.import_module("tinytownd.root")

    async def nothing() -> None:
        async with anyio.create_task_group():
            read_script("commit")

    asyncio.run(nothing())


def hurry() -> None:
    """Time goes faster: nobody waits for long, and no clock looks in between."""
    for module in (patience, commands, wakes):
        module.FIRST_WAIT, module.LONGEST_WAIT = 0.01, 0.05  # type: ignore[attr-defined]
    desk.AGAIN_SECONDS = 0.01
    commands.LOOK_SECONDS = commands.SOON_SECONDS = 3600.0
    os.fsync = lambda _: None  # type: ignore[assignment] # the kernel lives on


@contextlib.contextmanager
def home_in(base: Path) -> Iterator[Home]:
    """A home that leaves nothing running behind."""
    base.mkdir(parents=True, exist_ok=True)
    warm_up()
    home = Home(base)
    home.start()
    try:
        yield home
    except BaseException:
        print(home.log())  # captured, and so shown with the failure
        raise
    finally:
        home.end()
        shutil.rmtree(base, ignore_errors=True)
