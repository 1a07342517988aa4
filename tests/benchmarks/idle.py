"""Idle: what a town of 1,000 agents costs while nothing happens, in time and in commands."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path

from tests.benchmarks.figures import Figure
from tests.benchmarks.place import Bench, bench
from tests.e2e.town import CONFIG
from tinytown_cli.places import Address
from tinytown_cli.transport import Link

AGENTS, SHORT_AGENTS = 1_000, 200
SECONDS, SHORT_SECONDS = 60.0, 10.0
#: Until the look at the streams is over that follows a new connection (store/commands.py); a
#: minute's ticks are in the measured time.
SETTLE_SECONDS = 8.0
#: What the daemon waits with, and what the measurement itself asks.
WAITING = {"xreadgroup", "info", "auth", "hello"}


def running(pid: int) -> float:
    """How long a process's threads have been on a core, in seconds (proc(5), schedstat)."""
    files = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(file.read_text().split()[0]) for file in files) / 1e9


def calls(one: Bench) -> Counter[str]:
    """How often each command was carried out by the server since it was started."""
    home = one.home.path
    password = json.loads((home / "credentials.json").read_text())["daemon"]
    with Link(Address(str(home / "redis.sock"), "", "daemon", password)) as link:
        told = str(link.ask("INFO", "commandstats"))
    found: Counter[str] = Counter()
    for line in told.splitlines():
        name, _, stats = line.removeprefix("cmdstat_").partition(":calls=")
        if stats:
            found[name] = int(stats.partition(",")[0])
    return found


def measure(short: bool) -> list[Figure]:
    """Shares of a core in per cent, and commands beyond the blocking reads."""
    seconds = SHORT_SECONDS if short else SECONDS
    config = CONFIG.replace("[town]", f"[town]\nmax_agents = {AGENTS}", 1)
    with bench(config) as one:
        one.spawn(SHORT_AGENTS if short else AGENTS, "scripted")
        time.sleep(SETTLE_SECONDS)
        pids = one.home.pid, one.home.server_pid()
        commands, began = calls(one), time.monotonic()
        before = [running(pid) for pid in pids]
        time.sleep(seconds)
        used = [running(pid) - then for pid, then in zip(pids, before, strict=True)]
        took, commands = time.monotonic() - began, calls(one) - commands
    beyond = {name: count for name, count in commands.items() if name not in WAITING}
    daemon, server = (100 * one / took for one in used)
    told = ", ".join(f"{count} {name}" for name, count in sorted(beyond.items()))
    return [
        Figure("the daemon", daemon, "% of a core", 0.5),
        Figure("its server", server, "% of a core", None),
        Figure("commands beyond blocking reads", sum(beyond.values()), "", 2, about=told),
        Figure("blocking reads", commands["xreadgroup"], "", None),
    ]
