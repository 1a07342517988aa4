"""The town as a whole: `init`, `towns`, `status`, `stop`, `start`, `wait`, `history`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from tinytown_cli import client, events, layout, output, statuspage, watching, wording
from tinytown_cli.command import verb
from tinytown_cli.options import chosen
from tinytownd.domain.errors import OK, WORK_FAILED, BadInput, TimedOut

#: Events for each line that people see, about; and the most that the daemon gives.
_DETAILS, _MOST = 3, 10_000


@verb("init", example="tt init --name shop")
def init(
    name: Annotated[
        str | None, typer.Option(metavar="N", help="The town's name (default: from git).")
    ] = None,
) -> None:
    """Make this directory a town."""
    directory = Path(chosen.town).expanduser().resolve() if chosen.town else Path.cwd()
    if not directory.is_dir():
        raise BadInput(f"{directory} is not a directory", hint="mkdir it first")
    reply = client.home("town.init", dir=str(directory), name=name)
    town = reply["town"]
    said = (
        [f"Town '{town['name']}' is in {town['dir']}", "Next: tt spawn developer"]
        if reply["created"]
        else [f"Town '{town['name']}' is here already; nothing was changed"]
    )
    output.show({**town, "created": reply["created"]}, said)


@verb("towns", example="tt towns\ntt towns --forget ../old-project")
def towns(
    forget: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Forget the town in this directory.")
    ] = None,
) -> None:
    """Show the towns of this home."""
    if forget:
        town = client.home("town.forget", dir=str(forget.expanduser().absolute()))["town"]
        return output.show(town, [f"Forgot town '{town['name']}' in {town['dir']}"])
    known = client.home("town.list")["towns"]
    return output.show(known, _towns(known), long=True)


def _towns(known: list[client.Data]) -> Iterator[str]:
    if not known:
        yield "No towns yet. Try: tt init"
        return
    rows = [(t["name"], t["state"], t["agents"], t["open_tasks"], t["dir"]) for t in known]
    yield from output.table(("name", "state", "agents", "open tasks", "directory"), rows)


@verb("status", example="tt status --tasks")
def status(
    deep: Annotated[bool, typer.Option("--deep", help="More of each agent and round.")] = False,
    tasks: Annotated[bool, typer.Option("--tasks", help="List the tasks, too.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Every agent and plan, however many.")
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on showing it.")] = False,
) -> None:
    """Show the town: who works on what, what waits, what is done."""
    target = client.here()
    if watch:
        return watching.watch(target, deep=deep, tasks=tasks, everything=everything)
    page = watching.ask(target, tasks=tasks, everything=everything)
    return statuspage.shown(page, deep=deep)


@verb("stop", example="tt stop --now")
def stop(
    now: Annotated[bool, typer.Option("--now", help="Kill them instead.")] = False,
) -> None:
    """Close all agents of the town."""
    agents = client.town("town.stop", now=now)["agents"]
    said = "All agents are killed" if now else "All agents close when their rounds are over"
    output.show(agents, [f"{said}. Back: tt start"])


@verb("start", example="tt start")
def start() -> None:
    """Bring the town's agents back."""
    agents = client.town("town.start")["agents"]
    output.show(agents, ["All agents are back. See: tt status"])


@verb("wait", example="tt wait developer tester --timeout 600\ntt wait --task design")
def wait(
    agents: Annotated[
        list[str] | None, typer.Argument(metavar="[AGENT]...", help="Until they are idle.")
    ] = None,
    task: Annotated[
        str | None, typer.Option(metavar="T", help="Until this task is finished.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Until nothing is open, runs or would start a round.")
    ] = False,
    timeout: Annotated[
        float | None, typer.Option(metavar="S", min=0, help="Seconds (default: no end).")
    ] = None,
) -> None:
    """Wait until agents are idle or a task is finished.

    Exit code 0 when it went well, 1 when a task failed, 4 when the time was up.
    """
    try:
        failed, left = _waited(
            {"agents": agents or None, "task": task, "all": everything or None}, timeout
        )
    except TimedOut:
        raise TimedOut(f"still not over after {timeout:g} s", hint="tt status") from None
    output.show({"failed": failed}, [_why_not(task) for task in failed] or ["Done"])
    output.more(left, "tt task list --state failed")
    raise typer.Exit(WORK_FAILED if failed else OK)


def _waited(args: client.Data, timeout: float | None) -> tuple[list[client.Data], int]:
    """What failed in the end, and how many more did.

    Until then says once for each question that it is held up by.
    """
    target, io, told = client.here(), client.Following(), list[str]()
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        left = None if deadline is None else max(deadline - time.monotonic(), 0)
        with client.telling("Waiting"):
            reply = client.send(target, "town.wait", {**args, "told": told}, seconds=left, io=io)
        if not reply["questions"]:
            failed: list[client.Data] = reply["failed"]
            return failed, reply["failed_left"]
        for question in reply["questions"]:
            told.append(question["id"])
            output.note(_held_up(question))


def _held_up(question: client.Data) -> str:
    """What waits for a person, and how to have it go on."""
    if question["task"]:
        return f"{question['task']} waits for you: {layout.ways(question)}"
    return f"this waits for you: {output.first_line(question['text'])} ({layout.ways(question)})"


def _why_not(task: client.Data) -> str:
    """Why a task that was waited for is not completed."""
    if task["state"] == "failed":
        return f"{task['id']} failed: {output.first_line(task['error'])}"
    if task["state"] == "cancelled":
        return f"{task['id']} was cancelled"
    return f"{task['id']} is held back: it waits for {', '.join(task['waits_for'])}"


@verb("history", example="tt history --agent developer --limit 20")
def history(
    agent: Annotated[
        str | None, typer.Option(metavar="A", help="What concerns this agent.")
    ] = None,
    task: Annotated[str | None, typer.Option(metavar="T", help="What concerns this task.")] = None,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="The last N events (default: 100).")
    ] = None,
) -> None:
    """Show who did what."""
    # For people details are left out: as many lines as they asked for need more events.
    more = 0 if chosen.json or limit is None else min(limit * _DETAILS, _MOST)
    asked = None if limit is None else max(limit, more)
    told = client.town("town.history", agent=agent, task=task, limit=asked)["events"]
    # Where nothing but details is told, they are better than nothing.
    shown = [event for event in told if not wording.is_detail(event)] or told
    shown = shown[-limit:] if limit else shown
    lines: Iterator[str] = (events.line(event, dated=True) for event in shown)
    if not told:
        lines = iter(["Nothing has happened yet. Try: tt spawn developer"])
    output.show(told, lines, long=True)
