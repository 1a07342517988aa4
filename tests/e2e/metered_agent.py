"""An agent CLI with usage and limits, for the tests; its output is claude's stream-json.

It is called with its own name, and notes each round in `metered.jsonl`. A file NAME.limit with a
number of seconds in it has the next round meet a rate limit that lasts so long; so do all rounds
until it is over. Lines of the prompt say what a round does: `use TOKENS DOLLARS` is what it costs,
`wait FILE` what it waits for, and with `fail without FILE` it fails while that is not there.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path

#: No test takes so long, in seconds: what is forgotten ends by itself.
PATIENCE = 90.0


def note(**what: object) -> None:
    """One line, written at once."""
    fd = os.open("metered.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(fd, (json.dumps(what) + "\n").encode())
    os.close(fd)


def limited_until(name: str) -> float:
    """When the limit is over, in seconds since the epoch; the first to meet it begins it."""
    file = Path(f"{name}.limit")
    if not file.exists():
        return 0.0
    word, _, ends = file.read_text().partition(" ")
    if not ends:
        ends = str(time.time() + float(word))
        file.write_text(f"until {ends}")
    return float(ends)


def say(**record: object) -> None:
    """One record of the transcript."""
    print(json.dumps(record), flush=True)


def main() -> None:
    """One round."""
    name, *options = sys.argv[1:]
    prompt = sys.stdin.buffer.read().decode()
    session = options[options.index("--resume") + 1] if "--resume" in options else f"{name}-1"
    until = limited_until(name)
    limited = time.time() < until
    note(
        cli=name, agent=os.environ["TINYTOWN_AGENT_NAME"], task=os.environ["TINYTOWN_TASK_ID"],
        resumed="--resume" in options, session=session, limited=limited, at=time.time(),
        prompt=prompt,
    )  # fmt: skip
    about = {"type": "result", "session_id": session}
    if limited:
        info = {"status": "rejected", "resetsAt": int(until * 1000)}
        say(type="rate_limit_event", rate_limit_info=info)
        say(**about, is_error=True, api_error_status=429, result="limit reached")
        sys.exit(1)
    if (found := re.search(r"^wait (.+)$", prompt, re.MULTILINE)) is not None:
        end = time.monotonic() + PATIENCE
        while not Path(found[1]).exists() and time.monotonic() < end:
            time.sleep(0.01)
    cost = re.search(r"^use (\d+) ([\d.]+)$", prompt, re.MULTILINE)
    tokens, dollars = (int(cost[1]), float(cost[2])) if cost else (0, 0.0)
    usage = {"input_tokens": tokens - tokens // 3, "output_tokens": tokens // 3}
    needs = re.search(r"^fail without (.+)$", prompt, re.MULTILINE)
    failed = needs is not None and not Path(needs[1]).exists()
    result = "it failed" if failed else "Done"
    say(**about, is_error=failed, result=result, usage=usage, total_cost_usd=dollars)


if __name__ == "__main__":
    main()
