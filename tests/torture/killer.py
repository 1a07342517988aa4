"""The killer: SIGKILL for one process of the home after the other, at random moments."""

from __future__ import annotations

import collections
import contextlib
import os
import signal
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from tests.e2e.town import Done
from tests.torture.plan import AGENT
from tests.torture.town import TELLER, StormTown

#: How often each kind of process is chosen, of those that are there. The last two are asked to end,
#: and not counted as kills.
WEIGHTS = {
    "agent": 3.0,
    "wrapper": 2.0,
    "round": 1.5,
    "client": 3.0,
    "daemon": 3.0,
    "server": 2.0,
    "both": 1.0,
    "terminated": 0.7,
    "restarted": 0.5,
}
ASKED = ("terminated", "restarted")
#: What has the daemon start anew, and how often that may be before it is ready once.
FELL, IN_A_ROW = ("daemon", "server", "both", *ASKED), 2
#: The average pause between two blows, in seconds: less than a daemon takes to be there again.
PAUSE = 0.35
#: A client and a round live for a moment only: so long one is waited for, in seconds.
LURK = 0.5


class Killer:
    """Kills as many as it was told to; `share` is how much of that is done."""

    def __init__(self, storm: StormTown) -> None:
        self.counts: collections.Counter[str] = collections.Counter()
        self._storm = storm
        self._dice = storm.size.dice("killer")
        self._aside = ThreadPoolExecutor()
        self._restarts: list[Future[Done]] = []
        self._over = False
        self._in_a_row = 0

    @property
    def killed(self) -> int:
        """SIGKILLs that hit somebody."""
        return sum(count for kind, count in self.counts.items() if kind not in ASKED)

    @property
    def share(self) -> float:
        """From 0 to 1; 1 also when the killer has stumbled, so that nobody waits for it."""
        return 1.0 if self._over else min(1.0, self.killed / self._storm.size.kills)

    def run(self) -> None:
        """Until enough are killed."""
        try:
            while self.killed < self._storm.size.kills:
                time.sleep(min(self._dice.expovariate(1 / PAUSE), 6 * PAUSE))
                (kind,) = self._dice.choices(list(WEIGHTS), list(WEIGHTS.values()))
                if self._may(kind):
                    self.counts[kind] += self._strike(kind)
        finally:
            self._over = True
            self._aside.shutdown()
        for restart in self._restarts:
            restart.result()

    def _may(self, kind: str) -> bool:
        """Twice while the daemon is not ready is enough: on a busy machine it would never be."""
        if kind not in FELL:
            return True
        if self._storm.home.pid in self._of_kind("daemon"):
            self._in_a_row = 0
        self._in_a_row += 1
        return self._in_a_row <= IN_A_ROW

    def _strike(self, kind: str) -> int:
        """Does it to one of that kind; how many signals hit somebody."""
        if kind == "restarted":
            self._restarts.append(self._aside.submit(self._storm.tt, "daemon", "restart"))
            return 1
        if kind == "both":
            pair = self._dice.sample(["daemon", "server"], 2)
            return sum(self._strike_one(one) for one in pair)
        if kind == "terminated":
            return self._strike_one("daemon", signal.SIGTERM)
        return self._strike_one(kind)

    def _strike_one(self, kind: str, number: signal.Signals = signal.SIGKILL) -> int:
        group = kind == "round"
        found = self._lurk("wrapper" if group else kind)
        if not found:
            return 0
        pid = self._dice.choice(found)
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            return 0
        try:
            # Asked once more: what answers now is what the descriptor stands for.
            if pid not in self._of_kind("wrapper" if group else kind):
                return 0
            if group:
                os.killpg(pid, number)
            else:
                signal.pidfd_send_signal(fd, number)
        except ProcessLookupError:
            return 0
        finally:
            os.close(fd)
        return 1

    def _lurk(self, kind: str) -> list[int]:
        """The processes of that kind, as soon as there are any."""
        deadline = time.monotonic() + LURK
        while not (found := self._of_kind(kind)):
            if time.monotonic() > deadline:
                break
            time.sleep(0.01)
        return found

    def _of_kind(self, kind: str) -> list[int]:
        return [pid for pid in self._ours() if kind_of(pid) == kind]

    def _ours(self) -> list[int]:
        return self._storm.home.processes(self._storm.directory)


def kind_of(pid: int) -> str:
    """What a process of the home is; empty for what is none of these."""
    command, program = b"", ""
    with contextlib.suppress(OSError):
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        program = Path(f"/proc/{pid}/exe").readlink().name
    if b"\0tinytownd.daemon\0" in command:
        return "daemon"
    if program.startswith(("valkey-server", "redis-server")):
        return "server"
    if command.startswith(b"/bin/sh\0-c\0trap"):
        return "wrapper"
    if os.fsencode(AGENT) in command:
        return "agent"
    if any(name in command for name in (b"/tt\0", b"tinytown_cli.quick", os.fsencode(TELLER))):
        return "client"
    return ""
