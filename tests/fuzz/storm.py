"""A daemon under fire: 100,000 hostile entries in its streams, while others get on with their work.

`python -m tests.fuzz` runs it by itself; see `Report` for what is looked at.
"""

from __future__ import annotations

import json
import random
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import waiting
from tests.e2e.town import CONFIG, Home, TownUnderTest, until
from tests.fuzz.entries import DEADLY, ENDING, Fuzzer, Post, Stream
from tests.fuzz.link import PATIENCE, Link
from tests.fuzz.replies import Replies
from tinytownd import wire
from tinytownd.store import keys
from tinytownd.store.client import POOL

#: One round at a time: the one whose stream is written. No other program is started meanwhile.
ONE_ROUND = CONFIG.replace("max_rounds = 100", "max_rounds = 1")
#: So much may wait in the streams, in entries and bytes: who sends without reading any answer
#: stops there for a while. The daemon takes everything that waits into its memory.
MOST_WAITING, MOST_BYTES = 4_000, 48 << 20


@dataclass
class Report:
    """What a storm came to; `problems` is empty when the daemon was unharmed."""

    seed: int
    posts: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    replies: Counter[str] = field(default_factory=Counter)
    probes: list[float] = field(default_factory=list)
    memory: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        probes = sorted(self.probes) or [0.0]
        told = {
            "seed": self.seed,
            "entries": self.posts.total(),
            "by sort": dict(self.posts.most_common()),
            "refused by the server": dict(self.refused.most_common(5)),
            "replies": dict(self.replies.most_common()),
            "probes": f"{len(self.probes)}, p50 {probes[len(probes) // 2]:.3f} s,"
            f" longest {probes[-1]:.3f} s",
            "memory, MiB": self.memory,
            "seconds": round(self.seconds, 1),
        }
        rows = [f"{name:>22}  {what}" for name, what in told.items()]
        return "\n".join([*rows, *(f"PROBLEM  {one}" for one in self.problems)])


