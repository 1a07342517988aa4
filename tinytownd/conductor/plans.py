"""How each plan stands, and telling it once when one comes to an end. Pure."""

from __future__ import annotations

from collections import Counter

from tinytownd.conductor.causes import STALLED
from tinytownd.domain import gates, questions, rules
from tinytownd.domain.index import is_line, owners_of, word_of
from tinytownd.domain.lines import lines_of
from tinytownd.domain.message import CONDUCTOR
from tinytownd.domain.town import Town
from tinytownd.domain.track import ENDED, TrackedPlan

#: So often an agent is asked to mend a plan of its own: what fails again and again would have it
#: work all night. Ours.
MOST_ASKED = 3
#: States of tasks that somebody or something is at work on.
MOVING = ("assigned", "running")


def settle_plans(town: Town) -> None:
    """Records it once when a plan comes to an end, or moves again.

    Of the plans that something happened to which `plan_state` looks at.
    """
    for plan in town.take_plans():
        state = plan_state(town, plan)
        if state != plan.state:
            changed = dated(plan, state, town.now)
            town.put(changed)
            if state in ENDED:
                tell(town, changed)


def dated(plan: TrackedPlan, state: str, now: int) -> TrackedPlan:
    """The plan in its new state, with the times that this sets."""
    started = plan.started_at
    if state == "running" and started is None:
        started = now
    ended = state in ENDED
    cancelled = plan.cancelled if ended else None
    return plan.but(
        state=state, started_at=started, ended_at=now if ended else None, cancelled=cancelled
    )


def tell(town: Town, plan: TrackedPlan) -> None:
    """The history and the plan's owner hear how it ended.

    An owner that is an agent gets to work on what went wrong: it is asked, not only told, so many
    times. After that, or where it will not work, the conductor's mailbox hears it instead.
    """
    why = why_ended(town, plan)
    town.event(f"plan.{plan.state}", "conductor", plan=plan.id, text=why)
    owner = town.find_agent(plan.owner)
    there = owner is not None and owner.will_work and not owner.is_conductor
    went_well = plan.state == "completed" or (plan.state == "cancelled" and not plan.proposed)
    text = f"Plan {plan.id} is {plan.state}: {why}"
    # "failed:NAME" would be about a task of that name.
    about = f"{STALLED}:{plan.id}" if plan.state == STALLED else None
    asks = there and not went_well and plan.asked < MOST_ASKED
    if asks:
        town.put(plan.but(asked=plan.asked + 1))
    sort = "request" if asks else "info"
    to = owner.name if owner and there and (asks or went_well) else CONDUCTOR
    rules.send(town, "daemon", to, text, sort=sort, about=about)


def plan_state(town: Town, plan: TrackedPlan) -> str:
    """How a plan stands: one of `track.STATES`.

    It waits while the conductor is off, is blocked when only a person can bring it on, and stalled
    when nothing runs, nothing is ready, nothing has failed, and it is not finished.
    """
    counts = town.plan_counts(plan.id)
    total = counts.total()
    if total == 0:
        return "none"
    if total == counts["completed"] + counts["cancelled"] + counts["failed"]:
        return final_state(plan, counts)
    if plan.proposed:
        return "proposed"
    if plan.paused:
        return "paused"
    if any(counts[state] for state in MOVING) or gates_move(town, plan, counts):
        return "running"
    return resting_state(town, plan, counts)


def final_state(plan: TrackedPlan, counts: Counter[str]) -> str:
    """The state of a plan without open tasks."""
    if plan.cancelled is not None or counts["cancelled"] == counts.total():
        return "cancelled"
    return "failed" if counts["failed"] else "completed"


def resting_state(town: Town, plan: TrackedPlan, counts: Counter[str]) -> str:
    """The state of a plan with open tasks of which none is at work."""
    off = town.index.pushed[plan.id] > 0 and not town.meta.conducting
    if can_go_on(town, plan):
        return "waiting" if off else "running"
    if counts["blocked"] or (counts["submitted"] and verdict_is_asked(town, plan)):
        return "blocked"
    if counts["failed"]:
        return "failed"
    return "waiting" if off else "stalled"


def can_go_on(town: Town, plan: TrackedPlan) -> bool:
    """Whether a task of the plan is ready for somebody who is there."""
    return any(is_there(town, owner) for owner in town.index.owners_of_ready(plan.id))


def gates_move(town: Town, plan: TrackedPlan, counts: Counter[str]) -> bool:
    """Whether the check or the review of a task that was handed in is at work, or can be."""
    if not counts["submitted"]:
        return False
    for gate in gates.all_open_gates(town):
        of = town.tasks.get(gate.gate_of or "")
        if of is None or of.plan != plan.id:
            continue
        able = town.may_go_out(gate) and any(is_there(town, owner) for owner in owners_of(gate))
        if gate.state in MOVING or able:
            return True
    return False


def verdict_is_asked(town: Town, plan: TrackedPlan) -> bool:
    """Whether a person is asked about work of the plan, since its check or review is lost."""
    asked = (one for one in questions.open_questions(town) if one.about)
    about = (one.task for one in asked if one.about == f"verdict:{one.task}")
    return any(town.tasks[task].plan == plan.id for task in about if task in town.tasks)


def is_there(town: Town, owner: str) -> bool:
    """Whether an owner of ready tasks can take one: an agent, or anybody who takes from a line."""
    if is_line(owner):
        team = town.members(word_of(owner))
        return any(agent.available and owner in lines_of(town, agent) for agent in team)
    agent = town.find_agent(owner)
    return agent is not None and agent.available


def why_ended(town: Town, plan: TrackedPlan) -> str:
    """One line on how a plan ended."""
    counts = town.plan_counts(plan.id)
    total = counts.total()
    if plan.state == "completed":
        cancelled = f", {counts['cancelled']} cancelled" if counts["cancelled"] else ""
        return f"{counts['completed']} of {total} tasks completed{cancelled}"
    if plan.state == "cancelled":
        why = f"{plan.cancelled}; " if plan.cancelled else ""
        return f"{why}{counts['completed']} of {total} tasks completed"
    if plan.state == "failed":
        return f"{counts['failed']} of {total} tasks failed, {counts['pending']} held back"
    return f"{total - counts['completed']} of {total} tasks have nobody who could go on with them"
