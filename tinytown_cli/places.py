"""Where things are: the home, its daemon's endpoint, the town, an agent's credentials.

Files and the environment only; nothing here talks to anybody.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
import sys
from pathlib import Path
from typing import NamedTuple

from tinytown_cli.options import chosen
from tinytownd.domain.errors import BadInput, NotFound, Unavailable

PLAN = "tasks.toml"
#: The plan that is meant where none is named: the one of that file.
MAIN = "main"
SETTINGS = "tinytown.toml"


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


class Credentials(NamedTuple):
    """Who speaks, inside an agent's process: the agent's id, its town's id and directory."""

    address: Address
    town: str
    agent: str
    directory: Path


def home() -> Path:
    """`$TINYTOWN_HOME`, or `~/.tt`. Raises `BadInput`."""
    try:
        return Path(os.environ.get("TINYTOWN_HOME") or "~/.tt").expanduser().absolute()
    except RuntimeError:
        raise BadInput("no home directory is known", hint="set TINYTOWN_HOME") from None


def log_file() -> Path:
    """The daemon's structured log, JSON lines."""
    return home() / "logs" / "tinytownd.jsonl"


def endpoint_file() -> Path:
    """Where a daemon that is ready says so; one that is stopped takes the file away."""
    return home() / "endpoint.json"


def daemon_pid() -> int:
    """The process that holds the home's lock, 0 when none does.

    The lock's length is its holder's pid (see `tinytownd.home`); asking takes nothing.
    """
    try:
        fd = os.open(home() / "daemon.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        answer = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, _question())
    finally:
        os.close(fd)
    # struct flock of fcntl(2), 64-bit: l_type, l_whence, l_start, l_len, l_pid; macOS: fcntl.h.
    if sys.platform == "darwin":
        _, pid, _, kind, _ = struct.unpack("qqihh", answer)
    else:
        kind, _, _, pid, _ = struct.unpack("hhqqi4x", answer)
    return 0 if kind == fcntl.F_UNLCK else int(pid)


def _question() -> bytes:
    """Who has a lock, of whatever length, from the first byte on?"""
    if sys.platform == "darwin":
        return struct.pack("qqihh", 0, 0, 0, fcntl.F_WRLCK, os.SEEK_SET)
    return struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)


def ready_endpoint() -> Endpoint | None:
    """The endpoint of the daemon that runs; None when none does, or it is not ready yet."""
    try:
        told = json.loads(endpoint_file().read_bytes())
        endpoint = Endpoint(_address(told), int(told["pid"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return endpoint if endpoint.pid == daemon_pid() else None


def credentials() -> Credentials | None:
    """The agent inside whose process we are, if we are. Raises `Unavailable`."""
    path = os.environ.get("TINYTOWN_CREDENTIALS")
    if not path:
        return None
    try:
        told = json.loads(Path(path).read_bytes())
        return Credentials(_address(told), told["town"], told["agent"], Path(told["dir"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Unavailable(
            f"this agent's credentials cannot be read: {error}",
            hint="its round is over; outside a round, unset TINYTOWN_CREDENTIALS",
        ) from None


def _address(told: dict[str, str | None]) -> Address:
    return Address(
        *(told.get("socket") or "", told.get("url") or ""),
        *(told.get("user") or "", told.get("password") or ""),
    )


def town_directory(named: str | os.PathLike[str] = "") -> Path:
    """The town that is meant: named, after `-t`, in the environment, or the nearest one upward.

    Raises `NotFound` when there is none, `BadInput` for an agent that means another's town.
    """
    agent = credentials()
    if agent is None:
        return _named_town(named) or _nearest_town(Path.cwd())
    if named or chosen.town:
        meant = _named_town(named) or agent.directory
        if meant.resolve() != agent.directory.resolve():
            raise BadInput("an agent speaks in its own town only")
    return agent.directory


def _named_town(named: str | os.PathLike[str]) -> Path | None:
    for origin, directory in (
        ("", named),
        ("--town: ", chosen.town),
        ("TINYTOWN_TOWN_DIR: ", os.environ.get("TINYTOWN_TOWN_DIR")),
        ("TINYTOWN_TOWN: ", os.environ.get("TINYTOWN_TOWN")),
    ):
        if directory:
            path = Path(directory).expanduser().absolute()
            if not (path / SETTINGS).exists() and not (path / ".tt" / "town").exists():
                raise NotFound(f"{origin}there is no town in {path}", hint="tt init")
            return path
    return None


def _nearest_town(start: Path) -> Path:
    for directory in (start, *start.parents):
        if (directory / SETTINGS).exists():
            return directory
    raise NotFound("there is no town here or in a directory above", hint="tt init")


def town_id(directory: Path) -> str:
    """The town's id, or nothing where it has none yet (a fresh clone)."""
    try:
        return (directory / ".tt" / "town").read_text(encoding="utf-8").strip()
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return ""
