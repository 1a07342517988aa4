"""What an agent's CLI printed: the files of its rounds, followed while they grow."""

from __future__ import annotations

import codecs
import os
from pathlib import Path
from typing import BinaryIO

from tinytown_cli import client
from tinytownd.domain.errors import NotFound

_CHUNK_BYTES = 1024 * 1024


class Tail:
    """A text file from some place on; one that is replaced or cut is read anew."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def close(self) -> None:
        """Closes the file."""
        if self._file:
            self._file.close()
        self._file = None

    def read(self) -> str:
        """What was added since the last call; nothing for a file that is not there (yet)."""
        if self._file and self._replaced(self._file):
            self.close()
        try:
            self._file = self._file or self.path.open("rb")
        except FileNotFoundError:
            return ""
        return self._decoder.decode(self._file.read(_CHUNK_BYTES))

    def _replaced(self, file: BinaryIO) -> bool:
        try:
            now = self.path.stat()
        except FileNotFoundError:
            return False
        return now.st_ino != os.fstat(file.fileno()).st_ino or now.st_size < file.tell()


class Transcript:
    """The rounds of one agent, in order, from the last `latest` of those that are there on."""

    def __init__(self, directory: Path, latest: int) -> None:
        self._directory = directory
        known = self._rounds()
        self._before = known[-latest - 1] if len(known) > latest else -1
        if latest == 0 and known:
            self._before = known[-1]
        self._tails: dict[Path, Tail] = {}
        self._last: Path | None = None

    def read(self) -> str:
        """What was printed since the last call, with a line where another file goes on."""
        return "".join(
            self._more(self._directory / str(number) / name, number)
            for number in self._rounds()
            if number > self._before
            for name in ("stdout", "stderr")
        )

    def close(self) -> None:
        """Closes all files."""
        for tail in self._tails.values():
            tail.close()

    def _more(self, path: Path, number: int) -> str:
        tail = self._tails.setdefault(path, Tail(path))
        text = tail.read()
        if not text or path == self._last:
            return text
        self._last = path
        return f"── round {number}, {path.name} ──\n{text}"

    def _rounds(self) -> list[int]:
        try:
            return sorted(int(e.name) for e in self._directory.iterdir() if e.name.isdecimal())
        except (FileNotFoundError, NotADirectoryError):
            return []


def rounds_of(target: client.Target, name: str) -> Path:
    """The directory of an agent's rounds; names are safe in a path (`tinytownd.domain.names`)."""
    return (target.directory or Path()) / ".tt" / "rounds" / name


def known_name(target: client.Target, name: str) -> str:
    """The agent's name as it was spawned. Raises `NotFound` for one that is not there."""
    for agent in client.send(target, "agent.list", {"name": name})["agents"]:
        if agent["name"].lower() == name.lower():
            return str(agent["name"])
    raise NotFound(f"no agent called '{name}'", hint="tt list")
