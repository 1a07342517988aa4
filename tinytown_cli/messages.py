"""Messages: `send` and `inbox`."""

from __future__ import annotations

from typing import Annotated

import typer

from tinytown_cli import client, mailpage, output
from tinytown_cli.command import Limit, text, verb
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
    reply = client.town(
        "message.send",
        to=to[0] if to else None,
        all=everyone or None,
        text=text(what, "message"),
        kind=_kind({"query": query, "info": info, "ack": ack}),
        priority="urgent" if urgent else None,
        interrupt=interrupt or None,
        reply_to=reply_to,
        sender=sender,
    )
    mailpage.sent(reply)


def _kind(flags: dict[str, bool]) -> str | None:
    given = [name for name, is_given in flags.items() if is_given]
    if len(given) > 1:
        raise BadInput(
            f"a message is one of --{' and --'.join(given)}, not both", hint="choose one"
        )
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
    limit: Limit = None,
    everyone: Annotated[
        bool, typer.Option("--all", help="Every message of the town, read ones too.")
    ] = False,
) -> None:
    """Show the messages that wait, without consuming them."""
    if agent and named:
        raise BadInput("the mailbox is named twice", hint=f"tt inbox {agent}")
    agent = agent or named
    if read and limit is not None:
        raise BadInput("--read takes all that waits", hint="leave --limit out")
    if read:
        _read(agent, everyone)
        return
    told = {"agent": agent, "all": everyone or None}
    found, left = client.listed(
        "message.inbox", "messages", limit=limit, everything=everyone, **told
    )
    mailpage.inbox({"messages": found, "total": len(found) + left})


def _read(agent: str | None, everyone: bool) -> None:
    if agent is None or everyone:
        raise BadInput("--read takes one mailbox", hint="tt inbox NAME --read")
    reply = client.town("message.read", agent=agent)
    lines = list(mailpage.listed(reply["messages"]))
    if reply["left"]:
        left = "1 more stays" if reply["left"] == 1 else f"{reply['left']} more stay"
        lines.append(f"{left} there: tt inbox {agent}")
    output.show(reply["messages"], lines, long=True)


@verb("thread", example="tt thread m7")
def thread(
    message: Annotated[str, typer.Argument(metavar="M", help="A message of it.")],
) -> None:
    """Show a conversation, message by message."""
    found = client.town("message.thread", message=message)["messages"]
    output.show(found, mailpage.listed(found), long=True)
