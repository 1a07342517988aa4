"""When a plan is over, by what the conductor says: for `tt conductor` and for the Python API."""

from __future__ import annotations

from typing import Any

from tinytownd.domain.message import CONDUCTOR

#: A plan in one of these states does not go on by itself.
OVER = ("none", "completed", "failed", "stalled", "cancelled")
#: But the conductor's own agent may bring it on, once it was asked.
MENDABLE = ("failed", "stalled")


def is_over(status: dict[str, Any]) -> bool:
    """Whether a reply to `conductor.status` says that there is nothing more to follow."""
    conductor = status["conductor"]
    state = conductor["plan"]["state"]
    if state in MENDABLE and conductor["asked"]:
        return False
    return not conductor["on"] or state in OVER


def is_made(status: dict[str, Any], thread: dict[str, Any], goal: str) -> bool:
    """Whether the conductor's agent has made the plan of a goal, or will not.

    By replies to `conductor.status` and `message.thread`, and the id of the message with the goal.
    A plan that was rejected with a reason is made anew.
    """
    conductor = status["conductor"]
    waits = any(m["id"] == goal and m["state"] != "acknowledged" for m in thread["messages"])
    waits = waits or conductor["plan"]["state"] == "cancelled"
    return not (waits and conductor["asked"])


def is_decisive(event: str, agent: str | None = None) -> bool:
    """Whether the plan may be over by such an event, which may be about an agent."""
    if agent == CONDUCTOR and event.startswith(("round.", "agent.")):
        return True
    return event.startswith(("plan.", "conductor.", "town."))
