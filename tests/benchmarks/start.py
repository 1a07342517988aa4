"""Start: `tinytownd` from its exec until it takes commands, beside its server's own start to PONG.

The server of the floor is the daemon's, with the same data; the two take turns in the same home.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.benchmarks.figures import Figure, interleaved, median
from tests.benchmarks.place import Bench, bench
from tests.benchmarks.stored import add_tasks
from tests.e2e.town import Home
from tinytown_cli.places import Address
from tinytown_cli.transport import Link
from tinytownd.domain.policy import History
from tinytownd.store import keys, sync
from tinytownd.store.binary import find_binary

TURNS, SHORT_TURNS = 15, 3
HISTORY, SHORT_HISTORY = 100_000, 5_000
OPEN, SHORT_OPEN = 10_000, 1_000
TOWNS = 20
AGENTS = 10
#: Beyond the minute between two rewrites of the files.
PATIENCE = 150.0
#: Finished tasks that a town has at hand; a batch more may be over before some go.
KEPT = History().tasks + 100


def until(look: Callable[[], bool]) -> None:
    """Looks every half a millisecond. Raises TimeoutError."""
    deadline = time.monotonic() + PATIENCE
    while not look():
        if time.monotonic() > deadline:
            raise TimeoutError("it does not start")
        time.sleep(0.0005)


class Starts:
    """What starts in a home in which nothing runs, and ends again before the next one."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._binary = find_binary(home.env)
        python_path = {k: v for k, v in os.environ.items() if k == "PYTHONPATH"}
        self._env = {**home.env, **python_path, "TINYTOWN_AUTOSTART": "1"}

    def daemon(self, then: Callable[[], bool] = lambda: True) -> float:
        """Until the daemon has said that it is ready, in seconds; it stays until `then`."""
        argv = [sys.executable, "-P", "-m", "tinytownd.daemon"]  # as `tt` starts it
        started = time.perf_counter()
        process = subprocess.Popen(argv, cwd=self._home.path, env=self._env)
        try:
            until(lambda: self._home.pid == process.pid)
            seconds = time.perf_counter() - started
            until(then)
            return seconds
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)

    def server(self) -> float:
        """Until the server with the home's data answers PING with PONG, in seconds."""
        path = self._home.path
        where = ("--port", "0", "--unixsocket", "../bench.sock", "--dir", "data", "--save", "")
        files = ("--appendonly", "yes", "--appendfsync", "no", "--aof-use-rdb-preamble", "no")
        argv = [str(self._binary), *where, *files, "--logfile", "/dev/null"]
        started = time.perf_counter()
        process = subprocess.Popen(argv, cwd=path, env=self._home.env)
        try:
            until(lambda: _answers(path / "bench.sock"))
            return time.perf_counter() - started
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)

    def both(self, turns: int) -> tuple[float, float]:
        """The medians of the server's and the daemon's start, in seconds."""
        server, daemon = interleaved(turns, self.server, self.daemon)
        return median(server), median(daemon)


def _answers(path: Path) -> bool:
    with closing(socket.socket(socket.AF_UNIX)) as link:
        try:
            link.connect(str(path))
            link.sendall(b"PING\r\n")
            return link.recv(64).startswith(b"+PONG")
        except OSError:
            return False


def _more_towns(one: Bench, count: int) -> None:
    for number in range(count):
        directory = one.home.path.parent / f"more-{number}"
        directory.mkdir()
        one.home.quick("init", cwd=directory)


def _with_towns(turns: int, base: float) -> Figure:
    """What each further town adds."""
    with bench() as one:
        _more_towns(one, TOWNS)
        _stop(one)
        _, daemon = Starts(one.home).both(turns)
    return Figure("a further town", (daemon - base) / TOWNS, "s", None)


def _with_tasks(turns: int, count: int, state: str) -> tuple[float, float, float]:
    """The daemon's first start with so many tasks of a state in the store; then, with what is over
    in the archive, the server's and the daemon's."""
    with bench() as one:
        one.spawn(AGENTS, "scripted")
        _stop(one)
        add_tasks(one.home, one.id, count, state)
        starts = Starts(one.home)
        first = starts.daemon(lambda: state == "pending" or settled(one))
        return first, *starts.both(turns)


def settled(one: Bench) -> bool:
    """Whether what is over was put away, and the server's files were written anew after that."""
    time.sleep(0.1)  # who looks all the time takes the cores away
    files = sync.sizes(one.home.path / "data")
    return at_hand(one) <= KEPT and not sync.outgrown(files, held(one))


def at_hand(one: Bench) -> int:
    """How many tasks are loaded at a start."""
    with _server(one) as link:
        return int(str(link.ask("HLEN", keys.records_key(one.id, "tasks"))))


def held(one: Bench) -> int:
    """How many bytes of memory the server uses."""
    with _server(one) as link:
        found = re.search(r"used_memory:(\d+)", str(link.ask("INFO", "memory")))
        assert found is not None
        return int(found[1])


def _server(one: Bench) -> Link:
    password = json.loads((one.home.path / "credentials.json").read_text())["daemon"]
    return Link(Address(str(one.home.path / "redis.sock"), "", "daemon", password))


def _stop(one: Bench) -> None:
    one.home.quick("daemon", "stop", cwd=one.town.directory)


def measure(short: bool) -> list[Figure]:
    """A town of ten agents; with a history; and what towns and open tasks add."""
    turns = SHORT_TURNS if short else TURNS
    with bench() as one:
        one.spawn(AGENTS, "scripted")
        _stop(one)
        bare, ready = Starts(one.home).both(turns)
    size = SHORT_HISTORY if short else HISTORY
    first, server, past = _with_tasks(turns // 3, size, "completed")
    count = SHORT_OPEN if short else OPEN
    _, _, loaded = _with_tasks(turns // 3, count, "pending")
    about = "the server's own start to PONG"
    # A short run's sizes are not the full one's: nor are these figures' names.
    past_of, open_of = f"{size:,} tasks archived", f"an open task, of {count:,}"
    return [
        Figure("ready", ready, "s", 10, bare, about),
        Figure("ready, with a history of tasks", past, "s", 12, bare, about),
        Figure(
            f"{past_of}, beside its server", past, "s", None, server, f"{about} with these data"
        ),
        Figure(f"{past_of} only now", first, "s", None, bare, about),
        Figure(open_of, (loaded - ready) / count, "s", None),
        _with_towns(turns // 3, ready),
    ]
