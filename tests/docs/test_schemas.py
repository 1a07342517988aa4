"""The JSON Schemas say what the readers say: key by key, and of every example of the pages."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.docs import schemas
from tests.docs.pages import PAGES, ROOT
from tinytownd.config import check
from tinytownd.domain.errors import BadInput
from tinytownd.planfile.keys import META_KEYS, TASK_KEYS
from tinytownd.runtimes.tables import from_table
from tinytownd.settings import KEYS, Key

MADE = schemas.schemas()
TASKS, HOME, TOWN = map(Draft202012Validator, MADE.values())
PLANS = ROOT / "tests" / "plans"
#: A line break at a text's end, and 3.0 for a whole number, are left out: schemas' patterns and
#: numbers have rules of their own there.
VALUES: list[Any] = [
    "", " ", "a", "design", "Ab.c_d-9", "a..b", "-a", "x" * 64, "x" * 65, "ü", "two words",
    "conductor", "Person", "shell", "SHELL", "role:reviewer", "role:", "role: ", "role:two words",
    "pending", "done", "urgent", "medium", "hold", "count", "all", "any", "none", "2", "0", "007",
    "read", "edit", "bypass", "second", "always", "redis://h:1", "http://h", "unix:///s", "true",
    "--model {model}", "--model m", "--resume {session}", "--system {prompt}", "stdin", "file",
    "claude", "text", "x" * 201,
    0, 1, 2, -1, 99, 100, 101, 8, 1000, 1001, 86_400, 604_801, 10**13, 0.05, 0.5, 7200.5, 1e13,
    True, False,
    [], ["a"], ["a", "b"], ["-"], [""], ["a b"], [1], ["--model", "{model}"], ["{session}"],
    {}, {"a": 1}, {"A_B": "c"}, {"1": "c"}, {"read": "-r"}, {"read": ["-r", "x"]}, {"write": "-w"},
]  # fmt: skip


def says(act: Callable[[], object]) -> bool:
    """Whether a reader takes it."""
    try:
        act()
    except BadInput:
        return False
    return True


def agree(shape: dict[str, Any], takes: Callable[[Any], bool], key: str) -> None:
    validator = Draft202012Validator(shape)
    ours = [value for value in VALUES if takes(value)]
    assert [value for value in VALUES if validator.is_valid(value)] == ours, key
    assert 0 < len(ours) < len(VALUES)


@pytest.mark.parametrize("name", MADE)
def test_a_schema_is_sound_and_up_to_date(name: str) -> None:
    made = MADE[name]
    Draft202012Validator.check_schema(made)
    kept = (schemas.FOLDER / name).read_text(encoding="utf-8")
    assert kept == schemas.written(made), "python -m tests.docs.schemas"


@pytest.mark.parametrize("key", META_KEYS)
def test_a_key_of_a_plan(key: str) -> None:
    shape = MADE["tasks.schema.json"]["properties"]["meta"]["properties"][key]
    agree(shape, lambda value: says(lambda: META_KEYS[key](value)), key)


@pytest.mark.parametrize("key", TASK_KEYS)
def test_a_key_of_a_task(key: str) -> None:
    shape = MADE["tasks.schema.json"]["properties"]["tasks"]["items"]["properties"][key]
    agree(shape, lambda value: says(lambda: TASK_KEYS[key](value)), key)


@pytest.mark.parametrize("key", KEYS.values(), ids=lambda key: str(key.name))
def test_a_setting(key: Key) -> None:
    for scope, name in (("home", "config"), ("town", "tinytown")):
        section, dot, last = key.name.rpartition(".")
        keys = MADE[f"{name}.schema.json"]["properties"]
        keys = keys.get(section, {}).get("properties", {}) if dot else keys
        assert (last in keys) == (scope in key.scopes)
        if last in keys:
            agree(keys[last], lambda value: key.accept(value) is not None, key.name)


@pytest.mark.parametrize("key", schemas.CLI_SHAPES)
def test_a_key_of_a_cli(key: str, tmp_path: Path) -> None:
    def takes(value: Any) -> bool:
        table = {"command": "x", key: value}
        text = "[agent_clis.mine]\n" + "".join(f"{k} = {toml(v)}\n" for k, v in table.items())
        file = tmp_path / "config.toml"
        return says(lambda: (check(text, file, "home"), from_table("mine", table)))

    agree(schemas.CLI_SHAPES[key], takes, key)


def toml(value: Any) -> str:
    """A value as TOML writes it inline."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def examples() -> list[tuple[str, str]]:
    """Every TOML example of the pages that is for us: where it stands, and the text."""
    found = []
    for file in PAGES:
        text = file.read_text(encoding="utf-8")
        for block in re.finditer(r"(.*)\n^```toml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            if "of another program" not in block[1]:
                line = text.count("\n", 0, block.start()) + 2
                found.append((f"{file.relative_to(ROOT)}:{line}", block[2]))
    return found


@pytest.mark.parametrize(("where", "text"), examples(), ids=lambda it: it[:60])
def test_an_example_of_a_page(where: str, text: str) -> None:
    document = tomllib.loads(text)
    kinds = [TASKS] if "tasks" in document or "meta" in document else [HOME, TOWN]
    errors = [[error.message for error in kind.iter_errors(document)] for kind in kinds]
    assert [] in errors, errors


def test_plans_of_the_tests_are_valid() -> None:
    for file in PLANS.glob("*.toml"):
        assert TASKS.is_valid(tomllib.loads(file.read_text(encoding="utf-8"))), file.name


#: What is refused for how tasks go together, or how the file is laid out: a schema sees neither.
NEEDS_THE_READER = {"cycles", "duplicates", "groups", "itself", "references", "tasks-inline"}


@pytest.mark.parametrize("file", sorted((PLANS / "broken").glob("*.toml")), ids=lambda f: f.stem)
def test_a_plan_that_is_refused_for_its_shape(file: Path) -> None:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        return  # no TOML at all
    assert TASKS.is_valid(document) == (file.stem in NEEDS_THE_READER)


@pytest.mark.parametrize("text", ['[town]\nnam = "x"', "limit = 3", '[agent_clis.mine]\nx = "y"'])
def test_settings_that_do_not_exist(text: str) -> None:
    assert not HOME.is_valid(tomllib.loads(text))
    assert not TOWN.is_valid(tomllib.loads(text))
