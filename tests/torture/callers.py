"""The people of the storm: they write, push the plan piece by piece, pause agents, and look.

All of them keep pace with the killer, so that there is always something under way to be killed.
What may happen only once is not repeated: a letter whose sender was killed is not sent again.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from tests.torture.plan import SIDE, PlanTask, plan_text
from tests.torture.town import TELLER, Letter, StormTown

KINDS = ("request", "query", "info", "ack")
PRIORITIES = ("normal", "normal", "normal", "urgent")
#: How many of the urgent letters stop their reader's round.
INTERRUPTS = 0.3
#: Writers at once, and how many of their letters each sends by a `tt` of its own.
WRITERS, BY_TT = 6, 0.1
#: So many notes come while an agent is paused: more than wait in a mailbox (50); some are folded.
FLOOD = 60
#: One flood for so many messages.
MESSAGES_A_FLOOD = 400
#: A push has so many of the plan's tasks at a time.
TASKS_A_PUSH = 15
#: After so many tasks beside the plans all that may be put away is.
CHORES_A_PRUNE = 10
#: How long an agent is away, a plan is paused, and both are left alone, at most; in seconds.
AWAY, APART = 2.0, 4.0
#: What one hears who wants to pause a plan, or to resume it, of which nothing is left to do.
OVER = "is over: it is"
#: How often what may be repeated is tried.
TRIES = 50
LOOKS: tuple[tuple[str, ...], ...] = (
    ("status",),
    ("list",),
    ("task", "list"),
    ("inbox", "--all"),
    ("history",),
    ("towns",),
)


class Teller:
    """A process that sends letters; a new one comes when it was killed."""

    def __init__(self, storm: StormTown) -> None:
        self._storm = storm
        self._process: subprocess.Popen[str] | None = None

    def send(self, letter: Letter) -> None:
        """Sends a letter, and remembers what became of it."""
        process = self._process or self._start()
        told: dict[str, object] = {"text": letter.marker, "to": letter.to}
        told |= {"kind": letter.kind, "priority": letter.priority, "interrupt": letter.interrupt}
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(told) + "\n")
            process.stdin.flush()
            code, said = json.loads(process.stdout.readline())
        except (BrokenPipeError, json.JSONDecodeError):
            code, said = self.close()
        self._storm.sent(letter, code, said)

    def close(self) -> tuple[int, str]:
        """Lets the process end; its exit code, and what it said."""
        process, self._process = self._process, None
        if process is None:
            return 0, ""
        try:
            _, said = process.communicate()
        except BrokenPipeError:
            said = ""
        return process.wait(), said

    def _start(self) -> subprocess.Popen[str]:
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(TELLER)],
            cwd=self._storm.town.directory,
            env=self._storm.home.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return self._process


class People:
    """Everybody's work; `share` says how much of the killing is done, from 0 to 1."""

    def __init__(
        self,
        storm: StormTown,
        plans: Mapping[str, Sequence[PlanTask]],
        share: Callable[[], float],
    ) -> None:
        self._storm = storm
        self._plans = plans
        self._share = share
        floods = max(1, storm.size.messages // MESSAGES_A_FLOOD)
        self._floods = [(number + 0.5) / floods for number in range(floods)]
        self._letters = self._draw(storm.size.messages - floods * FLOOD)
        self._taking = threading.Lock()
        #: Who sends an agent away brings it back before another one does anything to it.
        self._handling = threading.Lock()

    @property
    def parts(self) -> list[Callable[[], None]]:
        """What they do at once, one thread each; each ends with the storm."""
        writers = [lambda number=n: self._write(number) for n in range(WRITERS)]
        return [*writers, self._push, self._flood, self._handle, self._assign, self._look]

    def first_push(self) -> None:
        """The first piece of each plan, and the conductor on."""
        for name in self._plans:
            self._push_until(name, 1)
        self._storm.follow()

    def _draw(self, count: int) -> Iterator[tuple[float, Letter]]:
        """(when, what) of so many letters; those who write take them in turn."""
        dice = self._storm.size.dice("letters")
        for number in range(count):
            kind, priority = dice.choice(KINDS), dice.choice(PRIORITIES)
            to = dice.choice(self._storm.size.team)
            interrupt = priority == "urgent" and dice.random() < INTERRUPTS
            letter = Letter(f"MSG-letter-{number}", to, kind, priority, interrupt)
            yield number / count, letter

    def _next(self) -> tuple[float, Letter] | None:
        with self._taking:
            return next(self._letters, None)

    def _write(self, number: int) -> None:
        dice, teller = self._storm.size.dice(f"writer {number}"), Teller(self._storm)
        while taken := self._next():
            when, letter = taken
            self._wait(when)
            if dice.random() < BY_TT:
                self._storm.send(letter)
            else:
                teller.send(letter)
        teller.close()

    def _push(self) -> None:
        pieces = {name: -(-len(plan) // TASKS_A_PUSH) for name, plan in self._plans.items()}
        pushes = [
            ((piece - 1) / count, name, piece)
            for name, count in pieces.items()
            for piece in range(2, count + 1)
        ]
        for when, name, piece in sorted(pushes):
            self._wait(when)
            self._push_until(name, piece)

    def _push_until(self, name: str, piece: int) -> None:
        text = plan_text(self._plans[name][: piece * TASKS_A_PUSH])
        file = f"{name}.toml"
        self._storm.town.write(file, text)
        with self._handling:
            self._insist("sync", "push", file, "--plan", name)
            # It may have ended while it was paused, and then could not be resumed.
            self._insist("plan", "resume", name, already=OVER)

    def _flood(self) -> None:
        """One is paused, gets more notes than a mailbox holds, and goes on."""
        dice, teller = self._storm.size.dice("floods"), Teller(self._storm)
        for number, when in enumerate(self._floods):
            self._wait(when)
            name = dice.choice(self._storm.size.team)
            with self._handling:
                self._insist("interrupt", name)
                for one in range(FLOOD):
                    kind = dice.choice(("info", "ack"))
                    teller.send(Letter(f"MSG-flood-{number}-{one}", name, kind))
                # One whose answer was lost is refused when it is asked again.
                self._insist("resume", name, already="neither paused")
        teller.close()

    def _assign(self) -> None:
        """As many tasks beside the plans as in the main one; what is over goes into the archive."""
        dice, count = self._storm.size.dice("chores"), self._storm.size.tasks
        for number in range(count):
            self._wait(number / count)
            marker = f"Work quietly on chore {number}"
            done = self._storm.tt("assign", dice.choice(self._storm.size.team), marker)
            self._storm.told.chores.append({"marker": marker, "code": done.code})
            if number % CHORES_A_PRUNE == 0:
                self._insist("prune", "--older", "1s")

    def _handle(self) -> None:
        """Agents are killed, closed and started afresh; the smaller plan is paused for a while."""
        dice = self._storm.size.dice("handling")
        while self._share() < 1:
            name, what = dice.choice(self._storm.size.team), dice.choice(("kill", "close", "plan"))
            away, apart = dice.random() * AWAY, dice.random() * APART
            with self._handling:
                self._insist(
                    *(("plan", "pause", SIDE) if what == "plan" else (what, name)), already=OVER
                )
                time.sleep(away)
                again = ("plan", "resume", SIDE) if what == "plan" else ("restart", name)
                self._insist(*again, already=OVER)
            time.sleep(apart)

    def _look(self) -> None:
        dice = self._storm.size.dice("looks")
        while self._share() < 1:
            self._storm.tt(*dice.choice(LOOKS))
            time.sleep(dice.random() * 0.3)

    def _insist(self, *words: str, already: str = "") -> None:
        """Again until it is answered: for what may happen twice, or says that it has happened."""
        for _ in range(TRIES):
            done = self._storm.tt(*words)
            if done.code == 0 or (already and already in done.err):
                return
        raise AssertionError(f"tt {' '.join(words)} was tried {TRIES} times")

    def _wait(self, share: float) -> None:
        while self._share() < share:
            time.sleep(0.02)
