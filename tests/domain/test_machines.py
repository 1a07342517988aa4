"""The three tables, state by state and event by event."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.domain.towns import agent, message, task
from tinytownd.domain import agent as agents
from tinytownd.domain import message as messages
from tinytownd.domain import task as tasks
from tinytownd.domain.agent import Agent
from tinytownd.domain.errors import IllegalTransition
from tinytownd.domain.machine import Table
from tinytownd.domain.message import Message
from tinytownd.domain.task import Task

# Written out a second time on purpose: a slip in a table is a slip against this list.
TASK = """
pending assign assigned; pending complete completed; pending fail failed; pending cancel cancelled
assigned start running; assigned release pending; assigned complete completed
assigned fail failed; assigned cancel cancelled
pending block blocked
running release pending; running complete completed; running fail failed; running cancel cancelled
running block blocked; running submit submitted
blocked unblock pending; blocked complete completed; blocked fail failed; blocked cancel cancelled
submitted send-back pending; submitted complete completed; submitted fail failed
submitted cancel cancelled
failed retry pending; failed cancel cancelled; cancelled retry pending
"""
AGENT = """
starting rest idle; starting pause paused; starting close cold; starting kill stopped
starting break error
idle work working; idle pause paused; idle close cold; idle kill stopped; idle break error
working rest idle; working drain draining; working pause paused; working close cold
working kill stopped; working break error
draining carry-on working; draining rest idle; draining pause paused; draining close cold
draining kill stopped; draining break error
paused start starting; paused close cold; paused kill stopped
cold start starting; cold pause paused; cold kill stopped
stopped start starting; stopped pause paused; stopped close cold
error start starting; error pause paused; error close cold; error kill stopped
"""
MESSAGE = """
waiting deliver delivered; waiting forward waiting; waiting fold acknowledged
waiting answer acknowledged; waiting read acknowledged
delivered acknowledge acknowledged; delivered return waiting
"""
TABLES = {
    "task": (tasks.TRANSITIONS, TASK, "pending"),
    "agent": (agents.TRANSITIONS, AGENT, "starting"),
    "message": (messages.TRANSITIONS, MESSAGE, "waiting"),
}


def legal(text: str) -> dict[tuple[str, str], str]:
    """(state, event) to the state after it."""
    steps = [step.split() for step in text.replace("\n", ";").split(";") if step.strip()]
    return {(state, event.replace("-", " ")): after for state, event, after in steps}


def every(noun: str) -> Iterator[tuple[str, str, str | None]]:
    """Every state with every event of a table, and what it leads to, or None."""
    table, text, _ = TABLES[noun]
    steps = legal(text)
    for state in table:
        for event in sorted({event for row in table.values() for event in row}):
            yield state, event, steps.get((state, event))


def record(noun: str, state: str) -> Task | Agent | Message:
    made: dict[str, Task | Agent | Message] = {
        "task": task(1, state=state),
        "agent": agent("ann", state=state),
        "message": message(1, "ann", state=state),
    }
    return made[noun]


@pytest.mark.parametrize("noun", TABLES)
def test_every_event_in_every_state(noun: str) -> None:
    for state, event, after in every(noun):
        one = record(noun, state)
        before = one.to_json()
        if after is None:
            with pytest.raises(IllegalTransition) as refused:
                advance(one, event)
            assert f"is {state}: {event} is not possible" in refused.value.message
        else:
            assert advance(one, event).state == after
        assert one.to_json() == before


def advance(one: Task | Agent | Message, event: str) -> Task | Agent | Message:
    return one.advance(event, 5) if isinstance(one, Agent) else one.advance(event)


@pytest.mark.parametrize("noun", TABLES)
def test_every_legal_step_is_in_the_table_and_no_other(noun: str) -> None:
    table, text, _ = TABLES[noun]
    steps = {(state, event): after for state, row in table.items() for event, after in row.items()}
    assert steps == legal(text)


@pytest.mark.parametrize("noun", TABLES)
def test_every_state_can_be_reached(noun: str) -> None:
    table, _, first = TABLES[noun]
    assert reachable(table, first) == set(table)


def reachable(table: Table, first: str) -> set[str]:
    found, todo = {first}, [first]
    while todo:
        for after in table[todo.pop()].values():
            if after not in found:
                found.add(after)
                todo.append(after)
    return found


def test_an_agent_remembers_since_when_it_is_what_it_is() -> None:
    assert agent("ann").advance("work", 7).since == 7


def test_what_is_wanted_of_an_agent_can_be_reached_from_every_state() -> None:
    for state in agents.STATES:
        reached = reachable(agents.TRANSITIONS, state) | {state}
        for wanted, event in agents.DESIRED.values():
            assert wanted in reached
            assert event in agents.TRANSITIONS[state] or state == wanted
        assert reached & {"idle"}


@pytest.mark.parametrize(
    ("desired", "state", "available"),
    [
        ("run", "idle", True),
        ("run", "stopped", True),
        ("pause", "paused", True),
        ("close", "draining", False),
        ("stop", "stopped", False),
        ("run", "error", False),
    ],
)
def test_to_whom_work_can_be_handed(desired: str, state: str, available: bool) -> None:
    assert agent("ann", state=state, desired=desired).available is available


@pytest.mark.parametrize("sort", messages.KINDS)
@pytest.mark.parametrize("priority", ["urgent", "high", "normal", "low"])
def test_only_what_asks_for_something_or_is_urgent_costs_tokens(sort: str, priority: str) -> None:
    starts = message(1, "ann", sort=sort, priority=priority).starts_round
    assert starts is (sort in ("request", "query") or priority == "urgent")


def test_a_question_to_a_person_costs_none() -> None:
    assert not message(1, "conductor", sort=messages.QUESTION, priority="urgent").starts_round
