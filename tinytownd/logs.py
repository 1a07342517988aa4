"""Structured logs: JSON lines in the home's log file, and on stderr in the form that fits it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any, TextIO

import structlog

from tinytownd.logfile import LogFile
from tinytownd.redact import redact_all, secret_values
from tinytownd.sdnotify import is_journal, priority
from tinytownd.settings import LogSettings

#: The secrets that are known, longest first; structlog's configuration is the process's, too.
_known: list[str] = []

#: What every line has, and what it is about where that applies; the rest is the event's own.
FIRST = ("timestamp", "level", "event", "town", "agent", "task", "round", "command")


class Both:
    """A logger that writes JSON into a file, and the same line, or a readable one, to stderr."""

    def __init__(self, file: LogFile, stderr: TextIO | None, *, readable: bool) -> None:
        self._file = file
        self._stderr = stderr
        self._json = structlog.processors.JSONRenderer(ensure_ascii=False)
        self._readable = structlog.dev.ConsoleRenderer() if readable else None
        #: The journal takes each line's priority from its beginning.
        self._journal = False

    def msg(self, **event: Any) -> None:
        """Writes one line to both."""
        line = str(self._json(None, "", dict(event)))
        self._file.write(line)
        if self._stderr is not None:
            told = line if self._readable is None else self._readable(None, "", dict(event))
            if self._journal:
                told = priority(event.get("level")) + told
            _print(self._stderr, told)

    def for_journal(self) -> None:
        """Standard error is the journal."""
        self._journal = True

    def close(self) -> None:
        """Lets go of the log file."""
        self._file.close()

    log = debug = info = warning = warn = error = critical = exception = msg


class Libraries(logging.Handler):
    """Hands on what asyncio and others log in Python's own way; else it went to stderr as it is."""

    def emit(self, record: logging.LogRecord) -> None:
        told = {"logger": record.name, "text": record.getMessage(), "exc_info": record.exc_info}
        structlog.get_logger().log(record.levelno, "python.said", **told)


def _print(stream: TextIO, line: str) -> None:
    try:
        stream.write(line + "\n")
        stream.flush()
    except OSError:
        # A closed terminal must not stop the town; there is nobody to tell.
        return


def set_up(
    path: Path, env: Mapping[str, str], settings: Callable[[], LogSettings] = LogSettings
) -> Both:
    """Directs structlog to the log file and to stderr: readable on a terminal, else JSON.

    No line has a secret in it: neither what looks like one nor those in the environment.
    `settings` say how much of the log is kept; they may raise `TownError`.
    """
    file = LogFile(path, settings)
    terminal = sys.stderr.isatty()
    stderr = None if env.get("TINYTOWN_AUTOSTART") else sys.stderr
    logger = Both(file, stderr, readable=terminal)
    if is_journal(env, 2):
        logger.for_journal()
    _known.clear()
    hide_too(env)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _in_order,
            _without_secrets,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: logger,
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[Libraries(logging.WARNING)], force=True)
    return logger


def hide_too(env: Mapping[str, str]) -> None:
    """From now on no line has a secret of this environment in it."""
    _known[:] = sorted({*_known, *secret_values(env)}, key=len, reverse=True)


def _without_secrets(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> Mapping[str, Any]:
    """Whatever a line quotes: an error of the server's, a traceback, a setting."""
    return redact_all(event, _known)


def _in_order(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """A line says first what it is about; what it is not about is left out."""
    keys = dict.fromkeys((*FIRST, *event))
    return {key: event[key] for key in keys if event.get(key) is not None}
