"""The daemon's log, read back by `tt logs`: which lines, how many, from which files."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli.scripted import TOWN, FakeDaemon, Tt
from tinytown_cli import daemonlog

NAME = "tinytownd.jsonl"


def at(**ago: float) -> str:
    """A time so long ago, as the log writes it."""
    then = datetime.now(UTC) - timedelta(**ago)
    return then.isoformat(timespec="microseconds").replace("+00:00", "Z")


def line(event: str, level: str = "info", **more: Any) -> dict[str, Any]:
    return {"timestamp": at(), "level": level, "event": event, **more}


def write(file: Path, *lines: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as out:
        out.writelines(json.dumps(one) + "\n" for one in lines)


@pytest.fixture
def logs(empty_home: Path) -> Path:
    """A home's logs; no daemon runs, and none is started."""
    (empty_home / "logs").mkdir(parents=True)
    return empty_home / "logs"


@pytest.fixture
def some(logs: Path) -> Path:
    write(
        logs / NAME,
        line("round.started", town=TOWN, agent="Dev", task="t1", round=1),
        line("round.ended", town=TOWN, agent="Dev", task="t1", round=1, error="no luck"),
        line("round.started", town="another", agent="dev", task="t1"),
        line("notify.failed", "warning", town=TOWN, told="plan.failed"),
        line("redis.away", "warning", seconds=1.0),
        line("command.fault", "error", exception="Traceback\n  boom \x1b[2J"),
        "no object",
    )
    with (logs / NAME).open("a") as file:
        file.write('{"torn')
    return logs


def events(out: str) -> list[str]:
    return re.findall(r"\b[a-z]+\.[a-z]+\b(?=  |$)", out, flags=re.MULTILINE)


def test_lines_of_the_town_and_of_none_are_shown(some: Path, town: Path, tt: Tt) -> None:
    out, _ = tt("logs")
    told = out.splitlines()
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d info    round\.started  agent=Dev task=t1 round=1", told[0]
    )
    assert told[1].endswith('round.ended  agent=Dev task=t1 round=1 error="no luck"')
    assert told[-2:] == ["    Traceback", "      boom \ufffd[2J"]
    assert [one.split()[2] for one in told[:-2]] == [
        *("round.started", "round.ended", "notify.failed", "redis.away", "command.fault")
    ]


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("--level warning", ["notify.failed", "redis.away", "command.fault"]),
        ("--level error", ["command.fault"]),
        ("--agent dev", ["round.started", "round.ended"]),
        ("--task t1 -n 1", ["round.ended"]),
        ("--task t1 --all", ["round.started", "round.ended", "round.started"]),
        ("--agent nobody", []),
    ],
)
def test_lines_are_chosen(some: Path, town: Path, tt: Tt, words: str, shown: list[str]) -> None:
    out, err = tt("logs", "--json", *words.split())
    assert [json.loads(one)["event"] for one in out.splitlines()] == shown
    assert ("No such lines" in err) == (not shown)


def test_outside_of_a_town_every_line_is_shown_with_its_town(
    some: Path, tmp_path: Path, tt: Tt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    out, _ = tt("logs", "--task", "t1")
    assert [f"town={TOWN}" in one for one in out.splitlines()] == [True, True, False]
    assert "town=another" in out
    _, err = tt("logs", "-t", str(tmp_path), code=2)
    assert "no town" in err


def test_towns_have_names_where_the_daemon_runs(daemon: FakeDaemon, town: Path, tt: Tt) -> None:
    file = daemon.home / "logs" / NAME
    file.unlink(missing_ok=True)
    write(file, line("town.opened", town=TOWN))
    assert "town=demo" in tt("logs", "--all")[0]
    assert "town=" not in tt("logs")[0]


def test_the_last_lines_are_shown_and_it_says_that_there_are_others(
    logs: Path, town: Path, tt: Tt
) -> None:
    write(logs / "tinytownd-20261121T100000.000Z.jsonl", *(line(f"a.n{n}") for n in range(150)))
    write(logs / "tinytownd-20261122T100000.000Z.jsonl", *(line(f"b.n{n}") for n in range(100)))
    write(logs / NAME, *(line(f"c.n{n}") for n in range(50)))
    out, err = tt("logs", "--json")
    told = [json.loads(one)["event"] for one in out.splitlines()]
    assert (told[0], told[-1], len(told)) == ("a.n100", "c.n49", 200)
    assert "Earlier lines are there: -n 2000" in err
    out, err = tt("logs", "--json", "-n", "300")
    assert (len(out.splitlines()), err) == (300, "")
    out, err = tt("logs", "--json", "--since", "1h")
    assert (len(out.splitlines()), err) == (300, "")
    assert tt("logs", "--json", "--since", "1h", "-n", "7")[0].count("\n") == 7


def test_only_what_happened_since_is_shown(logs: Path, town: Path, tt: Tt) -> None:
    old, new = line("a.old"), line("a.new")
    write(logs / NAME, {**old, "timestamp": at(minutes=11)}, {**new, "timestamp": at(minutes=9)})
    assert events(tt("logs", "--since", "10m")[0]) == ["a.new"]
    _, err = tt("logs", "--since", "soon", code=2)
    assert "30m, 12h, 2d" in err


def test_a_line_of_another_day_has_its_date(logs: Path, town: Path, tt: Tt) -> None:
    write(logs / NAME, {**line("a.old"), "timestamp": "2020-02-03T12:00:00.5Z"})
    assert re.match(r"2020-02-03 \d\d:00:00 info", tt("logs")[0])


def test_no_log_is_no_mistake(logs: Path, town: Path, tt: Tt) -> None:
    out, err = tt("logs")
    assert (out, err) == ("", f"No such lines in {logs / NAME}\n")


def test_what_is_written_while_another_file_is_begun_is_not_missed(tmp_path: Path) -> None:
    file, wanted = tmp_path / NAME, daemonlog.Wanted()
    write(file, line("a.one"))
    log = daemonlog.Log(file)
    assert [one["event"] for one in log.last(wanted, 10)[0]] == ["a.one"]
    write(file, line("a.two"))
    file.rename(tmp_path / "tinytownd-20261122T100000.000Z.jsonl")
    write(file, line("a.three"))
    assert [one["event"] for one in log.new(wanted)] == ["a.two", "a.three"]
    assert log.new(wanted) == []
    half = json.dumps(line("a.four")) + "\n"
    with file.open("a") as out:
        out.write(half[:20])
        out.flush()
        assert log.new(wanted) == []
        out.write(half[20:])
    assert [one["event"] for one in log.new(wanted)] == ["a.four"]
    log.close()


@pytest.mark.parametrize("words", ["logs dev --level error", "logs dev --all", "logs --raw"])
def test_what_does_not_go_together_is_refused(logs: Path, town: Path, tt: Tt, words: str) -> None:
    out, err = tt(*words.split(), code=2)
    assert (out, err.count("\n")) == ("", 1)
    assert "(tt logs " in err
