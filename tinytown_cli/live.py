"""The conductor at work: in place on a terminal, else one line an event."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol

from tinytown_cli import client, events, output, places, typed, wording
from tinytown_cli.options import chosen
from tinytown_cli.progress import is_decisive, is_over
from tinytown_cli.screen import Screen
from tinytown_cli.talk import Talk

#: At most five looks a second while things happen; one in two seconds when nothing does.
_BUSY_SECONDS, _IDLE_SECONDS = 0.2, 2.0
_BAR_CELLS = 24
_GLYPHS = {
    "completed": "✓",
    "failed": "✗",
    "running": "●",
    "assigned": "○",
    "submitted": "◐",
    "blocked": "?",
    "cancelled": "-",
}
_SHOWN_EVENTS = 5
#: So many tasks the daemon tells of at most (docs/protocol.md).
_MOST_TASKS = 1_000


class View(Protocol):
    """Somewhere to show what happens."""

    def room(self) -> int | None:
        """For how many tasks there is room; None: for as many as are usually told of."""

    def happened(self, batch: list[events.Event]) -> bool:
        """Takes events in; says whether it needs the conductor's status now."""

    def show(self, status: client.Data) -> None:
        """Shows the state of the plan."""


def can_talk() -> bool:
    """Whether there is a terminal with somebody at it, for a line to the conductor."""
    return not chosen.json and output.on_terminal() and typed.possible()


def follow(
    target: client.Target,
    after: str,
    *,
    plan: str | None = None,
    talking: bool = False,
    staying: bool = False,
) -> client.Data:
    """Shows what happens after that event until a plan is over; returns the last status.

    With `talking` a terminal has a line to the conductor, too, and nobody is cut off there; with
    `staying` it is there until the person leaves: raises `KeyboardInterrupt`.
    """
    with contextlib.ExitStack() as stack:
        screen, talk = Screen(), None
        if talking and can_talk():
            talk = stack.enter_context(Talk(target, screen))
            talk.open()
        view = _view(screen, talk)
        stream = stack.enter_context(events.Stream(target, after, talk.wait if talk else None))
        while True:
            status = stream.ask("conductor.status", plan=plan, limit=view.room())
            view.show(status)
            talks = talk is not None and (talk.is_open(status) or staying)
            if is_over(status) and not talks:
                # What led to the end may have been written after the last look at the stream.
                view.happened(_until(stream, status["event"]))
                view.show(status)
                return status
            _wait_for_news(stream, view, talk.rest if talk else time.sleep)


def _view(screen: Screen, talk: Talk | None) -> View:
    if chosen.json:
        return Silent()
    return Frames(screen, talk) if output.on_terminal() else Lines()


def _wait_for_news(stream: events.Stream, view: View, rest: Callable[[float], None]) -> None:
    """Reads events until the view wants to know the plan's state."""
    due = time.monotonic() + _BUSY_SECONDS
    while batch := stream.read(_IDLE_SECONDS):
        if view.happened(batch):
            break
    rest(max(due - time.monotonic(), 0))


def _until(stream: events.Stream, last: str) -> list[events.Event]:
    found: list[events.Event] = []
    while stream.last != last and (batch := stream.read(_BUSY_SECONDS)):
        found += batch
    return found


class Silent:
    """For JSON: nothing but the end is shown, and not here."""

    def room(self) -> None:
        """As much as there is: the end is shown whole."""

    def happened(self, batch: list[events.Event]) -> bool:
        return _decisive(batch)

    def show(self, status: client.Data) -> None:
        """Nothing."""


class Lines:
    """One line an event, as it comes."""

    def room(self) -> None:
        """As above."""

    def happened(self, batch: list[events.Event]) -> bool:
        for event in batch:
            if not wording.is_detail(event):
                output.write(events.line(event))
        output.flush()
        return _decisive(batch)

    def show(self, status: client.Data) -> None:
        """Nothing: the lines have told it."""


def _decisive(batch: list[events.Event]) -> bool:
    return any(is_decisive(e["event"], e.get("agent")) for e in batch)


class Frames:
    """The whole plan, drawn over itself."""

    def __init__(self, screen: Screen, talk: Talk | None = None) -> None:
        self._screen, self._talk = screen, talk
        self._recent: deque[events.Event] = deque(maxlen=_SHOWN_EVENTS)

    def room(self) -> int:
        """What fits on the terminal: a plan of ten thousand tasks is asked for many times."""
        return min(max(shutil.get_terminal_size().lines, 1), _MOST_TASKS)

    def happened(self, batch: list[events.Event]) -> bool:
        for event in batch:
            told = self._talk is not None and self._talk.heard(event)
            if not told and not wording.is_detail(event):
                self._recent.append(event)
        return True

    def show(self, status: client.Data) -> None:
        width, height = shutil.get_terminal_size()
        self._screen.show(frame(status, list(self._recent), height, width))


