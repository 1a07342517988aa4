"""Verbs about a town as a whole."""

from __future__ import annotations

from tinytownd.conductor.schedule import held_by_failure
from tinytownd.domain.errors import BadInput
from tinytownd.domain.town import Town
from tinytownd.handlers import views
from tinytownd.handlers.registry import Context, verb

#: Most events that one `tt history` shows; the stream itself holds more.
MAX_HISTORY = 10_000


@verb("town.status", "read")
def status(ctx: Context) -> dict[str, object]:
    """The town at a glance, and the last event that this takes into account."""
    return {**views.status(ctx.town), "event": ctx.host.store.last_event}


@verb("town.history", "query")
async def history(
    ctx: Context, *, agent: str | None = None, task: str | None = None, limit: int = 100
) -> dict[str, object]:
    """The last events about an agent, a task or everything, oldest first."""
    if not 1 <= limit <= MAX_HISTORY:
        raise BadInput(f"limit is from 1 to {MAX_HISTORY:,}")
    who = ctx.town.agent(agent).name if agent is not None else None
    what = ctx.town.task(task).id if task is not None else None
    count = limit if who is None and what is None else MAX_HISTORY
    events = await ctx.host.store.history(count)
    fits = [
        event
        for event in events
        if (who is None or who in (event.get("agent"), event.get("actor")))
        and (what is None or event.get("task") == what)
    ]
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
) -> dict[str, object] | None:
    """Answers once the agents are idle, the task is finished, or nothing is left to do.

    A task that is held by one that failed or was cancelled is not waited for: it counts as failed.
    """
    town = ctx.town
    if task is not None:
        found = town.task(task)
        if not found.finished and found.id not in held_by_failure(town):
            return None
        return {"failed": [views.task(town, found)] if found.state != "completed" else []}
    if all:
        return None if busy_town(town) else {"failed": failed(town, None)}
    names = {town.agent(name).name for name in agents or [a.name for a in town.agents.values()]}
    if any(busy_agent(town, name) for name in names):
        return None
    return {"failed": failed(town, names)}


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
    return any(one.state == "waiting" and one.starts_round for one in town.inbox(name))


def busy_town(town: Town) -> bool:
    """Whether a task is open, a round runs, or a message waits that starts one.

    A task that is held by one that failed does not count: it would be waited for in vain.
    """
    if any(a.round is not None or starts(town, a.name) for a in town.agents.values()):
        return True
    stuck = held_by_failure(town)
    open_ = (task for task in town.tasks.values() if not task.finished and not task.group)
    return any(task.id not in stuck for task in open_)


def failed(town: Town, owners: set[str] | None) -> list[views.View]:
    """The tasks that failed, of everybody or of some."""
    return [
        views.task(town, task)
        for task in town.tasks.values()
        if task.state == "failed" and (owners is None or task.agent in owners)
    ]
