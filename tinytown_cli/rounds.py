"""An agent's or a task's rounds, printed in their order, and followed while they run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tinytown_cli import client, events, output
from tinytown_cli.options import chosen
from tinytown_cli.roundpage import Lines, Raw, Readable, Style
from tinytown_cli.transcripts import Tail, rounds_of
from tinytownd.domain.errors import NotFound

_LOOK_SECONDS = 0.2
_GONE = ("stopped", "cold")
_OVER = ("completed", "failed", "cancelled")


class Found(NamedTuple):
    """The rounds there are by now, and whether there will be no other."""

    rounds: list[client.Data]
    over: bool = False


class Open:
    """The files of a round that is being printed."""

    def __init__(self, directory: Path, style: Style) -> None:
        self._style = style
        self._tails = {name: Tail(directory / name) for name in ("stdout", "stderr")}

    def more(self) -> None:
        """Prints what was added since the last call."""
        for stream, tail in self._tails.items():
            while text := tail.read():
                self._style.printed(stream, text)

    @property
    def kept(self) -> bool:
        """Whether its files are there."""
        return any(tail.path.exists() for tail in self._tails.values())

    def close(self) -> None:
        """Closes the files."""
        for tail in self._tails.values():
            tail.close()


class Printer:
    """Prints rounds, one after the other: the next begins when the one before it is over."""

    def __init__(self, target: client.Target, style: Style, after: int) -> None:
        """Of the rounds with a number greater than `after`."""
        self._target, self._style = target, style
        self._done = after
        self._open: Open | None = None

    def take(self, rounds: list[client.Data], *, follow: bool) -> None:
        """Prints what is new of them; with `follow`, up to the first that still runs."""
        for one in rounds:
            if one["round"] <= self._done:
                continue
            if self._open is None:
                self._open = self._begin(one)
            self._open.more()
            if follow and one["outcome"] is None:
                return
            self._end(self._open, one)

    def more(self) -> None:
        """Prints what the round that runs has printed since."""
        if self._open is not None:
            self._open.more()

    def close(self) -> None:
        """Closes all files."""
        if self._open is not None:
            self._open.close()

    def _begin(self, one: client.Data) -> Open:
        self._style.begin(one)
        return Open(rounds_of(self._target, one["agent"]) / str(one["round"]), self._style)

    def _end(self, files: Open, one: client.Data) -> None:
        self._style.over(one, kept=files.kept)
        files.close()
        self._open, self._done = None, one["round"]


def style(*, raw: bool) -> Style:
    """How it is to be printed."""
    return Raw() if raw else Lines() if chosen.json else Readable()


def of_agent(name: str, last: int, *, raw: bool, follow: bool) -> None:
    """The last rounds of an agent; with `follow` for ever, and what comes. Raises `TownError`."""
    target = client.here()
    told = client.send(target, "agent.rounds", {"name": name, "limit": last})
    if not told["rounds"] and not follow:
        return output.note(f"{told['agent']} has had no round yet")

    def ask() -> Found:
        return Found(client.send(target, "agent.rounds", {"name": name})["rounds"])

    first = Found(told["rounds"])
    about = {"agent": told["agent"]}
    return _print(target, first, ask if follow else None, about, style(raw=raw))


def of_task(ref: str, *, raw: bool, follow: bool) -> None:
    """All rounds of a task, of its checks and reviews; with `follow` until it is over.

    Raises `TownError`.
    """
    target = client.here()

    def ask() -> Found:
        told = client.send(target, "task.rounds", {"task": ref})
        runs = any(one["outcome"] is None for one in told["rounds"])
        return Found(told["rounds"], over=told["task"]["state"] in _OVER and not runs)

    first = ask()
    if not first.rounds and (first.over or not follow):
        return output.note("No round has worked on it")
    return _print(target, first, ask if follow else None, {}, style(raw=raw))


class Foreground:
    """What an agent says and does from now on, until it is closed or stopped."""

    def __init__(self, target: client.Target, name: str) -> None:
        """Before the agent is spawned: nothing that it does may be missed. Raises `TownError`."""
        self._target = target
        known = self._rounds(name)
        self._printer = Printer(target, style(raw=False), known[-1]["round"] if known else 0)

    def show_until_gone(self, name: str) -> None:
        """Returns when the agent is gone, or when the person has seen enough."""

        def ask() -> Found:
            found = client.send(self._target, "agent.list", {"name": name})["agents"]
            gone = not found or found[0]["state"] in _GONE
            return Found(self._rounds(name), over=gone)

        try:
            _follow(self._target, self._printer, Found([]), ask, {"agent": name})
        except KeyboardInterrupt:
            output.note(f"{name} goes on; tt kill {name} ends it")
        finally:
            self._printer.close()

    def _rounds(self, name: str) -> list[client.Data]:
        try:
            told = client.send(self._target, "agent.rounds", {"name": name})
        except NotFound:  # not yet, or no more
            return []
        found: list[client.Data] = told["rounds"]
        return found


def _print(
    target: client.Target,
    first: Found,
    ask: Callable[[], Found] | None,
    about: dict[str, str],
    how: Style,
) -> None:
    """Prints what there is; with `ask`, what follows, asking again at each event `about` it."""
    printer = Printer(target, how, first.rounds[0]["round"] - 1 if first.rounds else 0)
    try:
        if ask is None:
            with output.paged(wanted=not isinstance(how, Raw)):
                printer.take(first.rounds, follow=False)
        else:
            _follow(target, printer, first, ask, about)
    finally:
        printer.close()


def _follow(
    target: client.Target,
    printer: Printer,
    found: Found,
    ask: Callable[[], Found],
    about: dict[str, str],
) -> None:
    # From the town's latest event on; what happened since it was asked is asked for once more.
    with events.Stream(target, events.last_id(target)) as stream:
        printer.take(found.rounds, follow=True)
        found = ask()
        while True:
            printer.take(found.rounds, follow=True)
            printer.more()
            output.flush()
            if found.over:
                return
            batch = stream.read(_LOOK_SECONDS)
            if any(about.items() <= event.items() for event in batch):
                found = ask()
