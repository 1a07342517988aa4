"""The morning page: what was done, what failed, what it cost, and what needs a person. Pure."""

from __future__ import annotations

import bisect
from collections.abc import Iterator

from tinytownd.domain import gates, questions
from tinytownd.domain.agent import Agent
from tinytownd.domain.errors import BadInput
from tinytownd.domain.message import Message, Round
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town
from tinytownd.domain.track import TrackedPlan
from tinytownd.handlers import views
from tinytownd.handlers.registry import Context, verb
from tinytownd.handlers.views import View, iso

#: How far back it looks where nobody says, and at most, in seconds: a night, and a year.
USUAL_SECONDS, MOST_SECONDS = 12 * 3_600, 366 * 86_400


@verb("town.report", "read")
def report(ctx: Context, *, since: int = USUAL_SECONDS) -> dict[str, object]:
    """What became of the town's work in so many seconds, and what waits for a person."""
    if not 0 < since <= MOST_SECONDS:
        raise BadInput(f"{since} seconds is no time to look back", hint="1 second to 366 days")
    town, start = ctx.town, ctx.now - since * 1_000
    over = [task for task in ended(town, start) if is_work(task)]
    return {
        "since": iso(start),
        "until": iso(ctx.now),
        "plans": [views.plan(town, plan.id) for plan in moved(town, over)],
        "done": [finished(task) for task in over if task.state == "completed"],
        "failed": [finished(task) for task in over if task.state == "failed"],
        "cost": cost(town, start),
        "needs": list(needs(town, start)),
    }


def ended(town: Town, start: int) -> list[Task]:
    """The tasks that came to their end since then, in the order they were made."""
    finished = town.index.finished
    since = finished[bisect.bisect_left(finished, (start,)) :]
    return sorted((town.tasks[one] for *_, one in since), key=lambda task: task.seq)


def is_work(task: Task) -> bool:
    """Whether somebody was to do it for its own sake: no group, no check and no review."""
    return not task.group and task.gate_of is None


def later(task: Task, start: int) -> bool:
    """Whether the task came to its end since then."""
    return task.finished_at is not None and task.finished_at >= start


def moved(town: Town, over: list[Task]) -> list[TrackedPlan]:
    """The plans that these tasks are of, and those that are under way."""
    names = {task.plan for task in over}
    return [plan for plan in town.plans.values() if plan.id in names or plan.state == "running"]


def finished(task: Task) -> View:
    """A task that is over: by whom, in how long, and what came of it."""
    began, ended = task.started_at, task.finished_at
    took = (ended - began) / 1_000 if began is not None and ended is not None else None
    return {
        "id": task.id,
        "description": task.description,
        "agent": task.agent,
        "plan": task.plan,
        "seconds": None if took is None else round(max(0.0, took), 3),
        "finished_at": iso(ended),
        "result": task.result if task.state == "completed" else None,
        "error": task.error if task.state == "failed" else None,
        "tokens": task.tokens,
        "cost_usd": task.cost_usd,
    }


def cost(town: Town, start: int) -> View:
    """What the rounds that ended since then used, by agent, who used most first.

    `whole` is false where older rounds of that time are forgotten: see `domain/retention.py`.
    """
    ended = [one for one in town.rounds.values() if (one.ended_at or 0) >= start]
    by_agent: dict[str, list[Round]] = {}
    for one in ended:
        by_agent.setdefault(one.agent, []).append(one)
    agents = [{"name": name, **used(rounds)} for name, rounds in by_agent.items()]
    oldest = next(iter(town.rounds.values()), None)
    forgotten = town.meta.cleared > 0 and oldest is not None and oldest.started_at >= start
    agents.sort(key=lambda one: (one["cost_usd"], one["tokens"]), reverse=True)
    return {**used(ended), "agents": agents, "whole": not forgotten}


def used(rounds: list[Round]) -> dict[str, int | float]:
    """How many rounds, and what they used together."""
    tokens = sum((one.input_tokens or 0) + (one.output_tokens or 0) for one in rounds)
    usd = sum(one.cost_usd or 0.0 for one in rounds)
    return {"rounds": len(rounds), "tokens": tokens, "cost_usd": round(usd, 6)}


# What needs a person


def needs(town: Town, start: int) -> Iterator[View]:
    """What waits for a person, with the command for each; what was asked comes first."""
    for message in questions.open_questions(town):
        yield need("question", message.id, message.text, answer_to(message))
    for task in sorted(map(town.tasks.__getitem__, town.index.lost), key=lambda task: task.seq):
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
