"""What needs a person, with the command for each. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tinytownd.domain import gates, questions
from tinytownd.domain.agent import Agent
from tinytownd.domain.message import Message
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town
from tinytownd.handlers.views import View


def needs(town: Town, start: int, archived: Iterable[Task] = ()) -> Iterator[View]:
    """What waits for a person; what was asked comes first.

    Failures are told that came since `start`, or hold others back; also `archived` ones.
    """
    for message in questions.open_questions(town):
        yield need("question", message.id, message.text, answer_to(message))
    lost = [*archived, *map(town.tasks.__getitem__, town.index.lost)]
    for task in sorted(lost, key=lambda task: task.seq):
        if task.state == "failed" and wants_mending(town, task, start):
            why = task.error or "no reason given"
            yield need("task", task.id, f"failed: {why}", f"tt task retry {task.id}")
    for plan in town.plans.values():
        if plan.state in WAYS_ON:
            told, way = WAYS_ON[plan.state]
            yield need("plan", plan.id, told, way.format(plan.id))
    for agent in town.agents.values():
        trouble = trouble_of(town, agent)
        if trouble:
            yield need("agent", agent.name, *trouble)


#: Why a plan does not go on by itself, and the command that brings it on.
WAYS_ON = {
    "paused": ("it is paused", "tt plan resume {0}"),
    "waiting": ("the conductor is off", "tt conductor --plan {0}"),
    "stalled": ("nobody can go on with it", "tt plan status {0}"),
}


def need(kind: str, name: str, why: str, command: str) -> View:
    """One thing that needs a person."""
    return {"kind": kind, "id": name, "why": why, "command": command}


def answer_to(message: Message) -> str:
    """The command that answers a question."""
    about, _, name = (message.about or "").partition(":")
    if about in ("approve", "plan"):
        return f"tt {'plan ' if about == 'plan' else ''}approve {name}"
    return f'tt answer {message.id} "…"'


def later(task: Task, start: int) -> bool:
    """Whether the task came to its end since then."""
    return task.finished_at is not None and task.finished_at >= start


def wants_mending(town: Town, task: Task, start: int) -> bool:
    """Whether a task that failed is news, or holds others back; a check's failure is its task's."""
    plan = town.plans.get(task.plan or "")
    if task.group or gates.is_check(task) or (plan is not None and plan.state == "cancelled"):
        return False
    return later(task, start) or any(not one.finished for one in town.dependents(task.id))


def trouble_of(town: Town, agent: Agent) -> tuple[str, str] | None:
    """Why an agent does not work although it should, and the command that helps."""
    if agent.state == "error":
        return f"in error: {agent.hold_reason or 'no reason given'}", f"tt restart {agent.name}"
    if agent.desired == "run" and agent.on_hold(town.now):
        return f"held: {agent.hold_reason or 'for a while'}", f"tt resume {agent.name}"
    return None
