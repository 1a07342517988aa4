"""When a plan is over, by what the conductor says: for `tt conductor` and for the Python API."""

from __future__ import annotations

from typing import Any

#: A plan in one of these states does not go on by itself.
OVER = ("none", "completed", "failed", "stalled")


def is_over(status: dict[str, Any]) -> bool:
    """Whether a reply to `conductor.status` says that there is nothing more to follow."""
    conductor = status["conductor"]
    return not conductor["on"] or conductor["plan"]["state"] in OVER


def is_decisive(event: str) -> bool:
    """Whether the plan may be over by such an event."""
    return event.startswith(("plan.", "conductor.", "town."))
