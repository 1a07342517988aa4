"""Handover: a task is completed → the process of the one that waited for it has been executed.

The command completes the first task while its process still runs, as an agent's own does.
"""

from __future__ import annotations

import time

from tests.benchmarks.figures import Figure, interleaved, median, percentile
from tests.benchmarks.waking import ABOUT, PATIENCE, Waking, waking

TURNS, SHORT_TURNS = 600, 100


def measure(short: bool) -> list[Figure]:
    """p50 and p99 of the handover; and a whole round, from one agent's exec to its next one."""
    rounds: list[float] = []
    with waking() as one:
        one.bench.spawn(1, "waits", "first")
        one.bench.spawn(1, "nothing", "second")
        known = one.bench.send("agent.list")["agents"]
        agent = next(row["id"] for row in known if row["name"] == "first0")
        one.follow()
        turns = SHORT_TURNS if short else TURNS
        floor, over = interleaved(turns, one.floor, lambda: handover(one, agent, rounds))
    least = median(floor)
    return [
        Figure("p50", median(over), "s", 4, least, ABOUT),
        Figure("p99", percentile(over, 0.99), "s", None, least, f"{ABOUT}, p50"),
        Figure("a whole round, from exec to exec", median(rounds), "s", None, least, ABOUT),
    ]


def handover(one: Waking, agent: str, rounds: list[float]) -> float:
    """One handover, in seconds; returns when both agents are at rest again.

    `agent` is the first one's id. The second has two tasks: `rounds` gets the time from the one's
    exec to the other's.
    """
    told = one.bench.send("task.assign", agent="first0", text="Wait")
    first = told["task"]["id"]
    for _ in range(2):
        one.bench.send("task.assign", agent="second0", text="Do nothing", after=[first])
    one.until_started()
    seconds = one.command("task.complete", task=first, by=agent)
    now = time.perf_counter()
    rounds.append(one.execs.wait(PATIENCE) - now)
    one.let_go()
    one.until_ended(3)
    return seconds
