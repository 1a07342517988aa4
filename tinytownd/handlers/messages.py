"""Verbs about messages."""

from __future__ import annotations

from tinytownd.domain import rules
from tinytownd.domain.errors import BadInput, Conflict, NotFound
from tinytownd.domain.message import (
    CONDUCTOR,
    KINDS,
    MAILBOXES,
    MOST_WAITING,
    MOST_WAITING_BYTES,
)
from tinytownd.domain.names import check_name, check_priority, check_text, shown
from tinytownd.domain.plan import SHELL
from tinytownd.domain.town import Town
from tinytownd.handlers import views
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
) -> Answer:
    """A message to one mailbox or to everyone else; `sender` is what a person says it is."""
    town = ctx.town
    check_text(text, "message")
    check_priority(priority)
    if kind not in KINDS:
        raise BadInput(f"{shown(kind)} is no kind of message", hint="one of " + ", ".join(KINDS))
    if reply_to is not None and reply_to not in town.messages:
        raise NotFound(f"there is no message {shown(reply_to)}", hint="tt inbox --all")
    claimed = None
    if sender is not None and ctx.speaker.agent is None:
        claimed = check_name(sender, "sender")
    to_whom = receivers(ctx, to, everyone=all)
    for name in to_whom:
        check_room(town, name, text)
    sent = [
        rules.send(
            town,
            ctx.speaker.name,
            receiver,
            text,
            sort=kind,
            priority=priority,
            reply_to=reply_to,
            claimed_sender=claimed,
        ).id
        for receiver in to_whom
    ]
    return lambda: {"messages": [views.message(town.messages[one]) for one in sent]}


def receivers(ctx: Context, to: str | None, *, everyone: bool) -> list[str]:
    """The names that a message goes to; raises `BadInput` or `NotFound`."""
    if everyone == (to is not None):
        raise BadInput("a message goes to one agent or to all", hint="tt send NAME or --all")
    if to is not None:
        return [mailbox_of(ctx.town, to)]
    team = [agent for agent in ctx.town.agents.values() if agent.cli != SHELL]
    others = [agent.name for agent in team if agent.name != ctx.speaker.name]
    if not others:
        raise BadInput("there is nobody to write to", hint="tt spawn NAME")
    return others


def mailbox_of(town: Town, name: str) -> str:
    """A mailbox's one spelling: an agent's own name, or the conductor's."""
    if name.lower() in MAILBOXES:
        return CONDUCTOR
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
def inbox(ctx: Context, *, agent: str | None = None, all: bool = False) -> dict[str, object]:
    """What waits, without consuming it: for one mailbox, or with --all every message kept."""
    town = ctx.town
    if all:
        return {"messages": [views.message(one) for one in town.messages.values()]}
    if agent is None and ctx.speaker.agent is None:
        waiting = [one for one in town.messages.values() if one.state == "waiting"]
        return {"messages": [views.message(one) for one in waiting]}
    name = mailbox_of(town, agent) if agent is not None else ctx.speaker.name
    return {"messages": [views.message(one) for one in town.inbox(name)]}
