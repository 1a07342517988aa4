"""The manual pages: what is tracked is what `--help` says now, and man and mandoc can read it."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests import manpages
from tinytown_cli import app

PAGES = manpages.pages()


def test_the_pages_are_those_of_the_commands_as_they_are() -> None:
    tracked = {file.name: file.read_text(encoding="ascii") for file in manpages.FOLDER.iterdir()}
    assert tracked == PAGES, "the pages are old: make man"


def test_every_command_has_a_page_and_the_first_names_them_all() -> None:
    assert {f"{'-'.join(words)}.1" for words in manpages.commands()} < set(PAGES)
    for name, entry in app.COMMANDS.items():
        assert f"tt-{name}.1" in PAGES
        assert manpages._text(entry.about) in PAGES["tt.1"]
    assert "TINYTOWN_HOME" in PAGES["tt.1"]
    assert "timed out" in PAGES["tt.1"]


@pytest.mark.parametrize("text", ["-x", ".SH y", "'", "\\fBx", "a\\", "~/.tt", "…→"])
def test_no_text_is_taken_for_the_pages_language(text: str) -> None:
    page = f'.TH X 1 "" X\n.SH NAME\nx \\- y\n.PP\n{manpages._text(text)}\n'
    assert text in formatted(page)


@pytest.mark.parametrize(
    "name", ["tt.1", "tinytownd.1", "tt-task-show.1", "tt-plan.1", "tt-logs.1"]
)
def test_a_page_can_be_read(name: str) -> None:
    text = formatted(PAGES[name])
    assert "NAME" in text
    assert "SEE ALSO" in text


def formatted(page: str) -> str:
    """The page as a terminal shows it, without warnings."""
    groff = shutil.which("groff")
    if groff is None:
        pytest.skip("groff is not installed")
    argv = [groff, "-man", "-Tutf8", "-ww", "-P-cbou"]
    done = subprocess.run(argv, input=page, text=True, capture_output=True, check=True)
    assert not done.stderr
    return done.stdout
