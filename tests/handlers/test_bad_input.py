"""Bad input: refused as such, in one line with a hint, and nothing in the town is changed.

`Desk.call` compares the town before and after each refusal.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.domain.towns import agent, task
from tests.handlers.desk import Desk
from tinytownd.domain.errors import Ambiguous, BadInput, Conflict, NotFound
from tinytownd.domain.names import RESERVED

MIB = 1024 * 1024
BAD_NAMES = [
    "",
    " ",
    "two words",
    "a/b",
    "/etc",
    "..",
    "a..b",
    ".hidden",
    "-x",
    "a\nb",
    "a\x1b[2J",
    "a\x7f",
    "ünicode",
    "a{b}",
    "a*",
    "x" * 65,
    *sorted(RESERVED),
    "Conductor",
    "ALL",
]


def refused(desk: Desk, verb: str, by: str | None = None, /, **args: Any) -> BadInput:
    with pytest.raises(BadInput) as raised:
        desk.call(verb, by, **args)
    error = raised.value
    assert error.exit_code == 2
    for line in (error.message, error.hint):
        assert line.isprintable()
        assert len(line) < 300
    return error


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_cannot_be(name: str) -> None:
    desk = Desk(agent("ann"))
    refused(desk, "agent.spawn", name=name)
    refused(desk, "message.send", to="ann", text="Hello", sender=name)


@pytest.mark.parametrize("name", ["a", "A1", "x" * 64, "a.b_c-d", "1"])
def test_names_that_can_be(name: str) -> None:
    assert Desk().call("agent.spawn", name=name)["agent"]["name"] == name


@pytest.mark.parametrize("text", ["", " \n\t", "x" * (MIB + 1), "é" * (MIB // 2 + 1)])
def test_texts_that_cannot_be(text: str) -> None:
    desk = Desk(agent("ann"), task(1, "ann"))
    for verb, args in [
        ("task.assign", {"agent": "ann", "text": text}),
        ("task.edit", {"task": "t1", "text": text}),
        ("backlog.add", {"text": text}),
        ("message.send", {"to": "ann", "text": text}),
        ("agent.spawn", {"name": "bob", "instructions": text}),
    ]:
        assert refused(desk, verb, **args).hint


@pytest.mark.parametrize("verb", ["task.complete", "task.fail"])
def test_a_verdict_may_be_silent_but_not_endless(verb: str) -> None:
    argument = "result" if verb == "task.complete" else "reason"
    desk = Desk(agent("ann"), task(1, "ann"))
    refused(desk, verb, task="t1", **{argument: "x" * (MIB + 1)})
    desk.call(verb, task="t1", **{argument: ""})


def test_a_text_of_one_mebibyte_is_taken() -> None:
    shown = Desk(agent("ann")).call("task.assign", agent="ann", text="é" * (MIB // 2))
    assert shown["task"]["state"] == "assigned"


@pytest.mark.parametrize("label", ["", "two\nlines", "tab\t", "\x1b[2J", "\u2028", "x" * 201])
def test_labels_are_one_printable_line(label: str) -> None:
    for key in ("role", "nickname", "model", "cli"):
        refused(Desk(), "agent.spawn", name="ann", **{key: label})


@pytest.mark.parametrize("tag", ["", " ", "two\nlines", "\x1b", "x" * 65])
def test_tags_are_short_printable_words(tag: str) -> None:
    desk = Desk(agent("ann"), task(1, "ann"))
    refused(desk, "task.assign", agent="ann", text="Do", tags=["fine", tag])
    refused(desk, "backlog.add", text="Do", tags=[tag])
    refused(desk, "task.edit", task="t1", tags=[tag])


def test_words_of_which_there_are_only_some() -> None:
    desk = Desk(agent("ann"), task(1, "ann"))
    for verb, args in [
        ("task.assign", {"agent": "ann", "text": "Do", "priority": "soon"}),
        ("task.edit", {"task": "t1", "priority": "\n"}),
        ("task.list", {"state": "\x1b[2J" * 99}),
        ("message.send", {"to": "ann", "text": "Do", "kind": "order"}),
        ("message.send", {"to": "ann", "text": "Do", "priority": "URGENT"}),
    ]:
        assert refused(desk, verb, **args).hint.startswith("one of ")


#: Every verb that names an agent or a task, with one that is not there.
LOST = [
    ("agent.kill", {"name": "?"}),
    ("agent.close", {"name": "?"}),
    ("agent.interrupt", {"name": "?"}),
    ("agent.resume", {"name": "?"}),
    ("agent.restart", {"name": "?"}),
    ("agent.spawn", {"name": "bob", "parent": "?"}),
    ("task.assign", {"agent": "?", "text": "Do"}),
    ("task.assign", {"agent": "ann", "text": "Do", "after": ["t1", "?"]}),
    ("task.show", {"task": "?"}),
    ("task.list", {"agent": "?"}),
    ("task.current", {"agent": "?"}),
    ("task.complete", {"task": "?"}),
    ("task.fail", {"task": "?"}),
    ("task.cancel", {"task": "?"}),
    ("task.retry", {"task": "?"}),
    ("task.edit", {"task": "?", "text": "Do"}),
    ("task.edit", {"task": "t1", "agent": "?"}),
    ("task.move", {"task": "t1", "agent": "?"}),
    ("task.move", {"task": "?", "agent": "ann"}),
    ("message.send", {"to": "?", "text": "Hello"}),
    ("message.send", {"to": "ann", "text": "Hello", "reply_to": "?"}),
    ("message.inbox", {"agent": "?"}),
    ("backlog.add", {"text": "Do", "after": ["?"]}),
    ("backlog.claim", {"task": "?", "agent": "ann"}),
    ("backlog.claim", {"task": "t2", "agent": "?"}),
    ("backlog.assign_all", {"agent": "?"}),
    ("backlog.remove", {"task": "?"}),
    ("town.wait", {"agents": ["ann", "?"]}),
    ("town.wait", {"task": "?"}),
]


@pytest.mark.parametrize(("verb", "args"), LOST)
@pytest.mark.parametrize("unknown", ["nobody", "", "../x", "a\nb", "\x1b[2J", "x" * 9_000])
def test_what_is_not_there(verb: str, args: dict[str, Any], unknown: str) -> None:
    desk = Desk(agent("ann"), task(1, "ann"), task(2))
    told = {
        key: [unknown if one == "?" else one for one in value]
        if isinstance(value, list)
        else (unknown if value == "?" else value)
        for key, value in args.items()
    }
    assert isinstance(refused(desk, verb, **told), NotFound)


def test_an_ambiguous_prefix_names_what_it_could_be() -> None:
    desk = Desk(agent("ann"), task(1, "ann", id="build-api"), task(2, "ann", id="build-ui"))
    error = refused(desk, "task.show", task="build")
    assert isinstance(error, Ambiguous)
    assert error.hint == "build-api, build-ui"
    assert desk.call("task.show", task="build-u")["task"]["id"] == "build-ui"


def test_arguments_that_contradict_each_other_or_say_nothing() -> None:
    desk = Desk(agent("ann"), task(1, "ann"))
    empty: list[tuple[str, dict[str, Any]]] = [
        ("message.send", {"text": "Hello"}),
        ("message.send", {"text": "Hello", "to": "ann", "all": True}),
        ("task.edit", {"task": "t1"}),
        ("task.complete", {}),
        ("task.current", {}),
        ("backlog.claim", {"task": "t1"}),
        ("agent.spawn", {"name": "bob", "max_rounds": 0}),
        ("agent.spawn", {"name": "bob", "wall_seconds": 0}),
        ("agent.spawn", {"name": "bob", "silence_seconds": -1}),
        ("agent.spawn", {"name": "bob", "max_rounds": 10**400}),
        ("agent.spawn", {"name": "bob", "wall_seconds": 10**400}),
        ("agent.spawn", {"name": "bob", "silence_seconds": 86_401}),
        ("agent.spawn", {"name": "bob", "permissions": "all"}),
        ("agent.spawn", {"name": "bob", "permissions": ""}),
        ("conductor.start", {}),
        ("agent.spawn", {"name": "bob", "cli": "missing"}),
    ]
    for verb, args in empty:
        refused(desk, verb, **args)
    refused(Desk(), "message.send", text="Hello", all=True)


#: A task in a state, and the verbs that then are refused.
TOO_LATE = {
    "running": ["task.edit", "task.move", "task.retry", "backlog.claim", "backlog.remove"],
    "completed": ["task.edit", "task.move", "task.retry", "task.cancel", "task.complete"],
    "failed": ["task.edit", "task.move", "task.complete", "task.fail"],
    "cancelled": ["task.edit", "task.move", "task.complete", "task.fail", "task.cancel"],
    "pending": ["task.retry"],
}


@pytest.mark.parametrize(("state", "verb"), [(s, verb) for s in TOO_LATE for verb in TOO_LATE[s]])
def test_what_is_too_late(state: str, verb: str) -> None:
    desk = Desk(agent("ann", state="working"), task(1, "bob", state=state))
    more: dict[str, dict[str, str]] = {
        "task.edit": {"text": "Else"},
        "task.move": {"agent": "ann"},
        "backlog.claim": {"agent": "ann"},
    }
    assert isinstance(refused(desk, verb, task="t1", **more.get(verb, {})), Conflict)


@pytest.mark.parametrize(
    ("verb", "args"),
    [
        ("task.complete", {}),
        ("task.fail", {}),
        ("task.edit", {"agent": "ann"}),
        ("task.move", {"agent": "ann"}),
        ("backlog.claim", {"agent": "ann"}),
        ("backlog.remove", {}),
    ],
)
def test_nobody_carries_out_a_group(verb: str, args: dict[str, str]) -> None:
    desk = Desk(agent("ann"), task(1, group=True), task(2, "ann", parent="t1"))
    assert isinstance(refused(desk, verb, task="t1", **args), Conflict)
