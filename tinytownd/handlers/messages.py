"""Verbs about messages."""

from __future__ import annotations

from collections.abc import Iterable

from tinytownd.domain import rules, team, threads
from tinytownd.domain.errors import BadInput, Conflict, NotFound
from tinytownd.domain.message import (
    CONDUCTOR,
    KINDS,
    MAILBOXES,
    MOST_WAITING,
    MOST_WAITING_BYTES,
    PERSON,
    STARTING_KINDS,
    Message,
)
from tinytownd.domain.names import GROUP, ROLE, check_name, check_priority, check_text, shown
from tinytownd.domain.plan import SHELL
from tinytownd.domain.threads import Place
from tinytownd.domain.town import Town
from tinytownd.handlers import paging, views
from tinytownd.handlers.registry import Answer, Context, verb


@verb("message.send", "write")
def send(
    ctx: Context,
    *,
    text: str,
    to: str | None = None,
    all: bool = False,
    kind: str = "request",
    priority: str = "normal",
    reply_to: str | None = None,
    sender: str | None = None,
    interrupt: bool = False,
) -> Answer:
    """A message to a mailbox, a role, a group or everyone else.

    `sender` is what a person says it is. With `interrupt` an urgent one stops the round that its
    reader is in, which goes on with the message in the same session.
    """
    town, urgent = ctx.town, priority == "urgent"
    check_letter(town, text, kind, priority, reply_to)
    if interrupt and not urgent:
        raise BadInput("only an urgent message interrupts a round", hint="--urgent --interrupt")
    claimed = None
    if sender is not None and ctx.speaker.agent is None:
        claimed = check_name(sender, "sender")
    receivers = receivers_of(ctx, to, everyone=all)
    for name in receivers:
        check_room(town, name, text)
    interrupts = urgent and (interrupt or town.policy.urgent_interrupts)
    starts = (urgent or kind in STARTING_KINDS) and any(map(town.find_agent, receivers))
    where = threads.place(town, ctx.speaker.agent, reply_to, starts=starts, interrupts=interrupts)
    if threads.is_used_up(town, where):
        return stopped(ctx, where)
    told = {"sort": kind, "priority": priority, "reply_to": reply_to, "claimed_sender": claimed}
    sent = [
        post(ctx, name, text, where.taken(number), interrupts=interrupts, **told)
        for number, name in enumerate(receivers, 1)
    ]
    return lambda: shown_messages(town.messages[one] for one in sent)


def post(
    ctx: Context, to: str, text: str, where: Place, *, interrupts: bool, **told: str | None
) -> str:
    """One message into one mailbox; its id."""
    place = {"thread": where.thread, "task": where.task, "turns": where.turns}
    message = rules.send(ctx.town, ctx.speaker.name, to, text, **told, **place)
    if interrupts:
        rules.interrupt(ctx.town, message)
    return message.id


def check_letter(town: Town, text: str, kind: str, priority: str, reply_to: str | None) -> None:
    """Raises `BadInput` for what cannot be sent, `NotFound` for a reply to nothing."""
    check_text(text, "message")
    check_priority(priority)
    if kind not in KINDS:
        raise BadInput(f"{shown(kind)} is no kind of message", hint="one of " + ", ".join(KINDS))
    if reply_to is not None and reply_to not in town.messages:
        raise NotFound(f"there is no message {shown(reply_to)}", hint="tt inbox --all")


def stopped(ctx: Context, where: Place) -> Answer:
    """Refuses a message of agents that have talked enough; the conductor hears it."""
    threads.stop(ctx.town, where, ctx.speaker.name)

    def answer() -> dict[str, object]:
        raise Conflict(
            f"the conversation {where.thread} has had its {where.turns} turns and is about no task",
            hint="end your round; --info still goes, a task (tt assign) takes no turn",
        )

    return answer


def shown_messages(messages: Iterable[Message]) -> dict[str, object]:
    """Answers with messages."""
    return {"messages": [views.message(one) for one in messages]}


def receivers_of(ctx: Context, to: str | None, *, everyone: bool) -> list[str]:
    """The names that a message goes to; raises `BadInput` or `NotFound`."""
    town, own = ctx.town, ctx.speaker.agent
    if everyone == (to is not None):
        raise BadInput("a message goes to one agent or to all", hint="tt send NAME or --all")
    if to is None:
        others = team.readers(town, own)
        if not others:
            raise BadInput("there is nobody to write to", hint="tt spawn NAME")
        return [agent.name for agent in others]
    if to.startswith(ROLE):
        role = to.removeprefix(ROLE)
        is_conductor = role.lower() in MAILBOXES
        return [CONDUCTOR if is_conductor else team.least_loaded(town, role, own).name]
    if to.startswith(GROUP):
        return [agent.name for agent in team.group(town, to.removeprefix(GROUP), own)]
    return [mailbox_of(town, to)]


def mailbox_of(town: Town, name: str) -> str:
    """A mailbox's one spelling: an agent's own name, the conductor's, or that of people."""
    if name.lower() in MAILBOXES:
        return CONDUCTOR
    if name.lower() == PERSON:
        return PERSON
    agent = town.agent(name)
    if agent.cli == SHELL:
        raise BadInput(f"agent {agent.name} runs commands and reads no messages", hint="tt list")
    return agent.name


def check_room(town: Town, name: str, text: str) -> None:
    """Refuses one more message to a mailbox that is full; raises `Conflict`."""
    waiting = town.inbox(name)
    size = sum(len(message.text) for message in waiting) + len(text)
    if len(waiting) >= MOST_WAITING or size > MOST_WAITING_BYTES:
        raise Conflict(
            f"{name} has {len(waiting):,} messages that wait: there is no room for more",
            hint=f"tt inbox {name}; tt list says why nobody reads them",
        )


@verb("message.inbox", "read")
def inbox(
    ctx: Context,
    *,
    agent: str | None = None,
    all: bool = False,
    limit: int = paging.USUAL,
    after: str = "",
) -> dict[str, object]:
    """What waits, without consuming it, page by page: in one mailbox, or all messages kept."""
    town = ctx.town
    if all:
        found = list(town.messages.values())
    elif agent is None and ctx.speaker.agent is None:
        found = [one for one in town.messages.values() if one.state == "waiting"]
    else:
        found = town.inbox(mailbox_of(town, agent) if agent is not None else ctx.speaker.name)
    page = paging.page(found, views.message, limit, after)
    return paging.reply("messages", page, len(found))


@verb("message.read", "write")
def read(ctx: Context, *, agent: str) -> Answer:
    """A person reads what waits in a mailbox, and takes it out; answers with it.

    What a round carries, and what asks for an answer, stays where it is: `left` of them.
    """
    ctx.people_only()
    town = ctx.town
    found = town.inbox(mailbox_of(town, agent))
    taken = [one for one in found if one.state == "waiting" and one.sort in KINDS]
    for message in taken:
        town.put(message.advance("read", acknowledged_at=ctx.now))
        town.event("message.read", ctx.speaker.name, message=message.id, agent=message.to)
    left = len(found) - len(taken)
    return lambda: {**shown_messages(town.messages[one.id] for one in taken), "left": left}


@verb("message.thread", "read")
def thread(ctx: Context, *, message: str) -> dict[str, object]:
    """The conversation that a message belongs to, oldest first."""
    return shown_messages(threads.of_message(ctx.town, message))
