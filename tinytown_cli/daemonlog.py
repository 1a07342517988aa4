"""The daemon's log, read back: which lines are meant, the last of them, and those that come."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tinytown_cli import client, output
from tinytown_cli.transcripts import Tail

LEVELS = ("debug", "info", "warning", "error", "critical")
_STYLES = {"warning": "yellow", "error": "red", "critical": "red", "debug": "dim"}
# What a line begins with anyhow, or is shown below it.
_APART = ("timestamp", "level", "event", "logger", "exception")

Line = client.Data


@dataclass(frozen=True)
class Wanted:
    """Which lines are meant; what is empty is not asked about.

    `town` is an id; lines that are about no town are the daemon's own, and belong to each.
    `since` is a time as the log has it.
    """

    town: str = ""
    agent: str = ""
    task: str = ""
    level: str = "debug"
    since: str = ""

    def fits(self, line: Line) -> bool:
        """Whether the line is one of them."""
        return (
            (not self.town or line.get("town") in (None, self.town))
            and (not self.agent or str(line.get("agent", "")).lower() == self.agent.lower())
            and (not self.task or line.get("task") == self.task)
            and _height(line.get("level")) >= _height(self.level)
            and not self.is_before(line)
        )

    def is_before(self, line: Line) -> bool:
        """Whether it is older than what is meant."""
        return str(line.get("timestamp", "")) < self.since


class Log:
    """The log's files: the one that is written, and those that were put aside."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tail = Tail(path)
        self._rest = ""

    def close(self) -> None:
        """Closes the file."""
        self._tail.close()

    def last(self, wanted: Wanted, most: int) -> tuple[list[Line], bool]:
        """The last lines that are meant, oldest first, and whether there are earlier ones.

        What comes after them, `new` gives.
        """
        found: list[Line] = []
        for line in self._backwards():
            if wanted.is_before(line):
                break
            if wanted.fits(line):
                found.append(line)
            if len(found) > most:
                break
        return found[:most][::-1], len(found) > most

    def new(self, wanted: Wanted) -> list[Line]:
        """The lines that were added since the last call and are meant."""
        return list(filter(wanted.fits, _parsed(self._added())))

    def _added(self) -> list[str]:
        """Whole lines; a file that is put aside meanwhile is read to its end first."""
        while text := self._tail.read():
            self._rest += text
        *lines, self._rest = self._rest.split("\n")
        return lines

    def _backwards(self) -> Iterator[Line]:
        # This file first: what is added while the others are read comes with `new`.
        yield from _parsed(reversed(self._added()))
        for file in sorted(self._path.parent.glob(f"{self._path.stem}-*"), reverse=True):
            try:
                text = file.read_text(encoding="utf-8", errors="replace")
            except FileNotFoundError:  # deleted meanwhile
                continue
            yield from _parsed(reversed(text.split("\n")))


def _parsed(lines: Iterable[str]) -> Iterator[Line]:
    """Objects; what is none is a line that a full disk or a power cut tore."""
    for line in lines:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            yield value


def _height(level: object) -> int:
    return LEVELS.index(level) if isinstance(level, str) and level in LEVELS else 1


def text(line: Line, today: str, towns: dict[str, str] | None) -> Iterator[str]:
    """A line for people; `towns` has names by ids where the town is to be shown."""
    level = str(line.get("level", "info"))
    then = output.moment(line.get("timestamp"))
    day = f"{then.astimezone():%Y-%m-%d} " if then else ""
    when = ("" if day.strip() == today else day) + output.clock(line.get("timestamp"))
    shown = {key: value for key, value in line.items() if key not in _APART}
    town = shown.pop("town", None)
    if towns is not None and town is not None:
        shown = {"town": towns.get(str(town), town), **shown}
    front = f"{when} {level:<7} {line.get('event', '')}"
    about = " ".join(f"{key}={_value(value)}" for key, value in shown.items())
    painted = output.paint(output.clean(front), _STYLES.get(level, ""))
    yield f"{painted}  {output.clean(about)}".rstrip()
    for part in str(line.get("exception") or "").splitlines():
        yield output.paint(f"    {output.clean(part)}", "dim")


def _value(value: object) -> str:
    told = value if isinstance(value, str) else json.dumps(value)
    plain = told and not any(char.isspace() for char in told)
    return told if plain else json.dumps(told, ensure_ascii=False)
