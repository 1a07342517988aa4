"""A town's events: read from its stream, and told in one line each."""

from __future__ import annotations

from collections.abc import Iterator

from tinytown_cli import client, eventstream, output, transport, wording

Event = eventstream.Event


def line(event: Event, *, dated: bool = False) -> str:
    """An event for people: `10:31:07 developer started implement`."""
    then = output.moment(event.get("at"))
    day = f"{then.astimezone():%Y-%m-%d} " if dated and then else ""
    return f"{output.paint(day + output.clock(event.get('at')), 'dim')} {wording.told(event)}"


class Stream:
    """The events of a town from one on; it survives a Redis that restarts.

    `wait` is what it waits with between them; see `transport.Wait`. Neither it nor what is asked
    beside it brings back a daemon that was stopped.
    """

    def __init__(
        self, target: client.Target, after: str, wait: transport.Wait | None = None
    ) -> None:
        self._target = target
        self._io = client.Following(wait)
        self._stream = eventstream.EventStream(self._io, target, after)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        client.run(self._stream.close())

    @property
    def last(self) -> str:
        """The id of the last event that was read."""
        return self._stream.last

    def ask(self, verb: str, **args: object) -> client.Data:
        """A command's reply. Raises `TownError`s, as `client.send` does."""
        return client.send(self._target, verb, args, io=self._io)

    def read(self, seconds: float) -> list[Event]:
        """What happened since the last call; waits for something, at most so long.

        Raises `Unavailable` when Redis stays away.
        """
        return client.run(self._stream.read(seconds))


def last_id(target: client.Target) -> str:
    """The id of the newest event, `0-0` when there is none. Raises `Unavailable`."""
    return client.run(eventstream.last_id(client.IO, target))


def history(target: client.Target) -> Iterator[Event]:
    """All events that the town still has, oldest first. Raises `Unavailable`."""
    start = "-"
    while True:
        batch = client.run(eventstream.some(client.IO, target, "XRANGE", start, "+"))
        yield from batch
        if not batch:
            return
        start = f"({batch[-1]['id']}"
