"""The tutorial page as something that can be run: its shell commands and its plan file."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "tutorial.md"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Step:
    """One thing to do: a command as its words, or (`file`) a text to write."""

    section: str
    words: tuple[str, ...] = ()
    text: str = ""

    @property
    def shown(self) -> str:
        """The command as a person would type it."""
        return " ".join(
            word if re.fullmatch(r"[\w./=-]+", word) else f'"{word}"' for word in self.words
        )


def steps(page: str = "") -> list[Step]:
    """Everything the page asks for, in order; `cd` and `mkdir` are left out."""
    text = page or PAGE.read_text(encoding="utf-8")
    headings = [(match.start(), match[1]) for match in _HEADING.finditer(text)]
    found: list[Step] = []
    for block in _BLOCK.finditer(text):
        section = next((name for at, name in reversed(headings) if at < block.start()), "")
        if block[1] == "toml":
            found.append(Step(section, text=block[2]))
        elif block[1] == "bash":
            lines = (line.strip() for line in block[2].splitlines())
            commands = [shlex.split(line) for line in lines if line.startswith("tt ")]
            found += [Step(section, words=tuple(words)) for words in commands]
    return found


def with_cli(step: Step, cli: str) -> Step:
    """The step with every agent on that CLI."""
    words = list(step.words)
    for at, word in enumerate(words):
        if word == "--cli":
            words[at + 1] = cli
    return Step(step.section, tuple(words), step.text)
