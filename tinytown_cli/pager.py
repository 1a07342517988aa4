"""Long lists a screen at a time, by `$TT_PAGER`, `$PAGER` or `less`; on terminals only."""

from __future__ import annotations

import os
import sys

from tinytown_cli import output

TYPE_CHECKING = False  # see `jsontext`
if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

# As git has them: end at once where all fits, colours as they are, leave the screen as it is.
_LESS = "FRX"


class _Left(Exception):
    """The person has seen enough."""


class Pages:
    """Stands for standard output: keeps what is printed until it is higher than the terminal.

    Then a pager gets it, and all that follows; else it is printed in the end. Use as a context
    manager.
    """

    def __init__(self) -> None:
        # What a table imports anyhow; the rest is imported only for what is too high.
        import shutil  # noqa: PLC0415

        self._width, height = shutil.get_terminal_size()
        self._left = height - 1  # the prompt needs a line, too
        self._below = sys.stdout
        self.encoding = self._below.encoding
        self.fileno, self.isatty = self._below.fileno, self._below.isatty
        self._held: list[str] = []
        self._line = ""
        self._pager: subprocess.Popen[str] | None = None
        # Where texts go from then on.
        self._sink: Callable[[str], object] | None = None

    def __enter__(self) -> None:
        sys.stdout = self  # all that is asked of it is here

    def __exit__(self, kind: object, *_: object) -> bool:
        sys.stdout = self._below
        for text in self._held:
            output.write(text, end="")
        if self._pager is not None:
            _end(self._pager)
        return kind is _Left

    def write(self, text: str) -> int:
        """Takes a text in. Raises `_Left`."""
        if self._sink is not None:
            self._sink(text)
            return len(text)
        self._held.append(text)
        *lines, self._line = (self._line + text).split("\n")
        self._left -= sum(rows(line, self._width) for line in lines)
        if self._left < 0:
            self._begin()
        return len(text)

    def flush(self) -> None:
        """What is kept is kept; the pager gets what there is for it."""
        if self._sink is not None:
            self._sink("")

    def _begin(self) -> None:
        """The terminal is full: hands on what was kept."""
        self._sink = self._below.write
        if argv := command():
            self._pager = _started(argv)
            self._sink = self._hand
        self._sink("".join(self._held))
        self._held.clear()

    def _hand(self, text: str) -> None:
        pipe = self._pager and self._pager.stdin
        try:
            if pipe:
                pipe.write(text)
                pipe.flush()
        except (BrokenPipeError, KeyboardInterrupt):
            raise _Left from None


def rows(line: str, width: int) -> int:
    """How many rows of the terminal a line takes; colours take none."""
    plain, *painted = line.split("\x1b[")
    seen = plain + "".join(part.partition("m")[2] for part in painted)
    return max(-(-output.columns(seen) // max(width, 1)), 1)


def command() -> list[str]:
    """The pager and its arguments; none where the person wants none, or it is not there."""
    import shlex  # noqa: PLC0415  # as said in `Pages`
    import shutil  # noqa: PLC0415

    told = next((os.environ[name] for name in ("TT_PAGER", "PAGER") if name in os.environ), "less")
    try:
        argv = shlex.split(told)
    except ValueError:
        return []
    return argv if argv and argv != ["cat"] and shutil.which(argv[0]) else []


def _started(argv: list[str]) -> subprocess.Popen[str]:
    import subprocess  # noqa: PLC0415  # as said in `Pages`

    return subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        env={"LESS": _LESS, **os.environ},
        encoding="utf-8",
        errors="replace",
    )


def _end(pager: subprocess.Popen[str]) -> None:
    """Waits for the pager's end: Ctrl-C is for it, and the terminal is its own until then."""
    ended = False
    while not ended:
        try:
            pager.communicate()
            ended = True
        except KeyboardInterrupt:
            continue
