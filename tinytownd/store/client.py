"""Connections to the store, set up against the traps of redis-py that were reproduced.

No retries (a lost reply would repeat a write; commands carry ids for that), a pool that waits
instead of raising, RESP3, text in and out. A poisoned entry that is not UTF-8 cannot stop a reader.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

import redis.asyncio
import structlog
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from tinytownd.domain.errors import BadInput, Unavailable
from tinytownd.home import Endpoint, connect_path
from tinytownd.store.binary import recent
from tinytownd.store.line import line_of

log = structlog.get_logger(__name__)
#: A client of the store, for those who may not import redis.
Client = redis.asyncio.Redis
POOL = 8
SOCKET_SECONDS = 10.0
END_SECONDS = 0.1  # between two cancellations of the same task
BLOCKING_SECONDS = 15.0  # above any BLOCK in use (2 s)


def connect(endpoint: Endpoint, *, blocking: bool = False) -> redis.asyncio.Redis:
    """A client of the store; nothing is sent before its first command.

    `blocking` is for XREADGROUP BLOCK and pub/sub: own connections, and a socket timeout above it.
    Close it with `aclose()`.
    """
    options: dict[str, Any] = {
        "protocol": 3,
        "decode_responses": True,
        "encoding_errors": "replace",
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": BLOCKING_SECONDS if blocking else SOCKET_SECONDS,
        "socket_connect_timeout": SOCKET_SECONDS,
        "username": endpoint.user or None,
        "password": endpoint.password or None,
    }
    pool = _pool(endpoint, options)
    return redis.asyncio.Redis.from_pool(pool)


def _pool(endpoint: Endpoint, options: dict[str, Any]) -> redis.asyncio.BlockingConnectionPool:
    if endpoint.socket:
        return redis.asyncio.BlockingConnectionPool(
            POOL,
            timeout=None,
            connection_class=redis.asyncio.UnixDomainSocketConnection,
            path=connect_path(Path(endpoint.socket)),
            **options,
        )
    url = endpoint.url or ""
    if not url.startswith("unix:"):
        options["socket_keepalive"] = True
    return redis.asyncio.BlockingConnectionPool.from_url(
        url, max_connections=POOL, timeout=None, **options
    )


def external(url: str) -> Endpoint:
    """The endpoint that a configured URL names; its user and password leave the URL.

    They may stand in its query as well, as redis-py has it. Raises `BadInput`, without the URL:
    what is wrong with it may be in the password.
    """
    try:
        parse_url(url)
    except ValueError:
        raise BadInput(
            "the address is no Redis URL: look at its port, and at its password",
            hint="in a password, write %2F for /, %23 for #, %3F for ?, %40 for @",
        ) from None
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    told = {name: value for name, value in query if name in ("username", "password")}
    rest = urlencode([pair for pair in query if pair[0] not in told])
    host = parts.netloc.rpartition("@")[2]
    return Endpoint(
        url=urlunsplit(parts._replace(netloc=host, query=rest)),
        user=unquote(parts.username or "") or told.get("username", ""),
        password=unquote(parts.password or "") or told.get("password", ""),
    )


async def ensure_supported(client: redis.asyncio.Redis) -> str:
    """The server's version ("7.0.15"; a Valkey names the Redis it stands for).

    Raises Unavailable when it is older than 7.0, does not answer, or refuses to say.
    """
    try:
        version = str((await client.info("server"))["redis_version"])
    except (RedisError, OSError, KeyError) as error:
        raise Unavailable(
            f"Redis does not answer: {reason(error)}", hint="tt doctor shows what is missing"
        ) from error
    if not recent(version):
        raise Unavailable(
            f"Redis {version} is too old: tinytown needs 7.0 or newer",
            hint="upgrade that server, or take redis.url out to use the embedded one",
        )
    return version


def reason(error: BaseException) -> str:
    """Why a connection failed: in the system's own words, where it was the system that refused."""
    refused = error.__cause__ or error.__context__
    if isinstance(refused, OSError) and refused.errno:
        # Negative: what the resolver says (getaddrinfo(3)).
        known = refused.errno > 0
        return os.strerror(refused.errno) if known else refused.strerror or str(error)
    return str(error)


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancels tasks that use the store, as often as it takes, until they are over.

    redis-py waits for each write with `wait_for`, which can swallow a cancellation before Python
    3.12 (https://github.com/python/cpython/issues/81839).
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=END_SECONDS)


async def set_user(client: Client, command: list[str]) -> bool:
    """Makes a user of the server; False, and a line in the log, where it does not let us."""
    try:
        await line_of(client).ask(*command)
    except ResponseError as error:
        log.warning("redis.no_users", user=command[2], error=str(error), fix="tt doctor")
        return False
    return True
