"""Rate limits in people's words: is this message one, and when does it say that it ends?"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from tinytownd.runtimes.readers.base import RateLimit

# HTTP 429 is a limit of ours, 529 an overloaded provider; both mean "later", neither "it failed".
LIMIT_STATUSES = frozenset({429, 529})

# What is looked at; limits are said in the first sentence.
_LOOK_AT = 2000

_SIGN = re.compile(
    r"\b(429|529)\b|rate.?limit|too many requests|usage limit|hit your .{0,20}limit|limit reached"
    r"|quota exceeded|exceeded your .{0,20}quota|resource.?exhausted|overloaded",
    re.IGNORECASE,
)
# "usage limit reached|1767225600"
_EPOCH = re.compile(r"\|\s*(\d{10})\b")
# "try again in 3 days 4 hours", "retry after 20s", "resets in 2h 5m"
_IN = re.compile(
    r"(?:try again|retry|retrying|resets?)\s+(?:in|after)\s+((?:\d+(?:\.\d+)?\s*[a-z]+[\s,]*)+)",
    re.IGNORECASE,
)
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|d|h|m|s)", re.IGNORECASE)
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
# As in: try again at 3:51 PM; at Dec 3rd, 2026 7:21 PM; resets 3pm (Europe/Paris).
_AT = re.compile(
    r"(?:at|resets?)\s+"
    r"(?:(?P<month>[A-Z][a-z]{2})[a-z]*\s+(?P<day>\d{1,2})(?:st|nd|rd|th)?"
    r"(?:,\s*(?P<year>\d{4}))?(?:,|\s+at)?\s+)?"
    r"(?P<hour>\d{1,2})(?::(?P<minute>\d\d))?\s*(?P<half>[ap]m)"
    r"(?:\s*\((?P<zone>[\w/+-]+)\))?",
    re.IGNORECASE,
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def limit_in(message: str, now: datetime) -> RateLimit | None:
    """The rate limit that the error message speaks of, or None."""
    return RateLimit(reset_time(message, now)) if is_limit(message) else None


def is_limit(message: str) -> bool:
    """Whether the error message speaks of a rate limit, or of a provider that is overloaded."""
    return _SIGN.search(message[:_LOOK_AT]) is not None


def reset_time(message: str, now: datetime) -> datetime | None:
    """When the message says that a limit ends, in UTC.

    `now` is when it was said, in the zone that its times of day are in.
    """
    try:
        for pattern, meaning in _MEANINGS:
            if match := pattern.search(message[:_LOOK_AT]):
                return meaning(match, now)
    except (ValueError, OverflowError):
        pass
    return None


def from_epoch(value: object) -> datetime | None:
    """A time in UTC from seconds or milliseconds since 1970, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value / 1000 if value > 10**11 else value, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _epoch(match: re.Match[str], _now: datetime) -> datetime | None:
    return from_epoch(int(match[1]))


def _span(match: re.Match[str], now: datetime) -> datetime:
    seconds = sum(float(n) * _SECONDS[unit.lower()] for n, unit in _SPAN.findall(match[1]))
    return (now + timedelta(seconds=seconds)).astimezone(UTC)


def _time_of_day(match: re.Match[str], now: datetime) -> datetime:
    here = now.astimezone(_zone(match["zone"]) or now.tzinfo)
    hour = int(match["hour"]) % 12 + 12 * (match["half"].lower() == "pm")
    when = here.replace(hour=hour, minute=int(match["minute"] or 0), second=0, microsecond=0)
    if match["month"]:
        month = _MONTHS.index(match["month"].lower()) + 1
        year = int(match["year"] or here.year)
        when = when.replace(year=year, month=month, day=int(match["day"]))
        if not match["year"] and when < here - timedelta(days=1):
            when = when.replace(year=year + 1)
    elif when <= here:
        when += timedelta(days=1)
    return when.astimezone(UTC)


def _zone(name: str | None) -> tzinfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError):
        return None


_MEANINGS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], datetime], datetime | None]], ...]
_MEANINGS = ((_EPOCH, _epoch), (_IN, _span), (_AT, _time_of_day))
