"""A town for tests, without the daemon around it: nothing reads its commands."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

from tinytownd.domain.meta import Meta
from tinytownd.domain.record import Record
from tinytownd.domain.town import Town
from tinytownd.home import Endpoint, Home
from tinytownd.host import TownHost
from tinytownd.place import Place
from tinytownd.store.client import Client
from tinytownd.store.commands import CommandReader
from tinytownd.supervisor.slots import Slots


async def host_of(
    client: Client,
    town_id: str,
    directory: Path,
    *records: Record,
    path: str = "/bin:/usr/bin",
    own_users: bool = False,
) -> TownHost:
    """A town of those records, not open yet, with one slot; its rounds so far were seven."""

    def agent_endpoint(user: str, password: str) -> Endpoint:
        if not own_users:
            return Endpoint(socket="s", user="people")
        return Endpoint(socket="s", user=user, password=password)

    around: Any = SimpleNamespace(
        home=Home(directory / "home"),
        client=client,
        reader=CommandReader(client, client, lambda _: asyncio.sleep(0), lambda: asyncio.sleep(0)),
        slots=Slots(lambda: 1),
        users_env=MappingProxyType({"PATH": path}),
        agent_endpoint=agent_endpoint,
    )
    around.home.create()
    where = Place(directory / "town")
    where.directory.mkdir()
    where.make("x", "shell")
    host = TownHost(around, where, town_id)
    await host.store.create(Meta(id=town_id, name="x", dir=str(where.directory), rounds=7))

    def add(town: Town) -> None:
        for record in records:
            town.put(record)

    await host.store.transact(add)
    return host
