"""The plan file and the town: `plan` and `sync …`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from tinytown_cli import client, output, places, planfile
from tinytown_cli.command import group, verb

sync = group(
    "sync", "Bring the plan file and the town together.", "tt sync push\ntt sync pull --all"
)
#: How long a plan of 10,000 tasks may take, in seconds.
_PATIENCE = 120.0
#: As many tasks as are named one by one.
_FEW = 10


@verb("plan", example="tt plan --init\ntt plan\ntt plan --check")
def plan(
    init: Annotated[bool, typer.Option("--init", help="Write an example tasks.toml.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Only say whether it is sound.")] = False,
) -> None:
    """Show tasks.toml in waves, with every problem in it.

    What stands in one wave can run side by side.
    """
    if init:
        file = planfile.create()
        return output.show({"path": str(file)}, [f"Wrote {file}. Next: tt plan, tt sync push"])
    reply = _send("plan.check", text=planfile.read())
    return output.show(reply, _summary(reply) if check else _waves(reply))


def _send(verb_: str, **args: object) -> client.Data:
    return client.send(client.here(), verb_, args, seconds=_PATIENCE)


def _summary(reply: client.Data) -> Iterator[str]:
    count = sum(map(len, reply["waves"]))
    waves = output.plural(len(reply["waves"]), "wave")
    yield f"{places.PLAN} is sound: {output.plural(count, 'task')} in {waves}"
    yield from _warnings(reply)


def _warnings(reply: client.Data) -> Iterator[str]:
    for warning in reply["warnings"]:
        yield output.paint(f"warning: {warning['message']}", "yellow")


def _waves(reply: client.Data) -> Iterator[str]:
    if not reply["waves"]:
        yield f"No tasks in {places.PLAN} yet"
    if reply["description"]:
        yield output.paint(output.first_line(reply["description"]), "bold")
    rows = [
        (
            number if place == 0 else "",
            task["id"],
            task["agent"] or ("shell" if task["run"] else "(backlog)"),
            ", ".join(task["depends_on"]) or "-",
            task["run"] or task["description"],
        )
        for number, wave in enumerate(reply["waves"], 1)
        for place, task in enumerate(wave)
    ]
    if rows:
        yield from output.table(("wave", "id", "agent", "after", "task"), rows)
    for one in reply["groups"]:
        children = ", ".join(one["children"])
        yield f"group {one['id']}: {output.first_line(one['description'])} ({children})"
    yield from _warnings(reply)


@verb("push", of=sync, example="tt sync push --prune")
def push(
    prune: Annotated[
        bool, typer.Option("--prune", help="Cancel tasks that left the file before they started.")
    ] = False,
    adopt_status: Annotated[
        bool, typer.Option("--adopt-status", help="Believe the file's states.")
    ] = False,
) -> None:
    """Bring the file's tasks into the town."""
    reply = _send(
        "plan.push", text=planfile.read(), prune=prune or None, adopt_status=adopt_status or None
    )
    output.show(reply, _pushed(reply))


def _pushed(reply: client.Data) -> Iterator[str]:
    kinds = {kind: kind for kind in ("added", "updated", "unchanged", "kept")}
    kinds["removed"] = "gone from the file"
    counts = ", ".join(f"{len(reply[kind])} {told}" for kind, told in kinds.items() if reply[kind])
    yield f"Pushed: {counts or 'nothing'}"
    for kind in ("kept", "removed"):
        for one in reply[kind]:
            why = f": {one['why']}" if one["why"] else ""
            yield f"  {one['id']} ({one['state']}){why}"
    yield "Next: tt conductor"


@verb("pull", of=sync, example="tt sync pull --all")
def pull(
    everything: Annotated[
        bool, typer.Option("--all", help="Append the town's other tasks, too.")
    ] = False,
) -> None:
    """Write states, agents and results into the file."""
    before = planfile.read(missing="" if everything else None)
    reply = _send("plan.pull", text=before, all=everything or None)
    if reply["text"] != before:
        planfile.replace(before, reply["text"])
    changed = reply["changed"]
    few = len(changed) <= _FEW
    names = ", ".join(one["id"] for one in changed) if few else f"{len(changed)} tasks"
    said = f"Updated {places.PLAN}: {names}" if changed else f"{places.PLAN} is up to date"
    output.show({"changed": changed}, [said])
