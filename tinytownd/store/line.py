"""One connection that is kept for requests one after the other, where every microsecond counts.

The common road of redis-py costs a request 0.2 ms more: a connection from the pool and back, words
packed in Python, a task for each write (`wait_for` on Python 3.11), conversions of the reply. Here
a request is packed by hiredis and written at once; connecting, parsing and errors are redis-py's.
"""

from __future__ import annotations

import asyncio
from typing import Any
from weakref import WeakKeyDictionary

import hiredis
import redis.asyncio
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

Word = str | bytes | int


class Line:
    """A connection of a pool; it connects, and after a failure connects again, when asked."""

    def __init__(self, pool: redis.asyncio.ConnectionPool) -> None:
        self._pool = pool
        self._connection: AbstractConnection | None = None
        self._seconds: float | None = None
        self._lock = asyncio.Lock()

    async def ask(self, *words: Word) -> Any:
        """What the server replies, as RESP3 has it.

        Raises what redis-py raises; where that says that the connection was lost, what was asked
        may have happened or not.
        """
        (reply,) = await self.ask_all(words)
        if isinstance(reply, ResponseError):
            raise reply
        return reply

    async def ask_all(self, *requests: tuple[Word, ...]) -> list[Any]:
        """The replies to some requests in one round trip; a refusal is among them, not raised."""
        packed = [hiredis.pack_command(words) for words in requests]  # type: ignore[arg-type] # its stub: one word
        async with self._lock:
            connection = self._connection or await self._connect()
            try:
                async with asyncio.timeout(self._seconds):
                    await connection.send_packed_command(packed)
                    return [await _reply(connection) for _ in requests]
            except TimeoutError as error:
                raise RedisTimeoutError(f"no answer in {self._seconds} seconds") from error

    async def close(self) -> None:
        """Ends the connection; the pool may make another one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.socket_timeout = self._seconds
            await connection.disconnect()
            await self._pool.release(connection)

    async def _connect(self) -> AbstractConnection:
        connection: AbstractConnection = await self._pool.get_connection()
        # Ours bounds a request and its reply together, and needs no task for it.
        self._seconds, connection.socket_timeout = connection.socket_timeout, None
        self._connection = connection
        return connection


async def _reply(connection: AbstractConnection) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error


def line_of(client: redis.asyncio.Redis) -> Line:
    """The one line of a client, which ends with it."""
    return _lines.setdefault(client, Line(client.connection_pool))


_lines: WeakKeyDictionary[redis.asyncio.Redis, Line] = WeakKeyDictionary()
