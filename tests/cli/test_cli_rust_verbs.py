"""Words of the Rust tinytown that mean nothing here: one line says what to type instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.scripted import Tt
from tinytown_cli import app, elsewhere

LINES = {
    "tasks": "tt task list shows them, tt status counts them",
    "bootstrap": "the server comes with the installation, tt doctor shows it",
    "mission": 'tt conductor goal "TEXT" has the conductor plan it, and the town carry it out',
    "auth": "nothing of it listens on the network, so that there are no keys",
    "agent-loop": "the daemon supervises the agents, tt spawn adds one",
    "help": "tt --help lists the commands, tt COMMAND --help explains one",
}


@pytest.mark.parametrize("word", LINES)
def test_a_command_that_is_not_here_says_what_is(word: str, empty_home: Path, tt: Tt) -> None:
    line = f"tt: tinytown has no '{word}': {LINES[word]}\n"
    assert tt(word, code=2) == ("", line)
    assert tt(word, "start", "--issue", "3", code=2) == ("", line)
    assert not empty_home.exists()


def test_all_of_them_are_told_and_none_is_a_command(tt: Tt) -> None:
    assert set(elsewhere.GONE) == set(LINES)
    assert not set(elsewhere.GONE) & set(app.COMMANDS)
    listed = tt("--help")[0]
    assert not [word for word in LINES if f"  {word} " in listed]


@pytest.mark.parametrize("verb", ["kill", "wait"])
def test_what_is_done_differently_has_a_note_on_its_page(verb: str) -> None:
    page = Path(__file__).parents[2] / "docs" / "commands" / f"{verb}.md"
    assert "In the Rust tinytown" in page.read_text()
