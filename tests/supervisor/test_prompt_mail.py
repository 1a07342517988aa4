"""Messages in a prompt: what comes first, and how it is answered."""

from __future__ import annotations

import pytest

from tests.domain.towns import agent, make_town, message, task
from tinytownd.domain.record import Record
from tinytownd.supervisor import prompt


def written(*records: Record, on: bool = True, folded: int = 0) -> list[str]:
    """The parts of ann's prompt that are about her task and her messages, in their order."""
    town = make_town(agent("ann"), agent("bob", 2), task(1, "ann"), *records)
    messages = list(town.messages.values())
    text = prompt.write(town, town.agent("ann"), town.tasks["t1"] if on else None, messages, folded)
    begins = "# First" if "# First" in text else "# Your task" if on else "# Messages"
    return text[text.index(begins) : text.index("# When you are done")].rstrip().split("\n\n")


URGENT = ["## m1: urgent query from bob", "~~~\nWhich port?\n~~~"]
ANSWER = 'To answer: tt send bob --reply-to m1 "text"'
TASK = ["# Your task: t1", "Do 1"]


def test_urgent_messages_come_before_the_task_and_the_others_after_it() -> None:
    pressing = message(1, "ann", sender="bob", sort="query", priority="urgent", text="Which port?")
    note = message(2, "ann", sort="info", text="Freeze at noon")
    first = ["# First, before your task", *URGENT, ANSWER]
    rest = ["# Messages", "## m2: info from person", "~~~\nFreeze at noon\n~~~"]
    assert written(pressing) == first + TASK
    assert written(pressing, note) == first + TASK + rest
    assert written(pressing, folded=3) == first + TASK + rest[:1] + [
        "(3 older notes were left out.)"
    ]
    assert written(pressing, on=False) == ["# Messages", *URGENT, ANSWER]


def test_how_to_answer_is_said_once_and_only_of_what_asks() -> None:
    one, two = (message(n, "ann", sender="bob") for n in (1, 2))
    note = message(3, "ann", sender="bob", sort="info")
    told = 'To answer: tt send bob --reply-to m2 "text"'
    assert written(one, two, note)[-1] == told
    assert "To answer" not in "".join(written(note))
    assert "To answer" not in "".join(written(message(1, "ann", sender="daemon")))


@pytest.mark.parametrize(("sender", "to"), [("person", "person"), ("gone", "conductor")])
def test_an_answer_goes_to_a_mailbox_that_is_there(sender: str, to: str) -> None:
    told = f'To answer: tt send {to} --reply-to m1 "text"'
    assert written(message(1, "ann", sender=sender))[-1] == told
