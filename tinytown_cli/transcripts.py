"""Files that grow: what agents' CLIs print, and the daemon's log."""

from __future__ import annotations

import codecs
import os
from pathlib import Path
from typing import BinaryIO

from tinytown_cli import client

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
        """What was added since the last call; nothing for a file that is not there (yet).

        One that was renamed, as a log is that is put aside, is read to its end first.
        """
        text = self._next()
        if not text and self._file and self._replaced(self._file):
            self.close()
            text = self._next()
        return text

    def _next(self) -> str:
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


def rounds_of(target: client.Target, name: str) -> Path:
    """The directory of an agent's rounds; names are safe in a path (`tinytownd.domain.names`)."""
    return (target.directory or Path()) / ".tt" / "rounds" / name
