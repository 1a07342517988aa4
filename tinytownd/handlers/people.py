"""Verbs about what a person decides: approvals, verdicts on work, and questions.

A reviewer gives its verdict by the same words as a person, from the round that holds the review.
"""

from __future__ import annotations

from collections.abc import Callable

from tinytownd.conductor import causes
from tinytownd.domain import budgets, gates, questions, rules
from tinytownd.domain.errors import BadInput, Conflict
from tinytownd.domain.message import CONDUCTOR, Message
from tinytownd.domain.names import check_text
from tinytownd.domain.task import Task
from tinytownd.handlers import views
from tinytownd.handlers.messages import check_room
from tinytownd.handlers.registry import Answer, Context, verb
from tinytownd.handlers.tasks import is_late, refused, shown, spoken_of
from tinytownd.handlers.tracks import decide_plan


@verb("task.approve", "write")
def approve(ctx: Context, *, task: str) -> Answer:
    """A person lets a task start, or a person or its reviewer accepts its result."""
    found = under_decision(ctx, task)
    gate = held_review(ctx, found)
    if gate is not None:
        gates.complete(ctx.town, gate, ctx.speaker.name, "approved")
    elif ctx.speaker.agent is not None:
        return not_this_agents(ctx, found, "approved")
    else:
        gates.approve(ctx.town, found, ctx.speaker.name)
    return shown(ctx.town, found.id)


@verb("task.reject", "write")
def reject(ctx: Context, *, task: str, reason: str) -> Answer:
    """A person does not let a task start; or its result goes back to its owner, with the reason."""
    check_text(reason, "reason")
    found = under_decision(ctx, task)
    gate = held_review(ctx, found)
    if gate is not None:
        gates.turn_down(ctx.town, gate, ctx.speaker.name, reason)
    elif ctx.speaker.agent is not None:
        return not_this_agents(ctx, found, reason)
    else:
        gates.reject(ctx.town, found, ctx.speaker.name, reason)
    return shown(ctx.town, found.id)


def under_decision(ctx: Context, ref: str) -> Task:
    """The task that is named; for a gate, the one that it is of."""
    found = ctx.task(ref)
    return ctx.town.tasks.get(found.gate_of or "", found)


def held_review(ctx: Context, task: Task) -> Task | None:
    """The review of the task, if the agent that speaks is at it."""
    agent = ctx.speaker.agent
    held = ctx.town.tasks.get((agent and agent.task) or "")
    if held is None or held.gate_of != task.id or not gates.is_review(held):
        return None
    return held if held.state == "running" and not is_late(ctx, held) else None


def not_this_agents(ctx: Context, task: Task, text: str) -> Answer:
    """Refuses an agent's word on what it does not review: the start of work is a person's."""
    if gates.needs_approval(task):
        raise BadInput("only a person approves or rejects the start of a task", hint="tt ask")
    return refused(ctx, task, text)


@verb("task.ask", "write")
def ask(ctx: Context, *, text: str, task: str | None = None) -> Answer:
    """An agent asks a person something: its task waits for the answer, nothing else does.

    Without a task in the round, the answer comes back as a message.
    """
    town, agent = ctx.town, ctx.speaker.agent
    check_text(text, "question")
    if agent is None:
        raise BadInput("a person asks agents, not people", hint='tt send AGENT --query "…"')
    check_room(town, CONDUCTOR, text)
    if task is None and agent.task is None:
        about = f"reply:{agent.name}:{town.meta.messages + 1}"
        return asked(ctx, questions.ask(town, agent.name, about, text), None)
    found = spoken_of(ctx, task)
    if is_late(ctx, found) or found.state != "running":
        return refused(ctx, found, text)
    if found.run is not None:
        raise Conflict(f"{found.id} is a command: it would not hear the answer")
    gates.ask(town, found, agent.name, text)
    question = questions.named(town, f"answer:{found.id}")
    return asked(ctx, question, found)


def asked(ctx: Context, question: Message, task: Task | None) -> Answer:
    """Answers with a question, and with the task that waits for it."""
    town = ctx.town
    return lambda: {
        "question": views.message(town.messages[question.id]),
        "task": views.task(town, town.tasks[task.id]) if task is not None else None,
    }


@verb("question.list", "read")
def list_(ctx: Context) -> dict[str, object]:
    """What waits for a person, oldest first."""
    return {"questions": [views.message(one) for one in questions.open_questions(ctx.town)]}


@verb("question.answer", "write")
def answer(ctx: Context, *, question: str, text: str) -> Answer:
    """A person answers a question: by its id, by what it is about, or by its task."""
    ctx.people_only()
    check_text(text, "answer")
    found = questions.named(ctx.town, question)
    kind = (found.about or "").partition(":")[0]
    ANSWERS.get(kind, note)(ctx, found, text)
    return lambda: {"question": views.message(ctx.town.messages[found.id])}


def subject(question: Message) -> str:
    """What a question is about: the task of `approve:t1`, the plan of `plan:main`."""
    return (question.about or "").partition(":")[2]


def decide_on_task(ctx: Context, question: Message, text: str) -> None:
    """Yes or no to a task's start, or to its result; a no needs its reason only for a result."""
    town, task = ctx.town, ctx.town.task(subject(question))
    yes, why = questions.decision(text)
    if not (yes or why) and task.state == "submitted":
        raise BadInput("what must change?", hint=f'tt answer {question.id} "no, because …"')
    note(ctx, question, text)
    if yes:
        gates.approve(town, task, ctx.speaker.name)
    else:
        gates.reject(town, task, ctx.speaker.name, why or "no reason given")


def tell_task(ctx: Context, question: Message, text: str) -> None:
    """The task that asked goes on, with the answer."""
    task = ctx.town.task(subject(question))
    gates.answer(ctx.town, task, ctx.speaker.name, question.text, text)


def tell_agent(ctx: Context, question: Message, text: str) -> None:
    """The agent that asked gets the answer as a message; one that is gone needs none."""
    note(ctx, question, text)
    if ctx.town.find_agent(question.sender) is not None:
        told = {"reply_to": question.id, "thread": question.id}
        rules.send(ctx.town, ctx.speaker.name, question.sender, text, **told)


def tell_conductor(ctx: Context, question: Message, text: str) -> None:
    """What the conductor's agent did not mend is its again, with a person's word on it."""
    causes.start_over(ctx.town, question.about or "")
    tell_agent(ctx, question, text)


def decide_on_plan(ctx: Context, question: Message, text: str) -> None:
    """Yes or no to a plan that was proposed."""
    yes, why = questions.decision(text)
    note(ctx, question, text)
    decide_plan(ctx, subject(question), yes=yes, text=why)


def decide_on_budget(ctx: Context, question: Message, text: str) -> None:
    """Yes or no to as much again."""
    budgets.answered(ctx.town, question.about or "", ctx.speaker.name, text)


def note(ctx: Context, question: Message, text: str) -> None:
    """The answer is recorded; nothing waits for it."""
    questions.close(ctx.town, question.about or "", ctx.speaker.name, text)


#: What an answer does, by what the question is about.
ANSWERS: dict[str, Callable[[Context, Message, str], None]] = {
    "approve": decide_on_task,
    "verdict": decide_on_task,
    "answer": tell_task,
    "reply": tell_agent,
    "plan": decide_on_plan,
    "budget": decide_on_budget,
    **dict.fromkeys(causes.KINDS, tell_conductor),
}
