"""When a town is not as it should be: `recover`, `reclaim`, `prune`, `reset`. For people only."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from tinytown_cli import client, output
from tinytown_cli.command import verb
from tinytown_cli.report import seconds_of
from tinytownd.domain.errors import WORK_FAILED, BadInput


@verb("recover", example="tt recover")
def recover() -> None:
    """Mend what can be mended, and say what was found.

    The daemon does so by itself; this is a second look at everything.
    """
    client.for_people()
    found = client.town("town.recover")["findings"]
    output.show(found, [_finding(one) for one in found] or ["Nothing to mend"])


def _finding(one: client.Data) -> str:
    done = f": {one['done']}" if one["done"] else ""
    hint = f" ({one['hint']})" if one["hint"] else ""
    return f"{output.clean(one['what'])}{done}{hint}"


@verb("reclaim", example="tt reclaim\ntt reclaim --from tester --to developer")
def reclaim(
    to: Annotated[
        str | None, typer.Option("--to", metavar="AGENT", help="Who does them instead.")
    ] = None,
    to_backlog: Annotated[
        bool, typer.Option("--to-backlog", help="Nobody, for now: they go to the backlog.")
    ] = False,
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="AGENT", help="Only this agent's, whatever its state."),
    ] = None,
) -> None:
    """Take open tasks from agents that will not do them.

    Those are the tasks of agents that are closed, stopped, in error or not on the team. Without
    --to or --to-backlog they are only listed. What a round works on is never taken.
    """
    client.for_people()
    if to is not None and to_backlog:
        raise BadInput("--to and --to-backlog are two answers", hint="choose one")
    target = "backlog" if to_backlog else to
    reply = client.town("task.reclaim", to=target, source=source)
    output.show(reply, _reclaimed(reply, target))


def _reclaimed(reply: client.Data, target: str | None) -> Iterator[str]:
    tasks, skipped = reply["tasks"], reply["skipped"]
    if not tasks and not skipped:
        yield "Nothing to reclaim"
    for task in tasks:
        owner = task["agent"] or "the backlog"
        where = f"waits for {owner}" if target is None else f"goes to {owner}"
        yield f"{task['id']} {where}: {output.first_line(task['description'])}"
    for one in skipped:
        yield f"{one['id']} stays: it {one['why']}"
    if tasks and target is None:
        yield "Nothing was changed. To take them: tt reclaim --to AGENT, or --to-backlog"


@verb("prune", example="tt prune --all\ntt prune --older 30d --dry-run")
def prune(
    everyone: Annotated[
        bool, typer.Option("--all", help="Keep nobody; tasks go to the backlog.")
    ] = False,
    older: Annotated[
        str | None,
        typer.Option("--older", metavar="T", help="Instead: archive what ended so long ago (30d)."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say how much would be archived.")
    ] = False,
) -> None:
    """Remove agents that have stopped.

    Those that own an open task, or have requests or queries that wait, stay. With --all they go,
    too, and so do agents in error: tasks go to the backlog, messages to the conductor's mailbox.
    With --older no agent goes: finished tasks and rounds go into the archive. The town does that
    by itself, too, with what is too old or too much.
    """
    client.for_people()
    if older is not None:
        if everyone:
            raise BadInput("--older is about tasks, --all about agents", hint="one of the two")
        told = client.town("town.archive", older=seconds_of(older), dry_run=dry_run or None)
        output.show(told, _archived(told))
        return
    if dry_run:
        raise BadInput("--dry-run goes with --older", hint="tt prune --older 30d --dry-run")
    reply = client.town("agent.prune", all=everyone or None)
    output.show(reply["removed"], _pruned(reply))


def _archived(reply: client.Data) -> Iterator[str]:
    what = " and ".join(output.plural(reply[f"{noun}s"], noun) for noun in ("task", "round"))
    if not reply["tasks"] and not reply["rounds"]:
        yield "Nothing to archive"
    elif reply["dry_run"]:
        yield f"{what} would be archived"
    else:
        yield f"Archived {what}: tt task show TASK still shows each"
    if reply["kept"]:
        yield f"{output.plural(reply['kept'], 'finished task')} stay: something still needs them"


def _pruned(reply: client.Data) -> Iterator[str]:
    names = ", ".join(agent["name"] for agent in reply["removed"])
    yield f"Removed {names}" if names else "Nobody to remove"
    for agent in reply["removed"]:
        if agent["tasks"]:
            tasks = output.plural(agent["tasks"], "task")
            yield f"{tasks} of {agent['name']} went to the backlog: tt backlog list"
        if agent["messages"]:
            messages = output.plural(agent["messages"], "message")
            yield f"{messages} for {agent['name']} went to the conductor: tt inbox conductor"
    for agent in reply["kept"]:
        yield f"{agent['name']} stays: it {agent['why']}"


@verb("reset", example="tt reset --agents-only")
def reset(
    agents_only: Annotated[
        bool, typer.Option("--agents-only", help="Keep tasks and messages.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Do not ask.")] = False,
) -> None:
    """Empty the town: agents, tasks, messages and rounds go.

    Rounds that run are ended first. The history stays.
    """
    client.for_people()
    target = client.here()
    if not force and not _agreed(target, agents_only=agents_only):
        output.note("Nothing was changed")
        raise typer.Exit(WORK_FAILED)
    client.send(target, "town.stop", {"now": True})
    client.send(target, "town.wait", {}, seconds=None)
    gone = client.send(target, "town.reset", {"agents_only": agents_only or None})
    what = ", ".join(output.plural(count, kind[:-1]) for kind, count in gone.items())
    output.show(gone, [f"Gone: {what}", "What happened is in tt history. Next: tt spawn developer"])


def _agreed(target: client.Target, *, agents_only: bool) -> bool:
    """Whether a person says yes to what goes. Raises `BadInput` where there is nobody to ask."""
    if not sys.stdin.isatty():
        raise BadInput("tt reset asks first, and this is no terminal", hint="tt reset --force")
    status = client.send(target, "town.status", {})
    for line in _what_goes(status, agents_only=agents_only):
        output.note(line)
    return output.ask("Go on?")


def _what_goes(status: client.Data, *, agents_only: bool) -> Iterator[str]:
    agents, states = status["agents"], status["tasks"]["by_state"]
    yield f"In {status['town']['dir']} this goes:"
    yield f"  {output.plural(len(agents), 'agent')}, with what their rounds printed"
    for agent in agents:
        if agent["state"] in ("working", "draining"):
            about = f" on {agent['task']}" if agent["task"] else ""
            yield f"  {agent['name']} works{about}: its round is ended"
    if not agents_only:
        still = sum(states.get(state, 0) for state in ("pending", "assigned", "running"))
        over = sum(states.values()) - still
        yield f"  {output.plural(still, 'open task')}, and {over} that are over"
        waiting = sum(status["messages"].values())
        yield f"  {output.plural(waiting, 'message')} that wait, and those that were read"
