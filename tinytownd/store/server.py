"""The store's server: the embedded one of a home, or one that the configuration names.

The embedded server is the daemon's child but not its prisoner: it has its own session, survives
the daemon's death, and is found again through its socket. A lock that it inherits on the data
directory makes two servers on one directory impossible; a marker makes a lost one known.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import re
import secrets
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Protocol

import structlog
from redis.exceptions import AuthenticationError, BusyLoadingError, RedisError, ResponseError

from tinytownd.domain.errors import Unavailable
from tinytownd.files import open_private, refusal, write_atomic
from tinytownd.home import Endpoint, Home
from tinytownd.resources import free_disk
from tinytownd.settings import RedisSettings
from tinytownd.store import aof
from tinytownd.store.acl import digest
from tinytownd.store.binary import find_binary
from tinytownd.store.client import connect, ensure_supported, external
from tinytownd.store.sync import keep_synced

log = structlog.get_logger(__name__)
Role = Literal["daemon", "client"]
State = Literal["ready", "loading", "absent"]

START_SECONDS = 15.0  # without any answer; loading data may take as long as it takes
STOP_SECONDS = 15.0
PROBE_SECONDS = 2.0
POLL_SECONDS = 0.005
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


class Server(Protocol):
    """What the daemon needs of a server, embedded or not."""

    async def start(self) -> None:
        """Makes sure that it answers. Raises Unavailable."""

    async def stop(self) -> None:
        """Ends it, if it is ours to end. Raises Unavailable."""

    async def keep(self) -> None:
        """Does what it needs while it runs, until cancelled."""

    def endpoint(self, role: Role) -> Endpoint:
        """How to reach it as the daemon, or as the people's user (see `acl.client_acl`)."""


def find_server(home: Home, settings: RedisSettings, env: Mapping[str, str]) -> Server:
    """The server that the settings name: another's, or the embedded one. Raises Unavailable."""
    if settings.url:
        return ExternalServer(home, settings.url)
    return EmbeddedServer(home, find_binary(env), settings.durability)


class ExternalServer:
    """Someone else's Redis or Valkey."""

    def __init__(self, home: Home, url: str) -> None:
        self._daemon = external(url)
        self._passwords = load_credentials(home)
        # Several homes may share the server, and each sets its own users at every start.
        self._user = "tt-" + hashlib.sha256(os.fsencode(home.path)).hexdigest()[:12]

    async def start(self) -> None:
        """Checks that it answers and is not too old."""
        client = connect(self._daemon)
        try:
            await ensure_supported(client)
        finally:
            await client.aclose()

    async def stop(self) -> None:
        """Leaves it alone."""

    async def keep(self) -> None:
        """Nothing: it is somebody else's."""

    def endpoint(self, role: Role) -> Endpoint:
        if role == "daemon":
            return self._daemon
        password = self._passwords["client"]
        return Endpoint(url=self._daemon.url, user=self._user, password=password)


