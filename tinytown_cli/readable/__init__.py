"""What an agent's CLI printed, as text for people: what it said, which tools it called.

The formats are those that `docs/runtimes.md` has under "The catalogue". Which one it is, the first
line says that one of them knows: so it is read rightly whatever the configuration says by now.
What none knows is shown as it is: nothing is lost, and nothing that is printed can break this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tinytown_cli.readable.claude import claude, is_auggie, is_claude, result
from tinytown_cli.readable.codex import codex, is_codex
from tinytown_cli.readable.others import (
    copilot,
    gemini,
    is_copilot,
    is_gemini,
    is_opencode,
    opencode,
)
from tinytown_cli.readable.values import Entry, Kind
from tinytownd.domain.jsonlines import Record, parse

__all__ = ["LINE_LIMIT", "Entry", "Kind", "Reader"]

#: Characters of a line; a longer one is told in parts, as the text that it is.
LINE_LIMIT = 4 * 1024 * 1024
#: Characters of an object over several lines; longer, it is text.
_SPREAD_LIMIT = 256 * 1024

Format = Callable[[Record], list[Entry] | None]
_FORMATS: tuple[tuple[Callable[[Record], bool], Format], ...] = (
    (is_claude, claude),
    (is_codex, codex),
    (is_copilot, copilot),
    (is_opencode, opencode),
    (is_gemini, gemini),
    (is_auggie, result),
)


class Reader:
    """Reads one round's standard output, piece by piece; with `plain`, as the text that it is."""

    def __init__(self, *, plain: bool = False) -> None:
        self._plain = plain
        self._format: Format | None = None
        self._rest = ""
        #: An object over several lines, from a lone `{` on: auggie's.
        self._spread: list[str] = []
        self._spread_size = 0
        self._pieces: list[Entry] = []
        self._last = ""

    def feed(self, text: str) -> Iterator[Entry]:
        """What whole lines tell, and those before them; `text` is cut anywhere."""
        *lines, self._rest = (self._rest + text).split("\n")
        if len(self._rest) > LINE_LIMIT:
            lines, self._rest = [*lines, self._rest], ""
        for line in lines:
            yield from self._line(line)

    def finish(self) -> Iterator[Entry]:
        """The same of what is left, when the output has ended."""
        if self._rest:
            yield from self._line(self._rest)
        self._rest = ""
        yield from self._give_up()
        yield from self._joined()

    def _line(self, line: str) -> Iterator[Entry]:
        line = line.removesuffix("\r")
        if self._plain:
            yield Entry("text", line)
        elif self._spread or line == "{":
            yield from self._gather(line)
        elif (record := parse(line)) is not None:
            yield from self._record(record, line)
        elif line.strip():
            yield from self._joined()
            # What begins as an object and is none was cut off, or goes on.
            yield Entry("unknown" if line.startswith('{"') else "text", line)

    def _gather(self, line: str) -> Iterator[Entry]:
        """The next line of an object: as JSON is indented, a lone `}` is its end."""
        self._spread.append(line)
        self._spread_size += len(line) + 1
        if line == "}" and (record := parse("\n".join(self._spread))) is not None:
            whole = "\n".join(self._spread)
            self._spread, self._spread_size = [], 0
            yield from self._record(record, whole)
        elif line == "}" or self._spread_size > _SPREAD_LIMIT:
            yield from self._give_up()

    def _give_up(self) -> Iterator[Entry]:
        """It was no object: its lines are text."""
        lines, self._spread, self._spread_size = self._spread, [], 0
        yield from (Entry("text", line) for line in lines)

    def _record(self, record: Record, line: str) -> Iterator[Entry]:
        if self._format is None:
            known = (read for is_it, read in _FORMATS if is_it(record))
            self._format = next(known, None)
        entries = self._format(record) if self._format else None
        for entry in [Entry("unknown", line)] if entries is None else entries:
            if entry.piece:
                self._pieces.append(entry)
                continue
            yield from self._joined()
            yield from self._once(entry)

    def _joined(self) -> Iterator[Entry]:
        """The text that came in pieces."""
        pieces, self._pieces = self._pieces, []
        if text := "".join(piece.text for piece in pieces):
            yield from self._once(Entry("said", text))

    def _once(self, entry: Entry) -> Iterator[Entry]:
        """Final records say once more what was said, or what went wrong: not told again."""
        again = entry.kind in ("result", "error") and entry.text.strip() == self._last
        if entry.kind in ("said", "error"):
            self._last = entry.text.strip()
        if not again:
            yield entry
