"""Texts of all scripts in tables; long lists in a pager; what takes long; the versions."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cli import shapes
from tests.cli.scripted import FakeDaemon, Tt, wait_until
from tests.cli.test_cli_transport import agent_credentials
from tests.terminal import OnTerminal
from tinytown_cli import output, pager, spinner
from tinytown_cli.screen import Screen
from tinytownd import __version__

#: What is drawn as one, and its columns, by UAX #11 and UTS #51.
DRAWN = {
    **dict.fromkeys("aé-…─✓ש٣ß", 1),
    **dict.fromkeys(("e\u0301", "\u05e9\u05b8", "\u0915\u094d", "\u00ad", "❤", "a\u200b"), 1),
    **dict.fromkeys("日한ア🙂", 2),
    **dict.fromkeys(
        ("👨\u200d👩\u200d👧", "🏳\ufe0f\u200d🌈", "👍🏽", "🇩🇪", "❤\ufe0f", "1\ufe0f\u20e3"), 2
    ),
    **dict.fromkeys(("\u1100\u1161\u11a8", "\U0001f3f4\U000e0067\U000e0062\U000e007f"), 2),
}
CELLS = st.lists(st.sampled_from(sorted(DRAWN)), min_size=1, max_size=12)
HEBREW = "\u05e9\u05dc\u05d5\u05dd"
BIDI = [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]


@pytest.mark.parametrize("text", DRAWN, ids=ascii)
def test_how_wide_what_is_drawn_as_one_is(text: str) -> None:
    assert output.columns(text) == DRAWN[text]
    assert output.fit(text * 3, DRAWN[text] + 1) == f"{text}…"
    assert output.fit(text * 3, DRAWN[text] * 3) == text * 3


@given(st.text(), st.text())
def test_cells_beside_each_other_stay_as_wide_as_they_are(left: str, right: str) -> None:
    apart = output.columns(left) + 1 + output.columns(right)
    assert output.columns(f"{left} {right}") == apart


@given(st.text() | CELLS.map("".join), st.integers(0, 30))
def test_a_text_is_cut_to_its_room_and_only_where_it_must(text: str, room: int) -> None:
    cut = output.fit(text, room)
    assert output.columns(cut) <= max(room, 0)
    assert cut == text or text.startswith(cut.removesuffix("…"))
    assert (cut == text) == (output.columns(text) <= room)


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5), st.sampled_from([0, 20, 40]))
def test_in_a_table_columns_begin_where_they_should(
    rows: list[tuple[list[str], list[str]]], terminal: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_COLOR", "1")
        patch.setattr(output, "on_terminal", lambda: terminal > 0)
        patch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((terminal, 24)))
        lines = output.table(("1", "2", "3"), [("".join(a), "".join(b), "#") for a, b in rows])
        _, *shown = lines
    starts = {_width(line.rpartition("#")[0]) for line in shown}
    assert len(starts) == 1


def _width(line: str) -> int:
    """By the table above, and by nothing of the program's."""
    known = sorted(DRAWN, key=len, reverse=True)
    width, place = 0, 0
    while place < len(line):
        one = next((one for one in known if line.startswith(one, place)), line[place])
        width += DRAWN.get(one, 0 if one in "\u2068\u2069" else 1)
        place += len(one)
    return width


def test_a_narrow_terminal_takes_from_the_last_and_then_from_the_widest() -> None:
    assert output.narrowed([10, 5, 50], 100) == [10, 5, 50]
    assert output.narrowed([10, 5, 50], 40) == [10, 5, 21]
    assert output.narrowed([10, 30, 50], 40) == [10, 14, 12]
    assert output.narrowed([30, 30, 30, 30], 20) == [30, 8, 8, 8]
    assert output.narrowed([50], 20) == [20]


