"""Notes, which start no round, do not pile up in a mailbox that nobody empties."""

from __future__ import annotations

from tests.domain.towns import agent, make_town
from tinytownd.domain import rules
from tinytownd.domain.message import MOST_NOTES, NOTE_LIFE_MS
from tinytownd.domain.town import Town
from tinytownd.supervisor import prompt
from tinytownd.supervisor.decide import Begin, idle_step
from tinytownd.supervisor.verdict import begin


def waiting(town: Town) -> list[str]:
    return [m.text for m in town.inbox("ann") if m.state == "waiting"]


def note(town: Town, text: str, sort: str = "info") -> None:
    rules.send(town, "bob", "ann", text, sort=sort)


def test_the_oldest_notes_give_way_and_the_next_prompt_counts_them() -> None:
    town = make_town(agent("ann"))
    for number in range(MOST_NOTES + 3):
        note(town, f"note {number}")
    assert waiting(town) == [f"note {number}" for number in range(3, MOST_NOTES + 3)]
    assert [e["message"] for e in town.change.events if e["event"] == "message.folded"] == [
        "m1",
        "m2",
        "m3",
    ]
    note(town, "please", sort="request")
    ann = town.agent("ann")
    step = idle_step(town, ann.but(state="idle"))
    assert isinstance(step, Begin)
    running = begin(town, ann.but(state="idle"), step, token="t", cli="claude")
    told = prompt.write(town, ann, None, step.messages, running.folded)
    assert "(3 older notes were left out.)" in told
    assert town.agent("ann").folded == 0


def test_a_note_has_a_lifetime_and_a_request_has_none() -> None:
    town = make_town(agent("ann"))
    note(town, "old request", sort="request")
    note(town, "old note")
    town.now += NOTE_LIFE_MS + 1
    note(town, "new note")
    assert waiting(town) == ["old request", "new note"]


def test_the_conductors_mailbox_is_bounded_too() -> None:
    town = make_town()
    for number in range(MOST_NOTES + 1):
        rules.send(town, "daemon", "conductor", f"note {number}", sort="info")
    assert len(town.inbox("supervisor")) == MOST_NOTES
