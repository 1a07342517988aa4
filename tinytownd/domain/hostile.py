"""Records and events from outside, which anybody may have written: taken only if they are sound.

What was decided here was checked when it came in; what comes with a file or out of another store
is checked field by field, because names become paths and labels stand in prompts.
"""

from __future__ import annotations

import functools
import re
import sys
import typing
from collections.abc import Callable, Mapping
from types import UnionType
from typing import Any, TypeVar

from tinytownd.domain.agent import DESIRED
from tinytownd.domain.agent import STATES as AGENT_STATES
from tinytownd.domain.errors import BadInput
from tinytownd.domain.join import check_join
from tinytownd.domain.message import KINDS, QUESTION
from tinytownd.domain.message import TRANSITIONS as MESSAGE_STATES
from tinytownd.domain.names import (
    PRIORITIES,
    check_id,
    check_label,
    check_name,
    check_owner,
    check_permissions,
    check_role,
    check_tag,
    check_task_id,
    shown,
)
from tinytownd.domain.record import Record
from tinytownd.domain.task import STATES as TASK_STATES
from tinytownd.domain.track import STATES as PLAN_STATES

R = TypeVar("R", bound=Record)
#: The end of the year 9999, in milliseconds since the epoch: no number of a record is larger.
LATEST = 253_402_300_799_999
_TEXT, _NUMBER = frozenset({str}), frozenset({int})
_SCALAR = frozenset({str, int, float, bool})
#: What JSON can escape and UTF-8 cannot hold.
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
OUTCOMES = ("completed", "failed", "limited", "interrupted", "unknown")

Check = Callable[[str], object]


def _one_of(*words: str) -> Check:
    def check(word: str) -> None:
        if word not in words:
            raise BadInput(f"{shown(word)} is none of {', '.join(words)}")

    return check


def _numbered(letter: str) -> Check:
    """For ids that have their order in their number; see `Record.order`."""

    def check(word: str) -> None:
        if not re.fullmatch(rf"{letter}[1-9][0-9]{{0,14}}", word):
            raise BadInput(f"{shown(word)} is no id")

    return check


def _a_task(word: str) -> None:
    check_task_id(word)


def _a_join(word: str) -> None:
    check_join(word, sys.maxsize)


def _a_plan(word: str) -> None:
    check_name(word, "plan's name")


def _label(noun: str) -> Check:
    return lambda word: check_label(word, noun)


#: Fields that are more than any text, by kind; None is what their type says about it.
CHECKS: Mapping[str, Mapping[str, Check]] = {
    "town": {"name": _label("name")},
    "agents": {
        "id": _numbered("a"),
        "name": check_name,
        "state": _one_of(*AGENT_STATES),
        "desired": _one_of("run", *DESIRED),
        "round": _numbered(""),
        "permissions": check_permissions,
        "tags": check_tag,
        "fallback": _label("CLI"),
        **{noun: _label(noun) for noun in ("cli", "model", "role", "nickname")},
    },
    "tasks": {
        "id": _a_task,
        "state": _one_of(*TASK_STATES),
        "priority": _one_of(*PRIORITIES),
        "agent": check_name,
        "round": _numbered(""),
        "parent": _a_task,
        "needs": _a_task,
        "depends_on": _a_task,
        "tags": check_tag,
        "role": check_role,
        "review": check_owner,
        "join": _a_join,
        "gate_of": _a_task,
        "plan": _a_plan,
    },
    "messages": {
        "id": _numbered("m"),
        "state": _one_of(*MESSAGE_STATES),
        "sort": _one_of(*KINDS, QUESTION),
        "thread": _numbered("m"),
        "task": _a_task,
        "about": _label("subject"),
        "priority": _one_of(*PRIORITIES),
        "sender": lambda word: check_id(word, "a sender"),
        "to": lambda word: check_id(word, "a receiver"),
        "round": _numbered(""),
    },
    "rounds": {
        "id": _numbered(""),
        "agent": check_name,
        "outcome": _one_of(*OUTCOMES),
        "messages": _numbered("m"),
    },
    "plans": {
        "id": _a_plan,
        "owner": lambda word: check_id(word, "an owner"),
        "state": _one_of(*PLAN_STATES),
    },
}


@functools.cache
def _types(cls: Any) -> dict[str, frozenset[type]]:
    hints = typing.get_type_hints(cls)
    return {name: _plain(hints[name]) for name in cls.__match_args__}


def check_record(cls: type[R], row: Mapping[str, Any]) -> R:
    """The record of that kind in a JSON object; keys it does not know are left out.

    Raises ValueError with what is wrong, TypeError where something is missing.
    """
    types = _types(cls)  # type: ignore[arg-type] # mypy does not see that a class is hashable
    known = {name: row[name] for name in cls.__match_args__ if name in row}
    for name, value in known.items():
        if not _fits(value, types[name]):
            raise ValueError(f"the {name} of one of the {cls.kind} is not what it should be")
        check = CHECKS[cls.kind].get(name)
        for word in value if isinstance(value, list) else [value]:
            if check is not None and word is not None:
                _apply(check, word, f"{name}, {cls.kind}")
    return cls.from_json(known)


def _apply(check: Check, word: str, where: str) -> None:
    try:
        check(word)
    except BadInput as error:
        raise ValueError(f"{error.message} ({where})") from None


def check_event(row: Mapping[str, Any]) -> dict[str, Any]:
    """An event as it is; raises ValueError for what is none."""
    if not (_fits(row.get("event"), _TEXT) and _fits(row.get("actor"), _TEXT)):
        raise ValueError("an event has no name or no actor")
    if not _fits(row.get("at"), _NUMBER) or not all(_fits(v, _SCALAR) for v in row.values()):
        raise ValueError(f"the event {shown(row['event'])} is not what it should be")
    return dict(row)


def _plain(hint: Any) -> frozenset[type]:
    """The types that JSON may have where a field's type says so.

    A list is one of texts, an object one of numbers.
    """
    if isinstance(hint, UnionType):
        return frozenset().union(*(_plain(option) for option in typing.get_args(hint)))
    if typing.get_origin(hint) is tuple:
        return frozenset({list})
    if typing.get_origin(hint) is Mapping:
        return frozenset({dict})
    return frozenset({int, float} if hint is float else {hint})


def _fits(value: object, types: frozenset[type]) -> bool:
    if type(value) not in types:
        return False
    match value:
        case str():
            return _HALF_CHARACTER.search(value) is None
        case int() | float():
            return 0 <= value <= LATEST
        case list():
            return all(_fits(one, _TEXT) for one in value)
        case dict():
            return all(_fits(k, _TEXT) and _fits(v, _NUMBER) for k, v in value.items())
    return True
