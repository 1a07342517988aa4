"""The conductor: `conductor`, `conductor status`, `conductor stop`, and rehearsals."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from tinytown_cli import client, events, foreground, live, output, places, planfile, progress
from tinytown_cli.command import group, text, verb
from tinytown_cli.goal import Goals, reach
from tinytown_cli.options import chosen
from tinytownd.domain.errors import BAD_INPUT, OK, WORK_FAILED, BadInput
from tinytownd.domain.names import ROLE
from tinytownd.wire import HOME

OfPlan = Annotated[
    str | None,
    typer.Option("--plan", metavar="NAME", help="Which plan (default: main, or the only one)."),
]

conductor = group(
    "conductor",
    "Hand the plan to the conductor and follow it.\n\n"
    "Ends when the plan does: exit code 0 when all is completed, 1 when something failed. "
    "Ctrl-C leaves the view; the conductor goes on. Several words are a goal, of which the "
    "conductor's own agent makes a plan.",
    'tt conductor --spawn\ntt conductor "Build a login page, with tests"\ntt conductor status',
    Goals,
)


@conductor.callback(invoke_without_command=True)
def conduct(
    ctx: typer.Context,
    spawn: Annotated[
        bool, typer.Option("--spawn", help="Spawn agents that the plan names and the town lacks.")
    ] = False,
    rehearse: Annotated[
        bool, typer.Option("--rehearse", help="Dry-run the plan in a scratch copy of the town.")
    ] = False,
    plan: OfPlan = None,
    context: Annotated[
        bool, typer.Option("--context", help="Print what the conductor's agent would be told.")
    ] = False,
    chat: Annotated[
        bool, typer.Option("--chat", help="Talk to a conductor: open its CLI in this terminal.")
    ] = False,
) -> None:
    """What `tt conductor` does alone; the group's help tells of it."""
    if ctx.invoked_subcommand:
        if spawn or rehearse or plan or context or chat:
            word = f"tt conductor {ctx.invoked_subcommand}"
            raise BadInput(f"{word} takes no such option", hint=f"{word} --help")
        return
    if context:
        _context()
        return
    if chat:
        foreground.require("tt conductor --chat")
        raise typer.Exit(foreground.run(client.town("conductor.chat")))
    if rehearse:
        raise typer.Exit(_rehearse())
    target = client.here()
    if not (spawn or plan) and live.can_talk() and _only_talks(target):
        with contextlib.suppress(KeyboardInterrupt):
            live.follow(target, events.last_id(target), talking=True, staying=True)
        return
    raise _left(lambda: _conduct(target, spawn=spawn, plan=plan, talking=True))


def _only_talks(target: client.Target) -> bool:
    """Whether there is no plan to follow, but an agent of the conductor's to talk to."""
    now = client.send(target, "conductor.status", {})["conductor"]
    return now["plan"]["state"] == "none" and now["cli"] is not None


def _left(follow: Callable[[], int]) -> typer.Exit:
    """How following ends: with what became of it, or with Ctrl-C."""
    try:
        return typer.Exit(follow())
    except KeyboardInterrupt:
        output.note("the conductor goes on; tt conductor stop ends it")
        return typer.Exit(OK)


def _context() -> None:
    """What the conductor's agent would be told now, to the byte."""
    told = client.town("conductor.context")
    if chosen.json:
        return output.show(told, [])
    # A terminal is shown no control characters of others.
    return output.write(
        output.clean(told["prompt"]) if output.on_terminal() else told["prompt"], ""
    )


