"""The daemon's log on disk: what its lines have, when a file is put aside, and what is kept."""

from __future__ import annotations

import io
import json
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from tinytownd import logfile, logs
from tinytownd.domain.errors import BadInput
from tinytownd.logfile import LogFile, put_aside
from tinytownd.settings import DAY, LogSettings

MIB = 1 << 20
LINE = "x" * (MIB // 4)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tinytownd.jsonl"


def opened(path: Path, settings: Any = None, **bounds: int) -> LogFile:
    """A log with these bounds, whose settings are looked at with every line."""
    return LogFile(path, settings or (lambda: LogSettings(**{"file_mb": 1, **bounds})))


@pytest.fixture(autouse=True)
def look_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logfile, "LOOK_SECONDS", -1.0)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def write(log: LogFile, *texts: str) -> None:
    for text in texts:
        log.write(text)
    log.close()


def test_a_file_that_would_be_too_large_is_put_aside(path: Path) -> None:
    write(opened(path), *[LINE] * 3, "the fourth", LINE)
    (aside,) = put_aside(path)
    assert lines(aside) == [*[LINE] * 3, "the fourth"]
    assert lines(path) == [LINE]
    assert [oct(file.stat().st_mode & 0o777) for file in (aside, path)] == ["0o600"] * 2


def test_files_that_are_put_aside_at_once_keep_their_order(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.0)
    write(opened(path), *(f"{n}{LINE * 4}" for n in range(6)))
    assert [lines(file)[0][0] for file in put_aside(path)] == list("01234")


def test_only_so_many_files_are_kept(path: Path) -> None:
    other = path.with_name("redis.log")
    other.write_text("not ours")
    write(opened(path, files=2), *(f"{n}{LINE * 4}" for n in range(6)))
    assert [lines(file)[0][0] for file in put_aside(path)] == ["3", "4"]
    assert other.exists()


def test_a_file_of_yesterday_is_put_aside_and_an_old_one_deleted(path: Path) -> None:
    old = path.with_name("tinytownd-20200101T000000.000Z.jsonl")
    old.write_text("old")
    os.utime(old, (0, time.time() - 15 * DAY))
    path.write_text(json.dumps({"timestamp": "2026-01-01T10:00:00.5Z", "event": "x"}) + "\n")
    write(opened(path), "new")
    (aside,) = put_aside(path)
    assert "2026-01-01" in aside.read_text()
    assert lines(path) == ["new"]


def test_a_file_of_today_is_gone_on_with(path: Path) -> None:
    for text in ("one", "two"):
        write(opened(path), text)
    assert lines(path) == ["one", "two"]
    assert put_aside(path) == []


def test_changed_settings_hold_and_broken_ones_leave_them_as_they_were(path: Path) -> None:
    now: list[LogSettings | BadInput] = [LogSettings(file_mb=1)]

    def settings() -> LogSettings:
        if isinstance(now[0], BadInput):
            raise now[0]
        return now[0]

    log = opened(path, settings)
    now[0] = BadInput("line 3")
    log.write(LINE * 3)
    log.write(LINE * 3)
    assert len(put_aside(path)) == 1, "the bound of before"
    now[0] = LogSettings(file_mb=100)
    write(log, LINE * 3)
    assert len(put_aside(path)) == 1


def test_a_file_that_somebody_took_away_is_made_again(path: Path) -> None:
    log = opened(path)
    log.write("one")
    path.rename(path.with_name("mine"))
    log.write("two")
    path.unlink()
    write(log, "three")
    assert lines(path.with_name("mine")) == ["one"]
    assert lines(path) == ["three"]


def test_where_nothing_can_be_put_aside_it_goes_on_with_its_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "read-only")

    monkeypatch.setattr(Path, "rename", refuse)
    write(opened(path), *[LINE] * 6)
    assert lines(path) == [LINE] * 6


def test_a_line_that_a_full_disk_tore_does_not_take_the_next_along(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = opened(path)
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:3]))
    log.write("abcdef")
    monkeypatch.setattr(os, "write", real)
    write(log, "next")
    assert lines(path) == ["abc", "next"]


def test_what_the_last_daemon_tore_does_not_take_the_next_line_along(path: Path) -> None:
    path.write_text("ab")
    write(opened(path), "next")
    assert lines(path) == ["ab", "next"]


def test_what_cannot_be_written_as_utf_8_is_written_all_the_same(path: Path) -> None:
    write(opened(path), "a \ud800 b")
    assert lines(path) == ["a \\ud800 b"]


# Lines


@pytest.fixture
def log(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A log file that structlog writes into until the test's end."""
    monkeypatch.setattr("sys.stderr", io.StringIO())
    handlers = logging.root.handlers.copy()
    logger = logs.set_up(path, {})
    yield path
    logger.close()
    structlog.reset_defaults()
    logging.root.handlers = handlers


def test_a_line_begins_with_what_it_is_about(log: Path) -> None:
    about = {"pid": 1, "command": "c", "round": 2, "task": "t", "agent": "a", "error": None}
    with structlog.contextvars.bound_contextvars(town="w"):
        structlog.get_logger().warning("x.y", **about)
    line = json.loads(lines(log)[0])
    assert tuple(line) == (*logs.FIRST, "pid")
    assert (line["level"], line["event"], line["town"]) == ("warning", "x.y", "w")


def test_a_line_without_a_town_has_no_such_key(log: Path) -> None:
    structlog.get_logger().info("x.y")
    assert list(json.loads(lines(log)[0])) == ["timestamp", "level", "event"]


def test_a_file_begins_when_its_first_line_was_written(log: Path) -> None:
    structlog.get_logger().info("x.y")
    begun = logfile._begun(log)
    assert abs(begun - time.time()) < 60
    old = lines(log)[0].replace(time.strftime("%Y", time.gmtime()), "2020", 1)
    log.write_text(old + "\n")
    assert logfile._begun(log) < begun - 365 * DAY
