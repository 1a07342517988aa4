"""An agent CLI for the tests: it does what the lines `do: …` of its prompt say, in their order.

One for which there is a file NAME.rules in the town's directory does what that says instead: a JSON
list of [pattern, lines], of which those count whose pattern is found in the prompt. The conductor's
agent gets no lines but those.

It stands alone. Each round appends a line to `rounds.jsonl` in the town's directory, each `tt` that
it runs one to `said.jsonl`; so a test knows what happened without asking the town.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

#: No test takes so long, in seconds: what is forgotten ends by itself.
PATIENCE = 90.0


def record(file: str, **what: object) -> None:
    """One line, written at once: rounds of several agents do not mix theirs."""
    fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(fd, (json.dumps(what) + "\n").encode())
    os.close(fd)


def run_tt(line: str) -> None:
    """Runs `tt`, and records what it printed."""
    done = subprocess.run(["tt", *shlex.split(line)], capture_output=True, text=True, check=False)
    record("said.jsonl", line=line, code=done.returncode, out=done.stdout, err=done.stderr)


def wait(file: str) -> None:
    """Until the file is there, or until the test is over."""
    end = time.monotonic() + PATIENCE
    while not (Path(file).exists() or Path("everybody-go").exists()) and time.monotonic() < end:
        time.sleep(0.01)


def megabytes(count: str) -> None:
    """Prints so many MiB, on both streams."""
    for stream in (sys.stdout, sys.stderr):
        for _ in range(int(count)):
            stream.write("x" * (1 << 20))
        stream.write("\n")


def garbage(_: str) -> None:
    """Prints what is neither UTF-8 nor JSON."""
    sys.stdout.buffer.write(b'\xff\xfe\x00{"type": "result", \xc3\x28 broken\n')


def ignore_term(_: str) -> None:
    """From here on only KILL helps."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    record("ignores.jsonl", pid=os.getpid())


def child(how: str) -> None:
    """Leaves a process behind: in the group, or (`setsid`) outside it, or without environment."""
    bare = how == "bare"
    left = subprocess.Popen(
        ["sleep", "300"], start_new_session=how in ("setsid", "bare"), env={} if bare else None,
        stdin=subprocess.DEVNULL, close_fds=False,
    )  # fmt: skip
    left.returncode = 0
    record("children.jsonl", pid=left.pid)


def finish(code: str) -> None:
    """Ends the round with this exit code."""
    sys.exit(int(code))


def needs(file: str) -> None:
    """Fails where the file is not there."""
    if not Path(file).exists():
        sys.exit(1)


def copy(files: str) -> None:
    """Copies one file to another place, which is made."""
    source, target = map(Path, files.split())
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(source.read_bytes())


def orders(prompt: str, name: str) -> list[str]:
    """What the agent is to do."""
    rules = Path(f"{name}.rules")
    if name != "conductor" and not rules.exists():
        return re.findall(r"^do: (.+)$", prompt, re.MULTILINE)
    found = json.loads(rules.read_text()) if rules.exists() else []
    return [line for pattern, lines in found if re.search(pattern, prompt) for line in lines]


ACTIONS: dict[str, Callable[[str], None]] = {
    "tt": run_tt,
    "say": print,
    "exit": finish,
    "wait": wait,
    "megabytes": megabytes,
    "garbage": garbage,
    "ignore-term": ignore_term,
    "child": child,
    "needs": needs,
    "copy": copy,
}


def main() -> None:
    """One round."""
    prompt = sys.stdin.buffer.read().decode()
    about = {name: os.environ.get(f"TINYTOWN_{name}", "") for name in ("AGENT_NAME", "TASK_ID")}
    record(
        "rounds.jsonl", agent=about["AGENT_NAME"], task=about["TASK_ID"], prompt=prompt,
        argv=sys.argv[1:], pid=os.getpid(), round=int(os.environ["TINYTOWN_ROUND"]),
    )  # fmt: skip
    for line in orders(prompt, about["AGENT_NAME"]):
        word, _, rest = line.partition(" ")
        ACTIONS[word](rest)
        sys.stdout.flush()


if __name__ == "__main__":
    main()
