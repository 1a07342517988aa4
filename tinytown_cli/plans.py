"""Plans: `plan …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tinytown_cli import client, events, output, planfile, planpage, sync
from tinytown_cli.command import group, optional_text, verb
from tinytownd.domain.errors import BadInput

PlanName = Annotated[str, typer.Argument(metavar="NAME", help="The plan's name.")]
OptionalPlan = Annotated[
    str | None,
    typer.Argument(metavar="[NAME]", help="The plan's name (default: main, or the only one)."),
]

plan = group(
    "plan",
    "Show a plan file in waves; look after the town's plans.\n\n"
    "What stands in one wave can run side by side; every problem of the file is told.",
    "tt plan --init\ntt plan\ntt plan --check\ntt plan status billing",
)


@plan.callback(invoke_without_command=True)
def show(
    ctx: typer.Context,
    init: Annotated[bool, typer.Option("--init", help="Write an example tasks.toml.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Only say whether it is sound.")] = False,
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Another file than tasks.toml.")
    ] = None,
) -> None:
    """What `tt plan` does alone; the group's help tells of it."""
    if ctx.invoked_subcommand:
        if init or check or file:
            word = f"tt plan {ctx.invoked_subcommand}"
            raise BadInput(f"{word} takes no such option", hint=f"{word} --help")
        return
    if init:
        made = planfile.create(file)
        output.show({"path": str(made)}, [f"Wrote {made}. Next: tt plan, tt sync push"])
        return
    source = planfile.file_of(file)
    reply = sync.ask(source, "plan.check", text=planfile.read(source))
    told = planpage.summary if check else planpage.waves
    output.show(reply, told(reply, source.name), long=True)


@verb("list", of=plan, example="tt plan list --json")
def list_plans() -> None:
    """Show all plans of the town: how far, how long, for how much."""
    plans, _ = client.listed("plan.list", "plans", everything=True)
    output.show(plans, planpage.listed(plans), long=True)


@verb("status", of=plan, example="tt plan status billing")
def status(name: OptionalPlan = None) -> None:
    """Show one plan: how far, who works on it, how long, for how much."""
    reply = client.town("plan.status", name=name)
    output.show(reply, planpage.page(reply), long=True)


@verb("watch", of=plan, example="tt plan watch billing")
def watch(name: OptionalPlan = None) -> None:
    """Follow one plan until it is over, as tt conductor does, and start nothing.

    Exit code 0 when all is completed, 1 when something failed.
    """
    from tinytown_cli import conductor  # noqa: PLC0415  # the live view, which only this needs

    target = client.here()
    last = events.last_id(target)
    shown = client.send(target, "plan.status", {"name": name})["plan"]["name"]
    raise typer.Exit(conductor.follow(target, last, shown))


@verb("pause", of=plan, example="tt plan pause billing")
def pause(name: PlanName) -> None:
    """Hand out no more of a plan; what runs goes on."""
    _changed("plan.pause", name, "is paused. Back: tt plan resume {0}")


@verb("resume", of=plan, example="tt plan resume billing")
def resume(name: PlanName) -> None:
    """Let a paused plan go on."""
    _changed("plan.resume", name, "goes on")


@verb("cancel", of=plan, example="tt plan cancel billing")
def cancel(name: PlanName) -> None:
    """Cancel all that is open of a plan; rounds that work on it are ended."""
    _changed("plan.cancel", name, "is cancelled")


@verb("approve", of=plan, example="tt plan approve billing")
def approve(name: PlanName) -> None:
    """Let a proposed plan start; this switches the conductor on."""
    _changed("plan.approve", name, "is approved. Follow it: tt plan watch {0}")


@verb("reject", of=plan, example='tt plan reject billing "One agent is enough"')
def reject(
    name: PlanName,
    reason: Annotated[
        str | None, typer.Argument(metavar="[REASON]", help="What its owner is told.")
    ] = None,
) -> None:
    """Cancel a proposed plan, and tell its owner why."""
    _changed("plan.reject", name, "is rejected", reason=optional_text(reason, "reason"))


def _changed(verb_: str, name: str, said: str, **more: object) -> None:
    """A plan that was changed."""
    one = client.town(verb_, name=name, **more)["plan"]
    output.show(one, [f"Plan {one['name']} {said.format(one['name'])}", planpage.line(one)])
