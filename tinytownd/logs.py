"""Structured logs: JSON lines in the home's log file, and on stderr in the form that fits it."""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

import structlog

from tinytownd.files import open_private
from tinytownd.redact import redact_all, secret_values


class Both:
    """A logger that writes JSON into a file, and the same line, or a readable one, to stderr."""

    def __init__(self, file: TextIO, stderr: TextIO | None, *, readable: bool) -> None:
        self._file = file
        self._stderr = stderr
        self._json = structlog.processors.JSONRenderer(ensure_ascii=False)
        self._readable = structlog.dev.ConsoleRenderer() if readable else None

    def msg(self, **event: Any) -> None:
        """Writes one line to both."""
        line = str(self._json(None, "", dict(event)))
        self._write(self._file, line)
        if self._stderr is not None:
            told = line if self._readable is None else self._readable(None, "", dict(event))
            self._write(self._stderr, told)

    def close(self) -> None:
        """Lets go of the log file."""
        self._file.close()

    def _write(self, stream: TextIO, line: str) -> None:
        try:
            stream.write(line + "\n")
            stream.flush()
        except OSError:
            # A full disk or a closed terminal must not stop the town; there is nobody to tell.
            return

    log = debug = info = warning = warn = error = critical = exception = msg


class Libraries(logging.Handler):
    """Hands on what asyncio and others log in Python's own way; else it went to stderr as it is."""

    def emit(self, record: logging.LogRecord) -> None:
        told = {"logger": record.name, "text": record.getMessage(), "exc_info": record.exc_info}
        structlog.get_logger().log(record.levelno, "python", **told)


def set_up(path: Path, env: Mapping[str, str]) -> Both:
    """Directs structlog to the log file and to stderr: readable on a terminal, else JSON.

    No line has a secret in it: neither what looks like one nor those in the environment.
    """
    file = TextIOWrapper(open_private(path), encoding="utf-8", errors="backslashreplace")
    terminal = sys.stderr.isatty()
    stderr = None if env.get("TINYTOWN_AUTOSTART") else sys.stderr
    logger = Both(file, stderr, readable=terminal)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _without_nothing,
            functools.partial(_without_secrets, secret_values(env)),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: logger,
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[Libraries(logging.WARNING)], force=True)
    return logger


def _without_secrets(
    known: Sequence[str], _logger: object, _method: str, event: MutableMapping[str, Any]
) -> Mapping[str, Any]:
    """Whatever a line quotes: an error of the server's, a traceback, a setting."""
    return redact_all(event, known)


def _without_nothing(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """A line says what it is about; what it is not about is left out."""
    return {key: value for key, value in event.items() if value is not None}
