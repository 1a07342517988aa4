"""Sees when a program is executed: by inotify on the program's file, as execve(2) opens it.

So a process that does nothing needs not tell that it has begun, and the floor and the subject are
seen by the same eyes.
"""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import struct
import time
from pathlib import Path

_IN_OPEN = 0x20  # inotify(7)
_EVENT = struct.Struct("iIII")
_libc = ctypes.CDLL(None, use_errno=True)


class Execs:
    """Notices executions of a program of its own, a copy of /bin/true at `program`."""

    def __init__(self, directory: Path, name: str = "true") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.program = directory / name
        shutil.copy("/bin/true", self.program)
        self._fd: int = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if (
            self._fd < 0
            or _libc.inotify_add_watch(self._fd, os.fsencode(self.program), _IN_OPEN) < 0
        ):
            raise OSError(ctypes.get_errno(), "inotify")

    def fileno(self) -> int:
        """To wait for it beside others."""
        return self._fd

    def drain(self) -> int:
        """How many executions were noticed since the last time, at least: the kernel joins equal
        events that nobody has read. Does not wait."""
        count = 0
        while True:
            try:
                data = os.read(self._fd, 65536)
            except BlockingIOError:
                return count
            at = 0
            while at < len(data):
                *_, length = _EVENT.unpack_from(data, at)
                at += _EVENT.size + length
                count += 1

    def wait(self, seconds: float) -> float:
        """When the next execution was noticed (`time.perf_counter`). Raises `TimeoutError`."""
        ready, _, _ = select.select([self._fd], [], [], seconds)
        now = time.perf_counter()
        if not ready:
            raise TimeoutError("nothing was executed")
        self.drain()
        return now

    def close(self) -> None:
        """Watches no more."""
        os.close(self._fd)
