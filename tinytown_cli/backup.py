"""A town as a file, or from elsewhere: `save`, `restore`, `migrate`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from tinytown_cli import client, output
from tinytown_cli.command import text, verb

#: How long a town of 10,000 tasks may take, in seconds; measured: three.
_PATIENCE = 300.0

File = Annotated[str, typer.Argument(metavar="FILE", help="The file.")]


def _absolute(file: str) -> str:
    """The file as the daemon must be told, which works in another directory."""
    path = Path(text(file, "file's name")).expanduser().absolute()
    return str(path.parent.resolve() / path.name)


@verb("save", example="tt save ../shop-2026-11-22.save")
def save(
    file: File,
    force: Annotated[bool, typer.Option("--force", help="Replace the file.")] = False,
) -> None:
    """Write the whole town into one file, while it works.

    Agents, tasks, messages, rounds and history; not what agents printed, nor the project's files.
    """
    reply = _send("town.save", path=_absolute(file), force=force or None)
    size = f"{reply['bytes']:,} bytes"
    output.show(reply, [f"Saved {_told(reply['counts'])} to {reply['path']} ({size})"])


@verb("restore", example="tt init\ntt restore ../shop-2026-11-22.save\ntt start")
def restore(file: File) -> None:
    """Bring a saved town into this one, which must be empty.

    What ran when it was saved waits again. Agents are closed: nothing starts before `tt start`.
    """
    reply = _send("town.restore", path=_absolute(file))
    lines = [
        f"Restored {_told(reply['counts'])} of town '{reply['town']}'",
        "Its agents are closed. Have a look: tt status; then: tt start",
    ]
    output.show(reply, lines)


@verb("migrate", example="tt migrate --dry-run\ntt migrate --from ../old/.tt/redis.sock")
def migrate(
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="WHERE", help="Its Redis: URL, socket or tinytown.toml."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="N", help="Its name, where several are there.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would come and what cannot.")
    ] = False,
) -> None:
    """Bring over a town of the Rust tinytown.

    Its team, tasks, backlog and waiting messages. Nothing is written there, and nothing comes
    twice. Agents are closed until tt start.
    """
    if source is not None and "://" not in source:
        source = _absolute(source)
    reply = _send("town.migrate", source=source, name=name, dry_run=dry_run or None)
    output.show(reply, _migrated(reply))


def _migrated(reply: client.Data) -> Iterator[str]:
    if reply["source"] is None:
        yield f"This town's format ({reply['format']}) is current: there is nothing to do for it"
        yield "No town of the Rust tinytown is here or in ~/.tt. Another place: tt migrate --from"
        return
    came, there = reply["came"], reply["there"]
    would = "Would bring" if reply["dry_run"] else "Brought"
    told = ", ".join(output.plural(len(came[f"{n}s"]), n) for n in ("agent", "task", "message"))
    yield f"{would} {told} from town '{reply['name']}' at {reply['source']}"
    yield from (f"  agent {one['name']} ({one['cli']})" for one in came["agents"])
    for one in came["tasks"]:
        where = f"{one['state']}, {one['agent'] or 'backlog'}"
        yield f"  task {one['id']} ({where}): {one['description']}"
    for one in came["messages"]:
        yield f"  {one['kind']} from {one['from']} to {one['to']}: {one['text']}"
    if any(there.values()):
        known = ", ".join(f"{count} {noun}" for noun, count in there.items() if count)
        yield f"Here already: {known}"
    yield from (f"Not brought: {one['what']}: {one['why']}" for one in reply["left"])
    if came["agents"] and not reply["dry_run"]:
        yield "Its agents are closed. Have a look: tt status; then: tt start"


def _send(verb_: str, **args: object) -> client.Data:
    return client.send(client.here(), verb_, args, seconds=_PATIENCE)


def _told(counts: client.Data) -> str:
    nouns = ("agent", "task", "message", "round", "event")
    return ", ".join(output.plural(counts[f"{noun}s"], noun) for noun in nouns)
