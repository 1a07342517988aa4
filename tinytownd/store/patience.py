"""Waiting for a server that is away: as long as it takes, ever slower, without filling the log."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

T = TypeVar("T")
log = structlog.get_logger(__name__)
#: What redis-py raises when the server is away or does not answer.
LOST = (RedisConnectionError, RedisTimeoutError, OSError)
#: And when the server will not: it has no memory or disk left, or the user may not.
REFUSED = ResponseError
#: Between two tries while Redis is away, in seconds.
FIRST_WAIT, LONGEST_WAIT = 0.1, 5.0


async def patiently(
    attempt: Callable[[], Awaitable[T]],
    passing: tuple[type[Exception], ...] = LOST,
    **about: object,
) -> T:
    """Tries until Redis is there, as long as it takes; `about` is for the log."""
    wait, told = FIRST_WAIT, ""
    while True:
        try:
            return await attempt()
        except passing as error:
            if told != str(error):  # once: many wait at the same time
                told = str(error)
                log.warning("store.waiting", **about, error=told)
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)