class Storm:
    """One home, three towns: one for people's commands, one for an agent's, and a quiet one."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.report = Report(seed)
        self.directory = directory
        self.links: list[Link] = []
        self.home = Home(directory / "home", ONE_ROUND)

    def __enter__(self) -> Storm:
        try:
            self._set_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for link in self.links:
            link.close()
        self.home.end(self.directory)

    def _set_up(self) -> None:
        directory = self.directory
        self.town, self.speaking, self.quiet = (
            self.home.town(directory / name) for name in ("people", "agents", "quiet")
        )
        for one in (self.town, self.speaking, self.quiet):
            one.team("dev", "ops")
            (one.directory / "loop").symlink_to("loop")
            (one.directory / "file").touch()
        self.pid = self.home.pid
        self.server_pid = self.home.server_pid()
        self.endpoint = json.loads((self.home.path / "endpoint.json").read_text())
        self.people = self._link(self.endpoint["user"], self.endpoint["password"])
        secret = json.loads((self.home.path / "credentials.json").read_text())["daemon"]
        self.god = self._link("daemon", secret)
        self._speaker()
        self.replies = Replies(self._link("daemon", secret))
        self.fuzzer = Fuzzer(
            self.report.seed,
            list(self.writers),
            [self.town.directory, self.speaking.directory],
        )

    def _link(self, user: str, password: str) -> Link:
        self.links.append(Link(self.endpoint["socket"], user, password))
        return self.links[-1]

    def _speaker(self) -> None:
        """An agent in the middle of its round: its user, and with it its stream."""
        self.speaking.assign("dev", *["wait go"] * 30)  # a minute and a half each, at most
        self.speaking.rounds(1)
        (file,) = (self.speaking.directory / ".tt" / "rounds").glob("*/*/credentials")
        told = json.loads(file.read_text())
        link = self._link(told["user"], told["password"])
        people = Stream(keys.commands_key(self._id(self.town)))
        agents = Stream(keys.commands_key(told["town"], told["agent"]), deadly=DEADLY | ENDING)
        home = Stream(keys.commands_key(wire.HOME), home=True)
        self.writers = {people: self.people, agents: link, home: self.people}

    @staticmethod
    def _id(town: TownUnderTest) -> str:
        return (town.directory / ".tt" / "town").read_text().strip()

    # The storm itself

    def rage(self, count: int) -> Report:
        """Sends so many entries, and looks at what is left afterwards."""
        report, start = self.report, time.monotonic()
        report.memory["before"], descriptors = memory(self.pid, "VmRSS"), self._descriptors()
        over = threading.Event()
        prober = threading.Thread(target=self._probe, args=(over,))
        prober.start()
        try:
            self._send(count)
        except AssertionError as error:
            report.problems.append(str(error))
        finally:
            self._drain()
            over.set()
            prober.join()
        report.seconds = time.monotonic() - start
        report.memory["after"] = memory(self.pid, "VmRSS")
        report.memory["most"] = memory(self.pid, "VmHWM")
        report.memory["server"] = memory(self.server_pid, "VmRSS")
        # Both pools of connections may have grown to their bound.
        self._expect(self._descriptors() <= descriptors + 2 * POOL, "descriptors are left open")
        self._look_back()
        return report

    def _send(self, count: int) -> None:
        dice = random.Random(self.report.seed + 1)
        left = count
        while left:
            burst = [self.fuzzer.post() for _ in range(min(left, dice.choice([1, 30, 500, 3_000])))]
            left -= len(burst)
            for stream, link in self.writers.items():
                self._post(link, [post for post in burst if post.stream == stream.key])
            if dice.random() < 0.05:
                self._sabotage(dice)
            until_calm(lambda: sum(self._waiting()) < MOST_WAITING)

    def _post(self, link: Link, posts: list[Post]) -> None:
        """As many as may be in one pipeline, and then the rest."""
        batch: list[Post] = []
        size = 0
        for number, post in enumerate(posts, start=1):
            batch.append(post)
            size += post.size
            if size > MOST_BYTES or number == len(posts):
                replies = link.all([post.argv for post in batch])
                for sent, reply in zip(batch, replies, strict=True):
                    self.report.posts[sent.sort] += 1
                    if isinstance(reply, Exception):
                        self.report.refused[str(reply)] += 1
                batch, size = [], 0
                until_calm(lambda: sum(self._waiting()) < MOST_WAITING)

    def _sabotage(self, dice: random.Random) -> None:
        """What only the daemon's own user could do to the streams."""
        for stream in self.writers:
            what = dice.choice(["type", "gone", "group", "nothing", "nothing"])
            if what == "type":
                self.god.ask("SET", stream.key, "no stream")
            elif what == "gone":
                self.god.ask("DEL", stream.key)
            elif what == "group":
                self.god.ask("XGROUP", "DESTROY", stream.key, keys.GROUP)
            self.report.posts[f"stream: {what}"] += what != "nothing"

    def _waiting(self) -> list[int]:
        """How many entries wait in each stream; many for one that has to be mended first."""
        found = [self.god.ask("XLEN", stream.key) for stream in self.writers]
        return [one if isinstance(one, int) else MOST_WAITING for one in found]

    def _pending(self) -> list[int]:
        found = [self.god.ask("XPENDING", stream.key, keys.GROUP) for stream in self.writers]
        return [1 if isinstance(one, Exception) else int(one[0]) for one in found]

    def _drain(self) -> None:
        """Until nothing waits, and nothing is in anybody's hands."""
        try:
            until_calm(lambda: not any(self._waiting()) and not any(self._pending()))
        except AssertionError as error:
            for stream in self.writers:
                left = self.god.ask("XRANGE", stream.key, "-", "+", "COUNT", "2")
                left += self.god.ask("XPENDING", stream.key, keys.GROUP, "-", "+", "2")
                self.report.problems.append(f"{error}; left in {stream.key}: {str(left)[:1500]}")

    def _probe(self, over: threading.Event) -> None:
        """Somebody who works in a town of their own, all the time."""
        town = self._id(self.quiet)
        link = self._link(self.endpoint["user"], self.endpoint["password"])
        while not over.wait(0.05):
            start = time.monotonic()
            if not command(link, town, "backlog.add", {"text": "still here?"}):
                self.report.problems.append("a probe was not answered")
                return
            self.report.probes.append(time.monotonic() - start)

    # Afterwards

    def _expect(self, good: bool, problem: str) -> None:
        if not good:
            self.report.problems.append(problem)

    def _look_back(self) -> None:
        self._expect(self.home.pid == self.pid, "it is another daemon")
        self._expect(self.home.server_pid() == self.server_pid, "it is another server")
        start = time.monotonic()
        self._expect(
            command(self.people, self._id(self.town), "backlog.add", {"text": "and now?"}),
            "a good command was not carried out afterwards",
        )
        self.report.memory["at once, ms"] = int((time.monotonic() - start) * 1000)
        self._look_into_the_log()
        self._look_at_the_keys()
        before = self._rest()
        self.report.replies = self.replies.kinds
        self.report.problems += self.replies.wrong
        self.home.tt("daemon", "restart", cwd=self.home.path)
        after = self._seen()
        self._expect(before == after, "the towns are others when they are read again")
        self.report.memory["fresh"] = fresh = memory(self.home.pid, "VmRSS")
        # What a daemon needs for these towns, and what a heap keeps of its largest moment: all that
        # may wait at once, as bytes and as text.
        most = fresh + 2 * (MOST_BYTES >> 20)
        self._expect(self.report.memory["after"] <= most, "memory is not given back")

    def _rest(self) -> list[Any]:
        """The towns with nobody at work."""
        towns = (self.town, self.speaking, self.quiet)
        for town in towns:
            town.quick("stop", "--now")
        until(
            lambda: all(a["state"] == "stopped" for town in towns for a in town.see("list")),
            "everybody's end",
        )
        return self._seen()

    def _seen(self) -> list[Any]:
        asked = (("list",), ("task", "list"), ("inbox",), ("backlog", "list"))
        towns = (self.town, self.speaking, self.quiet)
        return [town.see(*words, "--all") for town in towns for words in asked]

    def _look_into_the_log(self) -> None:
        log = self.home.path / "logs" / "tinytownd.jsonl"
        self.report.memory["log"] = log.stat().st_size >> 20
        told = [json.loads(line) for line in log.read_text().split("\n") if line]
        bad = [line for line in told if line["level"] not in ("info", "warning")]
        for line in bad[:10]:
            self.report.problems.append(f"in the log: {json.dumps(line)[-3000:]}")
        self._expect(not bad, f"{len(bad)} errors in the log")

    def _look_at_the_keys(self) -> None:
        """Records of what was done, and what towns consist of: nothing else is there."""
        cursor, odd = "0", []
        kinds = "|".join(keys.RECORD_KINDS)
        parts = rf"tt:\{{[a-z0-9-]+\}}:(town|{kinds}|events|commands(:a\d+)?)"
        while True:
            cursor, found = self.god.ask("SCAN", cursor, "COUNT", "1000")
            lives = self.god.all([("TTL", key) for key in found])
            odd += [
                key
                for key, life in zip(found, lives, strict=True)
                if not (life != -1 if ":done:" in key else re.fullmatch(parts, key))
            ]
            if cursor == "0":
                break
        self._expect(not odd, f"keys that should not be: {odd[:5]}")

    def _descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))


def command(link: Link, town: str, verb: str, args: dict[str, Any]) -> bool:
    """Sends a command, again where the stream is being mended, until it is answered; whether."""
    fields = dict(wire.encode_command(verb, args, life_ms=int(PATIENCE * 1000)))
    words = [word for pair in fields.items() for word in pair]
    deadline = time.monotonic() + PATIENCE
    sent: Any = None
    while time.monotonic() < deadline:
        if sent is None or isinstance(sent, Exception):
            sent = link.ask("XADD", keys.commands_key(town), "*", *words)
        reply = link.ask("GET", keys.done_key(town, fields["id"]))
        if reply is not None:
            return bool(json.loads(reply)["ok"])
        time.sleep(0.002)
    return False


def until_calm(calm: Any) -> None:
    """Waits for the daemon to keep up."""
    waiting.until(calm, "that the daemon keeps up", patience=PATIENCE, pause=0.005)


def memory(pid: int, what: str) -> int:
    """MiB of a process's memory: `VmRSS` now, `VmHWM` at most so far."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(rf"^{what}:\s+(\d+) kB", status, re.MULTILINE)[0]) >> 10
