"""Verbs for people whose town is not as it should be: look and mend, take work back, empty it."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, partial
from typing import Any

from tinytownd.domain import gates, questions
from tinytownd.domain.agent import Agent
from tinytownd.domain.errors import BadInput, Conflict
from tinytownd.domain.lines import lines_of
from tinytownd.domain.mailboxes import mailbox
from tinytownd.domain.message import CONDUCTOR, PERSON, Message, Round
from tinytownd.domain.names import BACKLOG, ROLE
from tinytownd.domain.rules import first_line
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town
from tinytownd.domain.track import TrackedPlan
from tinytownd.handlers import views
from tinytownd.handlers.agents import want
from tinytownd.handlers.owners import Owner, hand_over, owner_of, taker
from tinytownd.handlers.registry import Answer, Context, Decision, verb
from tinytownd.recovery import Finding

#: So many ids stand in a line; the others are counted.
MAX_SHOWN = 5
KINDS = (Agent.kind, Task.kind, Message.kind, Round.kind)


@verb("town.recover", "prepare")
async def recover(ctx: Context) -> Decision:
    """Looks at everything, mends what it can, and says what was found and what was done."""
    ctx.people_only()
    found = await ctx.host.mend()

    def decide(ctx: Context) -> Answer:
        all_ = [*found, *start_again(ctx), *findings(ctx.town)]
        done = [f"{one.what}: {one.done}" for one in all_ if one.done]
        if done:
            ctx.town.event("town.recovered", ctx.speaker.name, text="; ".join(done))
        return lambda: {"findings": [one._asdict() for one in all_]}

    return decide


def start_again(ctx: Context) -> Iterator[Finding]:
    """Agents in error start again: a person asked for it."""
    for agent in list(ctx.town.agents.values()):
        if agent.state == "error" and agent.desired == "run" and not agent.restart:
            why = f": {first_line(agent.hold_reason)}" if agent.hold_reason else ""
            want(ctx, agent, "run", restart=True)
            ctx.town.event("agent.resumed", ctx.speaker.name, agent=agent.name)
            yield Finding(f"{agent.name} was in error{why}", "started again")


def findings(town: Town) -> Iterator[Finding]:
    """What waits for a person's decision."""
    for agent in town.agents.values():
        if agent.hold_until is not None and agent.hold_until > town.now:
            until = f"{agent.name} is held until {views.iso(agent.hold_until)}"
            hint = f"not to wait: tt resume {agent.name}"
            yield Finding(f"{until}: {first_line(agent.hold_reason or '')}", hint=hint)
    for owner, tasks in by_owner(stranded(town)).items():
        what = f"{listed(tasks)} of {owner}, who {whereabouts(town, owner)}"
        yield Finding(what, hint=f"tt reclaim --from {owner}; {way_back(town, owner)}")
    failed = [task.id for task in town.tasks.values() if task.state == "failed" and not task.group]
    if failed:
        hint = f"tt task retry {failed[0]}" if len(failed) == 1 else "tt task list --state failed"
        yield Finding(f"{listed(failed)} failed", hint=hint)
    asked = sum(1 for _ in questions.open_questions(town))
    if asked:
        what = "1 question waits" if asked == 1 else f"{asked} questions wait"
        yield Finding(f"{what} for a person", hint="tt inbox conductor")
    for name, count in unread(town).items():
        what = f"{count} message{'' if count == 1 else 's'} for {name}, who "
        hint = f"tt inbox {name}; " if town.find_agent(name) else ""
        yield Finding(what + whereabouts(town, name), hint=hint + way_back(town, name))


def unread(town: Town) -> Counter[str]:
    """How many requests and queries wait at those who will not read them, by name."""
    asking = (m for m in town.messages.values() if m.state == "waiting" and m.starts_round)
    people = (CONDUCTOR, PERSON)
    return Counter(m.to for m in asking if mailbox(m.to) not in people and not works(town, m.to))


def meant(town: Town, owner: str) -> Agent | None:
    """The agent that is named, or of a role one that works if there is one."""
    if not owner.startswith(ROLE):
        return town.find_agent(owner)
    team = [agent for agent in town.agents.values() if owner.lower() in lines_of(town, agent)]
    return min(team, key=lambda agent: not agent.will_work, default=None)


def works(town: Town, owner: str) -> bool:
    """Whether there is such an agent, or one of such a role, and it does what it is given."""
    agent = meant(town, owner)
    return agent is not None and agent.will_work


def whereabouts(town: Town, owner: str) -> str:
    """Why an owner will not do what it is given."""
    agent = meant(town, owner)
    if agent is None:
        return "is not on the team"
    return {"stop": "is stopped", "close": "is closed"}.get(agent.desired, "is in error")


def way_back(town: Town, owner: str) -> str:
    """What brings such an owner back."""
    agent = meant(town, owner)
    if agent is not None:
        return f"tt restart {agent.name}"
    if owner.startswith(ROLE):
        return f"tt spawn NAME --role {shlex.quote(owner.removeprefix(ROLE))}"
    return f"tt spawn {owner}"


