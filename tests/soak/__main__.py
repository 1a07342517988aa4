"""`python -m tests.soak`: an hour's worth of rounds in fast motion, and what they leave behind.

Ten agents get messages, each of which starts a round: one a second for an hour, as fast as this
machine can. After the first half, by when every buffer is full, nothing may grow any more: the
memory of daemon and server, their descriptors, keys, files. Prints a table; exit code 1 if it did.
With fewer rounds than 2,400 the town still fills up to what it keeps (tinytownd.domain.retention).
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import redis

from tests.e2e.town import Home, TownUnderTest, until

AGENTS = 10
#: The least that one round can be: a program that reads its prompt.
CONFIG = """\
[town]
default_cli = "reader"
[conductor]
enabled = false
[limits]
max_rounds = 8
[agent_clis.reader]
command = ["/bin/cat"]
"""
SAMPLES = 9
#: What may be there more at the end than in the middle. Memory: allocators round up, and the
#: interpreter's own caches still fill; the rest may differ by what happens to be under way.
GROWTH, SLACK = 1.05, 8


@dataclass(frozen=True)
class Sample:
    """What there is at one moment. Memory in MiB; the server's without what is bounded elsewhere.

    That is the history (100,000 events) and the replies that are kept for a day.
    """

    rounds: int
    daemon_mb: float
    server_mb: float
    descriptors: int
    keys: int
    directories: int


class Soak:
    """The town, and the eyes on it."""

    def __init__(self, root: Path) -> None:
        self.home = Home(root / "home", CONFIG)
        self.town: TownUnderTest = self.home.town(root / "town")
        self.town.team(*(f"a{number}" for number in range(AGENTS)))
        password = json.loads((self.home.path / "credentials.json").read_text())["daemon"]
        self._redis = redis.Redis(
            unix_socket_path=str(self.home.path / "redis.sock"),
            username="daemon",
            password=password,
            decode_responses=True,
        )

    def run(self, rounds: int) -> Iterator[Sample]:
        """So many rounds, in `SAMPLES` parts; what there is after each."""
        for part in range(1, SAMPLES + 1):
            target = rounds * part // SAMPLES
            while (done := self._rounds()) < target:
                for _ in range(min(5, -(-(target - done) // AGENTS))):
                    self.town.quick("send", "--all", "Read this")
                self.town.wait()
            yield self._sample(done)

    def _rounds(self) -> int:
        return sum(agent["rounds"] for agent in self.town.see("list"))

    def _sample(self, rounds: int) -> Sample:
        found = list(self._redis.scan_iter(count=1_000))
        lasting = [key for key in found if self._redis.ttl(key) < 0]
        elsewhere = [key for key in found if key not in lasting or key.endswith(":events")]
        bounded = sum(self._redis.memory_usage(key, samples=0) or 0 for key in elsewhere)
        used = self._redis.info("memory")["used_memory"] - bounded
        pids = (self.home.pid, self.home.server_pid())
        (records,) = (key for key in found if key.endswith(":rounds"))
        known = self._redis.hlen(records)
        # They go one after the other, behind the records.
        until(lambda: self._directories() <= known, "the end of the files of what was put away")
        return Sample(
            rounds=rounds,
            daemon_mb=round(_resident(pids[0]), 1),
            server_mb=round(used / 2**20, 1),
            descriptors=sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids),
            keys=len(lasting),
            directories=self._directories(),
        )

    def _directories(self) -> int:
        return len(list((self.town.directory / ".tt" / "rounds").glob("*/*")))

    def close(self) -> None:
        """Ends everything."""
        self._redis.close()
        self.home.end(self.town.directory)


def _resident(pid: int) -> float:
    """MiB of memory that a process has (proc(5), VmRSS)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def grown(samples: list[Sample]) -> list[str]:
    """What is more at the end than in the middle."""
    early, late = samples[len(samples) // 2], samples[-1]
    found = []
    for field in fields(Sample):
        before, after = getattr(early, field.name), getattr(late, field.name)
        most = before * GROWTH if field.name.endswith("_mb") else before + SLACK
        if field.name == "directories":
            most = max(most, 1_100)  # see tinytownd.domain.retention
        if field.name != "rounds" and after > most:
            found.append(f"{field.name} grew from {before} to {after}")
    return found


def main() -> int:
    """The whole soak; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3_600)
    rounds = parser.parse_args().rounds
    root = Path(tempfile.mkdtemp(prefix="tt-soak-"))
    began = time.monotonic()
    soak = Soak(root)
    print("".join(f"{field.name:>13}" for field in fields(Sample)), flush=True)
    samples = []
    try:
        for sample in soak.run(rounds):
            samples.append(sample)
            print("".join(f"{value:>13,}" for value in astuple(sample)), flush=True)
    finally:
        soak.close()
    until(lambda: not soak.home.processes(), "the end of everything")
    shutil.rmtree(root)
    problems = grown(samples)
    print(f"{samples[-1].rounds:,} rounds in {time.monotonic() - began:.0f} s: ", end="")
    print("; ".join(problems) or "nothing grew")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
