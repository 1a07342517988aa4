from datetime import UTC, datetime, timedelta, timezone

import pytest

from tinytownd.runtimes.readers.limits import from_epoch, limit_in, reset_time

# 10:00 in Berlin's winter.
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=timezone(timedelta(hours=1)))


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Claude AI usage limit reached|1767225600", "2026-01-01T00:00"),
        ("try again in 3 days 4 hours 5 minutes.", "2026-11-25T13:05"),
        ("Please retry after 90s", "2026-11-22T09:01:30"),
        ("try again in 1500ms", "2026-11-22T09:00:01.500000"),
        ("limit resets in 2h 5m", "2026-11-22T11:05"),
        ("or try again at 3:51 PM.", "2026-11-22T14:51"),
        ("or try again at 9:30 AM.", "2026-11-23T08:30"),
        ("try again at 12:05 AM", "2026-11-22T23:05"),
        ("try again at Dec 3rd, 2026 7:21 PM.", "2026-12-03T18:21"),
        ("limit reached - resets 3pm (America/New_York)", "2026-11-22T20:00"),
        ("Your limit will reset at 9pm (No/Where)", "2026-11-22T20:00"),
        ("resets Dec 5 at 3pm (UTC)", "2026-12-05T15:00"),
        ("resets Jan 5, 3:30pm (UTC)", "2027-01-05T15:30"),
        ("try again at Feb 31st, 2026 7:21 PM", None),
        ("try again at Foo 3rd, 2026 7:21 PM", None),
        ("try again in 99999999999999 days", None),
        ("try again later", None),
        ("", None),
    ],
)
def test_when_a_limit_ends(message: str, expected: str | None) -> None:
    when = reset_time(message, NOW)
    assert when == (datetime.fromisoformat(expected).replace(tzinfo=UTC) if expected else None)


@pytest.mark.parametrize(
    ("message", "limited"),
    [
        ("exceeded retry limit, last status: 429 Too Many Requests", True),
        ("You've hit your usage limit.", True),
        ("You've hit your weekly limit · resets 3pm", True),
        ("Quota exceeded for model", True),
        ("overloaded_error", True),
        ("exit code 1", False),
        ("line 4290 has a syntax error", False),
        ("maximum turns reached", False),
    ],
)
def test_what_is_a_limit(message: str, limited: bool) -> None:
    assert (limit_in(message, NOW) is not None) == limited


@pytest.mark.parametrize("value", [None, True, "1767225600", 10**30, float("nan"), float("inf")])
def test_what_is_no_time(value: object) -> None:
    assert from_epoch(value) is None


def test_milliseconds_are_understood() -> None:
    assert from_epoch(1767225600) == from_epoch(1767225600000) == datetime(2026, 1, 1, tzinfo=UTC)
