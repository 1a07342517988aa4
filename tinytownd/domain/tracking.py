"""What is decided about a plan as a whole: held up, let go on, taken back, proposed, approved."""

from __future__ import annotations

from tinytownd.domain import gates, questions, rules
from tinytownd.domain.errors import Conflict
from tinytownd.domain.message import CONDUCTOR
from tinytownd.domain.names import check_name
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town
from tinytownd.domain.track import TrackedPlan

#: What a task's `error` says that was taken back with its plan; pushed again, it comes back.
REJECTED = "its plan was rejected"
#: What a person's goal is about: `goal:PLAN`, the plan that is to be made of it.
GOAL = "goal"
#: The question about a plan names so many of those who would work on it.
MAX_SHOWN = 8


def track(town: Town, name: str, owner: str) -> TrackedPlan:
    """The town's record of a plan, made when it is first named; raises `BadInput`."""
    there = town.find_plan(name)
    if there is None:
        check_name(name, "plan's name")
        number = town.next_id("plans")
        there = TrackedPlan(id=name, seq=number, owner=owner, created_at=town.now)
        town.put(there)
    return there


def tasks_of(town: Town, plan: TrackedPlan) -> list[Task]:
    """A plan's tasks and groups, in the order they were made."""
    return [task for task in town.tasks.values() if task.plan == plan.id]


def is_open(town: Town, plan: TrackedPlan) -> bool:
    """Whether a task of the plan can still come to something."""
    counts = town.plan_counts(plan.id)
    return counts.total() > counts["completed"] + counts["cancelled"] + counts["failed"]


def pause(town: Town, plan: TrackedPlan, actor: str, why: str | None = None) -> None:
    """Nothing more of it is handed out; what runs goes on. Raises `Conflict` when it is over."""
    refuse_over(town, plan)
    if plan.proposed:
        raise Conflict(f"plan {plan.id} waits for an approval", hint=f"tt plan approve {plan.id}")
    if not plan.paused:
        town.put(plan.but(paused=True))
        town.event("plan.paused", actor, plan=plan.id, text=why)


def resume(town: Town, plan: TrackedPlan, actor: str) -> None:
    """It goes on, or what is pushed into it next will; raises `Conflict`.

    Where it is over and not paused, or waits for an answer.
    """
    if not plan.paused:
        refuse_over(town, plan)
    asked = questions.find(town, f"budget:plan:{plan.id}")
    if plan.proposed:
        raise Conflict(f"plan {plan.id} waits for an approval", hint=f"tt plan approve {plan.id}")
    if asked is not None:
        why = f"plan {plan.id} waits for an answer about its budget"
        raise Conflict(why, hint=f"tt answer {asked.id} yes")
    if plan.paused:
        town.put(plan.but(paused=False))
        town.event("plan.resumed", actor, plan=plan.id)


def refuse_over(town: Town, plan: TrackedPlan) -> None:
    """Raises `Conflict` for a plan of which nothing is left to do."""
    if not is_open(town, plan):
        state = plan.state if town.plan_counts(plan.id).total() else "empty"
        raise Conflict(f"plan {plan.id} is over: it is {state}", hint=f"tt plan status {plan.id}")


def cancel(town: Town, plan: TrackedPlan, actor: str, why: str, error: str | None = None) -> None:
    """All that is open of it is taken back; rounds that work on it are ended. Or `Conflict`.

    `error` is what its tasks say from then on.
    """
    refuse_over(town, plan)
    for about in ("plan", "budget:plan"):
        questions.close(town, f"{about}:{plan.id}", actor, why)
    town.put(town.plans[plan.id].but(cancelled=why, paused=False))
    for task in tasks_of(town, plan):
        if not town.tasks[task.id].finished:
            gates.cancel(town, town.tasks[task.id], actor)
            if error is not None:
                town.put(town.tasks[task.id].but(error=error))


# Plans that a person must approve first


def propose(town: Town, plan: TrackedPlan) -> None:
    """Holds back what has not been approved of; raises `Conflict` for a plan that is under way."""
    if plan.proposed:
        return
    if is_open(town, plan):
        raise Conflict(
            f"plan {plan.id} is under way: it cannot be proposed any more",
            hint="push it as it is, or under another name",
        )
    town.put(plan.but(proposed=True, paused=False))


def ask_for(town: Town, plan: TrackedPlan, actor: str, *, anew: bool) -> None:
    """Asks a person about a proposed plan, `anew` when it has changed since."""
    about = f"plan:{plan.id}"
    if anew:
        questions.close(town, about, actor, "the plan has changed")
    if is_open(town, plan):
        questions.ask(town, actor, about, question_about(town, plan))


def question_about(town: Town, plan: TrackedPlan) -> str:
    """What a person is asked: how much it is, and for whom."""
    todo = [task for task in tasks_of(town, plan) if not task.group and not task.finished]
    who = list(dict.fromkeys(task.owner or "the backlog" for task in todo))
    more = ", …" if len(who) > MAX_SHOWN else ""
    tasks = "1 task" if len(todo) == 1 else f"{len(todo)} tasks"
    return f"Plan {plan.id}: {tasks} for {', '.join(who[:MAX_SHOWN])}{more}. Start it?"


def approve(town: Town, plan: TrackedPlan, actor: str) -> None:
    """A person lets a proposed plan start; raises `Conflict` for one that waits for nobody."""
    refuse_settled(town, plan)
    questions.close(town, f"plan:{plan.id}", actor, "approved")
    town.put(plan.but(proposed=False))
    town.event("plan.approved", actor, plan=plan.id)


def reject(town: Town, plan: TrackedPlan, actor: str, reason: str) -> None:
    """A person does not want it: it is cancelled, and its owner hears why. Or `Conflict`.

    It stays one that must be approved of: pushed again, it is a proposal again. Where it was made
    of a goal, and a reason is given, the conductor's agent is asked to.
    """
    refuse_settled(town, plan)
    why = f"rejected: {reason}" if reason else "rejected"
    town.event("plan.rejected", actor, plan=plan.id, text=reason or None)
    cancel(town, plan, actor, why, REJECTED)
    about = f"{GOAL}:{plan.id}"
    goals = [message.id for message in town.messages.values() if message.about == about]
    if reason and goals:
        told = {"about": about, "reply_to": goals[0], "thread": goals[0]}
        text = f"The plan {plan.id} will not do: {reason}"
        rules.send(town, actor, CONDUCTOR, text, sort="request", **told)


def refuse_settled(town: Town, plan: TrackedPlan) -> None:
    """Raises `Conflict` for a plan that waits for no approval."""
    if not plan.proposed or not is_open(town, plan):
        raise Conflict(f"plan {plan.id} waits for no approval", hint="tt plan list")
