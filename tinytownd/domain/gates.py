"""What stands between a task and its start, and between its work and its end.

Before it starts: a person's approval. After its work: its check (a command), then its review (by an
agent). Check and review are tasks of their own, so that they wait, run, are held, tried again and
recovered as all tasks are; what they come to decides on the task that they are of.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

from tinytownd.domain import questions, rules
from tinytownd.domain.errors import BadInput, Conflict
from tinytownd.domain.names import ROLE, role_named
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town

CHECK, REVIEW = "check", "review"
#: What comes back to a task is told up to so many characters.
FEEDBACK_LIMIT = 8_000
#: Characters of a task's id that its gates' ids repeat; an id has 64 at most.
ID_LIMIT = 54
#: What the questions about a task begin with: `approve:t1`.
ABOUT_TASK = ("approve", "answer", "verdict", "budget:task")


# Before it starts


def ask_approvals(town: Town) -> None:
    """Blocks what is ready but for a person's approval, and asks for that."""
    lines = town.index.unapproved.items()
    if not lines:
        return
    for task_id in sorted(chain.from_iterable(ids for line, ids in lines if town.moves(line))):
        task = town.tasks[task_id]
        block(town, task, "conductor", "it needs an approval")
        who = task.agent or (f"an agent with the {ROLE}{task.role}" if task.role else "anybody")
        what = f"May {who} start {task.id}? {rules.first_line(task.description)}"
        questions.ask(town, "conductor", f"approve:{task.id}", what, task.id)


def block(town: Town, task: Task, actor: str, why: str) -> None:
    """The task waits for a person; what comes of the round that holds it does not count."""
    rules.stop_holder(town, task, actor)
    town.put(task.advance("block", round=None))
    town.event("task.blocked", actor, task=task.id, agent=task.agent, text=why)


def unblock(town: Town, task: Task, actor: str, **changes: Any) -> None:
    """A person has decided: the task goes on."""
    town.put(task.advance("unblock", **changes))
    town.event("task.unblocked", actor, task=task.id, agent=task.agent)


def needs_approval(task: Task) -> bool:
    """Whether a person must still approve before the task starts."""
    return task.approve and not task.approved and task.state in ("blocked", "pending")


def approve(town: Town, task: Task, actor: str) -> None:
    """A person lets the task start, or takes the place of its gates; raises `Conflict`."""
    if task.state == "submitted":
        drop_gates(town, task, actor, "approved")
        go_on(town, task, actor, REVIEW)
    elif needs_approval(task):
        questions.close(town, f"approve:{task.id}", actor, "approved")
        fresh = task.advance("unblock") if task.state == "blocked" else task
        town.put(fresh.but(approved=True))
        town.event("task.approved", actor, task=task.id, agent=task.agent)
    else:
        raise Conflict(
            f"task {task.id} is {task.state} and waits for no approval", hint="tt inbox conductor"
        )


def reject(town: Town, task: Task, actor: str, reason: str) -> None:
    """A person does not let the task start (it fails), or sends its result back; or `Conflict`."""
    if task.state == "submitted":
        drop_gates(town, task, actor, f"rejected: {reason}")
        send_back(town, task, actor, reason)
    elif needs_approval(task):
        questions.close(town, f"approve:{task.id}", actor, f"rejected: {reason}")
        fail(town, task, actor, f"rejected: {reason}")
    else:
        raise Conflict(
            f"task {task.id} is {task.state} and waits for no approval", hint="tt inbox conductor"
        )


def ask(town: Town, task: Task, actor: str, text: str) -> None:
    """The task's agent asks a person something: the task is blocked until that is answered.

    The round that asked was no attempt that failed.
    """
    asking = task.but(attempts=max(0, task.attempts - 1))
    block(town, asking, actor, f"asks: {rules.first_line(text)}")
    questions.ask(town, actor, f"answer:{task.id}", text, task.id)


