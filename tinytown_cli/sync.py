"""The plan file and the town: `sync …`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from tinytown_cli import client, output, planfile
from tinytown_cli.command import group, verb
from tinytownd.domain.errors import PlanError

sync = group(
    "sync", "Bring the plan file and the town together.", "tt sync push\ntt sync pull --all"
)
PlanFile = Annotated[
    Path | None,
    typer.Argument(metavar="[FILE]", help="Default: tasks.toml; of another plan, plans/NAME.toml."),
]
OfPlan = Annotated[
    str | None, typer.Option("--plan", metavar="NAME", help="Which plan (default: main).")
]
#: How long a plan of 10,000 tasks may take, in seconds.
_PATIENCE = 120.0
#: As many tasks as are named one by one.
_FEW = 10


def ask(file: Path, verb_: str, **args: object) -> client.Data:
    """The daemon's reply about a file; a `PlanError` knows which file it is about."""
    try:
        return client.send(client.here(), verb_, args, seconds=_PATIENCE)
    except PlanError as error:
        error.file = file.name
        raise


@verb(
    "push", of=sync, example="tt sync push --prune\ntt sync push plans/billing.toml --plan billing"
)
def push(
    file: PlanFile = None,
    *,
    plan: OfPlan = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Cancel tasks that left the file before they started.")
    ] = False,
    adopt_status: Annotated[
        bool, typer.Option("--adopt-status", help="Believe the file's states.")
    ] = False,
    propose: Annotated[
        bool, typer.Option("--propose", help="Start nothing before a person has approved it.")
    ] = False,
) -> None:
    """Bring a file's tasks into the town."""
    source = planfile.file_of(file, plan)
    flags = {"prune": prune, "adopt_status": adopt_status, "propose": propose}
    told = {name: True for name, given in flags.items() if given}
    reply = ask(source, "plan.push", text=planfile.read(source), plan=plan, **told)
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
    yield f"Next: {_next(reply['plan'])}"


def _next(plan: client.Data) -> str:
    if plan["state"] == "proposed":
        return f"tt plan approve {plan['name']}"
    return "tt conductor" if plan["name"] == "main" else f"tt conductor --plan {plan['name']}"


@verb("pull", of=sync, example="tt sync pull --all\ntt sync pull --plan billing")
def pull(
    file: PlanFile = None,
    *,
    plan: OfPlan = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Append the tasks that the file lacks, too.")
    ] = False,
) -> None:
    """Write states, agents and results into the file."""
    target = planfile.file_of(file, plan)
    before = planfile.read(target, missing="" if everything else None)
    reply = ask(target, "plan.pull", text=before, plan=plan, all=everything or None)
    if reply["text"] != before:
        planfile.replace(before, reply["text"], target)
    changed = reply["changed"]
    few = len(changed) <= _FEW
    names = ", ".join(one["id"] for one in changed) if few else f"{len(changed)} tasks"
    said = f"Updated {target.name}: {names}" if changed else f"{target.name} is up to date"
    output.show({"changed": changed}, [said])
