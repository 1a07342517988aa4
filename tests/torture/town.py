"""The town of a storm: its size, its team, its plan, and how its people reach it."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests import waiting
from tests.e2e.town import BIN, Data, Done, Home, TownUnderTest, lines

AGENT = Path(__file__).with_name("agent.py")
TELLER = Path(__file__).with_name("teller.py")
#: How long anything may take once nobody is killed any more, in seconds.
PATIENCE = 120.0
#: A task waits for at most so many others, out of so many that came before it.
MOST_NEEDS, REACH = 3, 30

CONFIG = """\
[town]
default_cli = "storm"
max_agents = 1000

[conductor]
enabled = false

[limits]
attempts = 100
max_rounds = 1000
grace_seconds = 0.3
backoff_seconds = 0.05
backoff_max_seconds = 0.4

[env]
TORTURE_NOTES = {notes}
TORTURE_SEED = "{seed}"
TORTURE_TEAM = "{team}"

[agent_clis.storm]
command = {command}
"""


@dataclass(frozen=True)
class Size:
    """How much of everything there is, and the seed of all that is drawn."""

    seed: int
    kills: int = 200
    agents: int = 20
    tasks: int = 300
    messages: int = 2000

    @property
    def team(self) -> list[str]:
        """The agents' names."""
        return [f"a{number}" for number in range(self.agents)]

    def dice(self, what: str) -> random.Random:
        """Dice for one purpose: threads do not disturb each other's."""
        return random.Random(f"{self.seed} {what}")


@dataclass(frozen=True)
class Letter:
    """A message that somebody wants to send; `marker` is its text, and nobody else's."""

    marker: str
    to: str
    kind: str
    priority: str = "normal"


@dataclass
class Told:
    """What people were told: the exit code of each letter and of each other command."""

    letters: list[tuple[Letter, int]] = field(default_factory=list)
    commands: list[Data] = field(default_factory=list)
    #: What the town said when it did not come to rest.
    unrest: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class PlanTask:
    """One task of the plan."""

    id: str
    agent: str
    needs: tuple[str, ...]


def draw_plan(size: Size) -> list[PlanTask]:
    """A random graph without circles: each task waits for some that came shortly before it."""
    dice, plan = size.dice("plan"), list[PlanTask]()
    for number in range(size.tasks):
        near = [task.id for task in plan[-REACH:]]
        needs = dice.sample(near, min(len(near), dice.choice([0, 1, 1, 2, MOST_NEEDS])))
        plan.append(PlanTask(f"w{number}", dice.choice(size.team), tuple(sorted(needs))))
    return plan


def plan_text(plan: Sequence[PlanTask]) -> str:
    """The plan as `tasks.toml`."""
    return "\n".join(
        f'[[tasks]]\nid = "{task.id}"\ndescription = "Work on {task.id}"\n'
        f'agent = "{task.agent}"\ndepends_on = {json.dumps(task.needs)}\n'
        for task in plan
    )


class StormTown:
    """A home with one town in it, both in a directory of their own."""

    def __init__(self, directory: Path, size: Size) -> None:
        self.directory = directory
        self.size = size
        self.notes = directory / "notes"
        self.notes.mkdir()
        self.home = Home(directory / "home", self._config())
        self.town: TownUnderTest
        self.told = Told()
        self._lock = threading.Lock()
        self._follower: subprocess.Popen[bytes] | None = None

    def _config(self) -> str:
        return CONFIG.format(
            notes=json.dumps(str(self.notes)),
            seed=self.size.seed,
            team=",".join(self.size.team),
            command=json.dumps([sys.executable, "-IS", str(AGENT)]),
        )

    def set_up(self) -> None:
        """The town with its team, in which everybody has worked once."""
        self.town = self.home.town(self.directory / "town")
        self.town.team(*self.size.team)
        self.one_more_task()

    def one_more_task(self) -> None:
        """One task for everybody; returns when all of the town's work is done."""
        for name in self.size.team:
            self.town.quick("assign", name, "Work quietly")
        self.settle()

    def settle(self) -> None:
        """Returns when nothing is left to do; remembers it when that takes too long."""
        done = self.town.quick("wait", "--all", "--timeout", f"{PATIENCE:.0f}", code=None)
        if done.code != 0:
            self.told.unrest.append(f"exit code {done.code}: {done.err.strip()}")

    def tt(self, *words: str) -> Done:
        """Runs `tt` as a person, who may be killed over it; what it says is remembered."""
        done = self._run(*words)
        with self._lock:
            self.told.commands.append({"words": words, "code": done.code, "err": done.err})
        return done

    def _run(self, *words: str) -> Done:
        ended = subprocess.run(
            [str(BIN / "tt"), *words],
            cwd=self.town.directory,
            env=self.home.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return Done(ended.returncode, ended.stdout, ended.stderr)

    def sent(self, letter: Letter, code: int, said: str = "") -> None:
        """Remembers what became of a letter: an exit code, negative for a killed sender."""
        with self._lock:
            self.told.letters.append((letter, code))
            self.told.commands.append({"words": ("send",), "code": code, "err": said})

    def send(self, letter: Letter) -> None:
        """Sends a letter by a `tt` of its own."""
        words = [f"--{letter.kind}"] if letter.kind != "request" else []
        words += ["--urgent"] if letter.priority == "urgent" else []
        done = self._run("send", letter.to, letter.marker, *words)
        self.sent(letter, done.code, done.err)

    def follow(self) -> None:
        """Switches the conductor on as people do: somebody follows it, who may be killed, too."""
        argv = [str(BIN / "tt"), "conductor"]
        null = subprocess.DEVNULL
        self._follower = subprocess.Popen(
            argv, cwd=self.town.directory, env=self.home.env, stdin=null, stdout=null, stderr=null
        )
        until(lambda: self.town.see("conductor", "status")["conductor"]["on"], "conducting")

    def abandon(self) -> None:
        """Ends everything at once after a fault, which is what is to be told of."""
        if self._follower is not None:
            self._follower.kill()
            self._follower.wait()
        with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
            self.home.end(self.directory)

    def noted(self, kind: str) -> list[Data]:
        """What the agents noted."""
        return lines(self.notes / f"{kind}.jsonl")


until = partial(waiting.until, patience=PATIENCE, pause=0.02)