def answer(town: Town, task: Task, actor: str, question: str, text: str) -> None:
    """A person has answered: the task goes on, and its next round is told."""
    questions.close(town, f"answer:{task.id}", actor, text)
    told = f"You asked: {question.strip()}\n\nThe answer: {text.strip()}"
    before = f"{task.feedback}\n\n" if task.feedback else ""
    unblock(town, task, actor, feedback=before + told)


# After its work


def hand_in(town: Town, task: Task, actor: str, result: str | None) -> None:
    """Who works on the task says that it is done: it is completed, or goes to its first gate."""
    if task.check is None and task.review is None:
        complete(town, task, actor, result)
        return
    rules.stop_holder(town, task, actor)
    submitted = task.advance(
        "submit", result=result, error=None, round=None, feedback=None, not_before=None
    )
    town.put(submitted)
    told = rules.first_line(result or "")
    town.event("task.submitted", actor, task=task.id, agent=task.agent, text=told)
    go_on(town, submitted, actor, None)


def go_on(town: Town, task: Task, actor: str, after: str | None) -> None:
    """The next gate of a task that was handed in, after the one that it passed; else its end."""
    told: dict[str, Any]
    questions.close(town, f"verdict:{task.id}", actor, "approved")
    if after is None and task.check is not None:
        kind, told = CHECK, {"agent": task.agent, "run": task.check}
    elif after != REVIEW and task.review is not None:
        role = role_named(task.review)
        kind, told = REVIEW, {"agent": None if role else task.review, "role": role}
    else:
        rules.complete(town, task, actor, task.result)
        return
    what = f"The {kind} of {task.id}: {rules.first_line(task.description)}"
    gate = Task(
        id=gate_id(town, task, kind),
        description=what,
        seq=town.next_id("tasks"),
        priority=task.priority,
        gate_of=task.id,
        created_at=town.now,
        **told,
    )
    town.put(gate)
    town.event("task.created", "conductor", task=gate.id, agent=gate.agent)


def gate_id(town: Town, task: Task, kind: str) -> str:
    """A free id for a gate: the task's own and what it is, counted from the second on."""
    # Where the cut falls must not make it no id: "a..check", "plan/.check".
    name = f"{task.id[:ID_LIMIT].rstrip('./')}.{kind}"
    number, found = 1, name
    while found in town.tasks:
        number += 1
        found = f"{name}-{number}"
    return found


def is_check(task: Task) -> bool:
    """Whether the task is another one's check."""
    return task.gate_of is not None and task.run is not None


def is_review(task: Task) -> bool:
    """Whether the task is another one's review."""
    return task.gate_of is not None and task.run is None


def gated(town: Town, gate: Task) -> Task | None:
    """The task that a gate is of, if it waits for the gate."""
    task = town.tasks.get(gate.gate_of or "")
    return task if task is not None and task.state == "submitted" else None


def open_gates(town: Town, task: Task) -> list[Task]:
    """The gates of a task that are not over: one at most, while it is submitted."""
    return [gate for gate in all_open_gates(town) if gate.gate_of == task.id]


def all_open_gates(town: Town) -> list[Task]:
    """The checks and reviews of all tasks that are not over."""
    return [town.tasks[gate] for gate in town.index.open_gates]


def check_retry(town: Town, gate: Task) -> None:
    """Refuses to try a gate again that nothing waits for; raises `Conflict`."""
    waiting = gated(town, gate)
    if gate.gate_of is not None and (waiting is None or open_gates(town, waiting)):
        raise Conflict(f"task {gate.gate_of} does not wait for {gate.id}", hint="tt task list")


def send_back(town: Town, task: Task, by: str, why: str, told: str = "") -> None:
    """What was handed in is not good enough: its owner gets it again, in the same session.

    `told` is what its next round is told, by default why. At most `policy.reworks` times; then the
    task fails, and the conductor hears it.
    """
    questions.close(town, f"verdict:{task.id}", by, "rejected")
    told = (told or f"{by} sent your work back:\n\n{why.strip()}")[:FEEDBACK_LIMIT]
    if task.reworks >= town.policy.reworks:
        times = "once" if task.reworks == 0 else f"{task.reworks + 1} times"
        reason = f"sent back {times}, last by {by}: {rules.first_line(why)}"
        rules.fail(town, task.but(result=None, feedback=told), "daemon", reason)
        return
    back = task.advance(
        "send back", result=None, reworks=task.reworks + 1, feedback=told, attempts=0
    )
    town.put(back)
    town.event("task.sent_back", by, task=task.id, agent=task.agent, text=rules.first_line(why))


