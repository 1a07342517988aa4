"""Agents and tasks as tables for people."""

from __future__ import annotations

import time

from tinytown_cli import output

TYPE_CHECKING = False  # see `jsontext`
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tinytown_cli import client


def team(agents: list[client.Data], *, deep: bool = False) -> Iterator[str]:
    """The agents; `deep` adds model, session and what waits for each."""
    if not agents:
        yield "No agents yet. Try: tt spawn developer"
        return
    more = ("model", "session", "waiting") if deep else ()
    headers = ("name", "state", "cli", "role", "rounds", "since", *more, "task")
    yield from output.table(headers, [_agent_row(agent, deep) for agent in agents])


def _agent_row(agent: client.Data, deep: bool) -> list[object]:
    hold = agent["hold"]
    time_left = f" for {remaining(hold['until'])}" if hold and hold["until"] else ""
    held = f"held{time_left}: {hold['reason']}" if hold else ""
    waiting = counts(agent["waiting"]) or "-"
    more = [agent["model"] or "-", agent["session"] or "-", waiting] if deep else []
    attached = "in a person's terminal" if agent["attached"] else ""
    doing = agent["task"] or attached or held or agent["error"] or "-"
    rounds = str(agent["rounds"])
    if agent["max_rounds"]:
        rounds = f"{agent['rounds_since_start']}/{agent['max_rounds']}"
    label = f"{agent['name']} ({agent['nickname']})" if agent["nickname"] else agent["name"]
    front = [label, agent["state"], agent["cli"], agent["role"] or "-"]
    return [*front, rounds, output.ago(agent["since"]), *more, doing]


def task_table(tasks: list[client.Data]) -> Iterator[str]:
    """Tasks, one a line."""
    if not tasks:
        yield 'No tasks. Try: tt assign developer "…", or tt plan --init'
        return
    headers = ("id", "state", "agent", "priority", "created", "task")
    rows = [
        (
            t["id"],
            t["state"],
            owner(t) or "-",
            t["priority"],
            output.ago(t["created_at"]),
            gist(t),
        )
        for t in tasks
    ]
    yield from output.table(headers, rows)


def owner(task: client.Data) -> str:
    """Whose a task is: an agent's name, or its role while it is nobody's yet; "" for nobody's."""
    role = f"role:{task['role']}" if task["role"] else ""
    return str(task["agent"] or role)


def gist(task: client.Data) -> str:
    """What a task is, and what holds it back or came of it."""
    text = output.first_line(task["description"])
    if task["state"] == "failed":
        return f"{text}: {output.first_line(task['error'])}"
    return f"{text} (after {', '.join(task['waits_for'])})" if task["waits_for"] else text


#: How a question is answered, by what it is about; `{on}` is its subject.
_DECIDE = ("tt approve {on}", 'tt reject {on} "why"')
_WAYS = {
    "approve": _DECIDE,
    "verdict": _DECIDE,
    **dict.fromkeys(("answer", "reply", "failed", "unfit", "stalled"), ('tt answer {id} "…"',)),
}


def ways(question: client.Data) -> str:
    """The commands that answer a question."""
    kind, _, on = str(question["about"]).partition(":")
    known = _WAYS.get(kind, ("tt answer {id} yes", "tt answer {id} no"))
    return ", or ".join(way.format(id=question["id"], on=on) for way in known)


def remaining(until: object) -> str:
    """How long it is until a time of the protocol."""
    then = output.moment(until)
    return output.duration(then.timestamp() - time.time()) if then else "?"


def counts(counts: Mapping[str, int], before: str = "") -> str:
    """`2 running, 1 failed`, of what there is; nothing when there is none."""
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return f"{before}{told}" if told else ""
