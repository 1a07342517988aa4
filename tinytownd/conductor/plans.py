"""How each plan stands, and telling it once when one comes to an end. Pure."""

from __future__ import annotations

from collections import Counter

from tinytownd.domain import rules
from tinytownd.domain.message import CONDUCTOR
from tinytownd.domain.names import ROLE
from tinytownd.domain.town import Town
from tinytownd.domain.track import ENDED, TrackedPlan

#: States of tasks that somebody or something is at work on.
MOVING = ("assigned", "running", "submitted")


def settle_plans(town: Town) -> None:
    """Records it once when a plan comes to an end, or moves again."""
    for plan in list(town.plans.values()):
        state = plan_state(town, plan)
        if state != plan.state:
            town.put(dated(plan, state, town.now))
            if state in ENDED:
                tell(town, plan, state)


def dated(plan: TrackedPlan, state: str, now: int) -> TrackedPlan:
    """The plan in its new state, with the times that this sets."""
    started = plan.started_at
    if state == "running" and started is None:
        started = now
    return plan.but(state=state, started_at=started, ended_at=now if state in ENDED else None)


def tell(town: Town, plan: TrackedPlan, state: str) -> None:
    """The history and the plan's owner hear how it ended."""
    why = why_ended(town, plan, state)
    town.event(f"plan.{state}", "conductor", plan=plan.id, text=why)
    owner = town.find_agent(plan.owner)
    to = owner.name if owner is not None else CONDUCTOR
    rules.send(town, "daemon", to, f"Plan {plan.id} is {state}: {why}", sort="info")


def plan_state(town: Town, plan: TrackedPlan) -> str:
    """How a plan stands: one of `track.STATES`.

    It waits while the conductor is off, is blocked when only a person can bring it on, and stalled
    when nothing runs, nothing is ready, nothing has failed, and it is not finished.
    """
    counts = town.plan_counts(plan.id)
    total = counts.total()
    if total == 0:
        return "none"
    if total == counts["cancelled"]:
        return "cancelled"
    if total == counts["completed"] + counts["cancelled"]:
        return "completed"
    if any(counts[state] for state in MOVING):
        return "running"
    return resting_state(town, plan, counts)


def resting_state(town: Town, plan: TrackedPlan, counts: Counter[str]) -> str:
    """The state of a plan with open tasks of which none is at work."""
    if plan.proposed:
        return "proposed"
    if plan.paused:
        return "paused"
    off = town.index.pushed[plan.id] > 0 and not town.meta.conducting
    if can_go_on(town, plan):
        return "waiting" if off else "running"
    if counts["blocked"]:
        return "blocked"
    if counts["failed"]:
        return "failed"
    return "waiting" if off else "stalled"


def can_go_on(town: Town, plan: TrackedPlan) -> bool:
    """Whether a task of the plan is ready for somebody who is there."""
    return any(is_there(town, owner) for owner in town.index.owners_of_ready(plan.id))


def is_there(town: Town, owner: str) -> bool:
    """Whether an owner of ready tasks can take one: an agent, or any agent of a role."""
    if owner.startswith(ROLE):
        role = owner.removeprefix(ROLE)
        return any(a.available for a in town.agents.values() if (a.role or "").lower() == role)
    agent = town.find_agent(owner)
    return agent is not None and agent.available


def why_ended(town: Town, plan: TrackedPlan, state: str) -> str:
    """One line on how a plan ended."""
    counts = town.plan_counts(plan.id)
    total = counts.total()
    if state == "completed":
        cancelled = f", {counts['cancelled']} cancelled" if counts["cancelled"] else ""
        return f"{counts['completed']} of {total} tasks completed{cancelled}"
    if state == "cancelled":
        return f"{total} tasks cancelled"
    if state == "failed":
        return f"{counts['failed']} of {total} tasks failed, {counts['pending']} held back"
    return f"{counts['pending']} of {total} tasks have nobody who could start them"
