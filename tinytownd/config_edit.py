"""Writing configuration: the file of a new town, and one setting in an existing file.

An edit goes through tomlkit and keeps comments, order and formatting.
"""

from __future__ import annotations

import stat
import tomllib
from collections.abc import Callable, MutableMapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import tomlkit
import tomlkit.exceptions

from tinytownd.config import NAMED_TABLES, AgentClis, Layer, check, merge, require
from tinytownd.domain.errors import BadInput
from tinytownd.files import read_text, write_atomic
from tinytownd.settings import ENV_FILE, FLAT, KEYS, SECTIONS, Key, Scope, full_name

_HEAD = """\
# Settings of this town. A line that is commented out shows the default;
# `tt config` lists what holds and where it comes from.
"""

_TAIL = """
[env]
# NAME = "value"  # given to every agent, together with env_file

# A CLI of your own: prompt on standard input, verdict by exit code.
# [agent_clis.mine]
# command = "my-cli --print"
"""


def template(name: str, default_cli: str, permissions: str = "bypass") -> str:
    """The tinytown.toml that `tt init` writes; what is given stands in it uncommented."""
    given = {
        "town.name": name,
        "town.default_cli": default_cli,
        "town.permissions": permissions,
    }
    parts = [_HEAD, _template_line(ENV_FILE, given)]
    for section, settings in SECTIONS.items():
        parts.append(f"\n[{section}]\n")
        keys = [KEYS[f"{section}.{field.name}"] for field in fields(settings)]
        parts += [_template_line(key, given) for key in keys if "town" in key.scopes]
    return "".join([*parts, _TAIL])


def _template_line(key: Key, given: dict[str, str]) -> str:
    value = given.get(key.name, key.default)
    mark = "" if key.name in given else "# "
    name = key.name.rpartition(".")[2]
    return f"{mark}{name} = {tomlkit.item(value).as_string()}  # {key.doc}\n"


def set_value(
    path: Path,
    key: str,
    text: str,
    scope: Scope,
    check_clis: Callable[[AgentClis], None] = lambda _: None,
) -> None:
    """Sets one setting in a file, from what a person typed; writes nothing on an error.

    `check_clis` judges the file's `[agent_clis]` tables as they would become. Raises NotFound
    without a town's file, BadInput for an unknown key, a bad value, or a file broken before.
    """
    key = full_name(key)
    value = _typed(key, text)
    require(key, value, scope)
    old = read_text(path, hint="tt init makes a town") if scope == "town" or path.exists() else ""
    before = check(old, path, scope)
    new = _edited(old, key, value)
    after = check(new, path, scope) if new else before
    if after.values != {**before.values, key: value}:
        raise BadInput(f"{path}: {key} is written in a form that has to be edited by hand")
    check_clis(merge(Layer(path, after.values), None).agent_clis)
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o600
    write_atomic(path, new, mode=mode, within=path.parent if scope == "town" else None)


def _typed(key: str, text: str) -> object:
    """The value as its key wants it; for tables of the user's own a TOML value, else a string."""
    if key in KEYS:
        value = KEYS[key].read(text)
        return text if value is None else value  # `require` says what is wrong with it
    if key.partition(".")[0] in NAMED_TABLES:
        try:
            document = tomllib.loads(f"value = {text}")
        except tomllib.TOMLDecodeError:
            return text
        return document["value"] if len(document) == 1 else text
    return text


def _edited(text: str, key: str, value: object) -> str:
    """The text with the setting in it; "" when tomlkit cannot edit this form."""
    try:
        document = tomlkit.parse(text)
        flat = next((old for old, new in FLAT.items() if new == key and old in document), key)
        *tables, name = flat.split(".")
        table: MutableMapping[str, Any] = document
        for depth, part in enumerate(tables, start=1):
            if part not in table:
                table[part] = tomlkit.table(is_super_table=depth < len(tables))
            table = table[part]
        table[name] = value
        return tomlkit.dumps(document)
    except (tomlkit.exceptions.TOMLKitError, TypeError):
        return ""
