"""The documentation's pages as the tests read them: sections, tables, what stands in backticks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


def page(name: str) -> str:
    """The text of a page of docs/."""
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def sections(text: str, level: int) -> dict[str, str]:
    """The text under each heading of that level, up to the next of that level or above."""
    parts = re.split(rf"^(#{{1,{level}}}) (.+)\n", text, flags=re.MULTILINE)
    return {
        title: body
        for marks, title, body in zip(parts[1::3], parts[2::3], parts[3::3], strict=True)
        if len(marks) == level
    }


def rows(text: str) -> Iterator[list[str]]:
    """The cells of each table's rows, without heads and rules."""
    for table in re.findall(r"(?:^\|.*\|\n)+", text, flags=re.MULTILINE):
        for line in table.splitlines()[2:]:
            yield [cell.strip() for cell in line[1:-1].split("|")]


def names(text: str) -> list[str]:
    """What stands in backticks at the beginning of each row."""
    return [found[1] for row in rows(text) if (found := re.match(r"`([^`]*)`", row[0]))]
