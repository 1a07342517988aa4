"""Wake: a command in the stream → the agent's CLI has been executed.

A person's `task.assign` for an agent that is idle, whose CLI is a program that does nothing; the
next one comes when the round is over.
"""

from __future__ import annotations

from tests.benchmarks.figures import Figure, interleaved, median, percentile
from tests.benchmarks.waking import ABOUT, Waking, waking

TURNS, SHORT_TURNS = 1_000, 150
IDLE, SHORT_IDLE = 1_000, 200


def measure(short: bool) -> list[Figure]:
    """p50 and p99 with one agent in the town, and with many that are idle."""
    turns, idle = (SHORT_TURNS, SHORT_IDLE) if short else (TURNS, IDLE)
    with waking() as one:
        one.bench.spawn(1, "nothing")
        one.follow()
        figures = told("", *pair(one, turns))
        one.bench.spawn(idle, "nothing", "idle")
        one.follow()
        return [*figures, *told(f", {idle:,} idle agents", *pair(one, turns))]


def pair(one: Waking, turns: int) -> list[list[float]]:
    """The floor and the wake, turn by turn."""
    return interleaved(turns, one.floor, lambda: wake(one))


def wake(one: Waking) -> float:
    """One wake, in seconds; returns when the agent is at rest again."""
    seconds = one.command("task.assign", agent="a0", text="Do nothing")
    one.until_ended()
    return seconds


def told(where: str, floor: list[float], found: list[float]) -> list[Figure]:
    """The figures of one place."""
    least = median(floor)
    return [
        Figure(f"p50{where}", median(found), "s", 3, least, ABOUT),
        Figure(f"p99{where}", percentile(found, 0.99), "s", 5, least, f"{ABOUT}, p50"),
    ]
