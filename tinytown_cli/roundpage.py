"""Rounds as they are printed: for reading, as JSON lines, or just as their CLI printed it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from tinytown_cli import client, output
from tinytown_cli.readable import Entry, Reader
from tinytown_cli.readable.values import reason

#: Characters that are shown of a JSON line that no reader knows. Ours: some lines of a terminal.
UNKNOWN_SHOWN = 600
#: Seconds below which tenths tell something.
_PRECISE = 10
#: The CLI of agents that run commands: what those print is nobody's format.
_SHELL = "shell"
_OUTCOMES = {"completed": "green", "failed": "red"}
# What stands before an entry, and its style.
_MARKS = {
    "said": ("", ""),
    "result": ("", ""),
    "text": ("", ""),
    "thought": ("", "dim"),
    "note": ("", "dim"),
    "unknown": ("", "dim"),
    "tool": ("> ", "cyan"),
    "failed": ("  failed: ", "red"),
    "error": ("error: ", "red"),
    "stderr": ("stderr: ", "yellow"),
}


class Style(Protocol):
    """How one round after the other is printed."""

    def begin(self, one: client.Data) -> None:
        """A round comes."""

    def printed(self, stream: str, text: str) -> None:
        """More of what its CLI printed, cut anywhere; `stream` is `stdout` or `stderr`."""

    def over(self, one: client.Data, *, kept: bool) -> None:
        """All that is there was printed; `kept` tells whether its files are there."""


class Readable:
    """For people."""

    def __init__(self) -> None:
        self._gap = ""

    def begin(self, one: client.Data) -> None:
        """Its heading."""
        self._readers = {
            "stdout": Reader(plain=one["cli"] == _SHELL),
            "stderr": Reader(plain=True),
        }
        self.heading(one)

    def printed(self, stream: str, text: str) -> None:
        """What whole lines tell."""
        self._tell(stream, self._readers[stream].feed(text))

    def over(self, one: client.Data, *, kept: bool) -> None:
        """What is left, and how it ended."""
        for stream, reader in self._readers.items():
            self._tell(stream, reader.finish())
        self.ending(one, kept=kept)

    def _tell(self, stream: str, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self.entry(entry._replace(kind="stderr") if stream == "stderr" else entry)

    def heading(self, one: client.Data) -> None:
        """The round's number, task, agent, CLI, and when it began."""
        output.write(self._gap + output.paint(heading(one), "bold"))
        self._gap = "\n"

    def entry(self, entry: Entry) -> None:
        """One entry."""
        for line in lines(entry):
            output.write(line)

    def ending(self, one: client.Data, *, kept: bool) -> None:
        """How it ended, how long it took, and what it cost."""
        if not kept and one["outcome"] is not None:
            output.write("(its files are gone: they are kept for as many rounds as history.rounds)")
        style = _OUTCOMES.get(one["outcome"] or "", "yellow")
        output.write(output.paint(f"── {ending(one)} ──", style))


class Lines(Readable):
    """A JSON object a line: `round`, its entries, and `end`."""

    def heading(self, one: client.Data) -> None:
        """The round, as it is by now."""
        self._round = one["round"]
        output.json_line({"kind": "round", **one})

    def entry(self, entry: Entry) -> None:
        """One entry, with the round's number; `tool` where one was called."""
        told = {"round": self._round, "kind": entry.kind, "text": entry.text}
        output.json_line(told | ({"tool": entry.tool} if entry.tool else {}))

    def ending(self, one: client.Data, *, kept: bool) -> None:
        """The round again."""
        output.json_line({"kind": "end", **one, "kept": kept})


class Raw:
    """As it was printed, but for control characters, under the names of the files."""

    def begin(self, one: client.Data) -> None:
        """Nothing of it has been printed."""
        self._round, self._stream = one["round"], ""

    def printed(self, stream: str, text: str) -> None:
        """The text, with a line where another file goes on."""
        if stream != self._stream:
            self._stream = stream
            output.write(f"── round {self._round}, {stream} ──")
        output.write(output.clean(text), end="")

    def over(self, one: client.Data, *, kept: bool) -> None:
        """Nothing more."""


def heading(one: client.Data) -> str:
    """`── round 12 · task design · developer · claude · 2026-11-22 10:31:07 ──`."""
    then = output.moment(one["started_at"])
    when = f"{then.astimezone():%Y-%m-%d %H:%M:%S}" if then else ""
    task = f"task {one['task']}" if one["task"] else "messages"
    parts = (f"round {one['round']}", task, one["agent"], one["cli"], when)
    return f"── {' · '.join(part for part in parts if part)} ──"


def ending(one: client.Data) -> str:
    """`completed after 12 s · 240 tokens in, 60 out · $0.0027`."""
    seconds = one["seconds"] or 0
    took = f"{max(seconds, 0.1):.1f} s" if seconds < _PRECISE else output.duration(seconds)
    if one["outcome"] is None:
        return f"runs for {took} · -f follows it"
    why = f": {output.clean(reason(one['error']))}" if one["error"] else ""
    parts = [f"{one['outcome']} after {took}{why}"]
    if one["input_tokens"] or one["output_tokens"]:
        tokens = f"{one['input_tokens'] or 0:,} tokens in, {one['output_tokens'] or 0:,} out"
        parts.append(tokens)
    if one["cost_usd"]:
        parts.append(f"${one['cost_usd']:.4f}")
    return " · ".join(parts)


def lines(entry: Entry) -> Iterator[str]:
    """An entry for people, without control characters."""
    mark, style = _MARKS[entry.kind]
    text = output.clean(entry.text).strip("\n")
    if entry.kind == "unknown" and len(text) > UNKNOWN_SHOWN:
        text = f"{text[:UNKNOWN_SHOWN]}… ({len(text):,} characters; --raw shows all)"
    if entry.kind == "tool":
        text = f"{output.clean(entry.tool)}  {text}".rstrip()
    for line in text.split("\n"):
        yield output.paint(mark + line, style)
