"""The published shapes: what `--json` shows of a record. `docs/protocol.md` lists them."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from functools import cache, partial

from tinytownd.conductor.plans import plan_state
from tinytownd.domain import budgets, usage
from tinytownd.domain.agent import Agent
from tinytownd.domain.lines import lines_of
from tinytownd.domain.message import CONDUCTOR, KINDS, Message, Round
from tinytownd.domain.names import ROLE
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town
from tinytownd.domain.track import MAIN, TrackedPlan

View = dict[str, object]
#: So many tasks are named of each who is missing.
FIRST = 20


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
        "role": one.role,
        "result": one.result,
        "error": one.error,
        "depends_on": list(one.depends_on),
        "join": one.join,
        "failures": "count" if one.join_failures else "hold",
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
        "approve": one.approve,
        "approved": one.approved,
        "check": one.check,
        "review": one.review,
        "gate_of": one.gate_of,
        "feedback": one.feedback,
        "reworks": one.reworks,
        "waits_for": [] if one.finished else town.unmet(one),
        "not_before": iso(one.not_before),
        "tokens": one.tokens,
        "cost_usd": one.cost_usd,
    }


def agent(town: Town, one: Agent) -> View:
    """An agent, with what waits for it."""
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
        "tags": list(one.tags),
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
        "attached": one.attached is not None,
        "since": iso(one.since),
        "hold": hold(town, one),
        "error": one.hold_reason if one.state == "error" else None,
        "waiting": waiting,
        "fallback": list(one.fallback),
        "tokens": one.tokens,
        "cost_usd": one.cost_usd,
    }


def hold(town: Town, one: Agent) -> View | None:
    """Why the agent may not start a round now; without a time where a person decides."""
    if one.over_budget:
        return {"until": None, "reason": budgets.spent(town, one).told}
    if budgets.over_for_today(town):
        until = usage.day_after(town.meta.day)
        return {"until": iso(until), "reason": budgets.spent_today(town).told}
    return (
        {"until": iso(one.hold_until), "reason": one.hold_reason} if one.on_hold(town.now) else None
    )


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
        "thread": one.thread or one.id,
        "task": one.task,
        "about": one.about,
        "answer": one.answer,
        "claimed_sender": one.claimed_sender,
    }


def round_(town: Town, one: Round) -> View:
    """A round; `outcome` is null while it runs."""
    ended = one.ended_at if one.ended_at is not None else town.now
    return {
        "round": int(one.id),
        "agent": one.agent,
        "task": one.task,
        "cli": one.cli,
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
    """A plan as a whole: its tasks that somebody executes, by state; how long, and for how much."""
    counts = town.plan_counts(name)
    tracked = town.plans.get(name) or TrackedPlan(name)
    started, ended = tracked.started_at, tracked.ended_at
    ran = (town.now if ended is None else ended) - started if started is not None else None
    return {
        "name": name,
        "description": tracked.description,
        "owner": tracked.owner,
        "state": plan_state(town, tracked),
        "total": sum(counts.values()),
        "completed": counts["completed"],
        "failed": counts["failed"],
        "cancelled": counts["cancelled"],
        "running": counts["running"] + counts["submitted"],
        "blocked": counts["blocked"],
        "pending": counts["pending"] + counts["assigned"],
        "started_at": iso(started),
        "ended_at": iso(ended),
        "seconds": None if ran is None else round(max(0, ran) / 1000, 3),
        "tokens": tracked.tokens,
        "cost_usd": tracked.cost_usd,
    }


def usual_plan(town: Town) -> str:
    """The plan that is meant where none is named: `main`, or the only one that there is."""
    full = [name for name in town.plans if town.plan_counts(name).total()]
    return full[0] if len(full) == 1 else MAIN


def conductor(town: Town, name: str | None = None) -> View:
    """Whether plans are handed out, how far a plan is, and how much its own agent was asked.

    `cli` is what that agent runs on; None where the conductor has none. A plan that no file brought
    is handed out whether or not the conductor is on.
    """
    shown = plan(town, name if name is not None else usual_plan(town))
    known = str(shown["name"])
    unpushed = known in town.plans and not town.index.pushed[known]
    on = town.meta.conducting or (unpushed and shown["total"] != 0)
    cli = town.policy.conductor_cli or None
    return {"on": on, "plan": shown, "asked": asked(town), "cli": cli}


def asked(town: Town) -> int:
    """How many requests and queries the conductor's own agent will still answer, or act on."""
    agent = town.find_agent(CONDUCTOR)
    if agent is None or not agent.will_work or agent.desired != "run":
        return 0
    return sum(message.starts_round for message in town.inbox(CONDUCTOR))


def missing(town: Town, plan: str | None = None) -> list[View]:
    """Agents and roles that tasks of a plan (None: of any) name and nobody there can stand for.

    `state` is null where nobody of that name or role is on the team; of the tasks it has the first.
    """
    lost: dict[str, list[str]] = {}
    states: dict[str, str | None] = {}
    spelt: dict[str, str] = {}
    meant = cache(partial(_best, town))
    for one in town.tasks.values():
        of_it = one.plan is not None if plan is None else one.plan == plan
        for who in _needed(one) if of_it and not one.finished else ():
            found = meant(who.lower())
            if found is None or not found.available:
                name = who if found is None or who.startswith(ROLE) else found.name
                name = spelt.setdefault(who.lower(), name)
                if len(ids := lost.setdefault(name, [])) < FIRST:
                    ids.append(one.id)
                states[name] = found.state if found else None
    return [{"name": name, "tasks": ids, "state": states[name]} for name, ids in lost.items()]


def _needed(task: Task) -> list[str]:
    """Those that a task cannot end without: its owner, if it has one, and its reviewer."""
    return [who for who in (task.owner, task.review) if who is not None]


def _best(town: Town, owner: str) -> Agent | None:
    """The agent that is named, or one of the role that is: one that is there, if there is one."""
    if not owner.startswith(ROLE):
        return town.find_agent(owner)
    team = (agent for agent in town.agents.values() if owner in lines_of(town, agent))
    return min(team, key=lambda agent: not agent.available, default=None)
