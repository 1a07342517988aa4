"""A block of lines on a terminal that is drawn over itself."""

from __future__ import annotations

import re
import shutil

from tinytown_cli import output

_STYLE = re.compile(r"\x1b\[\d*m")


class Screen:
    """Draws in place on a terminal; elsewhere one block follows the other."""

    def __init__(self) -> None:
        self._drawn = 0

    def show(self, lines: list[str]) -> None:
        """Replaces what was drawn before."""
        if not output.on_terminal():
            output.write("\n".join([*lines, ""]))
            output.flush()
            return
        width, height = shutil.get_terminal_size()
        # A line more than fits would scroll, and the next drawing start at the wrong place.
        fitting = [_cut(line, width - 1) for line in lines[: height - 1]]
        up = f"\x1b[{self._drawn}A\r" if self._drawn else ""
        output.write(up + "".join(f"\x1b[2K{line}\n" for line in fitting) + "\x1b[J", end="")
        output.flush()
        self._drawn = len(fitting)


def _cut(line: str, width: int) -> str:
    """The line cut to the width; one that has to be cut loses its colours."""
    plain = _STYLE.sub("", line)
    return line if output.columns(plain) <= width else output.fit(plain, width)
