"""A town's events: read from its stream, and told in one line each."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Iterator
from typing import Any

from tinytown_cli import client, output, transport, wording
from tinytownd.domain.errors import Unavailable
from tinytownd.wire import events_key

Event = dict[str, Any]

_BATCH = "500"
#: How long a stream waits for a Redis that is away, in seconds.
_PATIENCE = 60.0
_PAUSE_SECONDS = 0.2


def line(event: Event, *, dated: bool = False) -> str:
    """An event for people: `10:31:07 developer started implement`."""
    then = output.moment(event.get("at"))
    day = f"{then.astimezone():%Y-%m-%d} " if dated and then else ""
    return f"{output.paint(day + output.clock(event.get('at')), 'dim')} {wording.told(event)}"


class Stream:
    """The events of a town from one on; it survives a Redis that restarts."""

    def __init__(self, target: client.Target, after: str) -> None:
        self._target = target
        self.last = after
        self._link: transport.Link | None = None

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; the next read makes a new one."""
        if self._link:
            self._link.__exit__()
        self._link = None

    def read(self, seconds: float) -> list[Event]:
        """What happened since the last call; waits for something, at most so long.

        Raises `Unavailable` when Redis stays away.
        """
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                self._link = self._link or transport.Link(client.address(self._target))
                return self._read(self._link, seconds)
            except transport.Lost as lost:
                self.close()
                if time.monotonic() > deadline:
                    raise Unavailable(f"Redis stays away: {lost}", hint="tt doctor") from None
                time.sleep(_PAUSE_SECONDS)

    def _read(self, link: transport.Link, seconds: float) -> list[Event]:
        key = events_key(self._target.town)
        block = str(max(int(seconds * 1000), 1))
        reply = link.ask(
            *("XREAD", "COUNT", _BATCH, "BLOCK", block, "STREAMS", key, self.last),
            seconds=seconds + 5,
        )
        # RESP3: a map of stream to entries, or nothing.
        entries = reply[key] if isinstance(reply, dict) else []
        if entries:
            self.last = entries[-1][0]
        return [_event(entry) for entry in entries]


def last_id(target: client.Target) -> str:
    """The id of the newest event, `0-0` when there is none. Raises `Unavailable`."""
    return next((str(e["id"]) for e in _range(target, "XREVRANGE", "+", "-", "1")), "0-0")


def history(target: client.Target) -> Iterator[Event]:
    """All events that the town still has, oldest first. Raises `Unavailable`."""
    start = "-"
    while True:
        batch = _range(target, "XRANGE", start, "+", _BATCH)
        yield from batch
        if not batch:
            return
        start = f"({batch[-1]['id']}"


def _range(target: client.Target, command: str, start: str, end: str, count: str) -> list[Event]:
    try:
        with transport.Link(client.address(target)) as link:
            key = events_key(target.town)
            entries = link.ask(command, key, start, end, "COUNT", count)
    except transport.Lost as lost:
        raise Unavailable(f"Redis cannot be reached: {lost}", hint="tt doctor") from None
    return [_event(entry) for entry in entries] if isinstance(entries, list) else []


def _event(entry: list[Any]) -> Event:
    """A stream entry as the published shape: with its id, and its time in ISO 8601."""
    event: Event = {"id": entry[0], **json.loads(dict(_pairs(entry[1]))["event"])}
    if isinstance(event.get("at"), int):
        at = datetime.datetime.fromtimestamp(event["at"] / 1000, datetime.UTC)
        event["at"] = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return event


def _pairs(fields: list[str]) -> Iterator[tuple[str, str]]:
    yield from zip(fields[::2], fields[1::2], strict=True)
