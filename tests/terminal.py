"""A program on a terminal of its own: typed at, looked at, and its modes compared."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

#: Seconds; a loaded machine starts a program in less.
PATIENCE = 40.0
# Makes standard input the controlling terminal, as it is for what a shell starts.
_LOGIN = (
    "import fcntl, os, sys, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    " os.execvp(sys.argv[1], sys.argv[1:])"
)


class OnTerminal:
    """A program on a new terminal, of so many lines and columns. Use as a context manager."""

    def __init__(
        self,
        argv: Sequence[str | Path],
        cwd: Path,
        env: Mapping[str, str],
        size: tuple[int, int] = (24, 80),
    ) -> None:
        self._seeing, self._inside = pty.openpty()
        fcntl.ioctl(self._inside, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        #: The modes before anything ran, and all that was printed.
        self.before = self.modes()
        self.seen = ""
        self.process = subprocess.Popen(
            [sys.executable, "-IS", "-c", _LOGIN, *argv],
            cwd=cwd,
            env={**env, "TERM": "xterm", "NO_COLOR": "1"},
            stdin=self._inside,
            stdout=self._inside,
            stderr=self._inside,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._inside)
        os.close(self._seeing)

    def modes(self) -> list[Any]:
        """How the terminal is set."""
        return termios.tcgetattr(self._inside)

    def set_modes(self, modes: list[Any]) -> None:
        """Sets the terminal, as another program would."""
        termios.tcsetattr(self._inside, termios.TCSANOW, modes)

    def type(self, text: str | bytes) -> None:
        """Presses keys."""
        os.write(self._seeing, text.encode() if isinstance(text, str) else text)

    def until(self, text: str, *, after: int = 0) -> str:
        """All that was printed, as soon as that text is in it, so many characters on."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.seen[after:]:
            assert time.monotonic() < deadline, f"{text!r} was not shown: {self.seen!r}"
            self._look(0.1)
        return self.seen

    def end(self) -> int:
        """Waits for the program's end; its exit code, negative for a signal."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it did not end: {self.seen!r}"
            self._look(0.05)
        while self._look(0):
            pass
        return int(self.process.returncode)

    def _look(self, seconds: float) -> bool:
        if not select.select([self._seeing], [], [], seconds)[0]:
            return False
        try:
            self.seen += os.read(self._seeing, 65536).decode(errors="replace")
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return False
        return True
