"""What is derived from a town's messages: who has which, what they are about, how many wait."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Set
from itertools import chain

from tinytownd.domain.message import MAILBOXES, Message


class Mailboxes:
    """The indexes of the messages in `messages`, which its owner changes."""

    def __init__(self, messages: Mapping[str, Message]) -> None:
        self._messages = messages
        #: How many messages of each sort wait, and in each mailbox how many that start a round.
        self.waiting: Counter[str] = Counter()
        self._starting: Counter[str] = Counter()
        self._boxes: defaultdict[str, set[str]] = defaultdict(set)
        #: Messages that wait and are about something, by that.
        self._about: dict[str, set[str]] = {}

    def of(self, name: str) -> list[Message]:
        """Messages to a name that are not acknowledged, oldest first."""
        return self._in_order(self._boxes.get(mailbox(name), ()))

    def starting(self, name: str) -> int:
        """How many messages to a name wait that start a round."""
        return self._starting[mailbox(name)]

    @property
    def subjects(self) -> Set[str]:
        """What messages that wait are about."""
        return self._about.keys()

    def about(self, *subjects: str) -> list[Message]:
        """Messages that wait and are about one of these, or about anything; oldest first."""
        ids = (self._about.get(one, ()) for one in subjects or self._about)
        return self._in_order(chain.from_iterable(ids))

    def _in_order(self, ids: Iterable[str]) -> list[Message]:
        return sorted((self._messages[one] for one in ids), key=lambda message: message.seq)

    def replace(self, old: Message | None, new: Message | None) -> None:
        """A message was added (no old), replaced, or removed (no new)."""
        if old is not None and not old.over:
            self._boxes[mailbox(old.to)].discard(old.id)
            if old.state == "waiting":
                self._count(old, -1)
        if new is not None and not new.over:
            self._boxes[mailbox(new.to)].add(new.id)
            if new.state == "waiting":
                self._count(new, 1)

    def _count(self, message: Message, by: int) -> None:
        self.waiting[message.sort] += by
        self._starting[mailbox(message.to)] += by * message.starts_round
        if message.about is None:
            return
        about = self._about.setdefault(message.about, set())
        if by > 0:
            about.add(message.id)
        else:
            about.discard(message.id)
        if not about:
            del self._about[message.about]


def mailbox(name: str) -> str:
    """The key of a mailbox: `conductor` and `supervisor` are one."""
    lowered = name.lower()
    return "conductor" if lowered in MAILBOXES else lowered
