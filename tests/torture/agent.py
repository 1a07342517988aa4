"""An agent CLI for the storm: works on its task under a lock, writes to others, and says so.

It stands alone. What it did it also notes in `TORTURE_NOTES`, a file of JSON lines for each kind of
note, so that what the town says can be held against what happened.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

NOTES = Path(os.environ["TORTURE_NOTES"])
NAME = os.environ["TINYTOWN_AGENT_NAME"]
TASK = os.environ["TINYTOWN_TASK_ID"]
ROUND = int(os.environ["TINYTOWN_ROUND"])
#: The same round of the same storm does the same.
DICE = random.Random(f"{os.environ['TORTURE_SEED']} {NAME} {TASK} {ROUND}")
#: How long a task takes on average, and a round that only reads, in seconds.
WORK_SECONDS, READ_SECONDS = 0.7, 0.1
#: How often a task's agent writes to somebody, leaves a process behind, and says nothing at its end
#: but by its exit code.
WRITES, LEAVES, SILENT = 0.4, 0.1, 0.2
#: `tt` is killed, too; so often it is tried again.
TRIES = 20
KINDS = ("request", "query", "info", "ack")


def note(file: str, **what: object) -> None:
    """One line, in one write: what several agents note does not mix, nor is it there by half."""
    about = {"at": time.monotonic(), "agent": NAME, "task": TASK, "round": ROUND}
    fd = os.open(NOTES / f"{file}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(fd, (json.dumps(about | what) + "\n").encode())
    os.close(fd)


def hold(what: str) -> None:
    """Takes a lock for as long as this process lives, or notes that another round has it."""
    fd = os.open(NOTES / f"{what}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        note("overlaps", what=what)


def leave_behind() -> None:
    """A process outside the group, with the round's environment or with nothing but its files."""
    bare = DICE.random() < 0.5
    left = subprocess.Popen(
        ["sleep", "600"],
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        env={} if bare else None,
        close_fds=False,
    )
    left.returncode = 0


def tt(*words: str) -> int:
    """Runs `tt`; its exit code, negative when it was killed."""
    done = subprocess.run(["tt", *words], capture_output=True, text=True, check=False)
    note("commands", words=words, code=done.returncode, err=done.stderr[-2000:])
    return done.returncode


def write_to_somebody() -> None:
    """A message to a colleague."""
    to = DICE.choice(os.environ["TORTURE_TEAM"].split(","))
    kind, marker = DICE.choice(KINDS), f"MSG-{NAME}-{ROUND}"
    # Noted before it happens: this process may be killed at once when it has.
    note("letters", marker=marker, to=to, kind=kind)
    tt("send", to, marker, *([] if kind == "request" else [f"--{kind}"]))


def finish() -> int:
    """Says that the task is completed, or leaves it to the exit code, which is returned."""
    note("ends")
    if DICE.random() < SILENT:
        return 0
    for _ in range(TRIES):
        code = tt("task", "complete", "--result", f"{TASK} by round {ROUND}")
        if code >= 0:
            return code
    return 1


def main() -> int:
    """One round."""
    prompt = sys.stdin.buffer.read().decode()
    hold(f"agent-{NAME}")
    if TASK:
        hold(f"task-{TASK}")
    note("rounds", seen=re.findall(r"MSG-[\w-]+", prompt))
    if "linger" in prompt:
        leave_behind()
        time.sleep(600)
    if not TASK:
        time.sleep(DICE.random() * READ_SECONDS)
        return 0
    if "quietly" not in prompt:
        if DICE.random() < LEAVES:
            leave_behind()
        if DICE.random() < WRITES:
            write_to_somebody()
        time.sleep(min(DICE.expovariate(1 / WORK_SECONDS), 10 * WORK_SECONDS))
    return finish()


if __name__ == "__main__":
    sys.exit(main())
