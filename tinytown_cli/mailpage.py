"""Messages as text for people."""

from __future__ import annotations

from tinytown_cli import layout, output

TYPE_CHECKING = False  # see `jsontext`
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tinytown_cli import client


def sent(reply: client.Data) -> None:
    """The reply to `message.send`."""
    messages = reply["messages"]
    receivers = ", ".join(message["to"] for message in messages)
    output.show(messages, [f"Sent to {receivers}" if messages else "There is nobody to send it to"])


def inbox(reply: client.Data) -> None:
    """The reply to `message.inbox`."""
    found = reply["messages"]
    output.show(found, listed(found), long=True)
    output.more(reply["total"] - len(found), "--limit N")


def listed(messages: list[client.Data]) -> Iterator[str]:
    """Messages, one after the other, with who wrote to whom and what became of it."""
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
        ago = output.ago(message["sent_at"])
        yield output.paint(f"{head}{urgency}{answer}, {ago}, {_state(message)}", "dim")
        for line in output.clean(message["text"]).splitlines():
            yield f"  {line}"
        if message["kind"] == "question":
            said = output.first_line(message["answer"])
            yield f"  Answered: {said}" if said else f"  To answer: {layout.ways(message)}"


def _state(message: client.Data) -> str:
    """Where the message is; the round that carries it, or has carried it."""
    state: str = message["state"]
    return f"{state} with round {message['round']}" if message["round"] else state