class EmbeddedServer:
    """The server of a home, started from `binary` when none runs yet."""

    def __init__(self, home: Home, binary: Path, durability: str = "second") -> None:
        self._home = home
        self._binary = binary
        self._appendfsync = "always" if durability == "always" else "no"
        self._passwords = load_credentials(home)
        self._process: subprocess.Popen[bytes] | None = None
        self._log = home.logs / "redis.log"
        self._log_start = 0

    def endpoint(self, role: Role) -> Endpoint:
        return Endpoint(socket=str(self._home.socket), user=role, password=self._passwords[role])

    async def start(self) -> None:
        """Connects to the server that runs on the home's socket, or starts one; waits for PONG.

        Safe to call again, for instance after the server died. Raises Unavailable.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START_SECONDS
        spawned = False
        past: set[str] = set()  # why it was started again; each is worth one more start
        while (state := await self._probe()) != "ready":
            if state == "loading":
                deadline = loop.time() + START_SECONDS
            elif not spawned:
                spawned = self._spawn()
            elif self._process and (code := self._process.poll()) is not None:
                past.add(await self._hope(code, past))
                spawned = False
                deadline = loop.time() + START_SECONDS
            if loop.time() > deadline:
                raise Unavailable(
                    f"a server holds {self._home.data} but does not answer on {self._home.socket}",
                    hint=f"end that server (fuser {self._lock_path} names it), then try again",
                )
            await asyncio.sleep(POLL_SECONDS)
        self._mark_generation()

    async def _hope(self, code: int, past: set[str]) -> str:
        """Why a server that ended is worth another start. Raises Unavailable when it is not."""
        unable = self._unable()
        if code < 0 and not unable:
            why = f"killed by signal {-code}"  # by somebody: the next one may live
        else:
            why = unable or self._last_words()
            if not await asyncio.to_thread(self._mend):
                past = {why}
        if why in past:
            raise Unavailable(f"the server ended: {why}", hint=self._log_hint())
        return why

    def _mend(self) -> bool:
        """Whether files were mended that the server refused. Raises Unavailable for damage."""
        try:
            fd = self._lock()
            if fd is None:
                return False
            try:
                done = aof.mend(self._home.data)
            finally:
                os.close(fd)
        except OSError as error:
            raise refusal("mended", self._home.data, error) from error
        if done:
            log.warning("redis.repaired", **done)
        return done is not None

    async def stop(self) -> None:
        """Shuts it down, whoever started it, with everything on disk. Raises Unavailable."""
        client = connect(self.endpoint("daemon"))
        try:
            await client.shutdown()  # nobody there is as good as done
            async with asyncio.timeout(STOP_SECONDS):
                while (fd := self._lock()) is None:  # noqa: ASYNC110 -- a kernel's lock has no event
                    await asyncio.sleep(POLL_SECONDS)
            os.close(fd)
        except (RedisError, TimeoutError) as error:
            why = str(error) or f"it is still there after {STOP_SECONDS:g} s"
            raise Unavailable(f"the server does not end: {why}", hint=self._log_hint()) from error
        finally:
            await client.aclose()
        self._reap()

    async def keep(self) -> None:
        """Has what it writes reach the disk."""
        await keep_synced(self._home.data)

    async def _probe(self) -> State:
        client = connect(self.endpoint("daemon"))
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await client.ping()
                # New, or one that an earlier daemon started by other settings.
                await client.config_set("appendfsync", self._appendfsync)
        except (RedisError, OSError) as error:
            # redis-py wraps what the server says to a handshake into a ConnectionError
            cause = error.__cause__ if isinstance(error.__cause__, RedisError) else error
            if isinstance(cause, BusyLoadingError):
                return "loading"
            if isinstance(cause, AuthenticationError | ResponseError):
                raise Unavailable(
                    f"the server on {self._home.socket} does not know this daemon: {cause}",
                    hint=f"put {self._home.credentials} back, or end that server",
                ) from error
            return "absent"
        finally:
            await client.aclose()
        return "ready"

    @property
    def _lock_path(self) -> Path:
        return self._home.data / "server.lock"

    def _lock(self) -> int | None:
        """A descriptor that holds the data directory, or None when a server has it."""
        fd = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        return fd

    def _spawn(self) -> bool:
        """Starts the server; False, and nothing done, while another has the data directory."""
        try:
            fd = self._lock()
            if fd is None:
                return False
            try:
                self._check_files()
                self._reap()
                self._process = self._popen(fd)
            finally:
                os.close(fd)  # the server keeps its own copy, and with it the lock
        except OSError as error:
            if str(error.filename) == str(self._binary):
                raise Unavailable(
                    f"{self._binary} cannot be started: {error.strerror}", hint="tt doctor"
                ) from error
            raise refusal("used for the server", self._home.path, error) from error
        return True

    def _reap(self) -> None:
        """Takes leave of a server of ours whose lock is free: it is dead, or about to be."""
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(1)
            self._process = None

    def _popen(self, lock: int) -> subprocess.Popen[bytes]:
        """The configuration goes in by standard input: its secret is in no file and not in `ps`."""
        own = self._home.socket.parent == self._home.path
        socket = "../redis.sock" if own else str(self._home.socket)
        config = _CONFIG.format(socket=socket, digest=digest(self._passwords["daemon"]))
        # A round's marks must not cling to a server that outlives it.
        env = {name: value for name, value in os.environ.items() if not name.startswith("TINYTOWN")}
        if self._log.exists() and self._log.stat().st_size > LOG_BYTES:
            self._log.replace(self._log.with_suffix(".log.1"))
        with open_private(self._log) as output:
            self._log_start = output.seek(0, os.SEEK_END)
            process = subprocess.Popen(
                [self._binary, "-"],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                umask=0o077,
                cwd=self._home.path,
                env=env,
                pass_fds=[lock],
                start_new_session=True,
            )
        with (
            contextlib.suppress(BrokenPipeError),
            process.stdin or contextlib.nullcontext() as feed,
        ):
            if feed:  # a broken pipe: it ended at once, and its log says why
                feed.write(config.encode())
        return process

    def _check_files(self) -> None:
        """A data directory that once had an AOF must have it still: an empty town is no answer.

        What a rewrite left that was killed is cleared away. Raises Unavailable, OSError.
        """
        if self._generation_path.exists():
            aof.ensure_there(self._home.data)
        for left in self._home.data.glob("temp-*.aof"):
            left.unlink(missing_ok=True)
        free = free_disk(self._home.data)
        if self._appendfsync == "always" and free is not None and free < LEAST_DISK:
            raise Unavailable(f"the disk of {self._home.data} is full", hint="free some space")

    @property
    def _generation_path(self) -> Path:
        return self._home.data / "generation"

    def _mark_generation(self) -> None:
        """Written when the server first answers: by then its AOF is there."""
        if not self._generation_path.exists():
            write_atomic(self._generation_path, secrets.token_hex(16) + "\n")

    def _said(self) -> str:
        """What the server said since it was started."""
        return self._log.read_bytes()[self._log_start :].decode(errors="replace")

    def _unable(self) -> str:
        """What it could not replay. It then ends by a signal: ABRT, or SEGV out of its report."""
        found = re.search(r"to its AOF-loading-client: (.*)", self._said())
        return f"it cannot replay its data: {found[1]}" if found else ""

    def _last_words(self) -> str:
        """The last line of the server's log, without its pid and date."""
        line = next((line for line in reversed(self._said().split("\n")) if line.strip()), "")
        return line.rpartition(" # ")[2].strip() or "it said nothing"

    def _log_hint(self) -> str:
        return f"see {self._log}"


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
