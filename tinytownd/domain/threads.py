"""Conversations: which messages belong together, and when agents have talked enough. Pure.

Agents that answer each other would go on all night. What an agent writes in a round without a task
belongs to the conversation that started the round, whether the agent says so or not, and is a turn
in it if it starts a round in its turn; of those there are `policy.thread_messages`, until a person
writes in the conversation. So does what an agent stops another one's round with.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import takewhile

from tinytownd.domain import rules
from tinytownd.domain.agent import Agent
from tinytownd.domain.errors import NotFound
from tinytownd.domain.message import CONDUCTOR, DAEMON, PERSON, Message
from tinytownd.domain.names import shown
from tinytownd.domain.town import Town


@dataclass(frozen=True)
class Place:
    """Where a new message belongs: its conversation (None: it begins one) and its sender's task.

    `turns` are those that were taken there so far; `takes_turn` says whether it is another.
    """

    thread: str | None = None
    task: str | None = None
    turns: int = 0
    takes_turn: bool = False

    def taken(self, messages: int) -> Place:
        """The place of the last of so many messages that are written there at once."""
        return replace(self, turns=self.turns + messages * self.takes_turn)


def place(
    town: Town, sender: Agent | None, reply_to: str | None, *, starts: bool, interrupts: bool
) -> Place:
    """Where a message of an agent, or of a person (None), belongs.

    `starts` says whether it starts a round, `interrupts` whether it stops one.
    """
    running = town.rounds.get((sender and sender.round) or "")
    task = running.task if running else None
    talks = sender is not None and (task is None or interrupts)
    thread = town.messages[reply_to].conversation if reply_to is not None else None
    if thread is None and talks and running is not None:
        read = (town.messages[one] for one in running.messages if one in town.messages)
        started = [message for message in read if message.starts_round]
        thread = max(started, key=lambda m: m.seq).conversation if started else None
    turns = conversation(town, thread)[-1].turns if thread is not None and sender else 0
    return Place(thread, task, turns, talks and starts)


def conversation(town: Town, thread: str) -> list[Message]:
    """Its messages that the town still has, oldest first."""
    found = (one for one in town.messages.values() if one.conversation == thread)
    return sorted(found, key=lambda message: message.seq)


def of_message(town: Town, ref: str) -> list[Message]:
    """The conversation that a message belongs to, or once began; raises `NotFound`."""
    message = town.messages.get(ref)
    found = conversation(town, message.conversation if message is not None else ref)
    if not found:
        raise NotFound(f"there is no message {shown(ref)}", hint="tt inbox --all")
    return found


def is_used_up(town: Town, where: Place) -> bool:
    """Whether the conversation has had all its turns, and this would be one more."""
    return where.takes_turn and where.turns >= town.policy.thread_messages


def stop(town: Town, where: Place, actor: str) -> None:
    """The conductor hears once that a conversation has had all its turns."""
    if where.thread is None:
        return
    about = f"thread:{where.thread}"
    so_far = reversed(conversation(town, where.thread))
    if any(one.about == about for one in takewhile(lambda one: one.sender != PERSON, so_far)):
        return
    text = (
        f"{actor} was refused one more message in a conversation about no task; it had its "
        f"{where.turns} turns: tt thread {where.thread}. A task (tt assign) takes no turn; who "
        f"answers in it as a person (tt send NAME --reply-to {where.thread}) lets it go on."
    )
    town.event("thread.stopped", actor, message=where.thread, text=f"{where.turns} turns")
    kept = {"about": about, "thread": where.thread, "turns": where.turns}
    rules.send(town, DAEMON, CONDUCTOR, text, **kept)
