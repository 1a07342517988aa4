"""A town's events, read from their stream: the rules once for `tt` and for the Python API."""

from __future__ import annotations

import datetime
import json
import time
from typing import Any

from tinytown_cli import conversation, transport
from tinytown_cli.conversation import IO, Link, Target
from tinytownd.domain.errors import Unavailable
from tinytownd.wire import events_key

Event = dict[str, Any]

_BATCH = 500
#: How long a stream waits for a Redis that is away, in seconds.
_PATIENCE = 60.0
_PAUSE_SECONDS = 0.2


class EventStream:
    """The events after the one with the id `last`; it survives a Redis that restarts."""

    def __init__(self, io: IO, target: Target, last: str) -> None:
        self._io, self._target = io, target
        self.last = last
        self._link: Link | None = None

    async def close(self) -> None:
        """Closes the connection; the next read makes a new one."""
        link, self._link = self._link, None
        if link:
            await link.__aexit__(None, None, None)

    async def read(self, seconds: float) -> list[Event]:
        """What happened since the last call; waits for something, at most so long.

        Raises `Unavailable` when Redis stays away, and what `io` raises when the daemon is gone. A
        read that is cancelled has read nothing.
        """
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                found = await self._read(seconds)
                if not found:
                    # A Redis outside outlives the daemon, without which nothing happens.
                    await conversation.address(self._io, self._target)
                return found
            except transport.Lost as lost:
                if time.monotonic() > deadline:
                    raise Unavailable(f"Redis stays away: {lost}", hint="tt doctor") from None
                await self._io.sleep(_PAUSE_SECONDS)

    async def _read(self, seconds: float) -> list[Event]:
        key = events_key(self._target.town)
        block = str(max(int(seconds * 1000), 1))
        words = ("COUNT", str(_BATCH), "BLOCK", block, "STREAMS", key, self.last)
        try:
            if self._link is None:
                address = await conversation.address(self._io, self._target)
                self._link = await self._io.connect(address, alone=True)
            reply = await conversation.ask(self._link, "XREAD", *words, seconds=seconds + 5)
        except BaseException:
            # Else the answer to this question would be taken for that to the next one.
            await self.close()
            raise
        # RESP3: a map of stream to entries, or nothing.
        entries = reply[key] if isinstance(reply, dict) else []
        if entries:
            self.last = entries[-1][0]
        return [_event(entry) for entry in entries]


async def last_id(io: IO, target: Target) -> str:
    """The id of the newest event, `0-0` when there is none. Raises `Unavailable`."""
    newest = await some(io, target, "XREVRANGE", "+", "-", count=1)
    return str(newest[0]["id"]) if newest else "0-0"


async def some(
    io: IO, target: Target, command: str, start: str, end: str, *, count: int = _BATCH
) -> list[Event]:
    """So many events between two ids, by XRANGE or XREVRANGE. Raises `Unavailable`."""
    try:
        async with await io.connect(await conversation.address(io, target)) as link:
            key = events_key(target.town)
            entries = await conversation.ask(link, command, key, start, end, "COUNT", str(count))
    except transport.Lost as lost:
        raise Unavailable(f"Redis cannot be reached: {lost}", hint="tt doctor") from None
    return [_event(entry) for entry in entries] if isinstance(entries, list) else []


def _event(entry: list[Any]) -> Event:
    """A stream entry as the published shape: with its id, and its time in ISO 8601."""
    fields = dict(zip(entry[1][::2], entry[1][1::2], strict=True))
    event: Event = {"id": entry[0], **json.loads(fields["event"])}
    if isinstance(event.get("at"), int):
        at = datetime.datetime.fromtimestamp(event["at"] / 1000, datetime.UTC)
        event["at"] = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return event
