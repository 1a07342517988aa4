"""Verbs that take a town to a file and back."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tinytownd import saves, wire
from tinytownd.domain.agent import DESIRED, Agent
from tinytownd.domain.errors import BadInput, Conflict
from tinytownd.domain.meta import Meta
from tinytownd.domain.record import Record
from tinytownd.domain.town import Town
from tinytownd.files import read_whole, write_apart
from tinytownd.handlers import views
from tinytownd.handlers.registry import Answer, Context, Decision, verb
from tinytownd.saves import Save
from tinytownd.supervisor.verdict import Ending, Retries, finish

#: The numbers that a town gives: see `Meta`.
_SEQUENCES = ("tasks", "numbered", "messages", "rounds", "agents", "plans")


def absolute(path: str) -> Path:
    """The path that a client named; raises `BadInput` for one that is not absolute."""
    if not Path(path).is_absolute() or not Path(path).name:
        raise BadInput(f"{path} is no absolute path of a file")
    return Path(path)


@verb("town.save", "query")
async def save(ctx: Context, *, path: str, force: bool = False) -> dict[str, object]:
    """Writes the whole town into one file; again, for the same command, it tells of that file."""
    ctx.people_only()
    file = absolute(path)
    made = await asyncio.to_thread(written_for, ctx.command, file)
    if made is None:
        made = await take(ctx)
        await asyncio.to_thread(write_apart, file, made, replace=force)
    header = saves.header_of(made) or {}
    about = {key: header[key] for key in ("counts", "sha256")}
    return {"path": path, "bytes": len(made), **about}


def written_for(command: str, file: Path) -> bytes | None:
    """The save that this command has written already, before its daemon was killed."""
    try:
        raw = read_whole(file, saves.MAX_SAVE_BYTES)
    except BadInput:
        return None
    header = saves.header_of(raw)
    return raw if header is not None and header.get("command") == command else None


async def take(ctx: Context) -> bytes:
    """The town as it is at one moment, as a save: it goes on working meanwhile."""
    store = ctx.host.store

    def look(town: Town) -> tuple[Meta, list[Record], str]:
        return town.meta, list(town.records()), store.last_event

    meta, records, last = await store.read(look)
    events = [text async for text in store.events_until(last)]
    # What is put away meanwhile was at hand then.
    there = {(one.kind, one.id) for one in records}
    archived = [one async for one in store.archive.everything() if (one.kind, one.id) not in there]
    about = {"created_at": views.iso(wire.now_ms()) or "", "command": ctx.command}
    raw = await asyncio.to_thread(saves.encode, meta, records, events, about, archived)
    if len(raw) > saves.MAX_SAVE_BYTES:
        raise Conflict(f"the town is too large for a save: {len(raw) // 2**20} MiB")
    return raw


@verb("town.restore", "prepare")
async def restore(ctx: Context, *, path: str) -> Decision:
    """Brings what a file holds into a town that is empty; its agents are closed."""
    ctx.people_only()
    check_empty(ctx.town)
    raw = await asyncio.to_thread(read_whole, absolute(path), saves.MAX_SAVE_BYTES)
    held = await asyncio.to_thread(saves.decode, raw, path)

    def decide(ctx: Context) -> Answer:
        check_empty(ctx.town)
        bring_in(ctx.town, held, ctx.speaker.name)
        about = {key: held.header[key] for key in ("town", "created_at")}
        return lambda: {"path": path, "counts": dict(held.counts), **about}

    return decide


def check_empty(town: Town) -> None:
    """Raises `Conflict` for a town in which something is or was done."""
    counts = {
        "agent": len(town.agents),
        "task": len(town.tasks),
        "message": len(town.messages),
        "round": len(town.rounds),
        "archived task": sum(town.meta.archived.values()),
    }
    there = [f"{n} {noun}" + "s" * (n > 1) for noun, n in counts.items() if n]
    if there:
        raise Conflict(
            f"this town is not empty: it has {', '.join(there)}",
            hint="tt reset empties it; tt init makes a town in another directory",
        )


def bring_in(town: Town, held: Save, actor: str) -> None:
    """Makes an empty town what a save tells of, at rest: nothing of it runs here."""
    mine, saved = town.meta, held.meta
    numbers = {name: max(getattr(mine, name), getattr(saved, name)) for name in _SEQUENCES}
    for record in (*held.records, *held.archived):
        numbers[record.kind] = max(numbers[record.kind], record.order)
    town.put(mine.but(conducting=saved.conducting, archived=saved.archived, **numbers))
    for record in sorted(held.records, key=lambda one: one.order):
        town.put(record)
    for record in held.archived:
        town.archive(record)
    town.change.events += held.events
    come_to_rest(town)
    about = f"{held.header['town']}, as it was at {held.header['created_at']}"
    town.event("town.restored", actor, text=about)


def come_to_rest(town: Town) -> None:
    """Rounds that ran are interrupted, what they held waits again, agents are where none works."""
    for running in [one for one in town.rounds.values() if not one.over]:
        ending = Ending("interrupted", error="the town was restored from a save")
        finish(town, running, ending, Retries(1, 0, 0))
    for task in [one for one in town.tasks.values() if one.state == "running"]:
        town.put(task.advance("release", round=None))
    for message in [one for one in town.messages.values() if one.state == "delivered"]:
        town.put(message.advance("return", round=None))
    for agent in list(town.agents.values()):
        town.put(at_rest(agent, town.now))
        town.wake(agent)


def at_rest(agent: Agent, now: int) -> Agent:
    """The agent without a process or a session; closed, unless somebody wanted it otherwise."""
    desired = agent.desired if agent.desired in DESIRED else "close"
    state, event = DESIRED[desired]
    if agent.state != state:
        agent = agent.advance(event, now)
    agent = agent.but(
        desired=desired, session=None, round=None, task=None, restart=False, failures=0
    )
    return agent.freed()
