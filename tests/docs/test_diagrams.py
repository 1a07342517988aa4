"""docs/states.md draws and explains the transition tables as they are."""

from __future__ import annotations

import re

import pytest

from tests.docs.diagrams import BLOCK, MACHINES, PAGE, diagram, drawn_anew, from_everywhere

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_page_has_one_diagram_for_each_machine() -> None:
    assert [found[2] for found in BLOCK.finditer(TEXT)] == list(MACHINES)
    assert TEXT.count("```mermaid") == len(MACHINES)


def test_the_diagrams_are_those_of_the_tables() -> None:
    assert drawn_anew(TEXT) == TEXT, "run: python -m tests.docs.diagrams"


def test_a_diagram_that_differs_is_drawn_anew() -> None:
    old = TEXT.replace("    assigned --> running: start\n", "")
    assert old != TEXT
    assert drawn_anew(old) == TEXT


@pytest.mark.parametrize("machine", MACHINES)
def test_every_event_is_explained_and_no_other(machine: str) -> None:
    table, _ = MACHINES[machine]
    section = TEXT.split(f"\n## {machine}\n")[1].split("\n## ")[0]
    explained = re.findall(r"^\| `([^`]+)` \|", section, flags=re.MULTILINE)
    assert sorted(explained) == sorted({event for row in table.values() for event in row})


@pytest.mark.parametrize("machine", MACHINES)
def test_a_diagram_can_be_read_back_into_its_table(machine: str) -> None:
    table, first = MACHINES[machine]
    drawn = diagram(table, first)
    assert f"\n    [*] --> {first}\n" in drawn
    steps = set()
    for state, after, events in re.findall(r"^    (\w+) --> (\w+): (.+)$", drawn, re.MULTILINE):
        sources = set(table) - {after} if state == "other" else {state}
        steps |= {(source, event, after) for source in sources for event in events.split(", ")}
    assert steps == {(s, event, after) for s, row in table.items() for event, after in row.items()}


def test_only_what_every_other_state_can_do_is_drawn_once() -> None:
    table = {"a": {"end": "c", "go": "b"}, "b": {"end": "c"}, "c": {"go": "b"}}
    assert from_everywhere(table) == {"end": "c", "go": "b"}
    assert from_everywhere({**table, "d": {"go": "b"}}) == {"go": "b"}
    assert diagram(table, "a").splitlines()[1:] == [
        "    [*] --> a",
        '    state "any other state" as other',
        "    other --> c: end",
        "    other --> b: go",
    ]
