"""A town's door: while its round runs, an agent's process may speak for it, and no longer.

It gets a user of the server of its own, and a stream that is read; both go when the round is over.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

import structlog

from tinytownd.home import Endpoint
from tinytownd.runtimes.roundfiles import RoundFiles
from tinytownd.store import keys
from tinytownd.store.acl import agent_acl
from tinytownd.store.client import Client, end, set_user
from tinytownd.store.commands import CommandReader
from tinytownd.store.line import line_of
from tinytownd.store.patience import LOST, REFUSED, patiently

log = structlog.get_logger(__name__)
#: How long a round's last commands may take to be carried out, in seconds.
DRAIN_SECONDS = 10.0
#: How long the stream of an agent is read on after its round, in seconds: nobody can write it then,
#: and a stream that begins to be read interrupts the reader of all.
LINGER_SECONDS = 1.0


class Server(Protocol):
    """What the door needs of the daemon."""

    client: Client
    reader: CommandReader

    def agent_endpoint(self, user: str, password: str) -> Endpoint:
        """How an agent's `tt` reaches the store."""


class Door:
    """Who of a town's agents may speak now, by id. All of it waits for Redis."""

    def __init__(self, server: Server, town: str, directory: Path) -> None:
        self.inside: set[str] = set()
        self._server = server
        self._town = town
        self._directory = directory
        #: By agent: it is let in or out, one after the other.
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._opening: dict[str, asyncio.Task[None]] = {}
        #: When the streams of those that left will not be read any more.
        self._lingering: dict[str, asyncio.TimerHandle] = {}

    def key(self, agent: str) -> tuple[str, Callable[[], None]]:
        """The credentials of a round that is about to start, and what has it let in.

        Nobody waits for that: a program that starts takes longer, and one that is too early is told
        to try again.
        """
        password = os.urandom(24).hex()
        endpoint = self._server.agent_endpoint(self._user(agent), password)
        told = {
            "v": 1,
            "socket": endpoint.socket,
            "url": endpoint.url,
            "user": endpoint.user,
            "password": endpoint.password,
            "town": self._town,
            "agent": agent,
            "dir": str(self._directory),
        }
        return json.dumps(told), partial(self._open, agent, password)

    def _open(self, agent: str, password: str) -> None:
        self.inside.add(agent)
        # Its process runs then: a refusal (no memory, a full disk) is waited out, too.
        letting = patiently(
            lambda: self._let_in(agent, password), (*LOST, REFUSED), town=self._town
        )
        self._opening[agent] = asyncio.create_task(letting, name=f"door {self._town} {agent}")

    async def opened(self, agent: str) -> None:
        """Waits until a round that was to be let in is."""
        if task := self._opening.get(agent):
            await asyncio.wait({task})
            self._opening.pop(agent, None)

    async def open_again(self, agent: str, files: RoundFiles) -> None:
        """Lets a round in that has its credentials from before."""
        self.inside.add(agent)
        await patiently(lambda: self.mend(agent, files), town=self._town)

    async def mend(self, agent: str, files: RoundFiles) -> None:
        """The same for one that is inside, after the server lost its users; tried once."""
        if agent not in self.inside:
            return
        try:
            password = str(json.loads(files.credentials.read_text()).get("password", ""))
        except (OSError, ValueError, AttributeError) as error:
            log.warning("round.no_credentials", speaker=agent, error=str(error))
            return
        await self._let_in(agent, password)

    async def close(self, agent: str) -> None:
        """After a round: takes its user away, and waits for its last commands.

        What is not answered by then will not happen any more.
        """
        await self.opened(agent)
        await patiently(lambda: self._let_out(agent), town=self._town)

    async def shut(self) -> None:
        """Lets go of everything; who is inside stays there."""
        await end(self._opening.values())
        self._opening.clear()
        for agent, timer in list(self._lingering.items()):
            timer.cancel()
            self._unfollow(agent)

    async def _let_in(self, agent: str, password: str) -> None:
        user = self._user(agent)
        async with self._locks[agent]:
            if agent not in self.inside:
                return
            if self._server.agent_endpoint(user, password).user == user:
                await set_user(self._server.client, agent_acl(user, password, self._town, agent))
            if timer := self._lingering.pop(agent, None):
                timer.cancel()
            await self._server.reader.follow(keys.commands_key(self._town, agent))

    async def _let_out(self, agent: str) -> None:
        async with self._locks[agent]:
            self.inside.discard(agent)
            await self._drain(agent, await self._expel(agent))
            # One that comes back at once finds its stream read still.
            if agent not in self._lingering:
                loop = asyncio.get_running_loop()
                timer = loop.call_later(LINGER_SECONDS, self._unfollow, agent)
                self._lingering[agent] = timer

    async def _expel(self, agent: str) -> int:
        """Takes its user away with its connections; how many commands it has left behind."""
        gone, left = await line_of(self._server.client).ask_all(
            ("ACL", "DELUSER", self._user(agent)),
            ("XLEN", keys.commands_key(self._town, agent)),
        )
        if isinstance(gone, Exception):
            log.warning("redis.user_stays", user=self._user(agent), error=str(gone))
        return left if isinstance(left, int) else 1

    async def _drain(self, agent: str, left: int) -> None:
        stream = keys.commands_key(self._town, agent)
        loop = asyncio.get_running_loop()
        # Not by a timeout, which cancels once: redis-py on Python 3.11 can swallow that.
        deadline = loop.time() + DRAIN_SECONDS
        while left:
            if loop.time() > deadline:
                log.warning("round.not_drained", town=self._town, speaker=agent)
                await self._server.client.xtrim(stream, maxlen=0, approximate=False)
                break
            await asyncio.sleep(0.005)
            left = await self._server.client.xlen(stream)

    def _unfollow(self, agent: str) -> None:
        self._lingering.pop(agent, None)
        self._server.reader.unfollow(keys.commands_key(self._town, agent))

    def _user(self, agent: str) -> str:
        return f"tt-{self._town}-{agent}"