def frame(
    status: client.Data, recent: list[events.Event], height: int, width: int = 80
) -> list[str]:
    """The picture: progress, tasks, team, last events; at most so many lines. Pure."""
    plan = status["conductor"]["plan"]
    recent = recent[-max(height // 4, 1) :]
    top = [_progress(plan, width), ""]
    team = ["", output.paint("Team", "dim"), *(_agent(agent) for agent in status["agents"])]
    last = ["", *(events.line(event) for event in recent)] if recent else []
    room = max(height - len(top) - len(last) - 2, 4)
    if len(team) > room // 2:
        team = [*team[: room // 2], output.paint("  …", "dim")]
    tasks = list(_tasks(status["tasks"], room - len(team), status["tasks_left"]))
    return [*top, *tasks, *team, *last]


def _progress(plan: client.Data, width: int) -> str:
    """The plan's name, as much of it as there is room for, a bar, and the counts."""
    if plan["state"] == "none":
        return output.paint("No plan yet", "dim")
    done, total = plan["completed"], plan["total"]
    cells = _BAR_CELLS if width > 3 * _BAR_CELLS else _BAR_CELLS // 4
    filled = cells * done // total if total else 0
    bar = output.paint("█" * filled, "green") + output.paint("░" * (cells - filled), "dim")
    failed = f", {plan['failed']} failed" if plan["failed"] else ""
    running = f", {plan['running']} running" if plan["running"] else ""
    counts = f"{done} of {total} done{running}"
    plain = "Plan" if plan["name"] == places.MAIN else f"Plan {plan['name']}"
    room = width - cells - len(counts + failed) - 5
    name = output.fit(output.first_line(plan["description"]) or plain, max(room, 10))
    return f"{output.paint(name, 'bold')}  {bar}  {counts}{output.paint(failed, 'red')}"


def _tasks(tasks: list[client.Data], room: int, left: int) -> Iterator[str]:
    """As many as there is room for: what runs or failed first, else in the plan's order.

    So many are `left` that the town did not tell of.
    """
    executed = [task for task in tasks if not task["group"]]
    if len(executed) + left > room:
        urgent = ("blocked", "running", "failed", "submitted", "assigned", "pending")
        executed.sort(key=lambda t: urgent.index(t["state"]) if t["state"] in urgent else 9)
    width = max((output.columns(task["id"]) for task in executed), default=0)
    shown = executed if len(executed) + left <= room else executed[: max(room - 1, 1)]
    for task in shown:
        yield task_line(task, min(width, 24))
    if len(shown) < len(executed) + left:
        yield output.paint(f"  … and {len(executed) + left - len(shown)} more", "dim")


def task_line(task: client.Data, width: int) -> str:
    """One task: state, id, agent, and how it stands."""
    glyph = output.paint_state(task["state"], _GLYPHS.get(task["state"], "·"))
    name = output.fit(task["id"], width)
    name += " " * (width - output.columns(name))
    who = output.fit(task["agent"] or "-", 14)
    who += " " * (14 - output.columns(who))
    return f" {glyph} {name}  {who}  {_standing(task)}"


def _standing(task: client.Data) -> str:
    match task["state"]:
        case "completed":
            return output.first_line(task["result"]) or "done"
        case "failed":
            return output.first_line(task["error"]) or "failed"
        case "running":
            return f"for {output.age(task['started_at'])}"
        case "blocked":
            return output.paint("waits for a person: tt inbox conductor", "yellow")
        case "pending" if task["waits_for"]:
            return output.paint(f"after {', '.join(task['waits_for'])}", "dim")
        case state:
            return output.paint("handed in" if state == "submitted" else state, "dim")


def _agent(agent: client.Data) -> str:
    task = f" on {agent['task']}" if agent["task"] else ""
    hold = agent["hold"]
    held = output.paint(f", held: {hold['reason']}", "yellow") if hold else ""
    name = output.fit(agent["name"], 20)
    name += " " * (20 - output.columns(name))
    since = output.paint(output.ago(agent["since"]), "dim")
    return f"   {name} {output.paint_state(agent['state'])}{task} {since}{held}"
