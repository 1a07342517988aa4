"""docs/logs.md and the daemon's sources have the same events, levels and keys."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.docs.pages import names, page, rows, sections
from tinytownd import logs

SOURCES = sorted((Path(__file__).parents[2] / "tinytownd").rglob("*.py"))
PAGE = page("logs.md")
METHODS = {"exception": "error"} | {one: one for one in ("debug", "info", "warning", "error")}
#: What Python's own loggers say comes under this name; see `logs.Libraries`.
LIBRARIES = "python.said"


class Call(NamedTuple):
    """A line of the sources that writes one into the log."""

    where: str
    event: str
    level: str
    keys: set[str]
    more: bool


def calls() -> Iterator[Call]:
    for file in SOURCES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="log"), attr=method),
                    args=[ast.Constant(value=str(event))],
                    keywords=keywords,
                ):
                    keys = {one.arg for one in keywords if one.arg}
                    where = f"{file.name}:{node.lineno}"
                    yield Call(where, event, METHODS[method], keys, len(keys) < len(keywords))
                case ast.Call(func=ast.Attribute(value=ast.Name(id="log"))):
                    raise AssertionError(f"{file.name}:{node.lineno}: an event is one plain text")


CALLS = list(calls())
TOLD = {
    row[0].strip("`"): (set(row[1].split(", ")), set(re.findall(r"`(\w+)`", row[3])))
    for row in rows(sections(PAGE, 2)["Events"])
}


def test_every_event_is_told_and_no_other() -> None:
    assert len(CALLS) > 40
    assert set(TOLD) == {call.event for call in CALLS} | {LIBRARIES}


@pytest.mark.parametrize("event", sorted(TOLD))
def test_an_event_is_a_noun_and_what_became_of_it(event: str) -> None:
    assert re.fullmatch(r"[a-z]+\.[a-z]+(_[a-z]+)*", event)


@pytest.mark.parametrize("event", sorted(set(TOLD) - {LIBRARIES}))
def test_an_event_is_told_with_its_levels_and_keys(event: str) -> None:
    levels, told = TOLD[event]
    mine = [call for call in CALLS if call.event == event]
    assert {call.level for call in mine} == levels
    keys = set().union(*(call.keys for call in mine)) - set(logs.FIRST)
    assert keys <= told
    # What is handed on in a mapping is not seen here.
    assert told - {"exception"} == keys or any(call.more for call in mine)


def test_the_keys_that_lines_begin_with_are_told() -> None:
    assert tuple(names(PAGE)[: len(logs.FIRST)]) == logs.FIRST
