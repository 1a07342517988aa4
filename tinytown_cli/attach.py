"""`attach`: an agent's session in the person's terminal."""

from __future__ import annotations

import typer

from tinytown_cli import client, foreground, output
from tinytown_cli.command import AgentName, verb


@verb("attach", example="tt attach developer")
def attach(agent: AgentName) -> None:
    """Work in an agent's session, in this terminal.

    The agent is paused first, and goes on when you leave; one that was paused stays so.
    """
    foreground.require("tt attach")
    target = client.here()
    reply = client.send(target, "agent.attach", {"name": agent})
    name = reply["agent"]["name"]
    try:
        code = _open(target, name)
    finally:
        back = {"attachment": reply["attachment"], "resume": reply["was"] == "run"}
        after = client.send(target, "agent.detach", {"name": name, **back})["agent"]
        output.show(after, [_standing(after)])
        output.flush()
    raise typer.Exit(code)


def _open(target: client.Target, name: str) -> int:
    output.note(f"{name} is paused for you; if this terminal is lost: tt resume {name}")
    # Its round has to end first, which takes as long as its CLI takes.
    told = client.send(target, "agent.session", {"name": name}, seconds=None)
    if not told["agent"]["session"]:
        output.note(f"{name} has no session yet: its rounds will not know this one")
    return foreground.run(told)


def _standing(agent: client.Data) -> str:
    match agent["desired"]:
        case "run":
            return f"{agent['name']} goes on"
        case "pause":
            return f"{agent['name']} stays paused. Back: tt resume {agent['name']}"
        case _:
            return f"{agent['name']} is {agent['state']}"
