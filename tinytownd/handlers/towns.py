"""Verbs about a town as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Set
from functools import partial

from tinytownd.conductor.schedule import held_by_failure
from tinytownd.domain import budgets, gates, questions
from tinytownd.domain.errors import BadInput, NotFound
from tinytownd.domain.message import QUESTION, Message
from tinytownd.domain.names import shown
from tinytownd.domain.task import FINISHED, Task
from tinytownd.domain.town import Town
from tinytownd.handlers import glance, paging, views
from tinytownd.handlers.registry import Context, verb

#: Most events that one `tt history` shows; the stream itself holds more.
MAX_HISTORY = 10_000
#: So many times as many events as are wanted of one agent or task are looked at before all are.
FURTHER = 10


@verb("town.status", "read")
def status(ctx: Context, *, all: bool = False) -> dict[str, object]:
    """The town at a glance, and the last event that this takes into account."""
    return {**glance.status(ctx.town, everything=all), "event": ctx.host.store.last_event}


@verb("town.history", "query")
async def history(
    ctx: Context, *, agent: str | None = None, task: str | None = None, limit: int = 100
) -> dict[str, object]:
    """The last events about an agent, a task or everything, oldest first."""
    if not 1 <= limit <= MAX_HISTORY:
        raise BadInput(f"limit is from 1 to {MAX_HISTORY:,}")
    who = ctx.town.agent(agent).name if agent is not None else None
    what = ctx.task_anywhere(task).id if task is not None else None
    fits: list[dict[str, object]] = []
    # What is about one of many is seldom among the last few events: then it looks further back.
    for count in dict.fromkeys((limit, min(limit * FURTHER, MAX_HISTORY), MAX_HISTORY)):
        events = await ctx.host.store.history(count)
        fits = [
            event
            for event in events
            if (who is None or who in (event.get("agent"), event.get("actor")))
            and (what is None or event.get("task") == what)
        ]
        if len(fits) >= limit or len(events) < count:
            break
    return {"events": [{**event, "at": views.iso(_ms(event["at"]))} for event in fits[-limit:]]}


def _ms(at: object) -> int | None:
    return at if isinstance(at, int) else None


@verb("town.wait", "wait")
def wait(
    ctx: Context,
    *,
    agents: list[str] | None = None,
    task: str | None = None,
    all: bool = False,
    told: list[str] | None = None,
) -> dict[str, object] | None:
    """Answers once the agents are idle, the task is finished, or nothing is left to do.

    A task that is held by one that failed or was cancelled is not waited for: it counts as failed.
    With `told`, the ids of questions to people, it also answers once it is held up by another one.
    """
    town = ctx.town
    found = ctx.task_anywhere(task) if task is not None else None
    team = agents or [agent.name for agent in town.agents.values()]
    names = set() if found or all else {waited_for(town, name) for name in team}
    lost = came_to(town, found, None if all else names)
    if lost is not None:
        some = paging.fitting(lost[: paging.MOST], partial(views.task, town))
        return {"failed": some, "failed_left": len(lost) - len(some), "questions": []}
    asked = asked_about(town, found, names) if told is not None else ()
    new = [views.message(one) for one in asked if one.id not in (told or ())]
    return {"failed": [], "failed_left": 0, "questions": new} if new else None


def waited_for(town: Town, name: str) -> str:
    """An agent's name as it is written; raises `NotFound`, with the way for a task of that id."""
    if name in town.tasks and town.find_agent(name) is None:
        raise NotFound(f"{shown(name)} is a task, and no agent", hint=f"tt wait --task {name}")
    return town.agent(name).name


def came_to(town: Town, task: Task | None, names: Set[str] | None) -> list[Task] | None:
    """What failed once the task is over, or these agents are idle, or all is; None until then."""
    if task is not None:
        if task.state == "completed":
            return []
        return [task] if task.finished or is_stuck(town, task) else None
    if names is None:
        return None if busy_town(town) else failed(town, None)
    busy = any(town.agent(name).round is not None for name in names)
    busy = busy or any(busy_agent(town, name) for name in names)
    return None if busy else failed(town, names)


def is_stuck(town: Town, task: Task) -> bool:
    """Whether a task waits in vain; what waits for nothing does not, and is not looked into."""
    return (task.group or town.index.waits(task)) and task.id in held_by_failure(town)


def asked_about(town: Town, task: Task | None, names: Set[str]) -> Iterator[Message]:
    """The open questions that hold up a task, or these agents; without either, all."""
    if not town.waiting[QUESTION]:
        return iter(())  # this is asked after every change, and there may be thousands of tasks
    subjects = {budgets.DAY, *(f"{budgets.ABOUT}agent:{name}" for name in names)}
    todo, seen = [task] if task is not None else [], set[str]()
    while todo:
        one = todo.pop()
        if one.id in seen or one.finished:
            continue
        seen.add(one.id)
        subjects |= {f"{about}:{one.id}" for about in gates.ABOUT_TASK}
        subjects |= {f"plan:{one.plan}", f"{budgets.ABOUT}plan:{one.plan}"}
        subjects.add(f"{budgets.ABOUT}agent:{one.agent}")
        todo += [town.tasks[need] for need in one.needs if need in town.tasks]
        todo += town.children(one.id) if one.group else []
    every = task is None and not names
    return (q for q in questions.open_questions(town) if every or q.about in subjects)


def busy_agent(town: Town, name: str) -> bool:
    """Whether an agent works or is about to: a round, handed-out work, a message that starts one.

    One that is stopped, cold, paused or in error is idle: nothing will happen by itself.
    """
    agent = town.agent(name)
    if agent.round is not None:
        return True
    if agent.desired != "run" or agent.state == "error":
        return False
    return bool(town.queue(name)) or retrying(town, name) or starts(town, name)


def retrying(town: Town, name: str) -> bool:
    """Whether a task waits for nothing but its next attempt."""
    return any(task.not_before is not None for task in town.ready(name))


def starts(town: Town, name: str) -> bool:
    """Whether a message waits that starts a round."""
    return town.mail.starting(name) > 0


def busy_town(town: Town) -> bool:
    """Whether a task is open, a round runs, or a message waits that starts one.

    A task that is held by one that failed does not count: it would be waited for in vain. This is
    asked after every change, and a town at work is found to be so by the first that is at work.
    """
    if any(agent.round is not None for agent in town.agents.values()):
        return True
    open_ = sum(count for state, count in town.index.states.items() if state not in FINISHED)
    stuck = (town.tasks[task] for task in (held_by_failure(town) if open_ else ()))
    if open_ > sum(not task.finished and not task.group for task in stuck):
        return True
    return any(starts(town, agent.name) for agent in town.agents.values())


def failed(town: Town, owners: Set[str] | None) -> list[Task]:
    """The tasks that failed, of everybody or of some."""
    lost = (town.tasks[task] for task in town.index.lost)
    failed = (task for task in lost if task.state == "failed")
    fits = (task for task in failed if owners is None or task.agent in owners)
    return sorted(fits, key=lambda task: task.seq)
