"""What agents' CLIs print as JSON lines: objects whose values may be anything."""

from __future__ import annotations

import json
from collections.abc import Mapping

Record = Mapping[str, object]


def parse(line: str) -> Record | None:
    """The JSON object on that line, or None."""
    if not line.startswith("{"):
        return None
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def table(value: object) -> Record:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[object]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []
