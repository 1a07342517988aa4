"""What a server that is not ours lets the daemon do: for `tt doctor`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from redis.exceptions import NoPermissionError, RedisError

from tinytownd.domain.errors import Unavailable
from tinytownd.home import Endpoint
from tinytownd.store.acl import daemon_acl, digest
from tinytownd.store.client import Client, connect, ensure_supported

#: The name that the doctor gives to the daemon's user.
USER = "tinytown"
_ALL = {"commands": "+@all", "keys": "~*", "channels": "&*"}


@dataclass(frozen=True)
class Access:
    """Who the daemon is there, and what that one may do.

    `forgets` says that the server will not read back what it wrote: Redis 7.0 replays its
    append-only file as the user `default`, and drops every transaction that he may not carry out.
    """

    user: str
    everything: bool
    makes_users: bool
    forgets: bool


async def examine(endpoint: Endpoint) -> Access:
    """Asks the server, and makes and deletes a user without rights. Raises Unavailable."""
    client = connect(endpoint)
    try:
        version = await ensure_supported(client)
        user = endpoint.user or "default"
        return Access(
            user=user,
            everything=await _is_mighty(client, user, unknown=False),
            makes_users=await _makes_users(client),
            forgets=version.startswith("7.0.")
            and not await _is_mighty(client, "default", unknown=True),
        )
    except (RedisError, OSError) as error:
        raise Unavailable(f"the server refused: {error}", hint="check redis.url") from error
    finally:
        await client.aclose()


async def _is_mighty(client: Client, user: str, *, unknown: bool) -> bool:
    """Whether a user may do everything; `unknown` where the server does not say."""
    try:
        told: Any = await client.execute_command("ACL GETUSER " + user)
    except NoPermissionError:
        return unknown
    fields = told if isinstance(told, dict) else dict(zip(told[::2], told[1::2], strict=True))
    return all(fields.get(name) == value for name, value in _ALL.items())


async def _makes_users(client: Client) -> bool:
    name = "tt-doctor-" + os.urandom(6).hex()
    try:
        await client.execute_command("ACL", "SETUSER", name, "reset")
        await client.execute_command("ACL", "DELUSER", name)
    except NoPermissionError:
        return False
    return True


def line() -> str:
    """The command for `redis-cli` that makes a user for the daemon; PASSWORD is to be chosen."""
    words = daemon_acl(USER, "PASSWORD")
    return " ".join(">PASSWORD" if word == digest("PASSWORD") else word for word in words)
