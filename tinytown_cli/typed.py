"""A line that is typed below a picture: the keys, and the terminal's modes while it is there.

No more than a line needs: characters, backspace, Ctrl-U, Enter. Ctrl-C and Ctrl-Z stay signals.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import re
import signal
import sys
import termios
import unicodedata
from types import FrameType
from typing import Self

# ECMA-48: a control sequence, whole or as far as it has come; also the keys that begin with SS3.
_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.)")
_BEGUN = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|O)?")
# xterm's bracketed paste: what stands between these was not typed.
_PASTE, _PASTED = "\x1b[200~", "\x1b[201~"
_PASTE_ON, _PASTE_OFF = "\x1b[?2004h", "\x1b[?2004l"
_BACKSPACES, _ENTERS, _END, _WIPE = "\x7f\b", "\r\n", "\x04", "\x15"
_ENDINGS = (signal.SIGTERM, signal.SIGHUP)


class Line:
    """What has been typed so far. Pure: bytes in, finished lines out."""

    def __init__(self) -> None:
        self.text = ""
        #: Whether Ctrl-D was pressed where nothing was typed; no key counts after it.
        self.ended = False
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._ahead = ""
        self._pasting = False

    def feed(self, data: bytes) -> list[str]:
        """Takes keys in; the lines that they finish. Within a paste, a line's end is text."""
        self._ahead += self._decode(data)
        finished: list[str] = []
        while self._ahead and not self.ended and not _BEGUN.fullmatch(self._ahead):
            if sequence := _SEQUENCE.match(self._ahead):
                self._pasting = {_PASTE: True, _PASTED: False}.get(sequence[0], self._pasting)
                self._ahead = self._ahead[sequence.end() :]
            else:
                key, self._ahead = self._ahead[0], self._ahead[1:]
                self._press(key, finished)
        return finished

    def _press(self, key: str, finished: list[str]) -> None:
        if key in _ENTERS and self._pasting:
            self.text += "\n"
        elif key in _ENTERS:
            finished.append(self.text)
            self.text = ""
        elif key in _BACKSPACES:
            self.text = without_last(self.text)
        elif key == _WIPE:
            self.text = ""
        elif key == _END and not self.text:
            self.ended = True
        elif key.isprintable() or key == "\t":
            self.text += key


def without_last(text: str) -> str:
    """The text without its last character, and what combines with that."""
    kept = text[:-1]
    while text and unicodedata.combining(text[-1]) and kept:
        text, kept = kept, kept[:-1]
    return kept


def possible() -> bool:
    """Whether somebody sits at standard input, and we are not in the background."""
    try:
        fd = sys.stdin.fileno()
        return os.isatty(fd) and os.tcgetpgrp(fd) == os.getpgrp()
    except (AttributeError, OSError, ValueError):  # closed, or replaced by something that is none
        return False


class Keys:
    """Standard input as single keys, unechoed, until the end of the `with`, however it comes.

    `resumed` is a descriptor that can be read where the terminal was somebody else's in between
    (Ctrl-Z, then `fg`): all is to be drawn anew. The signal may come in the middle of a drawing.
    """

    def __init__(self) -> None:
        self.fd = sys.stdin.fileno()
        self.resumed, self._resume = os.pipe()
        os.set_blocking(self._resume, False)
        self._before = termios.tcgetattr(self.fd)
        self._handlers: dict[int, object] = {}

    def __enter__(self) -> Self:
        # Before the modes change: a signal in between must find its handler.
        for number in _ENDINGS:
            self._handlers[number] = signal.signal(number, self._end)
        self._handlers[signal.SIGCONT] = signal.signal(signal.SIGCONT, self._again)
        self._take()
        return self

    def __exit__(self, *_: object) -> None:
        self._give_back()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what it gave us
        os.close(self.resumed)
        os.close(self._resume)

    def read(self) -> bytes:
        """What was typed; nothing where the terminal is gone."""
        try:
            return os.read(self.fd, 4096)
        except OSError:
            return b""

    def _take(self) -> None:
        modes = termios.tcgetattr(self.fd)
        modes[3] &= ~(termios.ICANON | termios.ECHO)
        modes[6][termios.VMIN], modes[6][termios.VTIME] = 1, 0
        termios.tcsetattr(self.fd, termios.TCSADRAIN, modes)
        self._say(_PASTE_ON)

    def _give_back(self) -> None:
        with contextlib.suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(self.fd, termios.TCSADRAIN, self._before)
        self._say(_PASTE_OFF)

    def _say(self, sequence: str) -> None:
        with contextlib.suppress(OSError):
            os.write(self.fd, sequence.encode())

    def _end(self, number: int, _: FrameType | None) -> None:
        """Ends us as the signal would have, with the terminal as it was."""
        self._give_back()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def _again(self, _: int, __: FrameType | None) -> None:
        self._take()
        with contextlib.suppress(BlockingIOError):  # it has been told often enough
            os.write(self._resume, b"\0")
