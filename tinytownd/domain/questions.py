"""Questions to a person: asked once, in the conductor's mailbox, and answered once.

What waits for the answer says so in its own record (a task is blocked, a plan or an agent is
paused); the question only tells a person of it. `about` names the subject, so that nothing is asked
twice: `approve:TASK`, `answer:TASK`, `verdict:TASK`, `budget:task:TASK`, `plan:NAME` and the like.
"""

from __future__ import annotations

from collections.abc import Iterator

from tinytownd.domain import rules
from tinytownd.domain.errors import Ambiguous, BadInput, Conflict, NotFound
from tinytownd.domain.message import CONDUCTOR, QUESTION, Message
from tinytownd.domain.names import shown
from tinytownd.domain.town import Town

#: What a person may say to a question that is answered with yes or no.
YES = frozenset({"yes", "y", "ok", "approve", "approved"})
NO = frozenset({"no", "n", "reject", "rejected"})
#: Characters of a question's first line that the history and a notification tell.
TOLD = 240


def ask(town: Town, sender: str, about: str, text: str, task: str | None = None) -> Message:
    """Puts a question to a person, unless it is open already: then that one."""
    there = find(town, about)
    if there is not None:
        return there
    message = rules.send(town, sender, CONDUCTOR, text, sort=QUESTION, about=about, task=task)
    told = rules.first_line(text, TOLD)
    town.event("question.asked", sender, message=message.id, task=task, text=told)
    return message


def open_questions(town: Town) -> Iterator[Message]:
    """What waits for a person, oldest first."""
    return (message for message in town.about() if message.sort == QUESTION)


def find(town: Town, about: str) -> Message | None:
    """The open question about that, if there is one."""
    return next((one for one in town.about(about) if one.sort == QUESTION), None)


def named(town: Town, ref: str) -> Message:
    """The open question of that id, about that, or of that task.

    Raises `NotFound`, `Ambiguous`, or `Conflict` for one that was answered.
    """
    waiting = list(open_questions(town))
    found = [one for one in waiting if ref in (one.id, one.about)]
    found = found or [one for one in waiting if one.task == ref]
    if len(found) == 1:
        return found[0]
    if found:
        some = ", ".join(one.id for one in found)
        raise Ambiguous(f"{shown(ref)} has {len(found)} questions", hint=some)
    there = town.messages.get(ref)
    if there is not None and there.sort == QUESTION:
        answer = rules.first_line(there.answer or "")
        raise Conflict(f"{ref} was answered already: {answer}", hint="tt inbox conductor")
    raise NotFound(f"there is no open question {shown(ref)}", hint="tt inbox conductor")


def close(town: Town, about: str, actor: str, answer: str) -> None:
    """The question about that is answered, if it is open."""
    message = find(town, about)
    if message is None:
        return
    town.put(message.advance("answer", answer=answer, acknowledged_at=town.now))
    told = rules.first_line(answer)
    town.event("question.answered", actor, message=message.id, task=message.task, text=told)


def decision(text: str) -> tuple[bool, str]:
    """A yes or no and what was said beside it ("no, not today"); raises `BadInput`."""
    word, *rest = text.split(maxsplit=1)
    bare = word.strip(",.:;!").lower()
    if bare not in YES | NO:
        raise BadInput(f"{shown(word)} is neither yes nor no", hint="yes, or: no, because …")
    return bare in YES, "".join(rest).strip()
