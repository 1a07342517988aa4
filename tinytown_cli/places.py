"""Where things are: the home, its daemon's endpoint, the town, an agent's credentials.

Files and the environment only; nothing here talks to anybody.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

from tinytown_cli import whereabouts
from tinytown_cli.whereabouts import SETTINGS, daemon_pid

__all__ = ["SETTINGS", "daemon_pid"]

PLAN = "tasks.toml"
#: The plan that is meant where none is named: the one of that file.
MAIN = "main"


class Address(NamedTuple):
    """A Redis server and who we are there; one of `socket` (a path) and `url` is set."""

    socket: str
    url: str
    user: str
    password: str


class Endpoint(NamedTuple):
    """What a daemon that is ready says of itself."""

    address: Address
    pid: int
    version: str = ""  # empty: one from before the daemon said it


class Credentials(NamedTuple):
    """Who speaks, inside an agent's process: the agent's id, its town's id and directory."""

    address: Address
    town: str
    agent: str
    directory: Path


def home() -> Path:
    """`$TINYTOWN_HOME`, or `~/.tt`. Raises `BadInput`."""
    return Path(whereabouts.home())


def log_file() -> Path:
    """The daemon's structured log, JSON lines."""
    return home() / "logs" / "tinytownd.jsonl"


def endpoint_file() -> Path:
    """Where a daemon that is ready says so; one that is stopped takes the file away."""
    return home() / "endpoint.json"


def ready_endpoint() -> Endpoint | None:
    """The endpoint of the daemon that runs; None when none does, or it is not ready yet."""
    told = whereabouts.ready_endpoint()
    if told is None:
        return None
    return Endpoint(_address(told), int(told["pid"]), str(told.get("version") or ""))


def credentials() -> Credentials | None:
    """The agent inside whose process we are, if we are. Raises `Unavailable`."""
    told = whereabouts.credentials()
    if told is None:
        return None
    return Credentials(_address(told), told["town"], told["agent"], Path(told["dir"]))


def _address(told: dict[str, Any]) -> Address:
    return Address(
        *(told.get("socket") or "", told.get("url") or ""),
        *(told.get("user") or "", told.get("password") or ""),
    )


def town_directory(named: str | os.PathLike[str] = "") -> Path:
    """The town that is meant: named, after `-t`, in the environment, or the nearest one upward.

    Raises `NotFound` when there is none, `BadInput` for an agent that means another's town.
    """
    return Path(whereabouts.town_directory(os.fspath(named)))


def town_id(directory: Path) -> str:
    """The town's id, or nothing where it has none yet (a fresh clone)."""
    return whereabouts.town_id(str(directory))
