"""The embedded server's process: its lock, its configuration, its log. Nothing here talks to it.

Nothing here imports a client either: a daemon starts the server first of all, and imports what it
needs itself while the server loads its data.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import secrets
import subprocess
from pathlib import Path
from typing import Literal

from tinytownd.domain.errors import Unavailable
from tinytownd.files import open_private, refusal, write_atomic
from tinytownd.home import Home
from tinytownd.resources import free_disk
from tinytownd.store import aof
from tinytownd.store.acl import digest

Role = Literal["daemon", "client"]
#: Free space, in MiB, with which a server starts that ends when it cannot write.
LEAST_DISK = 4
LOG_BYTES = 1 << 20

# Relative names throughout: the server runs in the home and then changes to `dir`, so that no
# quoting and no length of the home's path matters. The AOF is text throughout (no RDB preamble),
# so that valkey-check-aof can judge all of it.
# `appendfsync no`: the daemon syncs, see store/sync.py, or sets another value when it connects.
# What cannot be replayed whole ends the server, and store/aof.py looks into it; left to itself it
# cuts files off and skips commands.
# Nobody can be the user `default`, but Redis 7.0 reads its AOF as that user, and drops every
# transaction that he may not carry out.
_CONFIG = """\
port 0
unixsocket "{socket}"
unixsocketperm 700
dir data
appendonly yes
appendfsync no
aof-use-rdb-preamble no
aof-load-truncated no
propagation-error-behavior panic
save ""
user default off resetpass ~* &* +@all
user daemon on {digest} ~* &* +@all
"""


class ServerProcess:
    """The server of a home, as a process: the one that runs, or the one that is to be started."""

    def __init__(self, home: Home, binary: Path, durability: str = "second") -> None:
        self._home = home
        self.binary = binary
        self._always = durability == "always"
        self._process: subprocess.Popen[bytes] | None = None
        self.log = home.logs / "redis.log"
        self._log_start = 0

    @property
    def ended(self) -> int | None:
        """The exit code of the process that we started, once it has ended."""
        return self._process.poll() if self._process else None

    @property
    def lock_path(self) -> Path:
        return self._home.data / "server.lock"

    def lock(self) -> int | None:
        """A descriptor that holds the data directory, or None when a server has it."""
        fd = os.open(self.lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        return fd

    def start(self) -> bool:
        """Starts it; False, and nothing done, while another has the data directory.

        Raises BadInput, Unavailable.
        """
        try:
            fd = self.lock()
            if fd is None:
                return False
            try:
                self._check_files()
                self.reap()
                self._process = self._popen(fd)
            finally:
                os.close(fd)  # the server keeps its own copy, and with it the lock
        except OSError as error:
            if str(error.filename) == str(self.binary):
                raise Unavailable(
                    f"{self.binary} cannot be started: {error.strerror}", hint="tt doctor"
                ) from error
            raise refusal("used for the server", self._home.path, error) from error
        return True

    def reap(self) -> None:
        """Takes leave of a server of ours whose lock is free: it is dead, or about to be."""
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(1)
            self._process = None

    def _popen(self, lock: int) -> subprocess.Popen[bytes]:
        """The configuration goes in by standard input: its secret is in no file and not in `ps`.

        It is in the pipe before there is a server: one whose daemon died over it would listen on
        TCP, let everybody in, and hold the data directory.
        """
        own = self._home.socket.parent == self._home.path
        socket = "../redis.sock" if own else str(self._home.socket)
        config = _CONFIG.format(
            socket=socket, digest=digest(load_credentials(self._home)["daemon"])
        )
        # A round's marks must not cling to a server that outlives it.
        env = {name: value for name, value in os.environ.items() if not name.startswith("TINYTOWN")}
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        reading, writing = os.pipe()  # holds a page at least, many times as much as this
        with os.fdopen(writing, "wb") as feed:
            feed.write(config.encode())
        with os.fdopen(reading, "rb") as told, open_private(self.log) as output:
            self._log_start = output.seek(0, os.SEEK_END)
            return subprocess.Popen(
                [self.binary, "-"],
                stdin=told,
                stdout=output,
                stderr=output,
                umask=0o077,
                cwd=self._home.path,
                env=env,
                pass_fds=[lock],
                start_new_session=True,
            )

    def _check_files(self) -> None:
        """A data directory that once had an AOF must have it still: an empty town is no answer.

        What a rewrite left that was killed is cleared away. Raises Unavailable, OSError.
        """
        if self._generation_path.exists():
            aof.ensure_there(self._home.data)
        for left in self._home.data.glob("temp-*.aof"):
            left.unlink(missing_ok=True)
        free = free_disk(self._home.data)
        if self._always and free is not None and free < LEAST_DISK:
            raise Unavailable(f"the disk of {self._home.data} is full", hint="free some space")

    @property
    def _generation_path(self) -> Path:
        return self._home.data / "generation"

    def mark_generation(self) -> None:
        """Written when the server first answers: by then its AOF is there."""
        if not self._generation_path.exists():
            write_atomic(self._generation_path, secrets.token_hex(16) + "\n")

    def _said(self) -> str:
        """What the server said since it was started."""
        return self.log.read_bytes()[self._log_start :].decode(errors="replace")

    def unable(self) -> str:
        """What it could not replay. It then ends by a signal: ABRT, or SEGV out of its report."""
        found = re.search(r"to its AOF-loading-client: (.*)", self._said())
        return f"it cannot replay its data: {found[1]}" if found else ""

    def last_words(self) -> str:
        """The last line of the server's log, without its pid and date."""
        line = next((line for line in reversed(self._said().split("\n")) if line.strip()), "")
        return line.rpartition(" # ")[2].strip() or "it said nothing"


def load_credentials(home: Home) -> dict[Role, str]:
    """The passwords of the daemon and of the people's user, made when there are none yet."""
    try:
        stored = json.loads(home.credentials.read_bytes())
        return {"daemon": str(stored["daemon"]), "client": str(stored["client"])}
    except FileNotFoundError:
        made: dict[Role, str] = {"daemon": _password(), "client": _password()}
        write_atomic(home.credentials, json.dumps(made) + "\n")
        return made
    except OSError as error:
        raise refusal("read", home.credentials, error) from error
    except (ValueError, TypeError, KeyError):
        raise Unavailable(
            f"{home.credentials} is broken", hint="delete it; a new one is made at the next start"
        ) from None


def _password() -> str:
    return secrets.token_urlsafe(32)