def test_right_to_left_writing_is_kept_to_its_cell_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [(HEBREW, "x"), ("plain", "日本")]
    assert "\u2068" not in "".join(output.table(("a", "b"), rows))
    monkeypatch.setattr(output, "on_terminal", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert list(output.table(("a", "b"), rows))[1:] == [f"\u2068{HEBREW}\u2069   x", "plain  日本"]
    long = list(output.table(("a", "b"), [("x", "ש" * 500)]))[1]
    assert long.count("\u2068") == long.count("\u2069") == 1
    assert long.endswith("…\u2069")


@pytest.mark.parametrize("code", BIDI, ids=hex)
def test_nobody_can_turn_the_writing_direction(code: int) -> None:
    assert output.clean(f"if admin{chr(code)}:") == "if admin\ufffd:"
    assert output.first_line(f"a{chr(code)}b") == "a\ufffdb"


def test_times_are_told_as_people_say_them(monkeypatch: pytest.MonkeyPatch) -> None:
    at = output.moment("2026-11-22T10:00:00.000Z")
    assert at is not None
    monkeypatch.setattr("time.time", lambda: at.timestamp() + 250)
    assert output.ago("2026-11-22T10:00:00.000Z") == "4 min ago"
    assert output.ago(None) == output.ago("soon") == ""


# At a terminal


def at_terminal(town: Path, *words: str, **more: str) -> OnTerminal:
    argv: Sequence[str | Path] = [Path(sys.executable).parent / "tt", *words]
    return OnTerminal(argv, town, {**os.environ, **more}, (24, 80))


def many(count: int) -> dict[str, object]:
    agents = [shapes.agent(f"agent-{n}", role="日本") for n in range(count)]
    return shapes.listed("agents", agents)


@pytest.mark.parametrize(
    ("count", "variables", "paged"),
    [
        (100, {"TT_PAGER": "sed s/^/:/"}, 101),
        (100, {"PAGER": "sed s/^/:/"}, 101),
        (100, {"PAGER": "sed s/^/:/", "TT_PAGER": ""}, 0),
        (100, {"TT_PAGER": "cat"}, 0),
        (100, {"TT_PAGER": "no-such-pager"}, 0),
        (20, {"TT_PAGER": "sed s/^/:/"}, 0),
    ],
)
def test_what_is_higher_than_the_terminal_is_paged(
    count: int, variables: dict[str, str], paged: int, daemon: FakeDaemon, town: Path
) -> None:
    daemon.replies["agent.list"] = many(count)
    with at_terminal(town, "list", **variables) as seen:
        assert seen.end() == 0
    lines = seen.seen.splitlines()
    assert len(lines) == count + 1
    assert sum(line.startswith(":") for line in lines) == paged


def test_a_pager_that_is_left_early_is_no_error(daemon: FakeDaemon, town: Path) -> None:
    daemon.replies["agent.list"] = many(5_000)
    with at_terminal(town, "list", TT_PAGER="sed 5q") as seen:
        assert seen.end() == 0
    assert len(seen.seen.splitlines()) == 5


def test_an_agent_is_never_left_with_a_pager(
    daemon: FakeDaemon, town: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINYTOWN_CREDENTIALS", str(agent_credentials(daemon, town)))
    daemon.replies["agent.list"] = many(100)
    with at_terminal(town, "list", TT_PAGER="sed s/^/:/") as seen:
        assert seen.end() == 0
    assert len(seen.seen.splitlines()) == 101
    assert ":" not in seen.seen


def test_a_text_of_many_lines_counts_as_many(daemon: FakeDaemon, town: Path) -> None:
    for lines, paged in ((10, 0), (60, 60)):
        text = "\n".join(["word"] * lines)
        daemon.replies["task.show"] = {"task": shapes.task(description=text), "rounds": []}
        with at_terminal(town, "task", "show", "7", TT_PAGER="sed s/word/paged/") as seen:
            assert seen.end() == 0
        assert seen.seen.count("paged") == paged
        assert seen.seen.count("word") == lines - paged


def test_colours_take_no_room() -> None:
    painted = "\x1b[1m" + "x" * 80 + "\x1b[0m \x1b[32mok\x1b[0m"
    assert pager.rows(painted[: -len(" \x1b[32mok\x1b[0m")], 80) == 1
    assert pager.rows(painted, 80) == 2
    assert pager.rows("", 80) == 1


def test_json_and_what_is_no_terminal_are_not_paged(
    daemon: FakeDaemon, town: Path, tt: Tt, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon.replies["agent.list"] = many(100)
    monkeypatch.setenv("TT_PAGER", "sed s/^/:/")
    assert ":" not in tt("list")[0]
    with at_terminal(town, "list", "--json") as seen:
        assert seen.end() == 0
    assert len(json.loads(seen.seen)) == 100


def test_less_is_told_to_leave_what_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TT_PAGER", "PAGER"):
        monkeypatch.delenv(name, raising=False)
    assert pager.command() == (["less"] if shutil.which("less") else [])
    monkeypatch.setenv("PAGER", "less -S 'a b'")
    assert pager.command() == (["less", "-S", "a b"] if shutil.which("less") else [])
    monkeypatch.setenv("PAGER", "less 'a")
    assert pager.command() == []


def test_what_takes_long_says_so_and_goes_away(daemon: FakeDaemon, town: Path) -> None:
    daemon.mute.add("town.save")
    with at_terminal(town, "save", "x.save") as seen:
        seen.until("Saving the town… 1 s")
        seen.until("Saving the town… 2 s")
        seen.type(b"\x03")
        assert seen.end() == 130
    assert seen.seen.endswith("\r\x1b[2K")


def test_no_picture_is_drawn_within_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "live", False)
    monkeypatch.setattr(output, "wipe", "")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(spinner, "PATIENCE", 0.001)
    monkeypatch.setattr(spinner, "_PICTURE_SECONDS", 0.001)
    timers = list[tuple[float, float]]()
    # A terminal that was stopped by Ctrl-S keeps whoever writes to it for minutes.
    monkeypatch.setattr(
        spinner, "_write", lambda _: timers.append(signal.getitimer(signal.ITIMER_REAL))
    )
    with spinner.spinning("Waiting"):
        wait_until(lambda: len(timers) > 2)
    assert set(timers) == {(0.0, 0.0)}


class Slow(io.RawIOBase):
    """A terminal that is still taking a line when the next picture is due."""

    taken = b""

    def writable(self) -> bool:
        return True

    def write(self, line: Any) -> int:
        line = bytes(line)
        spinner._write("picture")
        self.taken += line
        return len(line)


def test_a_picture_that_is_due_within_another_line_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Slow()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BufferedWriter(terminal)))
    output.note("a line")
    assert terminal.taken.startswith(b"a line\n")


