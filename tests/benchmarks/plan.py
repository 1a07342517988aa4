"""A plan of many tasks whose rounds do nothing, against the bare spawning of as many programs.

Chains, fans and diamonds, handed out to twice as many agents as rounds may run at once. Timed is
from the conductor's start to the plan's end. Cost a task must not go with the number of tasks.
"""

from __future__ import annotations

import asyncio
import json
import math
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.figures import Figure, timed
from tests.benchmarks.place import Bench, bench
from tests.e2e.town import CONFIG
from tinytown_cli import client, places
from tinytown_cli.transport import Link
from tinytownd import wire

SIZES, SHORT_SIZES = (100, 1_000, 10_000), (100, 1_000)
AT_ONCE, AGENTS = 8, 16
#: The needs of each of ten tasks, by number: a fan into a diamond, a chain, a diamond, a chain.
BLOCK = ((), (0,), (0,), (0,), (1, 2, 3), (4,), (5,), (5,), (6, 7), (8,))
BEGINS, ENDS = "conductor.started", "plan.completed"
#: How often it is looked whether a plan is over, in seconds.
LOOK_SECONDS = 0.2
ABOUT = "spawning as many /bin/true, as many at once"
CLI = """
[agent_clis.nothing]
command = ["/bin/true"]
"""


def measure(short: bool) -> list[Figure]:
    """The wall of the largest plan beside its floor, and how the cost grows with the size."""
    sizes = SHORT_SIZES if short else SIZES
    with bench(CONFIG.replace("max_rounds = 100", f"max_rounds = {AT_ONCE}") + CLI) as one:
        walls = {size: carried_out(one, size) for size in sizes}
    found = [figure(size, *walls[size]) for size in sizes]
    slope = statistics.linear_regression(
        [math.log(size) for size in sizes], [math.log(walls[size][0]) for size in sizes]
    ).slope
    return [*found, Figure("slope of log time over log size", slope, "", 1.05)]


def figure(size: int, wall: float, floor: float) -> Figure:
    """The time a task takes, beside what a spawn does."""
    return Figure(f"{size:,} tasks, each", wall / size, "s", 2.5, floor / size, ABOUT)


def carried_out(one: Bench, size: int) -> tuple[float, float]:
    """The wall of a plan in a town of its own, and the floor before and after it, in seconds."""
    town = one.home.town(one.home.path.parent / f"town-{size}")
    known = (town.directory / ".tt" / "town").read_text().strip()
    target = client.Target(known, "", town.directory)
    for number in range(AGENTS):
        client.send(target, "agent.spawn", {"name": f"a{number}", "cli": "nothing"})
    client.send(target, "plan.push", {"text": plan_text(size)})
    before = floor(size)
    wall = conducted(target)
    return wall, (before + floor(size)) / 2


def plan_text(size: int) -> str:
    """The plan file: blocks of ten tasks, whose agents go round."""
    lines = []
    for number in range(size):
        block, place = divmod(number, len(BLOCK))
        needs = [f"t{block * len(BLOCK) + need}" for need in BLOCK[place]]
        lines += ["[[tasks]]", f'id = "t{number}"', f'description = "Nothing {number}"']
        lines += [f'agent = "a{number % AGENTS}"', f"depends_on = {json.dumps(needs)}", ""]
    return "\n".join(lines)


def conducted(target: client.Target) -> float:
    """Has the conductor carry the plan out: from its start to the plan's end, in seconds.

    By the events' ids, which the server made of its clock: whoever looked all the time would take
    the cores away.
    """
    endpoint = places.ready_endpoint()
    assert endpoint is not None
    times: dict[str, int] = {}
    last = "0-0"
    with Link(endpoint.address) as link:
        client.send(target, "conductor.start", {})
        while ENDS not in times:
            time.sleep(LOOK_SECONDS)
            found: Any = link.ask("XREAD", "STREAMS", wire.events_key(target.town), last)
            for last, (_, event) in found[wire.events_key(target.town)] if found else ():
                times[json.loads(event)["event"]] = int(last.partition("-")[0])
    return (times[ENDS] - times[BEGINS]) / 1000


def floor(size: int) -> float:
    """Starts so many programs, some at once, in a process of its own, in seconds."""
    argv = [sys.executable, "-m", "tests.benchmarks.plan", str(size)]
    done = subprocess.run(argv, stdout=subprocess.PIPE, check=True, cwd=Path.cwd())
    return float(done.stdout)


async def _spawn(count: int) -> None:
    watcher = asyncio.PidfdChildWatcher()
    watcher.attach_loop(asyncio.get_running_loop())
    asyncio.set_child_watcher(watcher)
    numbers = iter(range(count))

    async def some() -> None:
        for _ in numbers:
            process = await asyncio.create_subprocess_exec("/bin/true")
            await process.wait()

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))


if __name__ == "__main__":
    print(timed(lambda: asyncio.run(_spawn(int(sys.argv[1])))))
