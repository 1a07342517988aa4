"""The town of a storm: its size, its team, its plan, and how its people reach it."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests import waiting
from tests.e2e.town import BIN, Data, Done, Home, TownUnderTest, lines
from tests.torture.plan import AGENT, CHORE, SIDE, SMALLER, Member, PlanTask, draw_plan, draw_team

TELLER = Path(__file__).with_name("teller.py")
#: How long anything may take once nobody is killed any more, in seconds.
PATIENCE = 120.0

CONFIG = """\
[town]
default_cli = "storm"
max_agents = 1000

[conductor]
enabled = false

[limits]
attempts = 100
reworks = 100
max_rounds = 1000
grace_seconds = 0.3
backoff_seconds = 0.05
backoff_max_seconds = 0.4

[history]
tasks = 100
rounds = 100

[env]
TORTURE_NOTES = {notes}
TORTURE_SEED = "{seed}"
TORTURE_TEAM = "{team}"

[agent_clis.storm]
command = {command}

[agent_clis.limited]
command = {limited}
reader = "claude"
max_rounds = 1
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
    def members(self) -> list[Member]:
        """The agents."""
        return draw_team(self.agents)

    @property
    def team(self) -> list[str]:
        """Their names."""
        return [member.name for member in self.members]

    def plans(self) -> dict[str, list[PlanTask]]:
        """The plans by their names."""
        counts = {"main": self.tasks, SIDE: self.tasks // SMALLER}
        return {
            name: draw_plan(self.dice(f"plan {name}"), self.members, count, name)
            for name, count in counts.items()
        }

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
    interrupt: bool = False


@dataclass
class Told:
    """What people were told: the exit code of each letter and of each other command."""

    letters: list[tuple[Letter, int]] = field(default_factory=list)
    #: Tasks beside the plans: marker and code.
    chores: list[Data] = field(default_factory=list)
    commands: list[Data] = field(default_factory=list)
    #: What the town said when it did not come to rest.
    unrest: list[str] = field(default_factory=list)


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
        command = [sys.executable, "-IS", str(AGENT)]
        return CONFIG.format(
            notes=json.dumps(str(self.notes)),
            seed=self.size.seed,
            team=",".join(self.size.team),
            command=json.dumps(command),
            limited=json.dumps([*command, "limited"]),
        )

    def set_up(self) -> None:
        """The town with its team, in which everybody has worked once."""
        self.town = self.home.town(self.directory / "town")
        for one in self.size.members:
            words = ["--role", one.role, "--cli", one.cli]
            words += ["--tag", CHORE] if one.chores else []
            words += ["--fallback", one.fallback] if one.fallback else []
            self.town.quick("spawn", one.name, *words)
        self.one_more_task()

    def one_more_task(self) -> None:
        """One task for everybody; returns when all of the town's work is done."""
        for name in self.size.team:
            self.town.quick("assign", name, "Work quietly")
        self.settle()

    def settle(self) -> None:
        """Returns when nothing is left to do; remembers it when that takes too long."""
        done = self.town.quick("wait", "--all", "--timeout", f"{PATIENCE:.0f}", code=None)
        # 1: some tasks have failed, as they should.
        if done.code not in (0, 1):
            self.told.unrest.append(f"exit code {done.code}: {done.err.strip()}")

    def unhold(self) -> None:
        """Returns when no rate limit holds anybody any more."""
        until(lambda: not any(agent["hold"] for agent in self.town.see("list")), "the limits' end")

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
        words += ["--interrupt"] if letter.interrupt else []
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
