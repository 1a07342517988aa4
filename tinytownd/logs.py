"""Structured logs: JSON lines in the home's log file, and on stderr in the form that fits it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any, TextIO

import structlog


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

    def _write(self, stream: TextIO, line: str) -> None:
        try:
            stream.write(line + "\n")
            stream.flush()
        except OSError:
            # A full disk or a closed terminal must not stop the town; there is nobody to tell.
            return

    log = debug = info = warning = warn = error = critical = exception = msg


def set_up(path: Path, env: Mapping[str, str]) -> None:
    """Directs structlog to the log file and to stderr: readable on a terminal, else JSON."""
    file = path.open("a", encoding="utf-8", errors="backslashreplace")
    path.chmod(0o600)
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
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: logger,
        cache_logger_on_first_use=False,
    )


def _without_nothing(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """A line says what it is about; what it is not about is left out."""
    return {key: value for key, value in event.items() if value is not None}
