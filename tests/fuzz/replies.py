"""Every reply that a daemon gives, as it is announced, held to what a reply may be."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from typing import Any

from tests.fuzz.link import Link
from tinytownd.domain import errors

KINDS = {
    one.kind: one
    for one in vars(errors).values()
    if isinstance(one, type) and issubclass(one, errors.TownError)
}
#: Characters that a line of a refusal has at most: a few lines of a terminal.
LONGEST = 1_000


class Replies:
    """Listens in a thread of its own until its link is closed.

    `wrong` are the first replies that no client could use.
    """

    def __init__(self, link: Link) -> None:
        self.count = 0
        self.kinds: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._first: dict[str, bytes] = {}
        self._link = link
        link.ask("PSUBSCRIBE", "tt:{*}:reply:*")
        threading.Thread(target=self._listen).start()

    def _listen(self) -> None:
        while True:
            try:
                _, _, channel, text = self._link.read()
            except OSError:
                return
            self.count += 1
            self._judge(channel, text)

    def _judge(self, channel: str, text: str) -> None:
        try:
            reply = json.loads(text)
            problem = problem_of(reply, channel)
        except ValueError as error:
            reply, problem = {}, str(error)
        digest = hashlib.sha256(text.encode()).digest()
        if self._first.setdefault(channel, digest) != digest:
            problem = problem or "another reply to the same id"
        self.kinds["done" if reply.get("ok") else str(reply.get("error", {}).get("kind"))] += 1
        if problem and len(self.wrong) < 20:
            self.wrong.append(f"{problem}: {channel[-60:]!r}: {text[:600]!r}")


def problem_of(reply: dict[str, Any], channel: str) -> str:
    """What is wrong with a reply; empty when it is well-formed."""
    if reply["v"] != 1 or not channel.endswith(reply["id"]):
        return "not a reply to this id"
    if reply["ok"]:
        return "" if isinstance(reply["data"], dict) else "no data"
    error = reply["error"]
    told = [error, *error.get("problems", [])]
    lines = [one[name] for one in told for name in ("message", "hint")]
    faults = {
        "no kind of refusal": error["kind"] not in KINDS,
        "a fault of the daemon": error["kind"] == errors.Internal.kind,
        "not its kind's exit code": error["exit_code"] not in codes(error["kind"]),
        "a problem without its line": not all(isinstance(one["line"], int) for one in told[1:]),
        "no message": not all(one["message"] for one in told),
        "not one printable line": not all(line.isprintable() for line in lines),
        "a line too long": any(len(line) > LONGEST for line in lines),
    }
    return ", ".join(fault for fault, found in faults.items() if found)


def codes(kind: str) -> set[int]:
    """The exit code that goes with a kind."""
    return {one.exit_code for name, one in KINDS.items() if name == kind}