def test_no_passing_line_where_nobody_watches_nor_between_those_drawn_in_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(output, "live", False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert spinner._is_watched()
    monkeypatch.setenv("TINYTOWN_CREDENTIALS", "x")
    assert not spinner._is_watched()
    monkeypatch.delenv("TINYTOWN_CREDENTIALS")
    with monkeypatch.context() as inner:
        inner.setenv("TERM", "dumb")
        assert not spinner._is_watched()
    with monkeypatch.context() as inner:
        inner.setattr(sys.stderr, "isatty", lambda: False)
        assert not spinner._is_watched()
    Screen()
    assert not spinner._is_watched()


def test_where_it_is_known_how_much_there_is_there_is_a_bar() -> None:
    assert spinner.picture("Reading tasks", 3, 500, 2_000) == (
        "█████░░░░░░░░░░░░░░░ Reading tasks: 500 of 2,000"
    )
    assert spinner.picture("Saving", 61.0)[1:] == " Saving… 1 min"


# Versions


def test_the_version_is_told_with_the_daemons(daemon: FakeDaemon, tt: Tt) -> None:
    pid = os.getpid()
    daemon.write_endpoint(version=__version__)
    try:
        assert tt("--version") == (f"tt {__version__}, tinytownd {__version__} (pid {pid})\n", "")
        told = {"version": __version__, "daemon": {"version": __version__, "pid": pid}}
        for words in (("--version", "--json"), ("--json", "--version")):
            assert json.loads(tt(*words)[0]) == told
        daemon.write_endpoint(version="0.0.1")
        out, err = tt("--version")
        assert out == f"tt {__version__}, tinytownd 0.0.1 (pid {pid})\n"
        assert "tt daemon restart" in err
    finally:
        daemon.write_endpoint()
    assert not daemon.sent


def test_without_a_daemon_none_is_started_for_it(empty_home: Path, tt: Tt) -> None:
    assert tt("--version") == (f"tt {__version__}, no daemon runs\n", "")
    assert json.loads(tt("--version", "--json")[0])["daemon"] is None
    assert not empty_home.exists()
