"""Entries, and the values of records, which may be anything: agents print what they like."""

from __future__ import annotations

from typing import Literal, NamedTuple

#: What an agent said, or thought; a tool that it called; one that failed; a mistake that ended
#: something; what the CLI tells of itself; how it sums up; a JSON line of which nothing is known;
#: a line of plain text; a line of its standard error.
Kind = Literal[
    "said", "thought", "tool", "failed", "error", "note", "result", "unknown", "text", "stderr"
]

#: Characters of a tool's argument, of what a tool that failed printed. Ours: a line or two.
SHORT = 200
#: What a tool is about, by the names that its argument has in the CLIs that we know.
_TELLING = (
    *("command", "cmd", "file_path", "path", "filePath", "pattern", "query", "url"),
    *("description", "prompt", "text"),
)


class Entry(NamedTuple):
    """One thing that happened in a round. `tool` is the name of the one that was called.

    With `piece`, the text goes on with that of the entry before, if that is a piece as well.
    """

    kind: Kind
    text: str
    tool: str = ""
    piece: bool = False


def words(value: object) -> str:
    """The value if it is text, else ""; fit to be printed as UTF-8."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def number(value: object) -> int | None:
    """The value if it is a whole number, else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def short(text: str) -> str:
    """The first line of a text that has any, cut."""
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return first if len(first) <= SHORT else first[: SHORT - 1] + "…"


def reason(text: str) -> str:
    """The first two lines that say something: the first is often no more than the exit code."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return short(": ".join(lines[:2]))


def tool(name: object, argument: object) -> Entry:
    """A tool that was called, and the part of its argument that tells most."""
    return Entry("tool", short(_telling(argument)), words(name) or "tool")


def _telling(argument: object) -> str:
    if not isinstance(argument, dict):
        return words(argument)
    texts = (words(argument.get(name)) for name in (*_TELLING, *argument))
    return next((text for text in texts if text.strip()), "")


def told(kind: Kind, text: str) -> list[Entry]:
    """The entry, where there is a text."""
    return [Entry(kind, text)] if text.strip() else []
