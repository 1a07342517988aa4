"""A block of lines on a terminal that is drawn over itself, and a line below it to type in."""

from __future__ import annotations

import re
import shutil

from tinytown_cli import output

_STYLE = re.compile(r"(\x1b\[\d*m)")


class Screen:
    """Draws in place on a terminal; elsewhere one block follows the other."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._below: str | None = None
        self._drawn = 0
        output.live = True

    def show(self, lines: list[str]) -> None:
        """Replaces what was drawn before."""
        self._lines = lines
        if not output.on_terminal():
            output.write("\n".join([*lines, ""]))
            output.flush()
            return
        width, height = shutil.get_terminal_size()
        # A line more than fits would scroll, and the next drawing start at the wrong place.
        fitting = [_cut(line, width - 1) for line in lines[: height - 1]]
        drawn = "".join(f"\x1b[2K{line}\n" for line in fitting)
        output.write(f"{self._top()}{drawn}\x1b[J{self._below or ''}", end="")
        output.flush()
        self._drawn = len(fitting)

    def above(self, lines: list[str]) -> None:
        """Lines that stay, before the block; the terminal keeps those that scroll away."""
        output.write(f"{self._top()}\x1b[J" + "".join(f"{line}\n" for line in lines), end="")
        self._drawn = 0
        self.show(self._lines)

    def below(self, text: str, ghost: str = "") -> None:
        """The line below the block: the cursor stands after `text`, before a dim `ghost`."""
        width = shutil.get_terminal_size().columns - 1
        ghost = output.fit(ghost, width - output.columns(text))
        back = f"\x1b[{output.columns(ghost)}D" if ghost else ""
        self._below = f"\r\x1b[2K{text}{output.paint(ghost, 'dim')}{back}"
        output.write(self._below, end="")
        output.flush()

    def again(self) -> None:
        """Draws everything once more: something else was on the terminal in between."""
        self._drawn = 0
        self.show(self._lines)

    def close(self) -> None:
        """Takes the line below away; what is printed next stands in its place."""
        if self._below is not None:
            self._below = None
            output.write("\r\x1b[2K", end="")
            output.flush()

    def _top(self) -> str:
        """Leads from the line below the block to its first line."""
        if self._drawn:
            return f"\x1b[{self._drawn}A\r"
        return "" if self._below is None else "\r"


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
