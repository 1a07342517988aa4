"""Fences around what others wrote, which that cannot close."""

from __future__ import annotations

import re


def fenced(text: str) -> str:
    """The text between fences that are longer than any run of tildes in it."""
    longest = max((len(run) for run in re.findall("~+", text)), default=0)
    fence = "~" * max(3, longest + 1)
    return f"{fence}\n{text.strip()}\n{fence}"
