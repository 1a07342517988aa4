"""docs/protocol.md and the code say the same: verbs, arguments, shapes."""

from __future__ import annotations

import re
import types
import typing
from pathlib import Path
from typing import Any

import pytest

from tests.domain.towns import agent, make_town, message, round_, task
from tinytownd import handlers
from tinytownd.domain.errors import BadInput
from tinytownd.handlers import views
from tinytownd.handlers.registry import VERBS, Verb, find

DOCS = Path(__file__).parents[2] / "docs" / "protocol.md"


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without its head."""
    section = DOCS.read_text().split(f"\n## {heading}", 1)[1].split("\n## ", 1)[0]
    table = [line for line in section.splitlines() if line.startswith("|")][2:]
    assert table
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table]


def documented(heading: str) -> dict[str, set[str]]:
    """Verb to its arguments, optional ones with a question mark."""
    return {
        verb: set(re.findall(r"\w+\??", args))
        for verbs, args, _ in rows(heading)
        for verb in re.findall(r"`([^`]+)`", verbs)
    }


def registered(*, home: bool) -> dict[str, set[str]]:
    return {
        verb.name: {name if name in verb.required else name + "?" for name in verb.types}
        for verb in VERBS.values()
        if verb.home == home
    }


@pytest.mark.parametrize(
    ("heading", "home"), [("Verbs of the home", True), ("Verbs of a town", False)]
)
def test_every_verb_is_documented_with_exactly_its_arguments(heading: str, home: bool) -> None:
    assert handlers.__all__, "importing the handlers registers their verbs"
    assert documented(heading) == registered(home=home)


def shapes() -> dict[str, set[str]]:
    return {shape: set(re.findall(r"\w+", fields)) for shape, fields in rows("Shapes")}


def test_every_shape_has_exactly_the_documented_fields() -> None:
    town = make_town(agent("ann"), task(1, "ann"), message(1, "ann"), round_(1, "ann"))
    shown = {
        "task": views.task(town, town.tasks["t1"]),
        "agent": views.agent(town, town.agents["a1"]),
        "message": views.message(town.messages["m1"]),
        "round": views.round_(town, town.rounds["1"]),
        "plan": views.plan(town),
        "conductor": views.conductor(town),
    }
    documented = shapes()
    assert {shape: set(fields) for shape, fields in shown.items()} == {
        shape: documented[shape] for shape in shown
    }


def wrong(wanted: Any) -> list[object]:
    """Values of every type that an argument does not take."""
    taken = typing.get_args(wanted) if isinstance(wanted, types.UnionType) else (wanted,)
    values: dict[Any, object] = {str: "x", int: 3, bool: True, list[str]: ["x"]}
    others: list[object] = [{"x": 1}, 1.5, [1], [["x"]]]
    return others + [value for of, value in values.items() if of not in taken]


@pytest.mark.parametrize("verb", VERBS.values(), ids=lambda verb: str(verb.name))
def test_arguments_that_are_missing_wrong_or_too_many_are_refused(verb: Verb) -> None:
    right = {name: sample(verb.types[name]) for name in verb.required}
    assert verb.bind(right) == right
    assert verb.bind({**right, **dict.fromkeys(verb.types.keys() - right.keys())}) == right
    for name in verb.required:
        for without in ({k: v for k, v in right.items() if k != name}, {**right, name: None}):
            with pytest.raises(BadInput, match=f"{verb.name} needs '{name}'"):
                verb.bind(without)
    for name, wanted in verb.types.items():
        for value in wrong(wanted):
            with pytest.raises(BadInput, match=f"{verb.name}: '{name}' is not "):
                verb.bind({**right, name: value})
    with pytest.raises(BadInput, match=f"{verb.name} takes no 'nonsense'"):
        verb.bind({**right, "nonsense": 1})


def sample(wanted: Any) -> object:
    return {str: "x", int: 3, bool: True}.get(wanted, ["x"])


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800"])
@pytest.mark.parametrize("verb", VERBS.values(), ids=lambda verb: str(verb.name))
def test_no_argument_holds_what_cannot_be_stored(verb: Verb, text: str) -> None:
    right = {name: sample(verb.types[name]) for name in verb.required}
    for name, wanted in verb.types.items():
        taken = typing.get_args(wanted) if isinstance(wanted, types.UnionType) else (wanted,)
        for value in [text] * (str in taken) + [["x", text]] * (list[str] in taken):
            with pytest.raises(BadInput, match=f"the {name} (has a NUL character|is not UTF-8)"):
                verb.bind({**right, name: value})


@pytest.mark.parametrize("name", ["", "task", "task.assing", "task.assign ", "x" * 500, "a\nb"])
def test_verbs_that_are_none_are_refused_in_one_line(name: str) -> None:
    with pytest.raises(BadInput, match="there is no verb") as refused:
        find(name, home=False)
    assert refused.value.message.isprintable()
    assert len(refused.value.message) < 200


def test_verbs_of_the_home_and_of_a_town_are_apart() -> None:
    for verb in VERBS.values():
        assert find(verb.name, home=verb.home) is verb
        with pytest.raises(BadInput):
            find(verb.name, home=not verb.home)