# Verdicts, with all that hangs on them


def complete(town: Town, task: Task, actor: str, result: str | None) -> None:
    """The task is completed; where it is a gate, what it is of goes on."""
    drop_gates(town, task, actor)
    rules.complete(town, task, actor, result)
    waiting = gated(town, task)
    if waiting is not None:
        go_on(town, waiting, actor, CHECK if is_check(task) else REVIEW)


def turn_down(town: Town, gate: Task, actor: str, reason: str) -> None:
    """A reviewer's no: the review is over, and its task goes back to its owner."""
    rules.complete(town, gate, actor, f"rejected: {reason}")
    waiting = gated(town, gate)
    if waiting is not None:
        send_back(town, waiting, actor, reason)


def fail(town: Town, task: Task, actor: str, reason: str, printed: str = "") -> None:
    """The task failed for good. A check that failed sends its task back, with what it printed."""
    drop_gates(town, task, actor)
    waiting = gated(town, task)
    if waiting is None or not is_check(task):
        rules.fail(town, task, actor, reason)
        ask_for_verdict(town, task, f"it failed: {rules.first_line(reason)}")
        return
    # To say that the work is not good is what a check is for: it has done that.
    rules.complete(town, task, actor, with_output(f"failed: {reason.strip()}", printed))
    head = f"The check of your work failed: {rules.first_line(task.run or '')}\n\n{reason.strip()}"
    send_back(town, waiting, "its check", reason, with_output(head, printed))


def with_output(head: str, printed: str) -> str:
    """What a check came to with the end of what it printed, as much as there is room for."""
    room = max(0, FEEDBACK_LIMIT - len(head) - 2)
    end = printed.strip()[-room:] if room else ""
    return f"{head}\n\n{end}" if end else head


def cancel(town: Town, task: Task, actor: str) -> None:
    """The task is taken back, with its gates and its questions."""
    drop_gates(town, task, actor)
    rules.cancel(town, task, actor)
    ask_for_verdict(town, task, f"{actor} cancelled it")


def ask_for_verdict(town: Town, gate: Task, why: str) -> None:
    """A gate is over without a verdict: a person gives it, unless somebody tries it again."""
    waiting = gated(town, gate)
    if waiting is not None:
        what = f"Is the work on {waiting.id} good? Nobody else will say: {gate.id}, {why}"
        questions.ask(town, "conductor", f"verdict:{waiting.id}", what, waiting.id)


def drop_gates(town: Town, task: Task, actor: str, decision: str = "") -> None:
    """Somebody decided on the task itself: its gates and questions are not needed any more."""
    if task.state == "submitted":
        for gate in open_gates(town, task):
            rules.cancel(town, gate, actor)
    if task.state in ("submitted", "blocked"):
        for about in ABOUT_TASK:
            questions.close(town, f"{about}:{task.id}", actor, decision or "decided on the task")


def check_owner(town: Town, task: Task, owner: str | None) -> None:
    """Raises `BadInput` where an owner would review its own work, or have done what it reviews."""
    check_reviewer(task.review, owner)
    reviewed = town.tasks.get(task.gate_of or "")
    if reviewed is not None and is_review(task):
        check_reviewer(owner, reviewed.agent)


def check_reviewer(review: str | None, owner: str | None) -> None:
    """Raises `BadInput` where an owner would review its own work; of a role, another one can."""
    if review is None or owner is None or review.startswith(ROLE):
        return
    if review.lower() == owner.lower():
        raise BadInput(
            f"{owner} would review its own work", hint="another agent, or a role: role:reviewer"
        )
