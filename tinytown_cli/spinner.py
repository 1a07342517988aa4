"""A passing line on standard error while something takes more than a second; on terminals only.

Drawn by a timer's signal: what is waited for needs to know nothing of it, and there is no thread.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator

from tinytown_cli import output

#: Seconds before anything is shown, and between two pictures.
PATIENCE, _PICTURE_SECONDS = 1.0, 0.2
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_BAR_CELLS = 20
_WIPE = "\r\x1b[2K"

Tell = Callable[[int, int], None]


@contextlib.contextmanager
def spinning(doing: str) -> Iterator[Tell]:
    """While it lasts, shows what is done and for how long.

    Yields a function that takes how much is done and of how much: with it there is a bar.
    """
    progress = [0, 0]
    if not _is_watched():
        yield lambda *_: None
        return

    def tell(done: int, total: int) -> None:
        progress[:] = done, total

    began = time.monotonic()

    def draw(*_: object) -> None:
        text = picture(doing, time.monotonic() - began, *progress)
        output.wipe = _WIPE
        width = shutil.get_terminal_size().columns
        _write(f"{_WIPE}{output.fit(text, width - 1)}")
        # Only now: a terminal that takes nothing for a while (Ctrl-S) must not have us draw within
        # the drawing, again and again.
        signal.setitimer(signal.ITIMER_REAL, _PICTURE_SECONDS)

    before = signal.signal(signal.SIGALRM, draw)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        yield tell
    finally:
        # First no more pictures: one that is on its way would set the timer anew.
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if output.wipe:
            output.wipe = ""
            _write(_WIPE)


def _write(text: str) -> None:
    # A terminal that has gone takes nothing else with it. And the signal may come in the middle of
    # a line that the terminal is slow to take: Python refuses to write within that, for this once.
    with contextlib.suppress(OSError, RuntimeError):
        sys.stderr.write(text)
        sys.stderr.flush()


def _is_watched() -> bool:
    """Whether somebody sees standard error and nothing else draws, and the timer is ours to use."""
    return (
        sys.stderr.isatty()
        and not output.live
        and not output.by_agent()
        and os.environ.get("TERM") != "dumb"
        and threading.current_thread() is threading.main_thread()
        and signal.getitimer(signal.ITIMER_REAL)[0] == 0
    )


def picture(doing: str, seconds: float, done: int = 0, total: int = 0) -> str:
    """The line: `⠹ Saving the town… 3 s`, or with a bar where it is known how much there is."""
    if total > 0:
        part = min(done / total, 1.0)
        full = int(part * _BAR_CELLS)
        return f"{'█' * full}{'░' * (_BAR_CELLS - full)} {doing}: {done:,} of {total:,}"
    frame = _FRAMES[int(seconds / _PICTURE_SECONDS) % len(_FRAMES)]
    return f"{frame} {doing}… {output.duration(seconds)}"
