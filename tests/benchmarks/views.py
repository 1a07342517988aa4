"""Views: what looking at a large town costs, against a small one; whole processes, as people type.

The towns come from saves, which a daemon brings in as it would a town of somebody's: what is not in
this page's interest (how history is stored, what of it is archived) is the daemon's own affair.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.figures import Figure, interleaved, median, timed
from tests.benchmarks.place import bench
from tests.e2e.town import BIN, CONFIG, Home, TownUnderTest
from tinytown_cli import client
from tinytownd import saves
from tinytownd.domain.agent import Agent
from tinytownd.domain.meta import Meta
from tinytownd.domain.record import Record
from tinytownd.domain.task import Task
from tinytownd.handlers.views import iso

#: Agents and finished tasks of the two towns.
SMALL, LARGE, SHORT_LARGE = (10, 100), (1_000, 100_000), (1_000, 5_000)
TURNS, SHORT_TURNS = 40, 8
#: Each view as it is typed, and what the large town may cost of the small one's.
VIEWS = (
    ("status", "tt status"),
    ("list", "tt list"),
    ("task list", "tt task list"),
    ("task show t50", "tt task show ID (archived)"),
    ("inbox a1", "tt inbox NAME"),
    ("report", "tt report"),
    ("history", "tt history"),
    ("task show nonsense", "a task's id mistyped"),
)
GOAL = 1.5
#: A day lies between a task and the next hundred: a report looks back half of one.
PER_DAY, DAY_MS = 100, 86_400_000


def records(agents: int, tasks: int) -> Iterator[Record]:
    """A team and its finished work, as it would have been done at a hundred tasks a day."""
    now = int(time.time() * 1000)
    for number in range(1, agents + 1):
        yield Agent(
            id=f"a{number}", name=f"a{number}", cli="talking", role="dev", state="idle", since=now
        )
    for number in range(1, tasks + 1):
        at = now - (tasks - number) * DAY_MS // PER_DAY
        yield Task(
            id=f"t{number}",
            description=f"The {number}th thing to do, told in a line as people tell it",
            state="completed",
            agent=f"a{number % agents + 1}",
            result="Done, with tests",
            seq=number,
            attempts=1,
            created_at=at,
            started_at=at,
            finished_at=at,
        )


def made(home: Home, directory: Path, size: tuple[int, int]) -> TownUnderTest:
    """A town of that size whose agents are there and idle."""
    town = home.town(directory)
    about = {"created_at": iso(0) or "", "command": ""}
    save = directory / "town.save"
    meta = Meta(id="large", name="large", dir="", tasks=size[1], numbered=size[1], agents=size[0])
    save.write_bytes(saves.encode(meta, records(*size), (), about))
    target = client.Target((directory / ".tt" / "town").read_text().strip(), "", directory)
    client.send(target, "town.restore", {"path": str(save)}, seconds=300)
    client.send(target, "town.start", {}, seconds=300)
    save.unlink()
    return town


def looked(town: TownUnderTest, words: str) -> float:
    """How long it takes to type it there, in seconds."""
    argv = [str(BIN / "tt"), *words.split()]
    quiet = subprocess.DEVNULL
    return timed(
        lambda: subprocess.run(
            argv, cwd=town.directory, env=town.home.env, stdout=quiet, stderr=quiet, check=False
        )
    )


def measure(short: bool) -> list[Figure]:
    """The row."""
    with bench(CONFIG.replace("[town]", f"[town]\nmax_agents = {LARGE[0]}", 1)) as one:
        base = Path(os.environ["TINYTOWN_HOME"]).parent
        small = made(one.home, base / "small", SMALL)
        large = made(one.home, base / "large", SHORT_LARGE if short else LARGE)
        return [
            compared(told, small, large, words, SHORT_TURNS if short else TURNS)
            for words, told in VIEWS
        ]


def compared(
    told: str, small: TownUnderTest, large: TownUnderTest, words: str, turns: int
) -> Figure:
    """One view, in both towns by turns."""
    of_small, of_large = interleaved(
        turns, lambda: looked(small, words), lambda: looked(large, words)
    )
    about = "the same in a town of {} agents and {} tasks".format(*SMALL)
    return Figure(told, median(of_large), "s", GOAL, median(of_small), about)
