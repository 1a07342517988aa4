"""The daemon's log on disk: a file that is put aside when it is large or a day old.

What was put aside keeps the time in its name (`tinytownd-20261122T103107.123Z.jsonl`), so that
names sort as the lines in them do. Nothing here raises: a log that cannot be written, or put
aside, must not stop a town, and there is nobody to tell.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from tinytownd.domain.errors import TownError
from tinytownd.files import open_private
from tinytownd.settings import DAY, LogSettings

#: How often the settings, the file's age and its name are looked at, in seconds. Ours.
LOOK_SECONDS = 60.0
MIB = 1 << 20


class LogFile:
    """A file to append lines to. One process writes it at a time: the one with the home's lock."""

    def __init__(self, path: Path, settings: Callable[[], LogSettings] = LogSettings) -> None:
        """`settings` may raise `TownError`, while their file is broken. Raises OSError."""
        self.path = path
        self._settings = settings
        self._bounds = LogSettings()
        self._lock = threading.Lock()
        self._open()
        self._look()

    def write(self, line: str) -> None:
        """Appends a line, which has no end of its own."""
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        with self._lock:
            self._turn_if_due(len(data))
            self._append(b"\n" + data if self._torn else data)

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()

    def _open(self) -> None:
        self._file = open_private(self.path)
        status = os.fstat(self._file.fileno())
        self._size, self._inode = status.st_size, status.st_ino
        self._begun = _begun(self.path) if self._size else time.time()
        #: A line that did not fit on the disk left its beginning there.
        self._torn = _is_torn(self.path)

    def _append(self, data: bytes) -> None:
        try:
            written = os.write(self._file.fileno(), data)
        except OSError:
            return
        self._size += written
        self._torn = written < len(data)

    def _look(self) -> None:
        """Takes up the settings; a file that somebody else took away is made again."""
        self._looked = time.monotonic()
        with contextlib.suppress(TownError):
            self._bounds = self._settings()
        with contextlib.suppress(OSError):
            if not self._is_there():
                self._reopen()
        self._clear()

    def _turn_if_due(self, more: int) -> None:
        if time.monotonic() - self._looked > LOOK_SECONDS:
            self._look()
        large = self._size and self._size + more > self._bounds.file_mb * MIB
        if large or (self._size and time.time() - self._begun > DAY):
            self._turn()

    def _turn(self) -> None:
        """Puts the file aside and begins another; where that fails, this one goes on."""
        with contextlib.suppress(OSError):
            if self._is_there():
                self.path.rename(_free(self.path))
            self._reopen()
            self._clear()
            return
        self._size, self._begun = 0, time.time()  # not again with the next line

    def _is_there(self) -> bool:
        try:
            return self.path.stat().st_ino == self._inode
        except FileNotFoundError:
            return False

    def _reopen(self) -> None:
        old = self._file
        self._open()
        old.close()

    def _clear(self) -> None:
        """Deletes what is too old, and the oldest of what is too much."""
        with contextlib.suppress(OSError):
            before = time.time() - self._bounds.max_days * DAY
            aside = put_aside(self.path)
            for number, file in enumerate(reversed(aside), 1):
                if number > self._bounds.files or file.stat().st_mtime < before:
                    file.unlink()


def put_aside(path: Path) -> list[Path]:
    """The files that were put aside of a log, the oldest first."""
    return sorted(path.parent.glob(f"{path.stem}-*Z{path.suffix}"))


def _free(path: Path) -> Path:
    """A name for what is put aside now; a rename would write over one that is taken."""
    now = int(time.time() * 1000)
    while True:
        stamp = datetime.fromtimestamp(now / 1000, UTC).strftime("%Y%m%dT%H%M%S.%f")[:-3]
        name = path.with_name(f"{path.stem}-{stamp}Z{path.suffix}")
        if not name.exists():
            return name
        now += 1


def _is_torn(path: Path) -> bool:
    """Whether a file ends within a line."""
    with contextlib.suppress(OSError), path.open("rb") as file:  # an empty one has no last byte
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"
    return False


def _begun(path: Path) -> float:
    """When the first line of a log was written, or now where that cannot be read."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        with path.open("rb") as file:
            first = file.read(4096)
        # By hand: the line may be longer than what was read of it.
        stamp = first.split(b'"timestamp": "', 1)[1].split(b'"', 1)[0].decode()
        return datetime.fromisoformat(stamp).timestamp()
    return time.time()
