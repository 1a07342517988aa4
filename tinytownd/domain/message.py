"""A message between members of a town, and a round that delivers it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from tinytownd.domain.machine import Table, advance
from tinytownd.domain.record import Record

#: Notes are messages that start no round. So many wait in a mailbox, and so long, in milliseconds;
#: older ones are folded into one line of the next prompt. Ours: a week, and a page of prompt.
MOST_NOTES, NOTE_LIFE_MS = 50, 7 * 24 * 3_600_000
#: So much may wait in a mailbox of what must not be left out: messages, and bytes of their texts.
#: Ours: far more than anybody reads, far less than would hurt.
MOST_WAITING, MOST_WAITING_BYTES = 1_000, 16 * 1024 * 1024
KINDS = ("request", "query", "info", "ack")
#: What the town asks a person, in the conductor's mailbox; only the town sends it, and no agent
#: is ever given it: see `questions.py`.
QUESTION = "question"
#: What starts a round by itself; the others ride along with the next one.
STARTING_KINDS = frozenset({"request", "query"})
#: The one mailbox that is no agent's: two words for the conductor.
CONDUCTOR = "conductor"
MAILBOXES = frozenset({"conductor", "supervisor"})
#: Who writes that is no agent: a person, and the town itself.
PERSON, DAEMON = "person", "daemon"

TRANSITIONS: Table = {
    "waiting": {
        "deliver": "delivered",
        "forward": "waiting",
        "fold": "acknowledged",
        "answer": "acknowledged",
        "read": "acknowledged",
    },
    "delivered": {"acknowledge": "acknowledged", "return": "waiting"},
    "acknowledged": {},
}


@dataclass(frozen=True)
class Message(Record):
    """One message; `sender` and `to` are names, `round` the round that carries it.

    `sort` is one of `KINDS` or `QUESTION`, and called its kind wherever it is shown. `thread` is
    the id of the message that the conversation began with (None: this one), `task` the one that
    its sender worked on. `turns` counts what agents wrote in the conversation that starts rounds
    and is of no task, since a person last wrote in it: see `threads.py`. `about` names a question's
    subject, `answer` is what a person said to it.
    `origin` is its id in the town that it was migrated from.
    """

    kind: ClassVar[str] = "messages"

    sender: str
    to: str
    text: str
    sort: str = "request"
    priority: str = "normal"
    state: str = "waiting"
    seq: int = 0
    round: str | None = None
    reply_to: str | None = None
    thread: str | None = None
    turns: int = 0
    task: str | None = None
    about: str | None = None
    answer: str | None = None
    claimed_sender: str | None = None
    sent_at: int = 0
    delivered_at: int | None = None
    acknowledged_at: int | None = None
    origin: str | None = None

    def advance(self, event: str, **changes: Any) -> Self:
        """The message after `event`; raises `IllegalTransition`."""
        state = advance(f"message {self.id}", TRANSITIONS, self.state, event)
        return self.but(state=state, **changes)

    @property
    def conversation(self) -> str:
        """The id of the message that its conversation began with."""
        return self.thread or self.id

    @property
    def over(self) -> bool:
        """Whether it was read, or left out."""
        return self.state == "acknowledged"

    @property
    def starts_round(self) -> bool:
        """Whether it is worth tokens of its own."""
        return self.sort in STARTING_KINDS or (self.priority == "urgent" and self.sort in KINDS)

    @property
    def is_note(self) -> bool:
        """Whether it may be left out when there are too many: it asks for nothing."""
        return self.sort in KINDS and not self.starts_round


@dataclass(frozen=True)
class Round(Record):
    """One process of an agent's CLI. `id` is its number in the town, as text; `cwd` where it runs.

    `token` fences it: what runs carries it in its environment. `outcome` is None while it runs,
    then completed, failed, limited, interrupted or unknown. `afresh`: its agent does not go on with
    its session.
    """

    kind: ClassVar[str] = "rounds"

    agent: str
    token: str
    task: str | None = None
    messages: tuple[str, ...] = ()
    cli: str = ""
    cwd: str = ""
    resumed: str | None = None
    session: str | None = None
    attempt: int = 0
    folded: int = 0
    outcome: str | None = None
    stopping: str | None = None
    afresh: bool = False
    error: str | None = None
    started_at: int = 0
    verdict_at: int | None = None
    ended_at: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None

    @property
    def over(self) -> bool:
        """Whether its process has ended."""
        return self.outcome is not None
