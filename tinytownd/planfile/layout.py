"""Where things stand in a TOML text: what parsers know and do not tell.

For texts that a parser has accepted. Nothing is checked here, only found.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field

# What is read in one go. Strings first: they alone may hold what means something outside of them.
# Possessive (`*+`) where it can be: nothing is tried twice, however long a text is. Not for groups,
# which Python 3.11.2 (Debian 12's) then matches wrongly.
_TOKEN = re.compile(
    r"""
    (?P<string> \"{3} [^"\\]*+ (?: (?: \\. | "{1,2}(?!") ) [^"\\]*+ )* "{3,5}
              | '{3} [^']*+ (?: '{1,2}(?!') [^']*+ )* '{3,5}
              | " [^"\\\n]*+ (?: \\. [^"\\\n]*+ )* "
              | ' [^'\n]*+ '
    )
    | (?P<comment> \#[^\n]* )
    | (?P<newline> \n )
    | (?P<open> [\[{] )
    | (?P<close> [\]}] )
    | (?P<equals> = )
    | (?P<other> [^"'#\[\]{}=\n]+ )
    """,
    re.VERBOSE | re.DOTALL,
)
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BLANK = " \t\r\n\ufeff"


@dataclass(frozen=True)
class Statement:
    """A table's header, or a key with its value. All but `line` are offsets into the text.

    It takes the whole lines from `start` to `end`. `value` is where the value begins and ends;
    for a header it is the header itself.
    """

    path: tuple[str, ...]
    line: int
    start: int
    end: int
    value: tuple[int, int]
    is_header: bool
    is_array: bool


@dataclass
class Table:
    """A header and the keys up to the next one; of dotted keys, their first part."""

    header: Statement
    keys: dict[str, Statement] = field(default_factory=dict)

    def line(self, key: str) -> int:
        """The line of a key, or of the header where the key is not."""
        return self.keys.get(key, self.header).line


@dataclass
class Layout:
    """The tables of one array, in order, and the first line of all keys of the first two levels."""

    tables: list[Table] = field(default_factory=list)
    lines: dict[tuple[str, ...], int] = field(default_factory=dict)


def lay_out(text: str, array: str) -> Layout:
    """Find the tables `[[array]]`, their keys, and the other keys of a valid TOML text."""
    layout = Layout()
    current: tuple[str, ...] = ()
    table: Table | None = None
    for statement in statements(text):
        path = statement.path
        if statement.is_header:
            current = path
            if path == (array,) and statement.is_array:
                table = Table(statement)
                layout.tables.append(table)
            elif path[0] == array and table:
                table.keys.setdefault(path[1], statement)
        elif current == (array,) and table:
            table.keys.setdefault(path[0], statement)
        full = path if statement.is_header else current + path
        for depth in (1, 2):
            layout.lines.setdefault(full[:depth], statement.line)
    return layout


def statements(text: str) -> Iterator[Statement]:
    """Every header and every key with its value, in order."""
    line, depth, start, first_line = 1, 0, 0, 1
    begin = end = equals = -1
    for token in _TOKEN.finditer(text):
        kind, (left, right) = token.lastgroup, token.span()
        if kind == "newline" and depth == 0:
            if begin >= 0:
                yield _statement(text, first_line, (start, right), (begin, equals, end))
            line, start, begin, equals = line + 1, right, -1, -1
            continue
        depth += (kind == "open") - (kind == "close")
        if kind == "equals" and equals < 0:
            equals = left
        if kind in ("newline", "string"):
            line += text.count("\n", left, right)
        if kind in ("newline", "comment") or (kind == "other" and not token[0].strip(_BLANK)):
            continue
        if begin < 0:
            begin, first_line = left, line
        end = right
    if begin >= 0:
        yield _statement(text, first_line, (start, len(text)), (begin, equals, end))


def _statement(
    text: str, line: int, lines: tuple[int, int], marks: tuple[int, int, int]
) -> Statement:
    begin, equals, end = marks
    is_header = equals < 0
    left = begin if is_header else equals + 1
    raw = text[left:end]
    value = left + len(raw) - len(raw.lstrip(_BLANK)), end - (len(raw) - len(raw.rstrip(_BLANK)))
    key = raw.strip(_BLANK).strip("[]") if is_header else text[begin:equals]
    is_array = is_header and raw.lstrip(_BLANK).startswith("[[")
    return Statement(_path(key.strip(_BLANK)), line, *lines, value, is_header, is_array)


def _path(key: str) -> tuple[str, ...]:
    """The parts of a key: bare, quoted or dotted."""
    if _BARE.fullmatch(key):
        return (key,)
    path: list[str] = []
    inner: object = tomllib.loads(f"{key} = 0")
    while isinstance(inner, dict):
        ((part, inner),) = inner.items()
        path.append(part)
    return tuple(path)
