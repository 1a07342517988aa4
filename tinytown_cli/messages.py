"""Messages: `send` and `inbox`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from tinytown_cli import client, layout, output
from tinytown_cli.command import text, verb
from tinytownd.domain.errors import BadInput


@verb(
    "send",
    example='tt send reviewer "Please look at it"\ntt send group:frontend --info "Freeze at noon"',
)
def send(  # noqa: PLR0913  # one parameter an option
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[TO] TEXT",
            help="To whom (an agent, role:R, group:G), and what; - reads standard input.",
        ),
    ],
    *,
    query: Annotated[bool, typer.Option("--query", help="A question.")] = False,
    info: Annotated[bool, typer.Option("--info", help="Good to know; starts no round.")] = False,
    ack: Annotated[bool, typer.Option("--ack", help="A confirmation; starts no round.")] = False,
    urgent: Annotated[bool, typer.Option("--urgent", help="Before everything else.")] = False,
    interrupt: Annotated[
        bool, typer.Option("--interrupt", help="With --urgent: stop the round that runs.")
    ] = False,
    reply_to: Annotated[
        str | None, typer.Option(metavar="M", help="The message that it answers.")
    ] = None,
    sender: Annotated[
        str | None, typer.Option("--from", metavar="A", help="In whose name (recorded as said).")
    ] = None,
    everyone: Annotated[bool, typer.Option("--all", help="To the whole team.")] = False,
) -> None:
    """Send an agent a message.

    It is a request unless --query, --info or --ack says otherwise.
    """
    *to, what = words
    if len(to) != (0 if everyone else 1):
        usage = 'tt send --all "TEXT"' if everyone else 'tt send NAME "TEXT"'
        raise BadInput("a message needs one receiver and one text", hint=usage)
    sent = client.town(
        "message.send",
        to=to[0] if to else None,
        all=everyone or None,
        text=text(what, "message"),
        kind=_kind({"query": query, "info": info, "ack": ack}),
        priority="urgent" if urgent else None,
        interrupt=interrupt or None,
        reply_to=reply_to,
        sender=sender,
    )["messages"]
    receivers = ", ".join(message["to"] for message in sent)
    output.show(sent, [f"Sent to {receivers}" if sent else "There is nobody to send it to"])


def _kind(flags: dict[str, bool]) -> str | None:
    given = [name for name, is_given in flags.items() if is_given]
    if len(given) > 1:
        raise BadInput(f"a message is one of --{' and --'.join(given)}, not both")
    return given[0] if given else None


@verb("inbox", example="tt inbox developer\ntt inbox --agent developer --read")
def inbox(
    agent: Annotated[
        str | None,
        typer.Argument(metavar="[AGENT]", help="Default: the agent that asks; for a person, all."),
    ] = None,
    *,
    named: Annotated[
        str | None, typer.Option("--agent", metavar="A", help="The same as AGENT.")
    ] = None,
    read: Annotated[
        bool, typer.Option("--read", help="Take what waits out of the mailbox.")
    ] = False,
    everyone: Annotated[
        bool, typer.Option("--all", help="Every message of the town, read ones too.")
    ] = False,
) -> None:
    """Show the messages that wait, without consuming them."""
    if agent and named:
        raise BadInput("the mailbox is named twice", hint=f"tt inbox {agent}")
    agent = agent or named
    if read:
        _read(agent, everyone)
        return
    waiting = client.town("message.inbox", agent=agent, all=everyone or None)["messages"]
    output.show(waiting, _listed(waiting))


def _read(agent: str | None, everyone: bool) -> None:
    if agent is None or everyone:
        raise BadInput("--read takes one mailbox", hint="tt inbox NAME --read")
    reply = client.town("message.read", agent=agent)
    lines = list(_listed(reply["messages"]))
    if reply["left"]:
        left = "1 more stays" if reply["left"] == 1 else f"{reply['left']} more stay"
        lines.append(f"{left} there: tt inbox {agent}")
    output.show(reply["messages"], lines)


@verb("thread", example="tt thread m7")
def thread(
    message: Annotated[str, typer.Argument(metavar="M", help="A message of it.")],
) -> None:
    """Show a conversation, message by message."""
    found = client.town("message.thread", message=message)["messages"]
    output.show(found, _listed(found))


def _listed(messages: list[client.Data]) -> Iterator[str]:
    if not messages:
        yield "No messages wait"
    for message in messages:
        claimed = f" (as {message['claimed_sender']})" if message["claimed_sender"] else ""
        sender = message["from"] + claimed
        head = f"{message['id']}  {sender} → {message['to']}  {message['kind']}"
        if message["kind"] == "question":
            about = f" about {message['task']}" if message["task"] else ""
            head = f"{message['id']}  question of {sender}{about}"
        urgency = f", {message['priority']}" if message["priority"] != "normal" else ""
        answer = f", answers {message['reply_to']}" if message["reply_to"] else ""
        age = output.age(message["sent_at"])
        yield output.paint(f"{head}{urgency}{answer}, {age} ago, {_state(message)}", "dim")
        for line in output.clean(message["text"]).splitlines():
            yield f"  {line}"
        if message["kind"] == "question":
            said = output.first_line(message["answer"])
            yield f"  Answered: {said}" if said else f"  To answer: {layout.ways(message)}"


def _state(message: client.Data) -> str:
    """Where the message is; the round that carries it, or has carried it."""
    state: str = message["state"]
    return f"{state} with round {message['round']}" if message["round"] else state
