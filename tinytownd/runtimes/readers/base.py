"""What every reader shares: the transcript, lines with a bound, and values that may be anything."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from tinytownd.domain.jsonlines import Record, parse

# A longer line is dropped whole: a final record is never that long, a tool's output may be.
LINE_LIMIT = 4 * 1024 * 1024
# Characters kept of one text; the start is kept.
TEXT_LIMIT = 256 * 1024

Clock = Callable[[], datetime]

_SESSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")


def local_now() -> datetime:
    """The time with the machine's own zone, which is what CLIs print."""
    return datetime.now().astimezone()


@dataclass(frozen=True)
class RateLimit:
    """The provider refuses work for now; `resets_at` is in UTC, None when it was not said."""

    resets_at: datetime | None = None


@dataclass
class Transcript:
    """What one round's output has said so far.

    `failed` None means that no final record was seen. `input_tokens` counts all that was sent,
    what came from a cache too. With `cumulative`, tokens are the whole session's, not the round's.
    """

    format: str
    session: str | None = None
    text: str = ""
    error: str | None = None
    failed: bool | None = None
    limit: RateLimit | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None
    cumulative: bool = False

    @property
    def final(self) -> bool:
        """Whether the CLI has said how it ended. Its process may still hang around."""
        return self.failed is not None


class Reader(ABC):
    """Reads one round's standard output, piece by piece; memory is bounded."""

    format: ClassVar[str]

    def __init__(self, clock: Clock = local_now) -> None:
        self.transcript = Transcript(self.format)
        self.clock = clock

    @property
    def final(self) -> bool:
        """True as soon as the final record was seen, also while the process still runs."""
        return self.transcript.final

    @abstractmethod
    def feed(self, data: bytes) -> None:
        """The next piece of output, cut anywhere."""

    @abstractmethod
    def finish(self) -> Transcript:
        """The output has ended."""


class JsonLines(Reader):
    """A format of one JSON object a line; whatever else is printed is passed over."""

    def __init__(self, clock: Clock = local_now) -> None:
        super().__init__(clock)
        self._line = bytearray()
        self._too_long = False

    @abstractmethod
    def record(self, record: Record) -> None:
        """One JSON object; nothing in it can be trusted to have the right type."""

    def feed(self, data: bytes) -> None:
        first, *others = data.split(b"\n")
        self._extend(first)
        for part in others:
            self._end_line()
            self._extend(part)

    def finish(self) -> Transcript:
        self._end_line()
        return self.transcript

    def line(self, line: bytes) -> None:
        """One whole line, without its end."""
        if (parsed := parse(line.decode("utf-8", "replace"))) is not None:
            self.record(parsed)

    def _extend(self, part: bytes) -> None:
        self._too_long = self._too_long or len(self._line) + len(part) > LINE_LIMIT
        if self._too_long:
            self._line.clear()
        else:
            self._line += part

    def _end_line(self) -> None:
        line, self._too_long = bytes(self._line).strip(), False
        self._line.clear()
        if line:
            self.line(line)


def words(value: object) -> str:
    """The value if it is text, else ""; bounded, and fit to be stored as UTF-8."""
    if not isinstance(value, str):
        return ""
    bounded = value[:TEXT_LIMIT].replace("\0", "\N{REPLACEMENT CHARACTER}")
    return bounded.encode("utf-8", "replace").decode()


def count(value: object) -> int:
    """A number of tokens, or 0."""
    whole = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
    return value if whole and isinstance(value, int) else 0


def amount(value: object) -> float | None:
    """A cost, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not 0 <= value < 2**53 or not math.isfinite(value):
        return None
    return float(value)


def session(value: object) -> str | None:
    """A session id that is safe as an argument (no leading dash, no blanks), or None."""
    return value if isinstance(value, str) and _SESSION.fullmatch(value) else None
