"""The settings of a daemon at work: they count from their next use on, without a restart."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from tinytownd.config import Config, load, load_home


class Watched:
    """The configuration as the files have it now: read again only when one has changed.

    In an event loop the files are looked at once a step of it: what one decision reads, here and
    there, is one configuration. A file that is broken raises at every use until it is mended; the
    old settings are never used in its place, since nobody would know.
    """

    _SETTLED_NS = 50_000_000  # a second write in one tick of the file system's clock looks the same

    def __init__(self, home_config: Path, town_config: Path | None = None) -> None:
        """Without a town's file: what holds for the daemon itself."""
        self._home, self._town = home_config, town_config
        self._files = [str(path) for path in (home_config, town_config) if path]
        self._stamp: object = None
        self._config: Config | None = None
        self._renewed: Config | None = None
        #: What holds for the step of the event loop that is under way.
        self._current: Config | None = None

    def get(self) -> Config:
        """Raises what `load` or `load_home` raises."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return self._look()  # a thread, or no loop at all
        if self._current is None:
            self._current = self._look()
            loop.call_soon(self._expire)
        return self._current

    def renewed(self) -> tuple[Config, Config]:
        """The settings when this was asked last (else: when they were read first), and now."""
        new = self._look()
        old, self._renewed = self._renewed or new, new
        return old, new

    def _look(self) -> Config:
        stamp = tuple(map(_stamp, self._files))
        if self._config is None or stamp != self._stamp:
            config = load(self._home, self._town) if self._town else load_home(self._home)
            newest = max((found[0] for found in stamp if found), default=0)
            self._config, self._stamp = config, stamp
            if time.time_ns() - newest < self._SETTLED_NS:
                self._stamp = None
        if self._renewed is None:
            self._renewed = self._config
        return self._config

    def _expire(self) -> None:
        self._current = None


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 -- with every decision: a Path's takes twice as long
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
