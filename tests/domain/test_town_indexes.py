"""A town's indexes: equal to those of a town built afresh, whatever was put, dropped or undone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.domain.towns import agent, make_town, message, picture, round_, task
from tinytownd.domain.agent import STATES as AGENT_STATES
from tinytownd.domain.errors import Ambiguous, NotFound
from tinytownd.domain.names import PRIORITIES
from tinytownd.domain.record import Record
from tinytownd.domain.task import STATES
from tinytownd.domain.town import Town

NUMBERS = st.integers(1, 6)
NAMES = st.sampled_from(["ann", "Bob"])
TASKS = st.builds(
    lambda number, needs, parent, plan, **fields: task(
        number,
        needs=tuple(f"t{need}" for need in sorted(needs) if need != number),
        parent=f"t{parent}" if parent and parent != number else None,
        plan="main" if plan else None,
        **fields,
    ),
    number=NUMBERS,
    needs=st.sets(NUMBERS, max_size=3),
    parent=st.none() | NUMBERS,
    plan=st.booleans(),
    owner=st.none() | NAMES,
    state=st.sampled_from(STATES),
    priority=st.sampled_from(PRIORITIES),
    group=st.booleans(),
    role=st.sampled_from([None, None, "Dev"]),
    tags=st.sampled_from([(), ("ui",), ("UI", "dev")]),
    join=st.sampled_from(["all", "any", "2"]),
    join_failures=st.booleans(),
)
AGENTS = st.builds(
    lambda number, state: agent(["ann", "Bob"][number - 1], number, state=state),
    st.integers(1, 2),
    st.sampled_from(AGENT_STATES),
)
MESSAGES = st.builds(
    lambda number, to, state, about: message(number, to, state=state, about=about),
    NUMBERS,
    st.sampled_from(["ann", "BOB", "conductor", "supervisor"]),
    st.sampled_from(["waiting", "delivered", "acknowledged"]),
    st.sampled_from([None, "failed:t1", "approve:t1"]),
)
ROUNDS = st.builds(round_, NUMBERS, NAMES)
RECORDS = st.one_of(TASKS, TASKS, AGENTS, MESSAGES, ROUNDS)
#: Put a record, or drop the one of its kind and id.
STEPS = st.lists(st.tuples(st.sampled_from(["put", "put", "put", "drop"]), RECORDS), max_size=12)


def carry_out(town: Town, steps: list[tuple[str, Record]]) -> None:
    for step, record in steps:
        if step == "put":
            town.put(record)
        elif (there := getattr(town, record.kind).get(record.id)) is not None:
            town.drop(there)


def loaded(town: Town) -> Town:
    """The town as it comes back from the store: through JSON, in the order of making."""
    records = [type(one).from_json(one.to_json()) for one in town.records()]
    return Town(town.meta, sorted(records, key=lambda one: one.order), now=town.now)


def unordered(shown: dict[str, object]) -> dict[str, object]:
    """Without the order of the tables: a record that came later may have a lower number here."""
    records: list[Record] = shown["records"]  # type: ignore[assignment]
    return {**shown, "records": {(one.kind, one.id): one for one in records}}


@given(STEPS, STEPS)
@settings(max_examples=120, deadline=None)
def test_indexes_are_those_of_a_town_built_afresh(
    first: list[tuple[str, Record]], then: list[tuple[str, Record]]
) -> None:
    town = make_town()
    carry_out(town, first)
    town.commit()
    carry_out(town, then)
    assert unordered(picture(town)) == unordered(picture(loaded(town)))


@given(STEPS, STEPS, st.booleans())
@settings(max_examples=120, deadline=None)
def test_a_rollback_restores_records_and_indexes(
    first: list[tuple[str, Record]], then: list[tuple[str, Record]], conducting: bool
) -> None:
    town = make_town()
    carry_out(town, first)
    town = loaded(town)
    before = picture(town)
    carry_out(town, then)
    town.put(town.meta.but(conducting=conducting, name="another"))
    town.event("something", "person")
    town.rollback()
    assert picture(town) == before
    assert not town.change
    assert town.take_dirty() == (set(), set())


def test_a_dropped_agent_that_comes_back_stands_where_it_stood() -> None:
    town = make_town(agent("ann", 1), agent("bob", 2))
    town.drop(town.agent("ann"))
    town.rollback()
    assert [one.name for one in town.agents.values()] == ["ann", "bob"]


def test_an_inbox_is_in_the_order_of_sending_also_after_a_rollback() -> None:
    town = make_town(*(message(number, "ann", state="delivered") for number in (1, 2, 3)))
    town.put(town.messages["m1"].advance("acknowledge"))
    town.rollback()
    assert [one.id for one in town.inbox("ann")] == ["m1", "m2", "m3"]


def test_a_change_holds_what_was_written_last() -> None:
    town = make_town(task(1, "ann"))
    town.put(town.tasks["t1"].but(description="once"))
    town.put(town.tasks["t1"].but(description="twice"))
    town.drop(town.tasks["t1"])
    assert town.change.records == {("tasks", "t1"): None}
    assert town.change


def test_conductor_and_supervisor_are_one_mailbox() -> None:
    town = make_town(message(1, "conductor"), message(2, "Supervisor"))
    assert [one.id for one in town.inbox("SUPERVISOR")] == ["m1", "m2"]


def test_agents_are_found_in_any_case() -> None:
    town = make_town(agent("Ann"))
    assert town.agent("aNN").name == "Ann"
    with pytest.raises(NotFound, match="no agent 'Anna'") as refused:
        town.agent("Anna")
    assert refused.value.hint == "did you mean Ann?"


def test_a_task_is_found_by_its_id_or_a_prefix_that_only_it_has() -> None:
    town = make_town(task(1), task(10), task(11), task(2, id="build"))
    assert town.task("t1").id == "t1"
    assert town.task("b").id == "build"
    with pytest.raises(Ambiguous, match="'t' fits 3 tasks") as refused:
        town.task("t")
    assert refused.value.hint == "t1, t10, t11"
    for lost in ("", "t2", "buildx"):
        with pytest.raises(NotFound):
            town.task(lost)


@pytest.mark.parametrize("hostile", ["a\nb", "\x1b[2J", "\ud800", "x" * 5000])
def test_what_was_not_found_is_told_in_one_printable_line(hostile: str) -> None:
    for find in (make_town().task, make_town().agent):
        with pytest.raises(NotFound) as refused:
            find(hostile)
        assert refused.value.message.isprintable()
        assert refused.value.hint.isprintable()
        assert len(refused.value.message) < 200


def test_records_of_a_newer_version_can_be_read() -> None:
    told = {**task(1, "ann", tags=("x",)).to_json(), "from_the_future": 1}
    assert type(task(1)).from_json(told) == task(1, "ann", tags=("x",))
