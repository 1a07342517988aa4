"""Wakes: one subscription for all agents of all towns. A wake says "look now", nothing more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import redis.asyncio
import structlog
from redis.exceptions import ResponseError

from tinytownd.store import keys
from tinytownd.store.patience import FIRST_WAIT, LONGEST_WAIT, LOST

log = structlog.get_logger(__name__)
#: How long one wait for a message lasts, in seconds, before the connection is looked at.
PATIENCE = 10.0


async def listen(
    client: redis.asyncio.Redis,
    wake: Callable[[str, str], None],
    wake_all: Callable[[], Awaitable[None]],
) -> None:
    """Calls `wake(town, agent id)` for each wake until cancelled.

    Wakes may be lost while the server is away, so `wake_all` is called after every subscription.
    """
    wait = FIRST_WAIT
    while True:
        pubsub = client.pubsub(ignore_subscribe_messages=True)
        try:
            await pubsub.psubscribe(keys.WAKE_PATTERN)
            wait = FIRST_WAIT
            await wake_all()
            while True:
                message = await pubsub.get_message(timeout=PATIENCE)
                if message is not None:
                    wake(*keys.parse_wake(message["channel"]))
        except (*LOST, ResponseError) as error:  # a refused subscription costs latency, no more
            log.warning("wakes.away", error=str(error), seconds=wait)
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)
        finally:
            await pubsub.aclose()
