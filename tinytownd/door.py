"""A town's door: while its round runs, an agent's process may speak for it, and no longer.

It gets a user of the server of its own, and a stream that is read; both go when the round is over.
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Protocol

import structlog

from tinytownd.home import Endpoint
from tinytownd.runtimes.process import RoundFiles
from tinytownd.store import keys
from tinytownd.store.acl import agent_acl
from tinytownd.store.client import Client, drop_user, set_user
from tinytownd.store.commands import CommandReader
from tinytownd.store.patience import patiently

log = structlog.get_logger(__name__)
#: How long a round's last commands may take to be carried out, in seconds.
DRAIN_SECONDS = 10.0


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
        self._lock = asyncio.Lock()

    async def open(self, agent: str, files: RoundFiles) -> None:
        """Writes the credentials of a round that is about to start, and lets it in.

        Raises OSError.
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
        files.write(files.credentials, json.dumps(told))
        await self.open_again(agent, files)

    async def open_again(self, agent: str, files: RoundFiles) -> None:
        """Lets a round in that has its credentials from before."""
        self.inside.add(agent)
        await patiently(lambda: self._let_in(agent, files), town=self._town)

    async def mend(self, agent: str, files: RoundFiles) -> None:
        """The same for one that is inside, after the server lost its users; tried once."""
        if agent in self.inside:
            await self._let_in(agent, files)

    async def close(self, agent: str) -> None:
        """After a round: waits for its last commands, then takes its user away.

        What is not answered by then will not happen any more.
        """
        await patiently(lambda: self._let_out(agent), town=self._town)

    async def _let_in(self, agent: str, files: RoundFiles) -> None:
        try:
            password = str(json.loads(files.credentials.read_text()).get("password", ""))
        except (OSError, ValueError, AttributeError) as error:
            log.warning("round.no_credentials", agent=agent, error=str(error))
            return
        user = self._user(agent)
        async with self._lock:
            if agent not in self.inside:
                return
            if self._server.agent_endpoint(user, password).user == user:
                await set_user(self._server.client, agent_acl(user, password, self._town, agent))
            await self._server.reader.follow(keys.commands_key(self._town, agent))

    async def _let_out(self, agent: str) -> None:
        stream = keys.commands_key(self._town, agent)
        loop = asyncio.get_running_loop()
        # Not by a timeout, which cancels once: redis-py on Python 3.11 can swallow that.
        deadline = loop.time() + DRAIN_SECONDS
        while await self._server.client.xlen(stream):
            if loop.time() > deadline:
                log.warning("round.not_drained", town=self._town, agent=agent)
                await self._server.client.xtrim(stream, maxlen=0, approximate=False)
                break
            await asyncio.sleep(0.005)
        async with self._lock:
            self.inside.discard(agent)
            self._server.reader.unfollow(stream)
            await drop_user(self._server.client, self._user(agent))

    def _user(self, agent: str) -> str:
        return f"tt-{self._town}-{agent}"
