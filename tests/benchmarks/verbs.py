"""Verbs: `tt`, the whole process, beside a Python that does nothing.

Hot verbs are what agents and scripts call all the time. `task complete` and `task current` are said
as agents say them: with the credentials of a round that runs, for which a scripted agent waits.

No variable of Python's own is set.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
from collections.abc import Callable, Iterator

from tests.benchmarks.figures import Figure, interleaved, median, timed
from tests.benchmarks.place import Bench, bench
from tests.e2e.town import BIN, lines, until

#: Of the hot verbs, and of the others, which are further from their goals' noise.
TURNS, SHORT_TURNS, OTHER_TURNS, SHORT_OTHER_TURNS = 60, 7, 12, 3
HOT, OTHER, HELP = 1.6, 7.0, 12.0
#: The verbs beside the hot ones that are asked for most, or that load most.
OTHERS = (
    *("list", "task list", "backlog list", "plan list", "history", "report", "towns", "config"),
    *("logs", "daemon status", "doctor", "task show t1"),
)
HELPS = ("--help", "task --help", "assign --help")

Subject = Callable[[], float]


class Program:
    """Runs programs with nothing to read and nobody who reads them, as cheaply as can be."""

    def __init__(self) -> None:
        self._null = os.open(os.devnull, os.O_RDWR)
        self._actions = [(os.POSIX_SPAWN_DUP2, self._null, fd) for fd in range(3)]
        self._env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}

    def run(self, *argv: str, **env: str) -> float:
        """How long it took, in seconds. Raises `AssertionError` when it failed."""
        whole = self._env | env
        code = 0

        def once() -> None:
            nonlocal code
            pid = os.posix_spawn(argv[0], argv, whole, file_actions=self._actions)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

        seconds = timed(once)
        assert code == 0, (argv, code)
        return seconds


class Rounds:
    """Rounds of an agent's that wait: each has a task that is completed in the round's name."""

    def __init__(self, one: Bench, agent: str) -> None:
        self._bench = one
        self._agent = agent
        self._numbers = itertools.count(1)

    @contextlib.contextmanager
    def one(self) -> Iterator[tuple[str, str]]:
        """A round that runs: its task, and the name of the file with its credentials."""
        town = self._bench.town
        go = f"go-{next(self._numbers)}"
        text = f"Work\ndo: wait {go}"
        task = self._bench.send("task.assign", agent=self._agent, text=text)["task"]["id"]
        until(lambda: self._number(task), "a round that runs")
        rounds = town.directory / ".tt" / "rounds" / self._agent / str(self._number(task))
        yield task, str(rounds / "credentials")
        town.go(go)
        until(self._is_idle, "the end of the round")

    def _is_idle(self) -> bool:
        agents = self._bench.send("agent.list")["agents"]
        return any(one["name"] == self._agent and one["state"] == "idle" for one in agents)

    def _number(self, task: str) -> int:
        """The number of the task's round, as its agent noted it; 0 while there is none."""
        noted = lines(self._bench.town.directory / "rounds.jsonl")
        return next((int(one["round"]) for one in reversed(noted) if one["task"] == task), 0)


class Verbs:
    """What is measured, each a call that returns seconds."""

    def __init__(self, one: Bench) -> None:
        self._program = Program()
        self._tt = str(BIN / "tt")
        self._agents_tt = str(one.home.path / "bin" / "tt")
        self._rounds = Rounds(one, "worker")

    def nothing(self) -> float:
        """The floor."""
        return self._program.run(sys.executable, "-c", "pass")

    def person(self, *words: str) -> Subject:
        """A command of a person's."""
        return lambda: self._program.run(self._tt, *words)

    def agent(self, *words: str, own: bool = False) -> Subject:
        """A command of an agent's, in a round that runs; `{task}` is its task.

        `own`: by the `tt` that agents find first on their PATH.
        """
        program = self._agents_tt if own else self._tt

        def once() -> float:
            with self._rounds.one() as (task, credentials):
                named = [word.format(task=task) for word in words]
                return self._program.run(program, *named, TINYTOWN_CREDENTIALS=credentials)

        return once


def hot(verbs: Verbs) -> dict[str, Subject]:
    """The hot verbs, as they are typed."""
    complete = ("task", "complete", "{task}", "--result", "It is built")
    return {
        "assign": verbs.person("assign", "paused", "Build the login page"),
        "send": verbs.person("send", "paused", "--info", "Freeze at noon"),
        "status": verbs.person("status"),
        "inbox": verbs.person("inbox", "quiet"),
        "task current": verbs.agent("task", "current"),
        "task complete": verbs.agent(*complete),
        "task complete, agents' own tt": verbs.agent(*complete, own=True),
        "status --json": verbs.person("status", "--json"),
    }


def measure(short: bool) -> list[Figure]:
    """Each verb beside the floor of the same turns."""
    turns, fewer = (SHORT_TURNS, SHORT_OTHER_TURNS) if short else (TURNS, OTHER_TURNS)
    with bench() as one:
        for name in ("worker", "paused", "quiet"):
            one.send("agent.spawn", name=name, cli="scripted")
        one.send("agent.interrupt", name="paused")
        one.send("task.assign", agent="paused", text="Build the login page")
        for text in ("The API has changed", "See docs/api.md", "Freeze at noon"):
            one.send("message.send", to="quiet", text=text, kind="info")
        with contextlib.chdir(one.town.directory):
            verbs = Verbs(one)
            others = {words: verbs.person(*words.split()) for words in OTHERS}
            helps = {words: verbs.person(*words.split()) for words in HELPS}
            return [
                *figures(verbs, hot(verbs), HOT, turns),
                *figures(verbs, others, OTHER, fewer),
                *figures(verbs, helps, HELP, fewer),
            ]


def figures(verbs: Verbs, subjects: dict[str, Subject], goal: float, turns: int) -> list[Figure]:
    """A figure for each of the subjects."""
    floor, *found = interleaved(turns, verbs.nothing, *subjects.values())
    least = median(floor)
    return [
        Figure(name, median(seconds), "s", goal, least, "python -c pass")
        for name, seconds in zip(subjects, found, strict=True)
    ]
