"""What happened, in detail: `events` and `logs`."""

from __future__ import annotations

import datetime
import time
from typing import Annotated, Literal

import typer

from tinytown_cli import client, daemonlog, events, output, places, rounds
from tinytown_cli.command import verb
from tinytown_cli.options import chosen
from tinytown_cli.report import seconds_of
from tinytownd.domain.errors import BadInput, NotFound, TownError

_LOOK_SECONDS = 0.2
#: So much is shown where nobody says: lines of the log, rounds of an agent.
_LINES, _ROUNDS = 200, 3
#: More lines than a log can have: what a time bounds, no number needs to.
_ALL = 10**9
_MOST_ROUNDS = 1_000


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


@verb("logs", example="tt logs -f\ntt logs developer\ntt logs --level warning --since 12h")
def logs(  # noqa: PLR0913  # one parameter an option
    agent: Annotated[
        str | None, typer.Argument(metavar="[AGENT]", help="Whose rounds: what its CLI printed.")
    ] = None,
    *,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what comes.")] = False,
    last: Annotated[
        int | None,
        typer.Option("-n", "--last", metavar="N", min=1, help="Lines, or rounds of an agent."),
    ] = None,
    of_agent: Annotated[
        str, typer.Option("--agent", metavar="A", help="Lines of the log about this agent.")
    ] = "",
    task: Annotated[str, typer.Option(metavar="T", help="Lines about this task.")] = "",
    level: Annotated[
        Literal["info", "warning", "error"] | None,
        typer.Option(metavar="L", help="info, warning or error, and what is worse."),
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Of the last 30m, 12h, 2d.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Lines of all towns.")] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="With an agent: just what its CLI printed.")
    ] = False,
) -> None:
    """Show the daemon's log, or what an agent said and did."""
    if agent is not None:
        if of_agent or task or level or since or everything:
            raise BadInput(
                "--agent, --task, --level, --since and --all choose lines of the daemon's log",
                hint=f"tt logs {agent} -n 10, or tt logs --agent {agent}",
            )
        return rounds.of_agent(agent, min(last or _ROUNDS, _MOST_ROUNDS), raw=raw, follow=follow)
    if raw:
        raise BadInput("--raw is for what an agent's CLI printed", hint="tt logs AGENT --raw")
    wanted = daemonlog.Wanted(
        town="" if everything else _town(),
        agent=of_agent,
        task=task,
        level=level or "debug",
        since=_before(seconds_of(since)) if since else "",
    )
    return _daemon(wanted, last or (_ALL if since else _LINES), follow=follow)


def _town() -> str:
    """The id of the town that is meant, "" outside of any: then it is the home's log.

    No daemon is asked: the log is what one looks at when none starts.
    """
    try:
        directory = places.town_directory(chosen.town)
    except NotFound:
        if chosen.town:
            raise
        return ""
    return places.town_id(directory)


def _before(seconds: int) -> str:
    """That long ago, as the log writes it."""
    then = datetime.datetime.fromtimestamp(time.time() - seconds, datetime.UTC)
    return then.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _daemon(wanted: daemonlog.Wanted, most: int, *, follow: bool) -> None:
    log = daemonlog.Log(places.log_file())
    names = None if wanted.town or chosen.json else _names()
    try:
        lines, more = log.last(wanted, most)
        if more:
            output.note(f"Earlier lines are there: -n {10 * most}, or --since 1d")
        elif not lines and not follow:
            output.note(f"No such lines in {places.log_file()}")
        with output.paged(wanted=not follow):
            _show(lines, names)
        while follow:
            output.flush()
            time.sleep(_LOOK_SECONDS)
            _show(log.new(wanted), names)
    finally:
        log.close()


def _names() -> dict[str, str]:
    """Towns' names by their ids, where a daemon runs that can tell."""
    if not places.daemon_pid():
        return {}
    try:
        return {one["id"]: one["name"] for one in client.home("town.list")["towns"]}
    except TownError:
        return {}


def _show(lines: list[daemonlog.Line], names: dict[str, str] | None) -> None:
    today = time.strftime("%Y-%m-%d")
    for line in lines:
        if chosen.json:
            output.json_line(line)
            continue
        for part in daemonlog.text(line, today, names):
            output.write(part)
