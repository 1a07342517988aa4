"""The team: `spawn`, `list`, `kill`, `close`, `interrupt`, `resume`, `restart`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tinytown_cli import client, layout, output
from tinytown_cli.command import AgentName, Everything, Limit, text_or_file, verb

if TYPE_CHECKING:
    from tinytown_cli.rounds import Foreground


@verb("spawn", example="tt spawn developer --cli claude --role developer --instructions @role.md")
def spawn(  # noqa: PLR0913  # one parameter an option
    name: Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits, '.', '_', '-'.")],
    *,
    cli: Annotated[
        str | None,
        typer.Option(metavar="C", help="claude, codex, auggie, … (default: the town's)."),
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="M", help="The CLI's model.")] = None,
    role: Annotated[str | None, typer.Option(metavar="R", help="What it is for.")] = None,
    instructions: Annotated[
        str | None, typer.Option(metavar="TEXT|@FILE", help="What it is told in every round.")
    ] = None,
    nickname: Annotated[str | None, typer.Option(metavar="N", help="A name for people.")] = None,
    parent: Annotated[str | None, typer.Option(metavar="A", help="Whom it reports to.")] = None,
    max_rounds: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Stop it after N rounds.")
    ] = None,
    silence: Annotated[
        int | None,
        typer.Option(metavar="S", min=1, help="End a round that prints nothing for S seconds."),
    ] = None,
    wall: Annotated[
        int | None, typer.Option(metavar="S", min=1, help="End a round after S seconds.")
    ] = None,
    permissions: Annotated[
        str | None,
        typer.Option(metavar="P", help="What it may do unasked: bypass, edit, read."),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(metavar="T", help="Work that it takes from the backlog; repeatable."),
    ] = None,
    fallback: Annotated[
        list[str] | None,
        typer.Option(metavar="C", help="A CLI for the time of a rate limit; repeatable."),
    ] = None,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Show its output until it stops.")
    ] = False,
) -> None:
    """Add an agent to the team."""
    target = client.here()
    watched = _foreground(target, name) if foreground else None
    options = {"cli": cli, "model": model, "role": role, "nickname": nickname, "parent": parent}
    options["permissions"] = permissions
    options["instructions"] = text_or_file(instructions, "instructions")
    lists = {"tags": tag or None, "fallback": fallback or None}
    limits = {"max_rounds": max_rounds, "silence_seconds": silence, "wall_seconds": wall}
    reply = client.send(target, "agent.spawn", {"name": name, **limits, **options, **lists})
    agent = reply["agent"]
    said = f"{agent['name']} is on the team ({agent['cli']})"
    if not reply["created"]:
        said = f"{agent['name']} is there already ({agent['cli']}, {agent['state']})"
    output.show({**agent, "created": reply["created"]}, [said])
    output.flush()
    if watched:
        watched.show_until_gone(agent["name"])


def _foreground(target: client.Target, name: str) -> Foreground:
    from tinytown_cli import rounds  # noqa: PLC0415  # no other of these verbs reads transcripts

    return rounds.Foreground(target, name)


@verb("list", example="tt list --json")
def list_agents(limit: Limit = None, everything: Everything = False) -> None:
    """Show the team."""
    agents, left = client.listed("agent.list", "agents", limit=limit, everything=everything)
    output.show(agents, layout.team(agents), long=True)
    output.more(left)


def _change(verb_: str, name: str, said: str) -> None:
    agent = client.town(verb_, name=name)["agent"]
    output.show(agent, [f"{agent['name']} {said}"])


@verb("kill", example="tt kill developer")
def kill(agent: AgentName) -> None:
    """End an agent now.

    Its round's process group gets TERM, then KILL; its task goes back.
    """
    _change("agent.kill", agent, f"is killed. Back: tt restart {agent}")


@verb("close", example="tt close developer")
def close(agent: AgentName) -> None:
    """Let an agent finish its round, then end it."""
    _change("agent.close", agent, f"closes when its round is over. Back: tt restart {agent}")


@verb("interrupt", example="tt interrupt developer")
def interrupt(agent: AgentName) -> None:
    """Pause an agent; it keeps its session."""
    _change("agent.interrupt", agent, f"pauses. Back: tt resume {agent}")


@verb("resume", example="tt resume developer")
def resume(agent: AgentName) -> None:
    """Let a paused or held agent go on."""
    _change("agent.resume", agent, "goes on")


@verb("restart", example="tt restart developer")
def restart(agent: AgentName) -> None:
    """Bring an agent back with a fresh session."""
    _change("agent.restart", agent, "starts afresh")
