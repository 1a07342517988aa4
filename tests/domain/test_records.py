"""Records: copies with changes, and what of them is written down."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.domain.towns import agent, message, round_, task
from tinytownd.domain.meta import Meta
from tinytownd.domain.record import Record, defaults
from tinytownd.domain.task import Task
from tinytownd.domain.track import TrackedPlan
from tinytownd.store.formats import RECORDS

ONE_OF_EACH: list[Record] = [
    Meta("t", "demo", "/demo", limited={"claude": 5}),
    agent("ann", tags=("ui", "qa")),
    task(1, "ann", needs=("t0",)),
    message(1, "ann"),
    round_(1, "ann", messages=("m1",)),
    TrackedPlan("main", 1),
]
#: What a field of a stored record is when nothing is said of it, unless it is nothing. Whoever
#: changes one changes what stores say: that is another format (tinytownd/store/formats.py).
USUAL: dict[str, dict[str, object]] = {
    "town": {"day_allowance": 1.0},
    "agents": {"state": "starting", "desired": "run", "allowance": 1.0},
    "tasks": {"state": "pending", "join": "all", "priority": "normal", "allowance": 1.0},
    "messages": {"sort": "request", "priority": "normal", "state": "waiting"},
    "rounds": {},
    "plans": {"owner": "person", "state": "none", "allowance": 1.0},
}


@pytest.mark.parametrize("one", ONE_OF_EACH, ids=lambda one: one.kind)
def test_a_record_comes_back_from_what_is_written_of_it(one: Record) -> None:
    found = type(one).from_json(json.loads(json.dumps(one.to_json())))
    assert found == one
    assert repr(found) == repr(one)
    assert found.to_json().keys() <= one.to_json().keys()


@pytest.mark.parametrize("one", ONE_OF_EACH, ids=lambda one: one.kind)
def test_what_is_as_it_is_by_default_is_not_written(one: Record) -> None:
    told = one.to_json()
    assert "id" in told
    for name, usual in defaults(type(one)).items():  # type: ignore[arg-type] # as in record.py
        if usual != {}:  # of those each record has its own
            assert (name in told) is (getattr(one, name) != usual)


def test_the_defaults_are_part_of_the_format() -> None:
    kinds: list[type[Record]] = [Meta, *RECORDS.values()]
    for cls in kinds:
        required = {"id", "name", "dir", "cli", "description", "seq", "sender", "to", "text"}
        found = {
            name: usual
            for name, usual in defaults(cls).items()  # type: ignore[arg-type] # as in record.py
            if usual and name not in required | {"agent", "token"}
        }
        assert found == USUAL[cls.kind]


@pytest.mark.parametrize("value", [0, 0.0, False])
def test_what_is_equal_to_a_default_and_no_such_value_is_written(value: Any) -> None:
    one = task(1).but(cost_usd=value)
    assert repr(Task.from_json(json.loads(json.dumps(one.to_json())))) == repr(one)


def test_a_copy_has_the_changes_and_the_first_one_has_not() -> None:
    one = task(1, "ann")
    other = one.but(state="assigned", tags=("ui",))
    assert (other.state, other.tags, other.agent) == ("assigned", ("ui",), "ann")
    assert (one.state, one.tags) == ("pending", ())
    assert other.but(state="pending", tags=()) == one
    assert hash(other.but(state="pending", tags=())) == hash(one)


def test_a_field_that_is_none_is_refused() -> None:
    with pytest.raises(TypeError, match="stat"):
        task(1).but(stat="assigned")


def test_a_copy_cannot_be_changed_either() -> None:
    with pytest.raises(AttributeError):
        task(1).but(state="assigned").state = "running"  # type: ignore[misc]


def test_what_must_be_there_is_missed() -> None:
    with pytest.raises(TypeError, match="description"):
        Task.from_json({"id": "t1", "seq": 1})
