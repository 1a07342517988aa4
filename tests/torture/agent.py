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
#: How often it asks a person first, a check fails, a reviewer rejects, a CLI is at its rate limit;
#: and how long that lasts, in seconds.
ASKS, FAILS, REJECTS, LIMITED, LIMIT_SECONDS = 0.1, 0.25, 0.25, 0.3, 1
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
    fd = os.open(NOTES / f"{what.replace('/', '+')}.lock", os.O_RDWR | os.O_CREAT, 0o600)
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


def insist(*words: str) -> int:
    """Runs `tt` until it is answered: its exit code."""
    for _ in range(TRIES):
        code = tt(*words)
        if code >= 0:
            return code
    return 1


def finish() -> int:
    """Says that the task is completed, or leaves it to the exit code, which is returned."""
    note("ends")
    if DICE.random() < SILENT:
        return 0
    return insist("task", "complete", "--result", f"{TASK} by round {ROUND}")


def judge() -> int:
    """Says what it thinks of what it reviews."""
    good = DICE.random() >= REJECTS
    note("gates", good=good)
    return insist("approve", TASK) if good else insist("reject", TASK, "not good enough")


def check() -> int:
    """A check of somebody's work: its verdict is the exit code."""
    hold(f"task-{TASK}")
    good = DICE.random() >= FAILS
    note("rounds", seen=[])
    note("gates", good=good)
    print("good" if good else "bad")
    return int(not good)


def limited() -> bool:
    """Whether the CLI meets its rate limit, which it says as claude does."""
    if DICE.random() >= LIMITED:
        return False
    resets_at = int((time.time() + LIMIT_SECONDS) * 1000)
    note("limits")
    say(type="rate_limit_event", rate_limit_info={"status": "rejected", "resetsAt": resets_at})
    say(type="result", is_error=True, api_error_status=429, result="limit reached")
    return True


def say(**record: object) -> None:
    """One record of the transcript."""
    print(json.dumps(record), flush=True)


def main() -> int:
    """One round; on a CLI with limits its final record says that it was completed."""
    if "check" in sys.argv:
        return check()
    has_limits = "limited" in sys.argv
    prompt = sys.stdin.buffer.read().decode()
    hold(f"agent-{NAME}")
    if TASK:
        hold(f"task-{TASK}")
    if has_limits:
        hold("cli-limited")  # its `max_rounds` is 1
    note("rounds", seen=re.findall(r"MSG-[\w-]+", prompt), limited=has_limits)
    calm = not TASK or "quietly" in prompt or "linger" in prompt
    if has_limits and not calm and limited():
        return 1
    code = one_round(prompt)
    if has_limits and code == 0:
        say(type="result", is_error=False, result="done")
    return code


def one_round(prompt: str) -> int:
    """Works on the task, or only reads."""
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
        if ".review" in TASK:
            return judge()
        if DICE.random() < ASKS and "You asked:" not in prompt:
            return insist("ask", f"ASK-{NAME}-{ROUND}")
        if "Give up" in prompt:
            note("ends")
            return insist("task", "fail", "--reason", "it cannot be done")
    return finish()


if __name__ == "__main__":
    sys.exit(main())
