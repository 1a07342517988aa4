"""Command rate: `task.assign` with all its atomic work, pipelined, beside a bare consumer.

Both processes are stopped while their stream is filled, and let go on together with the clock; the
time ends when the last reply is announced. The agent is paused, so that no round begins. As a rate
is told the time that one command takes.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from tests.benchmarks.consumer import done_key
from tests.benchmarks.figures import Figure, interleaved, median
from tests.benchmarks.place import Bench, bench
from tests.e2e.town import CONFIG
from tinytown_cli import places
from tinytown_cli.transport import Link
from tinytownd import wire

ABOUT = "XREADGROUP → XACK + reply"
FLOOR = "floor"
TURNS, SHORT_TURNS = 9, 3
#: Commands a turn, and entries that are written at once.
COMMANDS, SHORT_COMMANDS, BATCH = 2_000, 1_000, 200
#: The large town, by agents and tasks.
LARGE, SHORT_LARGE = (1_000, 20_000), (100, 2_000)
#: The longest wait for a reply, in seconds.
PATIENCE = 60.0


class Filling:
    """Fills streams of commands, and hears the last reply."""

    def __init__(self, one: Bench) -> None:
        known = places.ready_endpoint()
        assert known is not None
        told = json.loads((one.home.path / "credentials.json").read_text())
        self._link = Link(known.address._replace(user="daemon", password=told["daemon"]))

    def fill(self, stream: str, count: int, agent: str) -> str:
        """Writes so many commands into a stream; the last one's id."""
        args: dict[str, object] = {"agent": agent, "text": "Make the tests of the parser pass"}
        fields = {}
        for _ in range(0, count, BATCH):
            entries = [dict(wire.encode_command("task.assign", args)) for _ in range(BATCH)]
            words = [[word for pair in one.items() for word in pair] for one in entries]
            self._link.write(*(["XADD", stream, "*", *one] for one in words))
            for _ in entries:
                self._link.read(PATIENCE)
            fields = entries[-1]
        return fields["id"]

    def told(self, channel: str, begin: Callable[[], None]) -> float:
        """The seconds until something is announced, from `begin` on."""
        self._link.ask("SUBSCRIBE", channel)
        started = time.perf_counter()
        begin()
        while True:
            said = self._link.read(PATIENCE)
            if isinstance(said, list) and said[0] == "message":
                seconds = time.perf_counter() - started
                self._link.ask("UNSUBSCRIBE", channel)
                assert json.loads(said[2])["ok"], said
                return seconds


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[Callable[[], None]]:
    """Holds a process up; what is given lets it go on."""
    os.kill(pid, signal.SIGSTOP)
    go_on = partial(os.kill, pid, signal.SIGCONT)
    try:
        yield go_on
    finally:
        go_on()


class Rate:
    """A town, the floor beside it, and the time that a command takes in each."""

    def __init__(self, one: Bench, floor: int, count: int) -> None:
        self._bench = one
        self._floor = floor
        self._count = count
        self._filling = Filling(one)

    def assign(self) -> float:
        """A command of the town's, in seconds."""
        town = self._bench.id
        with stopped(self._bench.home.pid) as go_on:
            last = self._filling.fill(wire.commands_key(town), self._count, "a0")
            return self._filling.told(wire.reply_channel(town, last), go_on) / self._count

    def floor(self) -> float:
        """A command of the bare consumer's, in seconds."""
        with stopped(self._floor) as go_on:
            last = self._filling.fill(FLOOR, self._count, "a0")
            return self._filling.told(done_key(FLOOR, last), go_on) / self._count

    def grow(self, agents: int, tasks: int) -> None:
        """More agents, and as many tasks for each."""
        for name in self._bench.spawn(agents, "scripted", "more"):
            self._bench.send("agent.interrupt", name=name)
        for number in range(tasks // self._count):
            with stopped(self._bench.home.pid) as go_on:
                stream = wire.commands_key(self._bench.id)
                last = self._filling.fill(stream, self._count, f"more{number % agents}")
                self._filling.told(wire.reply_channel(self._bench.id, last), go_on)


@contextlib.contextmanager
def consumer(home: Path) -> Iterator[int]:
    """The floor's process, by its id."""
    argv = [sys.executable, "-m", "tests.benchmarks.consumer", str(home), FLOOR]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process.pid
        finally:
            process.kill()


def measure(short: bool) -> list[Figure]:
    """A command's time in a small town, and in a large one."""
    turns, count, large = (
        (SHORT_TURNS, SHORT_COMMANDS, SHORT_LARGE) if short else (TURNS, COMMANDS, LARGE)
    )
    config = CONFIG.replace("[town]", f"[town]\nmax_agents = {large[0] + 1}", 1)
    with bench(config) as one, consumer(one.home.path) as floor:
        one.spawn(1, "scripted")
        one.send("agent.interrupt", name="a0")
        rate = Rate(one, floor, count)
        found = [figure("a command", interleaved(turns, rate.floor, rate.assign))]
        rate.grow(*large)
        name = f"a command, {large[0]:,} agents, {large[1]:,} tasks more"
        return [*found, figure(name, interleaved(turns, rate.floor, rate.assign))]


def figure(name: str, found: list[list[float]]) -> Figure:
    """The medians of the floor and of the town."""
    floor, assign = map(median, found)
    return Figure(name, assign, "s", 3, floor, ABOUT)
