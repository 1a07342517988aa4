"""What happened, in detail: `events` and `logs`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Annotated

import typer

from tinytown_cli import client, events, output, places, transcripts
from tinytown_cli.command import verb
from tinytown_cli.options import chosen

_LOOK_SECONDS = 0.2
_LATEST_ROUNDS = 3
# What a line of the log begins with anyhow.
_SHOWN_FIRST = ("timestamp", "level", "event", "logger", "town")
_LEVEL_STYLES = {"warning": "yellow", "error": "red", "critical": "red", "debug": "dim"}


@verb("events", example="tt events -f")
def print_events(
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what comes.")] = False,
) -> None:
    """Print the raw event stream.

    One JSON object a line, oldest first; with --json and without -f one array.
    """
    target = client.here()
    last = "0-0"
    if chosen.json and not follow:
        return output.show(list(events.history(target)), [])
    for event in events.history(target):
        output.json_line(event)
        last = event["id"]
    if follow:
        with events.Stream(target, last) as stream:
            while True:
                for event in stream.read(5.0):
                    output.json_line(event)
    return None


@verb("logs", example="tt logs -f\ntt logs developer")
def logs(
    agent: Annotated[
        str | None, typer.Argument(metavar="[AGENT]", help="What its CLI printed lately.")
    ] = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what comes.")] = False,
) -> None:
    """Show the daemon's log, or what an agent's CLI printed."""
    target = client.here()
    if agent is None:
        tail = transcripts.Tail(places.log_file())
        return _print(lambda: _readable(tail, target.town), tail.close, follow)
    directory = transcripts.rounds_of(target, transcripts.known_name(target, agent))
    transcript = transcripts.Transcript(directory, _LATEST_ROUNDS)
    return _print(lambda: output.clean(transcript.read()), transcript.close, follow)


def _print(read: Callable[[], str | None], close: Callable[[], None], follow: bool) -> None:
    """Prints until there is no more, or for ever; None is a part that has nothing to show."""
    try:
        while True:
            more = read()
            if more:
                output.write(more, end="")
            elif more is not None and not follow:
                return
            elif more is not None:
                output.flush()
                time.sleep(_LOOK_SECONDS)
    finally:
        close()


def _readable(tail: transcripts.Tail, town: str) -> str | None:
    text = tail.read()
    if not text:
        return ""
    return "".join(f"{line}\n" for line in _of_town(text, town)) or None


def _of_town(text: str, town: str) -> Iterator[str]:
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and entry.get("town") == town:
            yield line if chosen.json else _log_line(entry)


def _log_line(entry: dict[str, object]) -> str:
    level = str(entry.get("level", "info"))
    about = " ".join(f"{k}={_value(v)}" for k, v in entry.items() if k not in _SHOWN_FIRST)
    front = f"{output.clock(entry.get('timestamp'))} {level:<7} {entry.get('event', '')}"
    painted = output.paint(output.clean(front), _LEVEL_STYLES.get(level, ""))
    return f"{painted}  {output.clean(about)}".rstrip()


def _value(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return json.dumps(text) if " " in text or not text else text
