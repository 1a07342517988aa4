"""Reads what the Rust tinytown (up to 0.10) keeps in Redis; never writes.

| its key | what is read |
| --- | --- |
| `tt:<town>:agent:<uuid>`, `…:task:<uuid>` | a JSON text, or since 0.7 a hash |
| `tt:<town>:inbox:<uuid>`, `…:urgent:<uuid>` | lists of messages as JSON |
| `tt:<town>:backlog` | a list of tasks' ids |

Before 0.5 the keys had no town in them. Its other keys hold nothing that is not in these, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from redis.exceptions import RedisError

from tinytownd.domain.errors import BadInput, Unavailable
from tinytownd.domain.rust import Found, Mail
from tinytownd.home import Endpoint
from tinytownd.store.client import Client, connect, reason

_KEY = re.compile(
    r"tt:(?:(?P<town>[^:{][^:]*):)?"
    r"(?:(?P<kind>agent|task|inbox|urgent):(?P<id>[0-9a-f-]{36})|backlog)"
)
#: So many keys are looked at, bytes of a text and entries of a list. Ours: far beyond any town.
MOST_KEYS, MOST_BYTES, MOST_ENTRIES = 200_000, 4 * 1024 * 1024, 10_000
_BATCH = 500
#: Key, kind and id of each of a town's keys.
Keys = list[tuple[str, str, str]]
_READS = {"agent": ("string", "hash"), "task": ("string", "hash")}


class Foreign:
    """A Redis with towns of the Rust tinytown in it."""

    def __init__(self, client: Client, where: str) -> None:
        self._client = client
        self._where = where

    async def towns(self) -> dict[str, Keys]:
        """The keys of each town, by its name; "" for those from before towns were in keys."""
        towns: dict[str, Keys] = {}
        seen = 0
        async for key in self._client.scan_iter("tt:*", count=1000):
            seen += 1
            if seen > MOST_KEYS:
                raise BadInput(f"{self._where} has more than {MOST_KEYS:,} keys")
            found = _KEY.fullmatch(key)
            if found is not None:
                place = (key, found["kind"] or "backlog", found["id"] or "")
                towns.setdefault(found["town"] or "", []).append(place)
        return towns

    async def read(self, name: str, keys: Keys) -> Found:
        """What lies in a town's keys, as it is."""
        town = Found(name)
        # A key may be seen twice while it is scanned for.
        ordered = sorted(set(keys))
        for start in range(0, len(ordered), _BATCH):
            some = ordered[start : start + _BATCH]
            for (key, kind, one), (sort, value) in zip(some, await self._values(some), strict=True):
                _take(town, (key, kind, one), sort, value)
        return town

    async def _values(self, keys: Keys) -> list[tuple[str, Any]]:
        """The type and the content of each key."""
        pipe = self._client.pipeline(transaction=False)
        for key, _, _ in keys:
            pipe.type(key)
        types = await pipe.execute()
        for (key, _, _), sort in zip(keys, types, strict=True):
            if sort == "string":
                pipe.getrange(key, 0, MOST_BYTES)
            elif sort == "hash":
                pipe.hgetall(key)
            elif sort == "list":
                pipe.lrange(key, 0, MOST_ENTRIES - 1)
            else:
                pipe.type(key)
        return list(zip(types, await pipe.execute(), strict=True))


@asynccontextmanager
async def foreign(endpoint: Endpoint, where: str) -> AsyncIterator[Foreign]:
    """The Redis at an endpoint; `where` names it without its secrets.

    Raises `Unavailable` where none answers, `BadInput` where there is too much.
    """
    client = connect(endpoint)
    try:
        yield Foreign(client, where)
    except (RedisError, OSError) as error:
        raise Unavailable(
            f"the Redis of the other town does not answer at {where}: {reason(error)}",
            hint="it must run while its town is read",
        ) from None
    finally:
        await client.aclose()


def _take(town: Found, place: tuple[str, str, str], sort: str, value: Any) -> None:
    """Puts one key's content where it belongs, or says why it cannot be read."""
    key, kind, one = place
    wanted = _READS.get(kind, ("list",))
    if sort not in wanted:
        town.unreadable.append((key, f"it is a {sort}, not a {' or a '.join(wanted)}"))
    elif kind == "backlog":
        town.backlog += value
    elif kind in ("inbox", "urgent"):
        town.mail += [Mail(one, _decoded(text), kind == "urgent") for text in value]
    else:
        rows = town.agents if kind == "agent" else town.tasks
        rows[one] = value if sort == "hash" else _decoded(value)


def _decoded(text: str) -> object:
    """What the JSON says; None for what is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
