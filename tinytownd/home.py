"""The home: one user's daemon, its store and its registry of towns, in one private directory.

`$TINYTOWN_HOME`, by default `~/.tt`. Files that hold a secret are 0600, the directory is 0700.
"""

from __future__ import annotations

import fcntl
import functools
import json
import os
import struct
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tinytownd import wire
from tinytownd.domain.errors import BadInput
from tinytownd.files import parse_toml, read_text, refusal, write_atomic

# sizeof(sockaddr_un.sun_path) less its closing NUL: unix(7) on Linux, <sys/un.h> on macOS.
LINUX: bool = sys.platform.startswith("linux")
SOCKET_PATH_LIMIT = 107 if LINUX else 103

#: What is in a home: what `create` goes by to tell one from another directory.
_NAMES = {
    *("config.toml", "towns.toml", "redis.sock", "data", "logs", "daemon.lock"),
    *("endpoint.json", "credentials.json", "bin", "rehearsals"),
}


@dataclass(frozen=True, slots=True)
class Home:
    """Where everything of one user's tinytown is. Making one touches nothing."""

    path: Path

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Home:
        """The home that the environment names."""
        try:
            return cls(Path(env.get("TINYTOWN_HOME") or "~/.tt").expanduser().absolute())
        except RuntimeError:
            raise BadInput("no home directory is known", hint="set TINYTOWN_HOME") from None

    @property
    def config(self) -> Path:
        return self.path / "config.toml"

    @property
    def towns(self) -> Path:
        return self.path / "towns.toml"

    @property
    def data(self) -> Path:
        return self.path / "data"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def log(self) -> Path:
        return self.logs / "tinytownd.jsonl"

    @property
    def lock(self) -> Path:
        return self.path / "daemon.lock"

    @property
    def endpoint(self) -> Path:
        return self.path / "endpoint.json"

    @property
    def credentials(self) -> Path:
        return self.path / "credentials.json"

    @property
    def bin(self) -> Path:
        return self.path / "bin"

    @property
    def rehearsals(self) -> Path:
        return self.path / "rehearsals"

    @property
    def socket(self) -> Path:
        """The store's Unix socket; `connect_path` makes it usable when it is too long."""
        path = self.path / "redis.sock"
        if LINUX or len(os.fsencode(path)) <= SOCKET_PATH_LIMIT:
            return path
        import hashlib  # noqa: PLC0415 -- both take a while, and only this system needs them
        import tempfile  # noqa: PLC0415 -- as above

        key = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"tt-{key}" / "redis.sock"

    def create(self) -> None:
        """Makes the directories, private to their user. Raises BadInput or Unavailable."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make_private(self.path)
            for directory in (self.data, self.logs, self.bin):
                directory.mkdir(mode=0o700, exist_ok=True)
                directory.chmod(0o700)
            self.socket.parent.mkdir(mode=0o700, exist_ok=True)
            _make_private(self.socket.parent)
        except OSError as error:
            raise refusal("used as the home", self.path, error) from error


def _make_private(directory: Path) -> None:
    """Closes a directory to others, unless it holds other things than a home (think of `/tmp`)."""
    status = directory.stat()
    if status.st_uid != os.geteuid() or not os.access(directory, os.W_OK | os.X_OK):
        raise BadInput(
            f"{directory} is not yours to write", hint="set TINYTOWN_HOME to a directory of yours"
        )
    if status.st_mode & 0o077 == 0:
        return
    if not {entry.name for entry in directory.iterdir()} <= _NAMES:
        raise BadInput(
            f"{directory} is open to other users and holds other things than a tinytown",
            hint=f"set TINYTOWN_HOME to a directory of its own, or: chmod 700 {directory}",
        )
    directory.chmod(0o700)


@functools.cache
def _directory_fd(directory: Path) -> int:
    """One descriptor a directory for the life of the process: paths that contain it stay good."""
    return os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def connect_path(socket: Path) -> str:
    """A name for the socket that fits into an address, valid in this process.

    A directory that is too long is named by a descriptor of it (proc(5), /proc/self/fd).
    """
    if len(os.fsencode(socket)) <= SOCKET_PATH_LIMIT:
        return str(socket)
    try:
        return f"/proc/self/fd/{_directory_fd(socket.parent)}/{socket.name}"
    except OSError as error:
        raise refusal("used as the home", socket.parent, error) from error


class DaemonLock:
    """Says who is the daemon of a home; the kernel lets go of it when its holder dies.

    An open-file-description lock (fcntl_locking(2)) rather than flock: it can be asked about
    without being taken, so that no client makes a starting daemon lose. It begins at byte 0, and
    its length is the holder's pid: who and whether are one answer, and no stale file can lie.
    """

    _FORMAT = "hhqqi4x" if LINUX else "qqihh"  # struct flock, 64-bit off_t

    def __init__(self, home: Home) -> None:
        self._path = home.lock
        self._fd: int | None = None

    def acquire(self) -> bool:
        """Takes the lock, or says at once that somebody else has it. Never inherited by a child."""
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise refusal("written", self._path, error) from error
        try:
            fcntl.fcntl(fd, fcntl.F_OFD_SETLK, self._request(os.getpid()))
        except (BlockingIOError, PermissionError):
            os.close(fd)
            return False
        self._fd = fd
        return True

    def release(self) -> None:
        """Lets go of it. The file stays: deleting it would let two hold the lock."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def holder(self) -> int | None:
        """The pid of the daemon that holds the lock. Takes nothing, creates nothing."""
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            answer = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, self._request(0))
        finally:
            os.close(fd)
        kind, pid = self._fields(answer)
        return None if kind == fcntl.F_UNLCK else pid

    def _request(self, length: int) -> bytes:
        """A write lock on `length` bytes from the start; 0 is the whole file."""
        if LINUX:
            return struct.pack(self._FORMAT, fcntl.F_WRLCK, os.SEEK_SET, 0, length, 0)
        return struct.pack(self._FORMAT, 0, length, 0, fcntl.F_WRLCK, os.SEEK_SET)

    def _fields(self, answer: bytes) -> tuple[int, int]:
        """The kind and the length of a lock that was asked about."""
        fields = struct.unpack(self._FORMAT, answer[: struct.calcsize(self._FORMAT)])
        return (fields[0], fields[3]) if LINUX else (fields[3], fields[1])


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How the store is reached and as whom; `pid`, `generation`, `version` are the daemon's.

    Exactly one of `socket` (a path) and `url` (without a password) is set.
    """

    socket: str | None = None
    url: str | None = None
    user: str = ""
    password: str = ""
    pid: int = 0
    generation: str = ""
    version: str = ""

    @property
    def where(self) -> str:
        """What to call it in a message."""
        return self.socket or self.url or "nowhere"

    def write(self, path: Path) -> None:
        """Writes the file from which a client learns it, in one step, readable by its user only."""
        write_atomic(path, json.dumps({"v": 1, **asdict(self)}) + "\n")

    @classmethod
    def read(cls, path: Path) -> Endpoint | None:
        """The endpoint that the file names; None when there is none, or none that we can read."""
        try:
            fields = json.loads(path.read_bytes())
            return cls(**fields) if fields.pop("v") == 1 else None
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    @staticmethod
    def remove(path: Path) -> None:
        """Takes the file away, if it is there."""
        path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class RegisteredTown:
    """A line of the registry: the town follows its id, name and directory may change.

    A line that is `forgotten` stays for a day, with the id of the command that wanted it: sent
    again, that command gets its first answer.
    """

    id: str
    name: str
    dir: Path
    forgotten: str = ""


def read_towns(home: Home) -> list[RegisteredTown]:
    """The towns of this home, in the order in which they came. Raises BadInput."""
    return [town for town in read_registry(home) if not town.forgotten]


def read_registry(home: Home) -> list[RegisteredTown]:
    """The same, and those that were forgotten not long ago. Raises BadInput."""
    if not home.towns.exists():
        return []
    entries = parse_toml(read_text(home.towns), home.towns).get("towns", [])
    if not isinstance(entries, list):
        entries = [entries]  # `[towns]` instead of `[[towns]]`: refused as any broken entry
    towns = [_registered(entry, home.towns) for entry in entries]
    return [town for town in towns if not town.forgotten or _of_this_day(town.forgotten)]


def _of_this_day(command: str) -> bool:
    """Whether a command may still be sent again."""
    try:
        return wire.now_ms() - wire.made_at(command) < wire.DONE_SECONDS * 1000
    except BadInput:
        return False


def _registered(entry: object, path: Path) -> RegisteredTown:
    match entry:
        case {"id": str(id_), "name": str(name), "dir": str(directory), **more}:
            return RegisteredTown(id_, name, Path(directory), str(more.get("forgotten", "")))
    raise BadInput(
        f"{path}: every [[towns]] needs id, name and dir, all of them strings",
        hint="delete the entry that is broken, and `tt init` in its town again",
    )


def write_towns(home: Home, towns: Iterable[RegisteredTown]) -> None:
    """Replaces the registry in one step."""
    import tomlkit  # noqa: PLC0415 -- a daemon writes it seldom, and starts without

    document = tomlkit.document()
    document.add(tomlkit.comment("The towns of this home; `tt init` adds to it."))
    tables = tomlkit.aot()
    for town in towns:
        table = tomlkit.table()
        table.update({"id": town.id, "name": town.name, "dir": str(town.dir)})
        if town.forgotten:
            table["forgotten"] = town.forgotten
        tables.append(table)
    document["towns"] = tables
    write_atomic(home.towns, tomlkit.dumps(document))
