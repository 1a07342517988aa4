"""What wake and handover have in common: their floor, and a town whose CLI does nothing.

The floor is a process of its own, as the daemon is one: it hears a PUBLISH by redis-py's PubSub and
starts a program by asyncio, and nothing else. Both are seen by the same eyes, at the exec.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import redis.asyncio

from tests.benchmarks.execs import Execs
from tests.benchmarks.place import Bench, bench
from tests.e2e.town import CONFIG
from tinytown_cli import places
from tinytown_cli.transport import Link
from tinytownd import wire

CHANNEL = "floor"
ABOUT = "publish → callback + create_subprocess_exec"
#: The longest wait for anything, in seconds.
PATIENCE = 30.0
#: A program that ends when something is written into the named pipe, and one that does nothing. All
#: rounds stay at hand: to put earlier turns away is no part of a wake.
CLIS = """
[history]
rounds = 100000

[agent_clis.nothing]
command = ["{program}"]

[agent_clis.waits]
command = ["/bin/sh", "-c", "read line < '{pipe}'"]
"""


class Waking:
    """A town with a CLI that does nothing, the floor beside it, and who sees what they start."""

    def __init__(self, one: Bench, execs: Execs, pipe: Path) -> None:
        self.bench = one
        self.execs = execs
        self.pipe = pipe
        known = places.ready_endpoint()
        assert known is not None
        self._link = Link(known.address)
        told = json.loads((one.home.path / "credentials.json").read_text())
        self._mighty = Link(known.address._replace(user="daemon", password=told["daemon"]))
        self._last = "$"

    def floor(self) -> float:
        """From a message in a channel to the exec, in seconds."""
        started = time.perf_counter()
        self._mighty.ask("PUBLISH", CHANNEL, "1")
        return self.execs.wait(PATIENCE) - started

    def command(self, verb: str, by: str = "", **args: object) -> float:
        """From a command in the stream of people, or of an agent (its id), to the exec: seconds."""
        fields = [word for pair in wire.encode_command(verb, args) for word in pair]
        link = self._mighty if by else self._link
        started = time.perf_counter()
        link.ask("XADD", wire.commands_key(self.bench.id, by), "*", *fields)
        return self.execs.wait(PATIENCE) - started

    def follow(self) -> None:
        """Listens to the town's events from here on."""
        found = self._link.ask("XREVRANGE", wire.events_key(self.bench.id), "+", "-", "COUNT", "1")
        self._last = found[0][0] if isinstance(found, list) and found else "0-0"

    def until_ended(self, rounds: int = 1) -> None:
        """Waits until so many rounds more have ended."""
        self._until("round.ended", rounds)

    def until_started(self) -> None:
        """Waits until one more round has been written down."""
        self._until("round.started", 1)

    def _until(self, event: str, count: int) -> None:
        key = wire.events_key(self.bench.id)
        while count > 0:
            found = self._link.ask("XREAD", "BLOCK", "5000", "STREAMS", key, self._last, seconds=20)
            assert isinstance(found, dict), f"no {event}"
            for at, fields in found[key]:
                self._last = at
                count -= json.loads(fields[1])["event"] == event

    def let_go(self) -> None:
        """Has a `waits` end."""
        self.pipe.write_text("go\n")


@contextlib.contextmanager
def waking() -> Iterator[Waking]:
    """A fresh town and its floor; ended afterwards. The files stay, see `rows.scratch`."""
    made = Path(tempfile.mkdtemp(prefix="waking-"))
    execs = Execs(made)
    pipe = made / "pipe"
    subprocess.run(["mkfifo", str(pipe)], check=True)
    config = CONFIG.replace("[town]", "[town]\nmax_agents = 2000")
    config += CLIS.format(program=execs.program, pipe=pipe)
    with bench(config) as one, _floor(one, execs):
        yield Waking(one, execs, pipe)
    execs.close()


@contextlib.contextmanager
def _floor(one: Bench, execs: Execs) -> Iterator[None]:
    argv = [sys.executable, "-m", "tests.benchmarks.waking", str(one.home.path), str(execs.program)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield
    finally:
        process.terminate()
        process.wait()


async def _serve(home: str, program: str) -> None:
    """The floor's process: starts the program whenever the channel says something."""
    asyncio.get_child_watcher().close()
    watcher = asyncio.PidfdChildWatcher()
    watcher.attach_loop(asyncio.get_running_loop())
    asyncio.set_child_watcher(watcher)
    password = json.loads(Path(home, "credentials.json").read_text())["daemon"]
    client = redis.asyncio.Redis(
        unix_socket_path=f"{home}/redis.sock", username="daemon", password=password, protocol=3
    )
    pubsub = client.pubsub(ignore_subscribe_messages=True)
    await pubsub.subscribe(CHANNEL)
    await pubsub.get_message(timeout=PATIENCE)
    print("ready", flush=True)
    while True:
        if await pubsub.get_message(timeout=PATIENCE) is not None:
            process = await asyncio.create_subprocess_exec(program)
            await process.wait()


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:]))
