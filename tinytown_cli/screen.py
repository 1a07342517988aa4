"""A block of lines on a terminal that is drawn over itself."""

from __future__ import annotations

import re
import shutil

from tinytown_cli import output

_STYLE = re.compile(r"(\x1b\[\d*m)")


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
    """The line cut to so many columns, with its colours."""
    if output.columns(_STYLE.sub("", line)) <= width:
        return line
    kept, room = "", width
    for part in _STYLE.split(line):
        if _STYLE.fullmatch(part):
            kept += part
        elif room > 0:
            fitting = output.fit(part, room)
            kept, room = kept + fitting, room - output.columns(fitting)
    return kept
