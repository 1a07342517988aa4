"""JSON Schemas of the plan file and of the settings' two files, made from the code's own tables.

`python -m tests.docs.schemas` writes them into docs/schema; a test holds them up to date. They say
what a key may hold; what needs two keys, or two tasks, only the reader knows. Of each key the
schema says what the documentation says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from tests.docs.pages import page, rows, sections
from tinytownd.domain import names
from tinytownd.domain.plan import SHELL
from tinytownd.domain.task import STATES
from tinytownd.planfile.keys import META_KEYS, TASK_KEYS
from tinytownd.quotas import ACCOUNT, CLI_KEYS, MAX_ROUNDS
from tinytownd.runtimes.catalogue import PRESETS, PromptBy
from tinytownd.runtimes.readers import READERS
from tinytownd.runtimes.tables import _KEYS as RUNTIME_KEYS
from tinytownd.settings import CLI_NAME, ENV_NAME, FLAT, KEYS, SECTIONS, Key

FOLDER = Path(__file__).parents[2] / "docs" / "schema"
DRAFT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]


def _table(properties: Mapping[str, Schema], **more: object) -> Schema:
    """A table with these keys and no others."""
    closed = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return {**closed, **more}


def _whole(pattern: str) -> str:
    return f"^(?:{pattern})$"


def _any_case(word: str) -> str:
    return "".join(f"[{letter}{letter.upper()}]" for letter in word)


# The plan file

_ID = rf"(?!.*\.\.){names.NAME.pattern}"


def _owner(*others: str) -> str:
    """A name that is not reserved, or a role."""
    taken = "|".join(map(_any_case, sorted(names.RESERVED | set(others))))
    return rf"{names.ROLE}(?=.*\S).{{1,200}}|(?!(?:{taken})$){_ID}"


TEXT: Schema = {"type": "string", "pattern": r"\S", "maxLength": names.MAX_TEXT_BYTES}
MAYBE_TEXT: Schema = {"type": "string", "maxLength": names.MAX_TEXT_BYTES}
ID: Schema = {"type": "string", "pattern": _whole(_ID)}
OWNER: Schema = {"type": "string", "pattern": _whole(_owner())}
REVIEWER: Schema = {"type": "string", "pattern": _whole(_owner(SHELL))}
FLAG: Schema = {"type": "boolean"}
PLAN_SHAPES: Mapping[str, Schema] = {
    "id": ID,
    "description": TEXT,
    "default_agent": OWNER,
    "agent": OWNER,
    "status": {"enum": list(STATES)},
    "parent": ID,
    "depends_on": {"type": "array", "items": ID},
    "tags": {
        "type": "array",
        "items": {"type": "string", "pattern": rf"^(?=.*\S).{{1,{names.MAX_TAG_LENGTH}}}$"},
    },
    "priority": {"enum": list(names.PRIORITIES)},
    "run": TEXT,
    "epic": FLAG,
    "join": {
        "anyOf": [
            {"enum": ["all", "any"]},
            {"type": "integer", "minimum": 1, "maximum": 9_999_999_999},
            {"type": "string", "pattern": "^(?=.{1,10}$)0*[1-9][0-9]*$"},
        ]
    },
    "failures": {"enum": ["hold", "count"]},
    "approve": FLAG,
    "check": TEXT,
    "review": REVIEWER,
    "result": MAYBE_TEXT,
}
#: A task takes the plan's gates away with an empty text.
TASK_SHAPES = {**PLAN_SHAPES, "check": {**TEXT, "pattern": r"^$|\S"}} | {
    "review": {"type": "string", "pattern": _whole(f"|{_owner(SHELL)}")}
}


def tasks_schema() -> Schema:
    """`tasks.toml`, and every other plan file."""
    about = _told("plan-file.md", "The keys")
    meta = {key: {**PLAN_SHAPES[key], **_about(about, key)} for key in META_KEYS}
    task = {key: {**TASK_SHAPES[key], **_about(about, key)} for key in TASK_KEYS}
    tasks = _table(task, required=["id", "description"])
    keys = {"meta": _table(meta), "tasks": {"type": "array", "minItems": 1, "items": tasks}}
    return _file("A plan of Tinytown", _table(keys, required=["tasks"]))


# The settings


def _setting(key: Key) -> Schema:
    """What a setting may hold."""
    about: Schema = {"description": key.doc, "default": key.default}
    if isinstance(key.default, bool):
        return {"type": "boolean", **about}
    if isinstance(key.default, str):
        shape: Schema = {"type": "string"}
        if key.pattern is not None:
            shape["pattern"] = _whole(key.pattern.pattern)
        return shape | about
    kind = "integer" if isinstance(key.default, int) else "number"
    return {"type": kind, "minimum": key.low, "maximum": key.high, **about}


LINE = {"type": "string"}
WORDS: Schema = {"anyOf": [LINE, {"type": "array", "items": LINE}]}
#: The program comes first, and has a name.
NAMED = {**LINE, "minLength": 1}
COMMAND: Schema = {
    "anyOf": [
        {"type": "string", "pattern": r"\S"},
        {"type": "array", "items": LINE, "minItems": 1, "prefixItems": [NAMED]},
    ]
}


def _fragment(what: str) -> Schema:
    """Arguments that say where `what` goes, if there are any."""
    place = rf"\{{{what}\}}"
    listed = {"contains": {"type": "string", "pattern": place}}
    return {
        "anyOf": [
            {"type": "string", "pattern": rf"^\s*$|{place}"},
            {"type": "array", "items": LINE, "anyOf": [{"maxItems": 0}, listed]},
        ]
    }


ENV: Schema = {
    "type": "object",
    "propertyNames": {"pattern": _whole(ENV_NAME.pattern)},
    "additionalProperties": LINE,
}
CLI_SHAPES: Mapping[str, Schema] = {
    "command": COMMAND,
    "prompt": {"enum": list(get_args(PromptBy))},
    "model": _fragment("model"),
    "resume": _fragment("session"),
    "permissions": _table(dict.fromkeys(names.PERMISSIONS, WORDS)),
    "interactive": COMMAND,
    "context": _fragment("prompt"),
    "reader": {"enum": list(READERS)},
    "env": ENV,
    "install": LINE,
    "max_rounds": _setting(MAX_ROUNDS),
    "account": _setting(ACCOUNT),
    "fallback": {"type": "array", "items": {"pattern": _whole(CLI_NAME.pattern), **LINE}},
}


def settings_schema(scope: str) -> Schema:
    """`config.toml` of the home, or `tinytown.toml` of a town."""
    found: dict[str, Schema] = {}
    tables: dict[str, dict[str, Schema]] = {section: {} for section in SECTIONS}
    for name, key in KEYS.items():
        section, dot, last = name.partition(".")
        if scope in key.scopes:
            (tables[section] if dot else found)[last if dot else name] = _setting(key)
    found |= {section: _table(keys) for section, keys in tables.items() if keys}
    if scope == "town":
        found |= {flat: _setting(KEYS[name]) for flat, name in FLAT.items()}
    return _file(f"Settings of Tinytown: the {scope}'s file", _table(found | _named_tables()))


def _named_tables() -> dict[str, Schema]:
    about = _told("runtimes.md", "Your own")
    keys = (*RUNTIME_KEYS, *CLI_KEYS)
    cli = _table({key: {**CLI_SHAPES[key], **_about(about, key)} for key in keys}, minProperties=1)
    account = _table({MAX_ROUNDS.name: _setting(MAX_ROUNDS)}, minProperties=1)
    named = {"type": "object", "propertyNames": {"pattern": _whole(CLI_NAME.pattern)}}
    return {
        "env": ENV,
        # The presets stand there by name, so that an editor offers them.
        "agent_clis": {
            **named,
            "properties": {name: {"$ref": "#/$defs/cli"} for name in PRESETS},
            "additionalProperties": {"$ref": "#/$defs/cli"},
            "$defs": {"cli": cli},
        },
        "accounts": {**named, "additionalProperties": account},
    }


# Words, and files


def _told(name: str, section: str) -> dict[str, str]:
    """Each key of a section's tables → the last cell of its row, as plain text."""
    return {
        key[1]: re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", row[-1]).replace("`", "")
        for row in rows(sections(page(name), 2)[section])
        if (key := re.match(r"`([a-z_]+)`", row[0]))
    }


def _about(told: Mapping[str, str], key: str) -> Schema:
    return {"description": told[key]}


def _file(title: str, table: Schema) -> Schema:
    definitions: Schema = {}
    if clis := table["properties"].get("agent_clis"):
        definitions = {"$defs": clis.pop("$defs")}
    return {"$schema": DRAFT, "title": title, **table, **definitions}


def schemas() -> dict[str, Schema]:
    """Every schema, by the name of its file."""
    return {
        "tasks.schema.json": tasks_schema(),
        "config.schema.json": settings_schema("home"),
        "tinytown.schema.json": settings_schema("town"),
    }


def written(schema: Schema) -> str:
    """A schema as its file has it."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, schema in schemas().items():
        (FOLDER / name).write_text(written(schema), encoding="utf-8")