def listed(ids: Sequence[str]) -> str:
    """Some ids, and how many more there are."""
    more = f" and {len(ids) - MAX_SHOWN} more" if len(ids) > MAX_SHOWN else ""
    return ", ".join(ids[:MAX_SHOWN]) + more


# Taking work back


@verb("task.reclaim", "write")
def reclaim(ctx: Context, *, to: str | None = None, source: str | None = None) -> Answer:
    """Open tasks that their owners will not do, or those of `source`, go to another owner.

    Without `to` they are only listed. What a round works on is never taken: a result must find the
    task where it was.
    """
    ctx.people_only()
    town = ctx.town
    owner = receiver(town, to)
    found = stranded(town) if source is None else open_tasks_of(town, source)
    skipped = {task.id: why for task in found if (why := why_it_stays(town, task, owner))}
    taken = [task for task in found if task.id not in skipped]
    for task in taken if to is not None else ():
        hand_over(ctx, task, owner, f"from {owner_of(task)}")
    return lambda: {
        "tasks": [views.task(town, town.tasks[task.id]) for task in taken],
        "skipped": [{"id": one, "why": why} for one, why in skipped.items()],
    }


def stranded(town: Town) -> list[Task]:
    """Open tasks whose owners will not do them. Groups have no owner."""
    will = cache(partial(works, town))
    owned = (t for t in town.tasks.values() if any(owner_of(t)) and not t.finished)
    return [task for task in owned if not will(str(owner_of(task)))]


def open_tasks_of(town: Town, name: str) -> list[Task]:
    """The open tasks of an owner, on the team or not; raises `NotFound` for a name of nobody."""
    named = [t for t in town.tasks.values() if str(owner_of(t)).lower() == name.lower()]
    if not named or name == BACKLOG:
        taker(town, name, run="")
    return [task for task in named if not task.finished]


def by_owner(tasks: Iterable[Task]) -> dict[str, list[str]]:
    """The tasks' ids, by their owners."""
    found: dict[str, list[str]] = {}
    for task in tasks:
        found.setdefault(str(owner_of(task)), []).append(task.id)
    return found


def receiver(town: Town, to: str | None) -> Owner:
    """Who gets the tasks; nobody without `to`. Raises `NotFound`, `Conflict`."""
    if to is None or to == BACKLOG:
        return Owner()
    owner = taker(town, to, run="")
    if not works(town, str(owner)):
        who = f"agent {owner}" if owner.agent else str(owner)
        why = f"{who} {whereabouts(town, str(owner))}: it would not do them either"
        raise Conflict(why, hint=way_back(town, str(owner)))
    return owner


def why_it_stays(town: Town, task: Task, owner: Owner) -> str:
    """Why a task cannot be taken from its owner; "" when it can."""
    if task.state == "running":
        return f"runs in round {task.round} of {task.agent}: first tt interrupt {task.agent}"
    if not any(owner):
        return ""
    try:
        gates.check_owner(town, task, owner.agent)
        there = taker(town, str(owner), task.run) == owner_of(task)
    except BadInput as refusal:
        return refusal.message
    return f"is {owner}'s already" if there else ""


# Starting over


@verb("town.reset", "write")
def reset(ctx: Context, *, agents_only: bool = False) -> Answer:
    """Empties the town, or takes its agents away; its history stays, and its numbers go on."""
    ctx.people_only()
    town = ctx.town
    busy = [agent.name for agent in town.agents.values() if agent.round]
    if busy:
        raise Conflict(f"a round runs: {listed(busy)}", hint="tt stop --now ends it; then again")
    kept = (Task.kind, Message.kind, TrackedPlan.kind) if agents_only else ()
    gone = [record for record in town.records() if record.kind not in kept]
    for agent in town.agents.values():
        town.wake(agent)
    if agents_only:
        take_back(ctx)
    elif town.meta.conducting:
        town.event("conductor.stopped", ctx.speaker.name)
    for record in gone:
        town.drop(record)
    counts = Counter(record.kind for record in gone)
    if not agents_only:
        counts[Task.kind] += sum(town.meta.archived.values())
        town.empty_archive()
    off: dict[str, Any] = {} if agents_only else {"conducting": False}
    town.put(town.meta.but(cleared=town.meta.rounds, **off))
    told = ", ".join(f"{counts[kind]} {kind}" for kind in KINDS)
    town.event("town.reset", ctx.speaker.name, text=told)
    town.wake(None)
    return lambda: {kind: counts[kind] for kind in KINDS}


def take_back(ctx: Context) -> None:
    """Tasks that were handed out wait again, for an agent of the same name."""
    for task in list(ctx.town.tasks.values()):
        if task.state == "assigned":
            ctx.town.put(task.advance("release"))
            ctx.town.event("task.released", ctx.speaker.name, task=task.id, agent=task.agent)
