"""What the Rust tinytown (up to 0.10) keeps of a town, and how its fields are read: pure.

Everything in it is taken as hostile: a field that is not what it should be raises `BadInput`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

from tinytownd.domain.errors import BadInput
from tinytownd.domain.hostile import LATEST
from tinytownd.domain.names import check_tag, shown

#: The well-known id of its conductor.
SUPERVISOR = "00000000-0000-0000-0000-000000000001"
AGENT_STATES = (
    *("cold", "starting", "idle", "working", "paused"),
    *("draining", "stopped", "error"),
)
#: Its states of a task, and what brings a new task there.
TASK_STATES: Mapping[str, str | None] = {
    **dict.fromkeys(("pending", "assigned", "running")),
    "completed": "complete",
    "failed": "fail",
    "cancelled": "cancel",
}
#: Its sorts of messages that say something: ours, and the field with the text.
MESSAGES: Mapping[str, tuple[str, str]] = {
    "task": ("request", "description"),
    "query": ("query", "question"),
    "informational": ("info", "summary"),
    "task_done": ("info", "result"),
    "task_failed": ("info", "error"),
    "custom": ("request", "payload"),
}
#: Those that only kept the old town running.
MACHINERY = ("status_request", "status_response", "ping", "pong", "shutdown")
NO_PERSON = "the conductor is part of the daemon here"

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Mail:
    """A message as it lies in an agent's mailbox; `to` is the agent's id there."""

    to: str
    row: object
    urgent: bool = False


@dataclass
class Found:
    """What was found of a town: rows by the id that their key names, nothing of it checked.

    A row is what JSON or a hash held; `unreadable` are keys that hold neither, and why.
    """

    name: str
    agents: dict[str, object] = field(default_factory=dict)
    tasks: dict[str, object] = field(default_factory=dict)
    mail: list[Mail] = field(default_factory=list)
    backlog: list[str] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)


def as_row(row: object, what: str) -> Row:
    """The fields of a row; raises `BadInput` for what is no object."""
    if not isinstance(row, Mapping):
        raise BadInput(f"{shown(what)} is no object")
    return row


def text(row: Row, key: str) -> str:
    """A text of the row; raises `BadInput` where there is none."""
    value = row.get(key)
    if not isinstance(value, str):
        raise BadInput(f"its {key} is no text")
    return value


def one_of(row: Row, key: str, words: tuple[str, ...]) -> str:
    """A word of the row that is known; raises `BadInput`."""
    word = text(row, key)
    if word not in words:
        raise BadInput(f"its {key} {shown(word)} is not known")
    return word


def moment(row: object, key: str) -> int:
    """A time of the row, RFC 3339, in milliseconds since the epoch; 0 where it tells none."""
    value = row.get(key) if isinstance(row, Mapping) else None
    try:
        found = datetime.fromisoformat(str(value))
        aware = found if found.tzinfo else found.replace(tzinfo=UTC)
        ms = int(aware.timestamp() * 1000)
    except (ValueError, OverflowError):
        return 0
    return ms if 0 <= ms <= LATEST else 0


def tags_of(row: Row) -> Iterator[str]:
    """The tags that can be tags here; in a hash they are a list in JSON."""
    tags = row.get("tags")
    try:
        tags = json.loads(tags) if isinstance(tags, str) else tags
    except (ValueError, RecursionError):
        return
    for tag in tags if isinstance(tags, list) else []:
        try:
            yield check_tag(tag) if isinstance(tag, str) else check_tag("")
        except BadInput:
            continue


def cli_name(command: str) -> str:
    """The name of a CLI: it may stand there as the command that ran it."""
    words = command.split()
    if len(words) <= 1:
        return command.strip()
    if words[:2] == ["gh", "copilot"]:
        return "copilot"
    return "codex-mini" if "gpt-5.4-mini" in words else PurePath(words[0]).name
