"""Growth: a town after a hundred thousand tasks and a million events, beside what it was early on.

Tasks are assigned and completed by commands in the town's own stream, so that all of it happens:
events, replies, the archive. A day's commands are done in minutes; so what expires within a day,
the records of done commands, is measured and then deleted, or a minute's load would be a day's.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from tests.benchmarks.figures import Figure, median, timed
from tests.benchmarks.place import Bench, bench
from tests.e2e.town import CONFIG
from tinytownd import wire

#: Tasks and broadcasts of a step, and how many steps; a broadcast makes some twenty events.
TASKS, BROADCASTS, STEPS = 10_000, 4_000, 10
SHORT_TASKS, SHORT_BROADCASTS, SHORT_STEPS = 600, 20, 5
AGENTS = 10
#: Commands that are under way at once; and those that are timed one by one.
BATCH, TIMED = 200, 200
#: Events that a town keeps, about: `store/commit.py`.
MOST_EVENTS = 100_000
PATIENCE = 120.0
SMALL = CONFIG + "\n[history]\ntasks = 100\nrounds = 100\n"
TEXT = "Make the tests of the parser pass, and say in docs/parser.md what it accepts"
#: What tasks and results say: so many of these words, by chance, which compress like a text.
VOCABULARY = Path(__file__).with_name("growth.py").read_text().split()
WORDS = 24
Words = dict[str, object]


@dataclass
class Step:
    """A town at one moment: bytes in the store and of the daemon, and what a command costs."""

    tasks: int
    store: int
    rss: int
    command: float
    add: float
    bulk: float


class Growing:
    """A town that grows, its agents being paused."""

    def __init__(self, one: Bench) -> None:
        passwords = json.loads((one.home.path / "credentials.json").read_text())
        self._server = redis.Redis(
            unix_socket_path=str(one.home.path / "redis.sock"),
            username="daemon",
            password=passwords["daemon"],
            decode_responses=True,
        )
        self._bench = one
        self._stream = wire.commands_key(one.id)
        self._chance = random.Random(7)
        self.tasks = 0
        #: What the record of a done command takes, in bytes: of the first of each kind.
        self.done_bytes: dict[str, int] = {}
        for name in one.spawn(AGENTS, "scripted"):
            one.send("agent.interrupt", name=name)

    def step(self, tasks: int, broadcasts: int) -> Step:
        """So many tasks and broadcasts more, and what the town is then."""
        started = time.perf_counter()
        for _ in range(0, tasks, BATCH):
            self._carry_out("task.assign", [self._task(n) for n in range(BATCH)])
            ids = range(self.tasks + 1, self.tasks + BATCH + 1)
            self._carry_out("task.complete", [self._done(n) for n in ids])
            self.tasks += BATCH
        bulk = (time.perf_counter() - started) / (2 * tasks)
        hello: Words = {"all": True, "kind": "info", "text": TEXT}
        for at in range(0, broadcasts, BATCH):
            self._carry_out("message.send", [hello] * min(BATCH, broadcasts - at))
        command, add = self._timed()
        return Step(self.tasks, self._stored(), self._rss(), command, add, bulk)

    def events(self) -> tuple[int, int]:
        """How many events the history has, and how many there ever were."""
        told: Any = self._server.xinfo_stream(wire.events_key(self._bench.id))
        return int(told["length"]), int(told["entries-added"])

    def close(self) -> None:
        """Lets go of the server."""
        self._server.close()

    def _task(self, number: int) -> Words:
        return {"agent": f"a{number % AGENTS}", "text": self._text()}

    def _done(self, number: int) -> Words:
        return {"task": f"t{number}", "result": self._text()}

    def _text(self) -> str:
        return " ".join(self._chance.choices(VOCABULARY, k=WORDS))

    def _carry_out(self, verb: str, commands: Iterable[Words]) -> None:
        """Writes the commands at once and waits until all are answered."""
        fields = [dict(wire.encode_command(verb, args)) for args in commands]
        pipe = self._server.pipeline(transaction=False)
        for one in fields:
            pipe.xadd(self._stream, one)  # type: ignore[arg-type] # redis-py wants wider types
        pipe.execute()
        done = [wire.done_key(self._bench.id, one["id"]) for one in fields]
        self._until(done[-1])
        self._forget(verb, done)

    def _until(self, key: str) -> None:
        """Waits for the reply to the last of several commands: they are answered in order."""
        deadline = time.monotonic() + PATIENCE
        while not self._server.exists(key):
            assert time.monotonic() < deadline, "commands are not answered"

    def _forget(self, verb: str, done: list[str]) -> None:
        if verb not in self.done_bytes:
            told = json.loads(str(self._server.get(done[0])))
            assert told["ok"], told
            self.done_bytes[verb] = self._size(done[0])
        found = self._server.unlink(*done)
        assert found == len(done), f"{len(done) - found} commands of {verb} were not answered"

    def _timed(self) -> tuple[float, float]:
        """The median of a command by itself, and of an XADD beside each, in seconds."""
        commands, adds = [], []
        key = wire.commands_key(f"nobody-{self._bench.id}")
        for number in range(TIMED):
            adds.append(timed(lambda: self._server.xadd(key, {"f": "x" * 200})))
            args = self._task(number)
            commands.append(timed(lambda args=args: self._carry_out("task.assign", [args])))  # type: ignore[misc]
            self.tasks += 1
            self._carry_out("task.complete", [self._done(self.tasks)])
        self._server.unlink(key)
        return median(commands), median(adds)

    def _stored(self) -> int:
        """The bytes of all keys of the town."""
        return sum(map(self._size, self._server.scan_iter(f"tt:{{{self._bench.id}}}:*")))

    def _size(self, key: str) -> int:
        found: Any = self._server.memory_usage(key, samples=0)
        return int(found or 0)

    def _rss(self) -> int:
        status = f"/proc/{self._bench.home.pid}/status"
        with open(status, encoding="ascii") as lines:  # noqa: PTH123 # a file of the kernel's
            (line,) = (line for line in lines if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024


def measure(short: bool) -> list[Figure]:
    """What is late beside what was early, and what is bounded."""
    tasks, broadcasts, steps = TASKS, BROADCASTS, STEPS
    if short:
        tasks, broadcasts, steps = SHORT_TASKS, SHORT_BROADCASTS, SHORT_STEPS
    with bench(SMALL if short else CONFIG) as one:
        growing = Growing(one)
        try:
            seen = [growing.step(tasks, broadcasts) for _ in range(steps)]
            kept, made = growing.events()
        finally:
            growing.close()
    print(f"{seen[-1].tasks} tasks, {made} events")
    return [*compared(seen), *bounded(growing.done_bytes, kept)]


def compared(seen: list[Step]) -> list[Figure]:
    """The last of the steps beside the second: the first fills what is at hand."""
    early, middle, late = seen[1], seen[len(seen) // 2], seen[-1]
    about = f"at {early.tasks} tasks"
    # By halves: a hash table doubles now and then.
    first, then = each(early, middle), each(middle, late)
    # In what the machine took for an XADD in the same minute: it is slower in some than in others.
    alone, crowd = late.command / late.add, late.bulk / late.add
    return [
        Figure("store, 1,000 tasks more", then * 1_000, "B", 1.2, first * 1_000, about),
        Figure("a command, in XADDs beside it", alone, "", 1.2, early.command / early.add, about),
        Figure("a command in a crowd, in XADDs", crowd, "", 1.2, early.bulk / early.add, about),
        Figure("the daemon's memory", late.rss, "B", 1.2, early.rss, about),
    ]


def each(before: Step, after: Step) -> float:
    """The bytes that each task between two moments left in the store."""
    return (after.store - before.store) / (after.tasks - before.tasks)


def bounded(done: dict[str, int], events: int) -> list[Figure]:
    """What does not grow beyond a bound."""
    return [
        Figure("events kept", events, "", 1.05, MOST_EVENTS, "the bound"),
        Figure("what a task.assign leaves for a day", done["task.assign"], "B", None),
    ]
