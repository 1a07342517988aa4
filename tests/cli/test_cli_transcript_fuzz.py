"""No transcript breaks what is shown of it, and nothing that was printed is lost."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.runtimes.test_reader_fuzz import (
    ALL,
    DAMAGE,
    WRONG,
    bounded,
    in_pieces,
    leaves,
    lines_of,
    records_of,
    replaced,
)
from tinytown_cli import readable, roundpage
from tinytown_cli.readable import Entry, Reader
from tinytown_cli.readable.values import SHORT, Kind
from tinytownd.runtimes.readers import READERS

FORMS = {form: output for form, output in ALL if form not in ("text", "aider")}


def told(*pieces: str, plain: bool = False) -> list[Entry]:
    reader = Reader(plain=plain)
    return [*(entry for piece in pieces for entry in reader.feed(piece)), *reader.finish()]


def check(output: bytes, pieces: list[bytes]) -> None:
    """Entries have their types, can be printed, and no cut changes them."""
    text = output.decode("utf-8", "replace")
    entries = told(text)
    size = max(len(text) // max(len(pieces), 1), 1)
    assert entries == told(*(text[at : at + size] for at in range(0, len(text), size)))
    for entry in entries:
        assert entry.kind in get_args(Kind)
        assert isinstance(entry.text, str)
        assert isinstance(entry.tool, str)
        assert json.loads(json.dumps(entry._asdict()).encode())["text"] == entry.text
        for line in roundpage.lines(entry):
            assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", line)
            line.encode()


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda one: str(one.__name__))
@bounded
@given(number=st.integers(0, len(ALL) - 1), seed=st.integers(0, 2**32))
def test_damaged_transcripts(damage: Any, number: int, seed: int) -> None:
    dice = random.Random(seed)
    output = damage(ALL[number][1], dice)
    check(output, in_pieces(output, dice))


@pytest.mark.parametrize("number", range(len(ALL)))
def test_the_wrong_type_everywhere(number: int) -> None:
    _, output = ALL[number]
    dice = random.Random(number)
    for at, record in enumerate(records := records_of(output)):
        for path in leaves(record):
            changed = [*records]
            changed[at] = replaced(record, path, dice.choice(WRONG))
            check(whole := lines_of(*changed), [whole[:99], whole[99:]])


def hostile() -> Iterator[str]:
    yield '{"type":' * 100_000
    yield "[" * 100_000
    yield '{"n": ' + "9" * 10_000 + "}"
    yield "{\n" * 9_000
    yield "{\n" + '"x"\n' * 20_000 + "}\n"
    yield "\x1b]0;title\x07\x9b2J\u202ertl\n" * 10
    yield '{"type": "item.started", "session_id": 1, "item": {"type": ["x"]}}\n'
    yield '{"type": ["system"], "session_id": {}}\n{"type": {"a": 1}}\n'


@pytest.mark.parametrize("text", [*hostile()], ids=range(8))
def test_what_was_made_to_break_it_is_shown_as_it_is(text: str) -> None:
    check(text.encode(), [b""] * 3)
    shown = "".join(entry.text for entry in told(text))
    assert len(shown) >= len(text.replace("\n", "").strip())


def test_a_line_without_an_end_is_told_in_parts() -> None:
    part = "x" * (readable.LINE_LIMIT // 4)
    reader = Reader()
    parts = [len(entry.text) for _ in range(9) for entry in reader.feed(part)]
    assert parts == [readable.LINE_LIMIT // 4 * 5]
    assert sum(len(entry.text) for entry in reader.finish()) == readable.LINE_LIMIT


@pytest.mark.parametrize("form", FORMS)
def test_every_format_is_known_by_its_lines(form: str) -> None:
    """None of what a CLI prints by itself comes out as it is."""
    entries = told(FORMS[form].decode())
    assert entries
    assert not [entry for entry in entries if entry.kind in ("unknown", "text")]


@pytest.mark.parametrize("file", sorted((Path(__file__).parents[1] / "runtimes").rglob("*.jsonl")))
def test_recorded_transcripts_are_told_without_json(file: Path) -> None:
    for entry in told(file.read_text()):
        assert entry.kind in ("said", "tool", "error", "note")
        assert not entry.text.startswith("{")
        assert len(entry.text) <= SHORT or entry.kind in ("said", "error")


def test_all_formats_of_the_catalogue_are_tried() -> None:
    assert set(FORMS) | {"text", "aider"} == set(READERS)


def gists(*records: object) -> list[tuple[str, str]]:
    return [
        (one.kind, f"{one.tool} {one.text}".strip()) for one in told(lines_of(*records).decode())
    ]


def test_what_comes_in_pieces_is_told_as_one() -> None:
    piece = {"type": "message", "role": "assistant", "delta": True}
    assert gists(
        {"type": "init", "session_id": "g"},
        {**piece, "content": "Let "},
        {**piece, "content": "me"},
        {"type": "tool_use", "tool_name": "shell", "parameters": {"command": "make\nit"}},
        {"type": "tool_result", "status": "error", "output": "\nExit code 2\nno rule\nmore"},
        {**piece, "content": "done"},
    ) == [
        ("said", "Let me"),
        ("tool", "shell make"),
        ("failed", "Exit code 2: no rule"),
        ("said", "done"),
    ]


def test_tools_of_codex_and_how_they_end() -> None:
    command = {"type": "command_execution", "command": "/bin/bash -lc 'pytest -q'"}
    failed = {**command, "exit_code": 1, "status": "failed", "aggregated_output": "2 failed\n"}
    plan = {"type": "todo_list", "items": [{"text": "look", "completed": True}, {"text": "mend"}]}
    change = {"type": "file_change", "changes": [{"path": "a.py", "kind": "add"}], "status": "ok"}
    assert gists(
        {"type": "thread.started", "thread_id": "c"},
        {"type": "item.started", "item": command},
        {"type": "item.completed", "item": failed},
        {"type": "item.completed", "item": plan},
        {"type": "item.completed", "item": change},
        {"type": "item.completed", "item": {"type": "reasoning", "text": "Hm"}},
    ) == [
        ("tool", "shell pytest -q"),
        ("failed", "exit code 1: 2 failed"),
        ("note", "plan: [x] look  [ ] mend"),
        ("tool", "edit add a.py"),
        ("thought", "Hm"),
    ]


def test_tools_of_claude_and_its_sub_agents() -> None:
    def of(kind: str, *blocks: object, **more: object) -> dict[str, object]:
        return {"type": kind, "session_id": "s", "message": {"content": blocks}, **more}

    text = [{"type": "text", "text": "Exit code 1\nno such file"}]
    assert gists(
        of("assistant", {"type": "thinking", "thinking": "Hm"}, {"type": "text", "text": "So"}),
        of("assistant", {"type": "tool_use", "name": "Read", "input": {"file_path": "a", "n": 1}}),
        of("user", {"type": "tool_result", "content": text, "is_error": True}),
        of("assistant", {"type": "text", "text": "I looked"}, parent_tool_use_id="t"),
        {"type": "system", "subtype": "api_retry", "session_id": "s", "error": "overloaded"},
        {"type": "result", "subtype": "success", "session_id": "s", "result": "All done"},
    ) == [
        ("thought", "Hm"),
        ("said", "So"),
        ("tool", "Read a"),
        ("failed", "Exit code 1: no such file"),
        ("said", "(sub-agent) I looked"),
        ("note", "the request is tried again: overloaded"),
        ("result", "All done"),
    ]
