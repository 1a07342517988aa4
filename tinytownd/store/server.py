"""The store's server: the embedded one of a home, or one that the configuration names.

The embedded server is the daemon's child but not its prisoner: it has its own session, survives
the daemon's death, and is found again through its socket. A lock that it inherits on the data
directory makes two servers on one directory impossible; a marker makes a lost one known.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Protocol

import structlog
from redis.exceptions import AuthenticationError, BusyLoadingError, RedisError, ResponseError

from tinytownd.domain.errors import Unavailable
from tinytownd.files import refusal
from tinytownd.home import Endpoint, Home
from tinytownd.settings import RedisSettings
from tinytownd.store import aof
from tinytownd.store.binary import find_binary
from tinytownd.store.client import connect, ensure_supported, external
from tinytownd.store.process import Role, ServerProcess, load_credentials
from tinytownd.store.sync import keep_synced

log = structlog.get_logger(__name__)
State = Literal["ready", "loading", "absent"]

START_SECONDS = 15.0  # without any answer; loading data may take as long as it takes
STOP_SECONDS = 15.0
PROBE_SECONDS = 2.0
POLL_SECONDS = 0.005


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


def find_server(
    home: Home,
    settings: RedisSettings,
    env: Mapping[str, str],
    begun: ServerProcess | None = None,
) -> Server:
    """The server that the settings name: another's, or the embedded one. Raises Unavailable.

    `begun` is the embedded one's process, if that was started already.
    """
    if settings.url:
        return ExternalServer(home, settings.url)
    binary = begun.binary if begun else find_binary(env)
    return EmbeddedServer(home, binary, settings.durability, begun)


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

    def __init__(
        self,
        home: Home,
        binary: Path,
        durability: str = "second",
        begun: ServerProcess | None = None,
    ) -> None:
        self._home = home
        self._appendfsync = "always" if durability == "always" else "no"
        self._passwords = load_credentials(home)
        self.process = begun or ServerProcess(home, binary, durability)
        #: The process was started already, and nobody has looked at it yet.
        self._begun = begun is not None

    def endpoint(self, role: Role) -> Endpoint:
        return Endpoint(socket=str(self._home.socket), user=role, password=self._passwords[role])

    async def start(self) -> None:
        """Connects to the server that runs on the home's socket, or starts one; waits for PONG.

        Safe to call again, for instance after the server died. Raises Unavailable.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START_SECONDS
        spawned, self._begun = self._begun, False
        past: set[str] = set()  # why it was started again; each is worth one more start
        while (state := await self._probe()) != "ready":
            if state == "loading":
                deadline = loop.time() + START_SECONDS
            elif not spawned:
                spawned = self.process.start()
            elif (code := self.process.ended) is not None:
                past.add(await self._hope(code, past))
                spawned = False
                deadline = loop.time() + START_SECONDS
            if loop.time() > deadline:
                held = self.process.lock_path
                raise Unavailable(
                    f"a server holds {self._home.data} but does not answer on {self._home.socket}",
                    hint=f"end that server (fuser {held} names it), then try again",
                )
            await asyncio.sleep(POLL_SECONDS)
        self.process.mark_generation()

    async def _hope(self, code: int, past: set[str]) -> str:
        """Why a server that ended is worth another start. Raises Unavailable when it is not."""
        unable = self.process.unable()
        if code < 0 and not unable:
            why = f"killed by signal {-code}"  # by somebody: the next one may live
        else:
            why = unable or self.process.last_words()
            if not await asyncio.to_thread(self._mend):
                past = {why}
        if why in past:
            raise Unavailable(f"the server ended: {why}", hint=f"see {self.process.log}")
        return why

    def _mend(self) -> bool:
        """Whether files were mended that the server refused. Raises Unavailable for damage."""
        try:
            fd = self.process.lock()
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
                while (fd := self.process.lock()) is None:  # noqa: ASYNC110 -- a kernel's lock has no event
                    await asyncio.sleep(POLL_SECONDS)
            os.close(fd)
        except (RedisError, TimeoutError) as error:
            why = str(error) or f"it is still there after {STOP_SECONDS:g} s"
            raise Unavailable(
                f"the server does not end: {why}", hint=f"see {self.process.log}"
            ) from error
        finally:
            await client.aclose()
        self.process.reap()

    async def keep(self) -> None:
        """Has what it writes reach the disk."""
        await keep_synced(self._home.data, self._held, self._rewrite)

    async def _held(self) -> int:
        """The bytes of memory that it uses; as many as can be while it does not say."""
        client = connect(self.endpoint("daemon"))
        try:
            return int((await client.info("memory"))["used_memory"])
        except (RedisError, OSError):
            return sys.maxsize
        finally:
            await client.aclose()

    async def _rewrite(self) -> None:
        """Has it write its state in place of all that led there, beside its work."""
        client = connect(self.endpoint("daemon"))
        try:
            await client.bgrewriteaof()
        except (RedisError, OSError) as error:
            if "in progress" not in str(error):
                log.warning("redis.not_rewritten", error=str(error))
        finally:
            await client.aclose()

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
