"""Memory: the daemon's resident set, beside that of a process that only has its libraries.

That one has imported what the daemon builds on, and is connected to the same server.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.figures import Figure, median
from tests.benchmarks.place import Bench, bench
from tests.e2e.town import CONFIG

FEW, MANY = 10, 1_000
LOOKS, SHORT_LOOKS = 5, 1
#: Its arguments: the socket and the password. It tells when it is connected, and waits to be ended.
LIBRARIES = """
import asyncio, sys
import anyio, redis.asyncio, structlog, tomlkit
async def connected():
    path, password = sys.argv[1:]
    client = redis.asyncio.Redis(
        unix_socket_path=path, username="daemon", password=password, protocol=3
    )
    await client.ping()
    print("connected", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await client.aclose()
asyncio.run(connected())
"""


def resident(pid: int) -> int:
    """The resident set of a process, in bytes (proc(5), VmRSS)."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) * 1024


@contextlib.contextmanager
def libraries(one: Bench) -> Iterator[int]:
    """The id of the process that only has the libraries."""
    home = one.home.path
    password = json.loads((home / "credentials.json").read_text())["daemon"]
    argv = [sys.executable, "-c", LIBRARIES, str(home / "redis.sock"), password]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "connected\n"
        yield process.pid


def _restarted(one: Bench) -> int:
    """The resident set of a daemon that has just been started, in bytes."""
    one.home.quick("daemon", "restart", cwd=one.town.directory)
    one.home.quick("status", cwd=one.town.directory)
    return resident(one.home.pid)


def measure(short: bool) -> list[Figure]:
    """With ten agents, and what each of a thousand idle ones adds."""
    looks = SHORT_LOOKS if short else LOOKS
    floors, few = [], []
    config = CONFIG.replace("[town]", f"[town]\nmax_agents = {MANY}", 1)
    with bench(config) as one:
        one.spawn(FEW, "scripted", "few")
        for _ in range(looks):
            few.append(_restarted(one))
            with libraries(one) as pid:
                floors.append(resident(pid))
        one.spawn(MANY - FEW, "scripted")
        grown = resident(one.home.pid)
        many = [_restarted(one) for _ in range(looks)]
    base, more = median(few), MANY - FEW
    return [
        Figure("the daemon", base, "B", 1.5, median(floors), "its libraries, connected"),
        Figure("an idle agent", (median(many) - base) / more, "B", 10 * 1024),
        Figure("an agent spawned just now", (grown - base) / more, "B", None),
    ]
