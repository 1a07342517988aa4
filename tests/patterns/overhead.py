"""What coordination costs: what rounds are told beside the words of their tasks and results."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tests.patterns.all import CASES

PROMPTS = Path(__file__).with_name("prompts")
#: About so many bytes of English are one token.
BYTES_A_TOKEN = 4
_ROUND = re.compile(r"^={20} .*\n", re.MULTILINE)
#: What a task's author and its agents wrote: the task, results, messages, what came back.
_WORDS = re.compile(
    r"^# Your task: \S+\n\n(.*?)(?=^# )|^~~~+\n(.*?)^~~~+$", re.MULTILINE | re.DOTALL
)


def file_of(name: str) -> Path:
    """Where the prompts of a case stand."""
    return PROMPTS / (re.sub(r"\W+", "-", name) + ".txt")


def table() -> str:
    """The table of the page, as the prompts are now."""
    rows = ["| pattern | rounds | told in all | of it the town's own words | a round |"]
    rows.append("| --- | --- | --- | --- | --- |")
    return "\n".join([*rows, *_rows()]) + "\n"


def _rows() -> Iterator[str]:
    for name in CASES:
        rounds = _ROUND.split(file_of(name).read_text())[1:]
        told = sum(len(one.encode()) for one in rounds)
        own = told - sum(_words(one) for one in rounds)
        each = own // len(rounds)
        tokens = f"{each} bytes, about {each // BYTES_A_TOKEN} tokens"
        yield f"| {name} | {len(rounds)} | {told:,} bytes | {own:,} bytes | {tokens} |"


def _words(prompt: str) -> int:
    """How many bytes of a prompt are not the town's."""
    return sum(len((task or fenced).encode()) for task, fenced in _WORDS.findall(prompt))