@verb("goal", of=conductor, example='tt conductor goal "Build a login page, with tests" --yes')
def goal(
    words: Annotated[
        str, typer.Argument(metavar="GOAL", help="What is wanted; - reads standard input.")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Start the plan without asking.")] = False,
) -> None:
    """Hand the conductor's agent a goal: it makes a plan, you approve it, the town carries it out.

    `tt conductor "several words"` is the same.
    """
    raise _left(lambda: reach(text(words, "goal"), yes=yes, follow=partial(follow, talking=True)))


@verb("status", of=conductor, example="tt conductor status --json")
def status(plan: OfPlan = None) -> None:
    """Show how far a plan is."""
    now = client.town("conductor.status", plan=plan)
    output.show(now, _page(now))


@verb("stop", of=conductor, example="tt conductor stop")
def stop() -> None:
    """Hand out no more of the plan; what runs goes on."""
    now = client.town("conductor.stop")["conductor"]
    output.show(now, ["The conductor is off. Back: tt conductor"])


def _conduct(
    target: client.Target, *, spawn: bool, plan: str | None = None, talking: bool = False
) -> int:
    last = events.last_id(target)
    started = client.send(target, "conductor.start", {"spawn": spawn, "plan": plan})
    for agent in started["spawned"]:
        output.note(f"spawned {agent['name']}")
    # Where nothing moves without them, the verdict says so.
    if started["conductor"]["plan"]["state"] == "running":
        for agent in started["missing"]:
            output.error(*_missing(agent))
    return follow(target, last, started["conductor"]["plan"]["name"], talking=talking)


def follow(target: client.Target, last: str, plan: str, *, talking: bool = False) -> int:
    """Shows what happens after that event until the plan is over; the exit code."""
    end = live.follow(target, last, plan=plan, talking=talking)
    # A terminal shows the tasks already.
    output.show(end, [_summary(end)] if output.on_terminal() else _page(end))
    output.flush()
    return _verdict(end)


def _missing(agent: client.Data) -> tuple[str, str]:
    """Who is not there to do what, and what to do about it."""
    some = ", ".join([*agent["tasks"][:3], *(["…"] if len(agent["tasks"]) > 3 else [])])
    if agent["state"] and agent["name"].startswith(ROLE):
        return f"nobody of {agent['name']} is there to do {some}", "tt list, tt restart NAME"
    if agent["state"]:
        back = f"tt restart {agent['name']}"
        return f"{agent['name']} is {agent['state']} and cannot do {some}", back
    return f"{agent['name']} is not on the team to do {some}", "tt conductor --spawn"


def _page(now: client.Data) -> Iterator[str]:
    if now["conductor"]["plan"]["state"] == "none":
        yield "No plan yet. Try: tt plan --init, tt sync push"
        return
    executed = [task for task in now["tasks"] if not task["group"]]
    width = max((output.columns(task["id"]) for task in executed), default=0)
    for task in executed:
        yield live.task_line(task, min(width, 24))
    if now["tasks_left"]:
        yield output.paint(f" … and {now['tasks_left']:,} more: tt task list --all", "dim")
    yield _summary(now)


def _summary(now: client.Data) -> str:
    plan = now["conductor"]["plan"]
    name = "Plan" if plan["name"] == places.MAIN else f"Plan {plan['name']}"
    switch = "" if now["conductor"]["on"] else ", conductor off"
    done = f"{plan['completed']} of {plan['total']} done"
    return f"{name} {output.paint_state(plan['state'])}: {done}{switch}"


def _verdict(end: client.Data) -> int:
    """The exit code, with the reason and the command to go on where it is not 0."""
    state = end["conductor"]["plan"]["state"]
    if state == "completed":
        return OK
    if state == "none":
        output.error("there is no plan to conduct", "tt sync push")
        return BAD_INPUT
    if state not in progress.OVER:
        output.error("the conductor was switched off", "tt conductor")
        return WORK_FAILED
    if state == "cancelled":
        output.error("the plan was cancelled", f"tt plan status {end['conductor']['plan']['name']}")
        return WORK_FAILED
    failed = [t for t in end["tasks"] if t["state"] == "failed" and not t["group"]]
    for task in failed:
        reason = output.first_line(task["error"]) or "no reason given"
        output.error(f"{task['id']} failed: {reason}", f"tt task retry {task['id']}")
    for agent in [] if failed else end["missing"]:
        output.error(*_missing(agent))
    if not failed and not end["missing"]:
        output.error(*_stuck(end))
    return WORK_FAILED


def _stuck(end: client.Data) -> tuple[str, str]:
    """Why nothing moves although nothing failed and nobody is missing, and what to do."""
    for task in end["tasks"]:
        if task["state"] == "cancelled":
            return f"{task['id']} was cancelled", f"tt task retry {task['id']}"
        if task["state"] == "pending" and not task["agent"] and not task["waits_for"]:
            return f"{task['id']} has no agent", f"tt backlog claim {task['id']} AGENT"
    return f"the plan is {end['conductor']['plan']['state']}", "tt status"


def _rehearse() -> int:
    text = planfile.read()
    reply = client.home("town.rehearse", dir=str(places.town_directory()), plan=text)
    scratch = reply["town"]
    target = client.Target(scratch["id"], "", Path(scratch["dir"]))
    output.note(f"rehearsing in {scratch['dir']}")
    try:
        code = _conduct(target, spawn=True)
    finally:
        client.send(client.Target(HOME), "town.forget", {"dir": scratch["dir"]})
    output.note("the rehearsal is over; no token was spent, and the town is as it was")
    return code
