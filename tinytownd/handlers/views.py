"""The published shapes: what `--json` shows of a record. `docs/protocol.md` lists them."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from tinytownd.conductor.plans import plan_state
from tinytownd.domain.agent import Agent
from tinytownd.domain.message import KINDS, Message, Round
from tinytownd.domain.task import STATES, Task
from tinytownd.domain.town import Town
from tinytownd.domain.track import MAIN

View = dict[str, object]


def iso(ms: int | None) -> str | None:
    """Milliseconds since the epoch as ISO 8601 in UTC; None stays None."""
    if ms is None:
        return None
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def task(town: Town, one: Task) -> View:
    """A task; `waits_for` are those of its needs that are not completed."""
    return {
        "id": one.id,
        "description": one.description,
        "state": one.state,
        "agent": one.agent,
        "result": one.result,
        "error": one.error,
        "depends_on": list(one.depends_on),
        "parent": one.parent,
        "tags": list(one.tags),
        "priority": one.priority,
        "attempts": one.attempts,
        "created_at": iso(one.created_at),
        "started_at": iso(one.started_at),
        "finished_at": iso(one.finished_at),
        "plan": one.plan,
        "epic": one.epic,
        "group": one.group,
        "run": one.run,
        "waits_for": [] if one.finished else town.unmet(one),
        "not_before": iso(one.not_before),
    }


def agent(town: Town, one: Agent) -> View:
    """An agent, with what waits for it."""
    held = one.hold_until is not None and one.hold_until > town.now
    hold = {"until": iso(one.hold_until), "reason": one.hold_reason} if held else None
    kinds = Counter(m.sort for m in town.inbox(one.name) if m.state == "waiting")
    waiting: View = {"tasks": len(town.queue(one.name))}
    waiting |= {kind: kinds[kind] for kind in KINDS}
    return {
        "id": one.id,
        "name": one.name,
        "state": one.state,
        "desired": one.desired,
        "cli": one.cli,
        "model": one.model,
        "role": one.role,
        "nickname": one.nickname,
        "parent": one.parent,
        "task": one.task,
        "rounds": one.rounds,
        "rounds_since_start": one.rounds_since_start,
        "max_rounds": one.max_rounds,
        "silence_seconds": one.silence_seconds,
        "wall_seconds": one.wall_seconds,
        "permissions": one.permissions,
        "session": one.session,
        "since": iso(one.since),
        "hold": hold,
        "error": one.hold_reason if one.state == "error" else None,
        "waiting": waiting,
    }


def agents(town: Town) -> list[View]:
    """All agents, in the order they were spawned."""
    return [agent(town, one) for one in town.agents.values()]


def message(one: Message) -> View:
    """A message; `claimed_sender` is what a person said with `--from`."""
    return {
        "id": one.id,
        "from": one.sender,
        "to": one.to,
        "kind": one.sort,
        "priority": one.priority,
        "text": one.text,
        "state": one.state,
        "sent_at": iso(one.sent_at),
        "delivered_at": iso(one.delivered_at),
        "acknowledged_at": iso(one.acknowledged_at),
        "round": int(one.round) if one.round else None,
        "reply_to": one.reply_to,
        "claimed_sender": one.claimed_sender,
    }


def round_(town: Town, one: Round) -> View:
    """A round; `outcome` is null while it runs."""
    ended = one.ended_at if one.ended_at is not None else town.now
    return {
        "round": int(one.id),
        "agent": one.agent,
        "task": one.task,
        "outcome": one.outcome,
        "started_at": iso(one.started_at),
        "ended_at": iso(one.ended_at),
        "seconds": round(max(0, ended - one.started_at) / 1000, 3),
        "input_tokens": one.input_tokens,
        "output_tokens": one.output_tokens,
        "cost_usd": one.cost_usd,
        "error": one.error,
    }


def plan(town: Town, name: str = MAIN) -> View:
    """A plan as a whole: its tasks that somebody executes, by state."""
    counts = town.plan_counts(name)
    tracked = town.plans.get(name)
    return {
        "name": name,
        "description": tracked.description if tracked else None,
        "state": plan_state(town, tracked) if tracked else "none",
        "total": sum(counts.values()),
        "completed": counts["completed"],
        "failed": counts["failed"],
        "cancelled": counts["cancelled"],
        "running": counts["running"] + counts["submitted"],
        "blocked": counts["blocked"],
        "pending": counts["pending"] + counts["assigned"],
    }


def conductor(town: Town) -> View:
    """Whether plans are handed out, and how far the plan is."""
    return {"on": town.meta.conducting, "plan": plan(town)}


def status(town: Town) -> View:
    """The town at a glance: counts by state, by agent and by kind; the last ten rounds."""
    by_agent: dict[str, Counter[str]] = {}
    by_state: Counter[str] = Counter()
    backlog = 0
    for one in town.tasks.values():
        if one.group:
            continue
        by_state[one.state] += 1
        if one.agent is not None:
            by_agent.setdefault(one.agent, Counter())[one.state] += 1
        elif not one.finished:
            backlog += 1
    waiting = Counter(m.sort for m in town.messages.values() if m.state == "waiting")
    return {
        "town": {"id": town.id, "name": town.meta.name, "dir": town.meta.dir},
        "conductor": conductor(town),
        "agents": agents(town),
        "tasks": {
            "by_state": {state: by_state[state] for state in STATES},
            "by_agent": {name: dict(counts) for name, counts in by_agent.items()},
        },
        "messages": {kind: waiting[kind] for kind in KINDS},
        "backlog": backlog,
        "rounds": [round_(town, one) for one in list(town.rounds.values())[-10:]],
    }


def missing(town: Town) -> list[View]:
    """Agents that tasks of the plan name and that are not there to take them.

    `state` is null for one that is not on the team.
    """
    lost: dict[str, list[str]] = {}
    states: dict[str, str | None] = {}
    for one in town.tasks.values():
        if one.plan is not None and one.agent is not None and not one.finished:
            found = town.find_agent(one.agent)
            if found is None or not found.available:
                name = found.name if found else one.agent
                lost.setdefault(name, []).append(one.id)
                states[name] = found.state if found else None
    return [{"name": name, "tasks": ids, "state": states[name]} for name, ids in lost.items()]
