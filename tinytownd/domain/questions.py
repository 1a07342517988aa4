"""Questions to a person: asked once, in the conductor's mailbox, and answered once.

What waits for the answer says so in its own record (a task is blocked, a plan or an agent is
paused); the question only tells a person of it. `about` names the subject, so that nothing is asked
twice: `approve:TASK`, `answer:TASK`, `budget:task:TASK`, `plan:NAME` and the like.
"""

from __future__ import annotations

from collections.abc import Iterator

from tinytownd.domain import rules
from tinytownd.domain.message import CONDUCTOR, QUESTION, Message
from tinytownd.domain.town import Town


def ask(town: Town, sender: str, about: str, text: str, task: str | None = None) -> Message:
    """Puts a question to a person, unless it is open already: then that one."""
    there = find(town, about)
    if there is not None:
        return there
    message = rules.send(town, sender, CONDUCTOR, text, sort=QUESTION, about=about, task=task)
    town.event("question.asked", sender, message=message.id, task=task, text=text)
    return message


def open_questions(town: Town) -> Iterator[Message]:
    """What waits for a person, oldest first."""
    return (m for m in town.inbox(CONDUCTOR) if m.sort == QUESTION and m.state == "waiting")


def find(town: Town, about: str) -> Message | None:
    """The open question about that, if there is one."""
    return next((one for one in open_questions(town) if one.about == about), None)


def close(town: Town, about: str, actor: str, answer: str) -> None:
    """The question about that is answered, if it is open."""
    message = find(town, about)
    if message is None:
        return
    town.put(message.advance("answer", answer=answer, acknowledged_at=town.now))
    told = rules.first_line(answer)
    town.event("question.answered", actor, message=message.id, task=message.task, text=told)
