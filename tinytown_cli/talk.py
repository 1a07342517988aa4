"""A line to the conductor below the live view: what is typed goes to its mailbox.

What it and others say to people, and what it does, stays above the view, in the terminal's memory.
"""

from __future__ import annotations

import _socket
import contextlib
import os
import select
import shutil
import textwrap
import time
from typing import Self

from tinytown_cli import client, events, output, wording
from tinytown_cli.screen import Screen
from tinytown_cli.typed import Keys, Line
from tinytownd.domain.errors import TownError
from tinytownd.domain.message import CONDUCTOR, PERSON

_PROMPT = "> "
_INVITATION = "write to the conductor (Enter sends, Ctrl-D leaves)"
_EXPECTED = "the conductor will answer"
_UNREAD = "this waits in the conductor's mailbox: nobody is there to read it"
# The scheduler in the daemon is the conductor, too, and does this all the time.
_ROUTINE = frozenset(
    {
        *(f"task.{what}" for what in ("assigned", "released", "completed", "failed", "blocked")),
        *(f"plan.{what}" for what in ("completed", "failed", "stalled", "blocked")),
        *("round.started", "round.ended"),
    }
)


class Talk:
    """A person's conversation with the conductor. Use as a context manager."""

    def __init__(self, target: client.Target, screen: Screen) -> None:
        self._target, self._screen = target, screen
        self._line = Line()
        #: What was asked here and has no answer yet, and whether somebody is there to give one.
        self._asked: set[str] = set()
        self._is_there = False
        self._keys = Keys()

    def __enter__(self) -> Self:
        self._keys.__enter__()
        self._draw()
        return self

    def __exit__(self, *error: object) -> None:
        self._screen.close()
        self._keys.__exit__(*error)

    def wait(self, link: _socket.socket | None, until: float | None) -> None:
        """Waits for the connection, and takes in what is typed meanwhile: see `transport.Wait`.

        Raises `TimeoutError`, and `KeyboardInterrupt` when the person leaves.
        """
        ours = [self._keys.fd, self._keys.resumed]
        sources = ours if link is None else [*ours, link]
        while True:
            left = None if until is None else max(until - time.monotonic(), 0)
            ready, _, _ = select.select(sources, [], [], left)
            if self._keys.resumed in ready:
                os.read(self._keys.resumed, 4096)
                self._screen.again()
            if self._keys.fd in ready:
                self._take_in()
            if link in ready:
                return
            if not ready:
                raise TimeoutError

    def rest(self, seconds: float) -> None:
        """Sleeps, and takes in what is typed meanwhile."""
        with contextlib.suppress(TimeoutError):
            self.wait(None, time.monotonic() + seconds)

    def is_open(self, status: client.Data) -> bool:
        """Whether the person is in the middle of a line, or waits for an answer that may come."""
        named = [one for one in status["agents"] if one["name"] == CONDUCTOR]
        self._is_there = any(one["desired"] == "run" and one["state"] != "error" for one in named)
        self._draw()
        return bool(self._line.text) or (bool(self._asked) and self._is_there)

    def open(self) -> None:
        """Shows what people were told before, and have not read."""
        for message in self._unread():
            self._show(message)

    def heard(self, event: events.Event) -> bool:
        """Tells what concerns the conversation; whether it did."""
        match event:
            case {"event": "message.sent", "agent": agent} if agent == PERSON:
                self._receive(event)
            case {"event": "message.read", "agent": agent} if agent == PERSON:
                pass  # that was us, or another view
            case {"event": "message.acknowledged", "message": message}:
                self._asked.discard(message)
                return False
            case {"event": "message.sent", "message": message} if message in self._asked:
                pass  # it was shown when it was sent
            case {"event": str(name), "actor": actor} if actor == CONDUCTOR:
                if name in _ROUTINE or wording.is_detail(event):
                    return False
                self._screen.above([_deed(event)])
            case _:
                return False
        return True

    def _receive(self, event: events.Event) -> None:
        """Shows a message to people; another view of theirs may have read it before."""
        if event.get("actor") == CONDUCTOR:
            self._asked.clear()
        found = self._unread()
        for message in found:
            self._show(message)
        if not found:
            self._screen.above([events.line(event)])

    def _unread(self) -> list[client.Data]:
        told: list[client.Data] = client.send(self._target, "message.read", {"agent": PERSON})[
            "messages"
        ]
        return told

    def _show(self, message: client.Data) -> None:
        self._screen.above(letter(message["from"], message["sent_at"], message["text"]))

    def _take_in(self) -> None:
        keys = self._keys.read()
        for text in self._line.feed(keys):
            if text.strip():
                self._send(text)
        if self._line.ended or not keys:
            raise KeyboardInterrupt  # Ctrl-D, or a terminal that is gone, leaves as Ctrl-C does
        self._draw()

    def _send(self, text: str) -> None:
        args = {"to": CONDUCTOR, "text": text, "kind": "query"}
        try:
            (sent,) = client.send(self._target, "message.send", args)["messages"]
        except TownError as error:
            hint = f" ({error.hint})" if error.hint else ""
            self._screen.above([output.paint(f"{error.message}{hint}", "red")])
            self._line.text = text
            return
        self._asked.add(sent["id"])
        self._screen.above(letter("you", sent["sent_at"], text))

    def _draw(self) -> None:
        if self._line.text:
            width = shutil.get_terminal_size().columns - 1 - len(_PROMPT)
            self._screen.below(_PROMPT + tail(self._line.text, width))
        elif self._asked:
            self._screen.below(_PROMPT, _EXPECTED if self._is_there else _UNREAD)
        else:
            self._screen.below(_PROMPT, _INVITATION)


def tail(text: str, width: int) -> str:
    """As much of the text's end as so many columns take, on one line."""
    line = text.translate({ord("\n"): "⏎", ord("\t"): " "})
    if len(line) <= width and output.columns(line) <= width:
        return line
    end = line[-max(width, 1) :]
    while end and output.columns(end) > width - 1:
        end = end[1:]
    return f"…{end}"


def letter(sender: str, sent_at: str, text: str) -> list[str]:
    """A message, wrapped to the terminal's width between its words."""
    width = shutil.get_terminal_size().columns - 1
    clock, name = output.clock(sent_at), f"{sender}:"
    # The head is measured without its colours.
    first, *rest = (f"{clock} {name} {output.clean(text).strip()}").splitlines()
    lines = [
        *_wrapped(first, width),
        *(one for line in rest for one in _wrapped(f"  {line}", width)),
    ]
    head = f"{output.paint(clock, 'dim')} {output.paint(name, 'bold')}"
    return [head + lines[0].removeprefix(f"{clock} {name}"), *lines[1:]]


def _wrapped(line: str, width: int) -> list[str]:
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.wrap(line, max(width, 20), subsequent_indent=indent) or [""]


def _deed(event: events.Event) -> str:
    """What the conductor did; most sentences do not say who did it."""
    sentence = wording.SENTENCES.get(event["event"], "{actor}")
    line = events.line(event)
    return line if sentence.startswith("{actor}") else f"{line} (by the conductor)"
