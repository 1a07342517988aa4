"""A goal for the conductor's own agent: handed over, its plan shown and approved, then followed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

from tinytown_cli import client, events, output, wording
from tinytown_cli.command import Group
from tinytown_cli.options import chosen
from tinytown_cli.progress import is_made
from tinytownd.domain.errors import WORK_FAILED
from tinytownd.domain.message import CONDUCTOR

#: The longest wait for news before the town is asked again, in seconds.
_QUIET_SECONDS = 2.0

#: Follows a plan from an event on until it is over: the exit code.
Follow = Callable[[client.Target, str, str], int]


class Goals(Group):
    """A group of which the first argument may be a goal: several words, where a command is one."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is named, or the one that takes goals."""
        if len(args[0].split()) > 1:
            args = ["goal", *args]
        return super().resolve_command(ctx, args)


def reach(text: str, *, yes: bool, follow: Follow) -> int:
    """Hands a goal over, and follows what becomes of it; the exit code."""
    target = client.here()
    last = events.last_id(target)
    reply = client.send(target, "conductor.goal", {"text": text, "yes": yes or None})
    message, name = reply["message"]["id"], reply["plan"]["name"]
    output.note(f"the conductor makes the plan {name} of it")
    with events.Stream(target, last) as stream:
        made = _until(stream, lambda: _made(stream, name, message))
        if not made["conductor"]["plan"]["total"]:
            output.error(*_nothing(made))
            return WORK_FAILED
        while made["conductor"]["plan"]["state"] == "proposed":
            _propose(target, name, made)
            _until(stream, lambda: _decided(stream, name))
            # A rejection with a reason is asked of the agent: it may have made another plan.
            made = _until(stream, lambda: _dealt_with(stream, name))
        last = stream.last
    return follow(target, last, name)


def _until(stream: events.Stream, over: Callable[[], client.Data | None]) -> client.Data:
    """What there is in the end; until then it tells what happens."""
    while not (found := over()):
        for event in stream.read(_QUIET_SECONDS):
            if not chosen.json and not wording.is_detail(event):
                output.write(events.line(event))
        output.flush()
    return found


def _made(stream: events.Stream, name: str, message: str) -> client.Data | None:
    """How the plan stands once the agent has dealt with the goal, or will not."""
    status = stream.ask("conductor.status", plan=name)
    thread = stream.ask("message.thread", message=message)
    return status if is_made(status, thread, message) else None


def _decided(stream: events.Stream, name: str) -> client.Data | None:
    """How the plan stands once a person has decided on it."""
    status = stream.ask("conductor.status", plan=name)
    return None if status["conductor"]["plan"]["state"] == "proposed" else status


def _dealt_with(stream: events.Stream, name: str) -> client.Data | None:
    """How the plan stands once it moves, or the agent has nothing to do with it any more."""
    status = stream.ask("conductor.status", plan=name)
    waits = status["conductor"]["plan"]["state"] == "cancelled" and status["conductor"]["asked"]
    return None if waits else status


def _nothing(status: client.Data) -> tuple[str, str]:
    """Why there is no plan, and what to do."""
    agent = next((one for one in status["agents"] if one["name"] == CONDUCTOR), None)
    if agent and (agent["error"] or agent["desired"] != "run"):
        why = output.first_line(agent["error"]) or f"it is {agent['state']}"
        back = "resume" if agent["desired"] == "pause" else "restart"
        return f"the conductor's agent does not work: {why}", f"tt {back} {CONDUCTOR}"
    return "the conductor made no plan of it", f"tt inbox person; tt logs {CONDUCTOR}"


def _propose(target: client.Target, name: str, made: client.Data) -> None:
    """Shows the plan; at a terminal it asks, elsewhere it says how to approve."""
    for line in _page(made):
        output.note(line)
    if not (sys.stdin.isatty() and output.on_terminal()) or chosen.json:
        output.note(f"It waits for an approval: tt plan approve {name}, or: tt plan reject {name}")
    elif output.ask(f"Start the plan {name}?"):
        client.send(target, "plan.approve", {"name": name})
    else:
        output.note("What must change? (Enter: nothing, there will be no plan)")
        reason = sys.stdin.readline().strip()
        client.send(target, "plan.reject", {"name": name, "reason": reason or None})


def _page(made: client.Data) -> Iterator[str]:
    """The plan's tasks, one a line."""
    rows = [
        (
            task["id"],
            task["agent"] or (f"role:{task['role']}" if task["role"] else "-"),
            ", ".join(task["depends_on"]) or "-",
            task["run"] or task["description"],
        )
        for task in made["tasks"]
        if not task["group"]
    ]
    return output.table(("id", "agent", "after", "task"), rows)
