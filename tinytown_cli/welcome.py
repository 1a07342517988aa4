"""`tt` alone: where one stands, and what to do next. It starts no daemon and changes nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tinytown_cli import client, layout, output, places
from tinytown_cli.options import chosen
from tinytownd.domain.clis import CLIS
from tinytownd.domain.errors import OK, NotFound

#: Seconds that "done" looks back: what `tt report` does.
_LOOK_BACK = 12 * 3_600
#: As many of a kind as are told one by one.
_FEW = 3
_OPEN = ("pending", "assigned", "running", "blocked", "submitted")
#: What agents are who do nothing more by themselves.
_ENDED = {"stopped", "cold"}
_REHEARSAL = "rehearsal"


class Next(NamedTuple):
    """A command, and what it is good for."""

    command: str
    why: str


class Stand(NamedTuple):
    """Where one stands: one word, what there is to say, and what comes next."""

    state: str
    said: list[str]
    steps: list[Next]


def run() -> int:
    """Says it, or prints it as JSON; returns the exit code."""
    agent = places.credentials()
    directory = agent.directory if agent else _directory()
    stand = _inside() if agent else _stand(directory)
    told = {
        "state": stand.state,
        "dir": None if directory is None else str(directory),
        "said": stand.said,
        "next": [step._asdict() for step in stand.steps],
    }
    output.show(told, _page(stand))
    return OK


def _page(stand: Stand) -> Iterator[str]:
    for line in stand.said:
        yield output.clean(line)
    yield ""
    width = max(map(output.columns, (step.command for step in stand.steps)), default=0)
    for step in stand.steps:
        gap = " " * (width - output.columns(step.command))
        yield f"  {output.paint(output.clean(step.command), 'bold')}{gap}  {output.clean(step.why)}"
    yield ""
    yield output.paint("tt --help lists all commands", "dim")


def _directory() -> Path | None:
    """The town that is meant. Raises `NotFound` only where one was named that is not there."""
    named = chosen.town or os.environ.get("TINYTOWN_TOWN_DIR") or os.environ.get("TINYTOWN_TOWN")
    try:
        return places.town_directory()
    except NotFound:
        if named:
            raise
        return None


def _stand(directory: Path | None) -> Stand:
    if directory is None:
        return _no_town()
    town = places.town_id(directory)
    if not town or not places.ready_endpoint():
        return _from_files(directory)
    target = client.Target(town, "", directory)
    page = client.send(target, "town.status", {})
    if not page["team"]:
        return _no_agents(page["town"]["name"])
    report = client.send(target, "town.report", {"since": _LOOK_BACK})
    return of_town(page, report)


def _no_town() -> Stand:
    said = [
        "There is no town here.",
        "A town is a project directory with a team of AI coding agents, who share tasks and mail.",
    ]
    steps = [Next("tt init", "make this directory a town")]
    if (places.home() / "towns.toml").exists():
        steps.append(Next("tt towns", "see the towns that you have"))
    return Stand(
        "no_town", said, [*steps, Next("tt doctor", "see whether all that it needs is here")]
    )


def _from_files(directory: Path) -> Stand:
    """What can be said while no daemon runs, or before it has opened the town."""
    state, why, way = "no_daemon", "No daemon runs", "start the daemon, and show the town"
    if places.daemon_pid():
        state, why, way = "not_open", "The daemon has not opened it yet", "open it, and show it"
    said = [f"There is a town in {directory}. {why}: nothing is worked on now."]
    rounds = directory / ".tt" / "rounds"
    worked = sorted(found.name for found in rounds.iterdir()) if rounds.is_dir() else []
    if worked:
        names = ", ".join(worked[:_FEW]) + (" and others" if len(worked) > _FEW else "")
        said.append(f"Agents that have worked here: {names}.")
    if (directory / places.PLAN).exists():
        said.append(f"It has a plan, {places.PLAN}.")
    return Stand(state, said, [Next("tt status", way)])


def _no_agents(name: str) -> Stand:
    """Nobody is there yet: a CLI of those that are on PATH, or the one that costs nothing."""
    said = [f"The town '{name}' has no agents yet."]
    cli = next((name for name, one in CLIS.items() if shutil.which(one.program)), "")
    if cli:
        return Stand("no_agents", said, [Next(f"tt spawn developer --cli {cli}", "add an agent")])
    said.append("None of the agent CLIs that tinytown knows is on your PATH.")
    steps = [
        Next(f"tt spawn developer --cli {_REHEARSAL}", "add one that only plays an agent"),
        Next("tt doctor", "see how to get a real one"),
    ]
    return Stand("no_agents", said, steps)


def of_town(page: client.Data, report: client.Data) -> Stand:
    """A town with a team, from its status and its report."""
    counts: dict[str, int] = page["tasks"]["by_state"]
    waiting = sum(counts.get(state, 0) for state in _OPEN)
    size = output.plural(sum(page["team"].values()), "agent")
    said = [f"The town '{page['town']['name']}' has {size}: {layout.counts(page['team'])}."]
    asked = [Next(one["command"], _why(one)) for one in report["needs"][:_FEW]]
    if not page["team"].keys() - _ENDED:
        asked.append(Next("tt start", "bring the agents back"))
    if waiting:
        said.append(f"Tasks: {layout.counts(counts)}.")
        said += _at_work(page["agents"])
        steps = [Next("tt status", "see all of it")]
        if not asked:
            steps.append(Next("tt wait --all", "wait until it is done"))
        return _asking("working", said, asked, report, steps)
    done = sum(one["done"] for one in report["counts"])
    failed = sum(one["failed"] for one in report["counts"])
    if not sum(counts.values()) and not done and not failed:
        name = page["agents"][0]["name"]
        steps = [
            Next(f'tt assign {name} "What to do"', "give it a task"),
            Next("tt plan --init", "or write a plan of several tasks"),
        ]
        return _asking("no_work", [*said, "It has no work yet."], asked, report, steps)
    told = layout.counts({"done": done, "failed": failed}) or "nothing"
    said.append(f"No work is open. In the last 12 hours: {told}.")
    said += [_finished(one) for one in report["done"][:_FEW]]
    steps = [Next("tt report", "see what was done, and what it cost")]
    return _asking("done", said, asked, report, steps)


def _asking(
    state: str, said: list[str], asked: list[Next], report: client.Data, steps: list[Next]
) -> Stand:
    """The same, with what waits for a person before all else."""
    left = report["needs_left"] + len(report["needs"])
    if left:
        said.append(f"{output.plural(left, 'thing')} {'waits' if left == 1 else 'wait'} for you.")
    return Stand(state, said, [*asked, *steps])


def _why(one: client.Data) -> str:
    return output.fit(f"{one['id']}: {output.first_line(one['why'])}", 60)


def _at_work(agents: list[client.Data]) -> list[str]:
    busy = [one for one in agents if one["task"]]
    return [
        f"  {one['name']} works on {one['task']} ({output.age(one['since'])})"
        for one in busy[:_FEW]
    ]


def _finished(one: client.Data) -> str:
    gist = output.first_line(one["result"]) or output.first_line(one["description"])
    return output.fit(f"  {one['id']} by {one['agent'] or 'nobody'}: {gist}", 78)


def _inside() -> Stand:
    """For an agent, in its own process: its task, and how it is ended."""
    task = client.town("task.current")["task"]
    more = [
        Next("tt inbox", "see your messages"),
        Next('tt send NAME "TEXT"', "write to another agent; tt list names them"),
    ]
    if task is None:
        return Stand("agent", ["You are an agent of this town, and have no task now."], more)
    gist = output.first_line(task["description"])
    said = [f"You are {task['agent']}. Your task is {task['id']}: {gist}"]
    steps = [
        Next('tt task complete --result "TEXT"', "when it is done"),
        Next('tt task fail --reason "TEXT"', "when it cannot be done"),
        Next('tt ask "TEXT"', "when only a person knows"),
        Next("tt task current", "read all of it"),
    ]
    return Stand("agent", said, [*steps, *more])
