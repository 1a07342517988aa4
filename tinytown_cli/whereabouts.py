"""Where things are, as plain texts: what `places` says as paths and records.

Apart from it because the front door asks, too: `pathlib` alone would double its start-up time.
"""

from __future__ import annotations

import os
import sys

from tinytown_cli.jsontext import parsed
from tinytown_cli.options import chosen
from tinytownd.domain.errors import BadInput, NotFound, Unavailable

TYPE_CHECKING = False  # see `jsontext`
if TYPE_CHECKING:
    from typing import Any

SETTINGS = "tinytown.toml"


def absolute(path: str) -> str:
    """The path from the root on, as `pathlib` spells it. Raises `BadInput` for an unknown `~`."""
    expanded = os.path.expanduser(path)
    if expanded.startswith("~"):
        raise BadInput(f"no home directory is known for {path}", hint="write the path in full")
    whole = os.path.join(_here(), expanded) if expanded[:1] != "/" else expanded
    return "/" + "/".join(part for part in whole.split("/") if part not in ("", "."))


def _here() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:
        raise BadInput("the directory that you are in is gone", hint="cd to another") from None


def home() -> str:
    """`$TINYTOWN_HOME`, or `~/.tt`. Raises `BadInput`."""
    try:
        return absolute(os.environ.get("TINYTOWN_HOME") or "~/.tt")
    except BadInput:
        raise BadInput("no home directory is known", hint="set TINYTOWN_HOME") from None


def daemon_pid() -> int:
    """The process that holds the home's lock, 0 when none does.

    The lock's length is its holder's pid (see `tinytownd.home`); asking takes nothing.
    """
    try:
        fd = os.open(f"{home()}/daemon.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        return _lock_length(fd)
    finally:
        os.close(fd)


def _lock_length(fd: int) -> int:
    """How long the lock is that somebody has from the file's first byte on; 0 without one."""
    import fcntl  # noqa: PLC0415  # no agent asks this
    import struct  # noqa: PLC0415

    # struct flock of fcntl(2), 64-bit: l_type, l_whence, l_start, l_len, l_pid; macOS: fcntl.h.
    if sys.platform == "darwin":
        question = struct.pack("qqihh", 0, 0, 0, fcntl.F_WRLCK, os.SEEK_SET)
        _, length, _, kind, _ = struct.unpack("qqihh", fcntl.fcntl(fd, fcntl.F_OFD_GETLK, question))
    else:
        question = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        answer = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, question)
        kind, _, _, length, _ = struct.unpack("hhqqi4x", answer)
    return 0 if kind == fcntl.F_UNLCK else int(length)


def ready_endpoint() -> dict[str, Any] | None:
    """What the daemon that runs says of itself; None when none does, or it is not ready yet."""
    try:
        told = _read_object(f"{home()}/endpoint.json")
        return told if int(told["pid"]) == daemon_pid() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def credentials() -> dict[str, Any] | None:
    """What an agent's process has of its round: `town`, `agent`, `dir`, and how to reach Redis.

    None outside of one. Raises `Unavailable`.
    """
    path = os.environ.get("TINYTOWN_CREDENTIALS")
    if not path:
        return None
    try:
        told = _read_object(path)
        return told | {name: str(told[name]) for name in ("town", "agent", "dir")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Unavailable(
            f"this agent's credentials cannot be read: {path}: {_reason(error)}",
            hint="its round is over; outside a round, unset TINYTOWN_CREDENTIALS",
        ) from None


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or "they are damaged"


def _read_object(path: str) -> dict[str, Any]:
    told = parsed(_read(path))
    if not isinstance(told, dict):
        raise TypeError("not an object")
    return told


def _read(path: str) -> str:
    with open(path, "rb", 0) as file:
        return file.read().decode()


def town_directory(named: str = "") -> str:
    """The town that is meant: named, after `-t`, in the environment, or the nearest one upward.

    Raises `NotFound` when there is none, `BadInput` for an agent that means another's town.
    """
    agent = credentials()
    if agent is None:
        return _named_town(named) or _nearest_town()
    own: str = agent["dir"]
    if named or chosen.town:
        meant = _named_town(named) or own
        if os.path.realpath(meant) != os.path.realpath(own):
            raise BadInput("an agent speaks in its own town only", hint="leave --town out")
    return own


def _named_town(named: str) -> str | None:
    for origin, directory in (
        ("", named),
        ("--town: ", chosen.town),
        ("TINYTOWN_TOWN_DIR: ", os.environ.get("TINYTOWN_TOWN_DIR")),
        ("TINYTOWN_TOWN: ", os.environ.get("TINYTOWN_TOWN")),
    ):
        if directory:
            path = absolute(directory)
            if not (_is_there(path, SETTINGS) or _is_there(path, ".tt/town")):
                hint = _beside(path) or "tt init"
                raise NotFound(f"{origin}there is no town in {path}", hint=hint)
            return path
    return None


def _beside(path: str) -> str:
    """A hint that names the town beside that place which was probably meant."""
    from tinytownd.domain.names import did_you_mean  # noqa: PLC0415  # only for an error

    parent, name = os.path.split(os.path.normpath(path))
    try:
        towns = [one for one in os.listdir(parent) if _is_there(f"{parent}/{one}", SETTINGS)]
    except OSError:
        return ""
    return did_you_mean(name, towns)


def _nearest_town() -> str:
    path = absolute("")
    while not _is_there(path, SETTINGS):
        if path == "/":
            raise NotFound("there is no town here or in a directory above", hint="tt init")
        path = os.path.dirname(path)
    return path


def _is_there(directory: str, name: str) -> bool:
    return os.path.exists(os.path.join(directory, name))


def town_id(directory: str) -> str:
    """The town's id, or nothing where it has none yet (a fresh clone)."""
    try:
        return _read(f"{directory}/.tt/town").strip()
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return ""
