"""What happens to tasks and messages, whoever brings it about: handlers or a round's end."""

from __future__ import annotations

from typing import Any

from tinytownd.domain.agent import Agent
from tinytownd.domain.message import (
    CONDUCTOR,
    DAEMON,
    MOST_NOTES,
    NOTE_LIFE_MS,
    PERSON,
    Message,
    Round,
)
from tinytownd.domain.plan import SHELL
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town


def complete(town: Town, task: Task, actor: str, result: str | None) -> None:
    """The task is completed; the round that holds it is told to end."""
    stop_holder(town, task, actor)
    done = task.advance(
        "complete",
        result=result,
        error=None,
        finished_at=town.now,
        not_before=None,
        feedback=None,
    )
    town.put(done)
    town.event(
        "task.completed", actor, task=task.id, agent=task.agent, text=first_line(result or "")
    )


def fail(town: Town, task: Task, actor: str, reason: str) -> None:
    """The task failed for good: its dependents are held, and the conductor hears it.

    What a person or the conductor's own agent brought about needs nobody's judgement.
    """
    stop_holder(town, task, actor)
    town.put(task.advance("fail", error=reason, finished_at=town.now, not_before=None))
    town.event("task.failed", actor, task=task.id, agent=task.agent, text=reason)
    tries = f" after {task.attempts} attempts" if task.attempts > 1 else ""
    note = f"Task {task.id} failed{tries}: {reason}"
    about = f"failed:{task.id}" if actor not in (PERSON, CONDUCTOR) else None
    send(town, DAEMON, CONDUCTOR, note, sort="info", task=task.id, about=about)


def cancel(town: Town, task: Task, actor: str) -> None:
    """The task is taken back; a round that works on it is interrupted."""
    stop_holder(town, task, actor)
    town.put(task.advance("cancel", finished_at=town.now, not_before=None))
    town.event("task.cancelled", actor, task=task.id, agent=task.agent)


def stop_holder(town: Town, task: Task, actor: str) -> None:
    """Has the round that holds the task end: with a minute's grace when it said so itself."""
    running = town.rounds.get(task.round or "")
    if running is None or running.over:
        return
    agent = town.agent(running.agent)
    if actor == agent.name:
        town.put(running.but(verdict_at=town.now))
    elif running.stopping is None:
        town.put(running.but(stopping=f"{actor} decided on its task"))
    town.wake(agent)


def send(town: Town, sender: str, to: str, text: str, **fields: Any) -> Message:
    """Puts a message into a mailbox, and wakes the agent that it is for."""
    number = town.next_id("messages")
    message = Message(
        id=f"m{number}", seq=number, sender=sender, to=to, text=text, sent_at=town.now, **fields
    )
    town.put(message)
    about = {"message": message.id, "agent": to, "kind": message.sort, "text": first_line(text)}
    town.event("message.sent", sender, **about)
    agent = town.find_agent(to)
    if agent is not None and message.starts_round:
        town.wake(agent)
    if message.is_note:
        fold_notes(town, to)
    return message


def interrupt(town: Town, message: Message) -> None:
    """Has the round of the message's reader end, so that the next one begins with the message."""
    agent = town.find_agent(message.to)
    running = town.rounds.get((agent and agent.round) or "")
    if agent is None or running is None or agent.name == message.sender:
        return
    if may_be_interrupted(agent, running):
        town.put(running.but(stopping=f"urgent message {message.id} from {message.sender}"))
        town.wake(agent)


def may_be_interrupted(agent: Agent, running: Round) -> bool:
    """Whether a round is not ending anyway, and another one would follow that reads the message.

    A shell reads none.
    """
    ending = running.over or running.verdict_at is not None or running.stopping is not None
    return not (ending or agent.used_up or running.cli == SHELL or agent.desired != "run")


def fold_notes(town: Town, to: str) -> None:
    """Takes the oldest notes out of a mailbox that nobody empties; history keeps what they said."""
    waiting = [m for m in town.inbox(to) if m.state == "waiting" and m.is_note]
    old = [m for m in waiting if town.now - m.sent_at > NOTE_LIFE_MS]
    spare = waiting[len(old) :]
    old += spare[: max(0, len(spare) - MOST_NOTES)]
    for message in old:
        fold(town, message)
    agent = town.find_agent(to)
    if agent is not None and old:
        town.put(agent.but(folded=agent.folded + len(old)))


def fold(town: Town, message: Message) -> None:
    """Takes a note out of its mailbox unread; the history keeps what it said."""
    town.put(message.advance("fold", acknowledged_at=town.now))
    town.event("message.folded", "daemon", message=message.id, agent=message.to)


def forward(town: Town, message: Message, to: str) -> None:
    """Puts a message that nobody would read into another mailbox."""
    town.put(message.advance("forward", to=to))
    about = {"message": message.id, "agent": to, "text": f"it was for {message.to}"}
    town.event("message.forwarded", "daemon", **about)


def first_line(text: str, width: int = 120) -> str:
    """The first line of a text, cut to a width in characters."""
    line = text.strip().split("\n", 1)[0].strip()
    return line if len(line) <= width else line[: width - 1] + "…"
