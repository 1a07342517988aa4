"""What goes on in a town, to be iterated over: its events, and mail as it arrives."""

from __future__ import annotations

import re
from collections import deque
from typing import Any, Self

from tinytown_cli import eventstream
from tinytown_cli.api.agents import find
from tinytown_cli.api.records import Event, Message, read
from tinytown_cli.api.session import Session
from tinytown_cli.eventstream import EventStream
from tinytownd.domain.errors import BadInput
from tinytownd.domain.message import CONDUCTOR, MAILBOXES, PERSON

#: How long one look at the stream waits for something to happen, in seconds.
_LOOK_SECONDS = 5.0


class Events:
    """The town's events after `since`, without an end.

    Without `since` it begins when it is entered by `async with`, or else when it is first asked.
    A daemon or a Redis that restarts loses and doubles nothing; a Redis that stays away for a
    minute, and a daemon that was stopped, raise `Unavailable`, and `since=last.id` goes on from
    there.
    """

    def __init__(self, session: Session, since: str | Event | None = None) -> None:
        self._session = session.following()
        self._since = since.id if isinstance(since, Event) else since
        if self._since is not None and not re.fullmatch(r"\d+(-\d+)?", self._since):
            raise BadInput(f"{self._since!r} is not the id of an event", hint="'0' for all of them")
        self._stream: EventStream | None = None
        self._ready: deque[eventstream.Event] = deque()

    async def __aenter__(self) -> Self:
        await self._begun()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        stream = await self._begun()
        while not self._ready:
            self._ready.extend(await stream.read(_LOOK_SECONDS))
        return read(Event, self._ready.popleft())

    async def aclose(self) -> None:
        """Closes its connection, which a loop that is left does not do at once."""
        if self._stream:
            await self._stream.close()

    async def _begun(self) -> EventStream:
        self._session.check_open()
        if self._stream is None:
            io, target = self._session.io, self._session.target
            if self._since is None:
                self._since = await eventstream.last_id(io, target)
            self._stream = EventStream(io, target, self._since)
        return self._stream


class Mail:
    """The messages to one mailbox as they arrive, without an end; read, they stay where they are.

    With `waiting` those that wait already come first. Begins, and goes on, as `Events` do.
    """

    def __init__(self, session: Session, mailbox: str, *, waiting: bool) -> None:
        self._session = session.following()
        self._mailbox = mailbox
        self._waiting = waiting
        self._events = Events(self._session)
        self._name = ""
        self._ready: deque[Message] = deque()
        #: What a look into the mailbox has shown beside what was looked for.
        self._seen: dict[str, Message] = {}
        self._told: set[str] = set()

    async def __aenter__(self) -> Self:
        await self._begin()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        await self._begin()
        while not self._ready:
            event = await self._events.__anext__()
            if event.event != "message.sent" or event.agent != self._name or not event.message:
                continue
            if event.message in self._told:
                self._told.discard(event.message)
            elif found := await self._look_up(event.message):
                self._ready.append(found)
        return self._ready.popleft()

    async def aclose(self) -> None:
        """Closes its connection."""
        await self._events.aclose()

    async def _begin(self) -> None:
        if self._name:
            return
        if self._mailbox.lower() in MAILBOXES:
            name = CONDUCTOR
        elif self._mailbox.lower() == PERSON:
            name = PERSON
        else:
            name = (await find(self._session, self._mailbox)).name
        await self._events.__aenter__()
        if self._waiting:
            for message in await self._look(agent=name):
                self._ready.append(message)
                self._told.add(message.id)
        self._name = name

    async def _look_up(self, message_id: str) -> Message | None:
        """A message; None where the town has forgotten it."""
        for where in ({"agent": self._name}, {"all": True}):
            if message_id not in self._seen:
                self._seen = {one.id: one for one in await self._look(**where)}
        return self._seen.pop(message_id, None)

    async def _look(self, **where: Any) -> list[Message]:
        told = await self._session.listed("message.inbox", "messages", **where)
        return [read(Message, one) for one in told]
