"""The keys of a plan file, and what each may hold."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time

from tinytownd.domain import names
from tinytownd.domain.errors import BadInput
from tinytownd.domain.join import check_join
from tinytownd.domain.names import shown
from tinytownd.domain.plan import SHELL, Problem
from tinytownd.domain.task import STATES

_KINDS = {
    str: "a text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "a table",
    date: "a date",
    datetime: "a date",
    time: "a time",
}

#: Judges a value of a key: raises `BadInput`.
Check = Callable[[object], None]


def check(key: str, value: object, keys: Mapping[str, Check]) -> Problem | None:
    """What is wrong with a key or its value, as a problem that does not know its line."""
    if key not in keys:
        return unknown(key, keys)
    try:
        keys[key](value)
    except BadInput as error:
        return Problem(0, error.message, error.hint, key)
    return None


def unknown(key: str, keys: Iterable[str]) -> Problem:
    """The problem of a key that is none of `keys`."""
    hint = names.did_you_mean(key, keys) or "known keys: " + ", ".join(keys)
    return Problem(0, f"unknown key {shown(key)}", hint, key)


def _text(key: str, judge: Callable[[str], object]) -> Check:
    """A check of texts: of their type, and what `judge` raises."""

    def check_text(value: object) -> None:
        if not isinstance(value, str):
            hint = f'write {key} = "…"'
            raise BadInput(f"{key} must be a text, not {_KINDS[type(value)]}", hint=hint)
        judge(value)

    return check_text


def _list(key: str, judge: Callable[[str], object]) -> Check:
    """A check of lists of texts: of all their types, and what `judge` raises for one."""

    def check_list(value: object) -> None:
        hint = f'write {key} = ["…"]'
        if not isinstance(value, list):
            raise BadInput(f"{key} must be a list of texts, not {_KINDS[type(value)]}", hint=hint)
        for text in value:
            if not isinstance(text, str):
                message = f"{key} must be a list of texts, and {_KINDS[type(text)]} is in it"
                raise BadInput(message, hint=hint)
            judge(text)

    return check_list


def _choice(key: str, allowed: Sequence[str]) -> Check:
    """A check of texts of which there are only some."""

    def judge(value: str) -> None:
        if value not in allowed:
            hint = "one of " + ", ".join(allowed)
            raise BadInput(f"{shown(value)} is no {key}", hint=hint)

    return _text(key, judge)


def _check_id(value: str) -> None:
    names.check_id(value, "an id")


def _flag(key: str) -> Check:
    """A check of true and false."""

    def check_flag(value: object) -> None:
        if not isinstance(value, bool):
            hint = f"write {key} = true, without quotes"
            raise BadInput(f"{key} must be true or false, not {_KINDS[type(value)]}", hint=hint)

    return check_flag


def _check_join(value: object) -> None:
    """A number may stand with or without quotes; whether it can be reached is found out later."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise BadInput(f"join must be a text or a number, not {_KINDS[type(value)]}")
    check_join(str(value), sys.maxsize)


def _check_owner(key: str) -> Callable[[str], object]:
    """A judge of agents' names, and of roles: role:reviewer."""
    return lambda value: names.check_owner(value, key)


def _check_reviewer(value: str) -> None:
    """An owner that reads: the shell does not."""
    if value.lower() == SHELL:
        raise BadInput("the shell runs commands and reviews nothing", hint='check = "make test"')
    _check_owner("review")(value)


def _check_gate(judge: Callable[[str], object]) -> Callable[[str], object]:
    """The same for a gate; an empty text takes the plan's away."""
    return lambda value: judge(value) if value else None


TOP_KEYS = ("meta", "tasks")
META_KEYS: Mapping[str, Check] = {
    "description": _text("description", lambda text: names.check_text(text, "description")),
    "default_agent": _text("default_agent", _check_owner("default_agent")),
    "check": _text("check", lambda text: names.check_text(text, "check")),
    "review": _text("review", _check_reviewer),
}
TASK_KEYS: Mapping[str, Check] = {
    "id": _text("id", _check_id),
    "description": _text("description", lambda text: names.check_text(text, "description")),
    "agent": _text("agent", _check_owner("agent")),
    "status": _choice("status", STATES),
    "parent": _text("parent", _check_id),
    "depends_on": _list("depends_on", _check_id),
    "tags": _list("tags", names.check_tag),
    "priority": _choice("priority", names.PRIORITIES),
    "run": _text("run", lambda text: names.check_text(text, "run")),
    "epic": _flag("epic"),
    "join": _check_join,
    "failures": _choice("failures", ("hold", "count")),
    "approve": _flag("approve"),
    "check": _text("check", _check_gate(lambda text: names.check_text(text, "check"))),
    "review": _text("review", _check_gate(_check_reviewer)),
    "result": _text("result", lambda text: names.check_text(text, "result", empty=True)),
}
