"""`tinytown.toml` of a town over `config.toml` of the home, validated once, here at the edge.

What comes out is frozen and complete: nothing downstream checks a setting again, except the
`[agent_clis]` tables, which the runtimes read. Every mistake is one BadInput with file and line.
"""

from __future__ import annotations

import os
import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tinytownd import quotas
from tinytownd.domain.errors import BadInput
from tinytownd.domain.policy import Budget, History, Policy
from tinytownd.files import line_of, parse_toml, read_text, refusal
from tinytownd.quotas import Quotas
from tinytownd.redact import redact_all, redact_named
from tinytownd.settings import (
    CLI_NAME,
    ENV_FILE,
    ENV_NAME,
    FLAT,
    KEYS,
    OPEN_TABLES,
    SECTIONS,
    BacklogSettings,
    BudgetSettings,
    ConductorSettings,
    HistorySettings,
    Limits,
    LogSettings,
    RedisSettings,
    Scope,
    TownSettings,
    suggestion,
)

AgentClis = Mapping[str, Mapping[str, object]]
#: Tables of tables: the user's names, and what each says. What a name is, and an example.
NAMED_TABLES = {
    "agent_clis": ("CLI", 'command = "..."'),
    "accounts": ("account", "max_rounds = 3"),
}


@dataclass(frozen=True, slots=True)
class Config:
    """All settings of one town. `env_file` is absolute; `env` and `agent_clis` are merged.

    `quotas` is what those tables, and `[accounts]`, say of limits.
    """

    town: TownSettings = field(default_factory=TownSettings)
    limits: Limits = field(default_factory=Limits)
    conductor: ConductorSettings = field(default_factory=ConductorSettings)
    backlog: BacklogSettings = field(default_factory=BacklogSettings)
    budgets: BudgetSettings = field(default_factory=BudgetSettings)
    history: HistorySettings = field(default_factory=HistorySettings)
    redis: RedisSettings = field(default_factory=RedisSettings)
    logs: LogSettings = field(default_factory=LogSettings)
    policy: Policy = field(default_factory=Policy)
    env: Mapping[str, str] = field(default_factory=dict)
    env_file: Path | None = None
    agent_clis: AgentClis = field(default_factory=dict)
    quotas: Quotas = field(default_factory=Quotas)
    values: Mapping[str, object] = field(default_factory=dict)  # dotted key -> value, every key
    origins: Mapping[str, str] = field(default_factory=dict)  # dotted key -> default | home | town
    files: Mapping[str, Path] = field(default_factory=dict)  # home | town -> its file

    @property
    def conductor_cli(self) -> str:
        """The CLI of the conductor's own agent."""
        return self.town.conductor_cli or self.town.default_cli

    def listing(self) -> list[dict[str, object]]:
        """Rows of `tt config`: key, value, origin, doc. Secrets are not shown."""
        return [
            {
                "key": key,
                "value": redact_named(key.rpartition(".")[2], value),
                "origin": self.origins[key],
                "doc": KEYS[key].doc if key in KEYS else "",
            }
            for key, value in self.values.items()
        ]

    def where(self, key: str) -> str:
        """File and line that set a dotted key ("tinytown.toml:12"), for errors found later."""
        path = self.files.get(self.origins.get(key, ""))
        return f"{path}:{_line(read_text(path), key)}" if path else "default"


@dataclass(frozen=True, slots=True)
class Layer:
    """What one file says: dotted key to value, checked, in the order of the file."""

    path: Path
    values: Mapping[str, object]


def load(home_config: Path, town_config: Path) -> Config:
    """Reads both files; the town's overrides the home's key by key.

    Raises NotFound without a town's file, BadInput for anything wrong in either.
    """
    return merge(_home_layer(home_config), read_layer(town_config, "town"))


def load_home(home_config: Path) -> Config:
    """The settings that hold without a town: what the daemon itself needs."""
    return merge(_home_layer(home_config), None)


def _home_layer(path: Path) -> Layer:
    try:
        there = path.exists()
    except OSError as error:  # a directory above it is closed to us
        raise refusal("read", path, error) from error
    return read_layer(path, "home") if there else Layer(path, {})


def read_layer(path: Path, scope: Scope) -> Layer:
    """Reads and checks one file. Raises NotFound or BadInput."""
    hint = "tt init makes a town of this directory" if scope == "town" else ""
    return check(read_text(path, hint=hint), path, scope)


def check(text: str, path: Path, scope: Scope) -> Layer:
    """The settings in a file's text. Raises BadInput with file, line, key and a suggestion."""
    values: dict[str, object] = {}
    for key, value in _flatten(parse_toml(text, path), scope):
        if key in values:
            raise BadInput(f"{path}:{_line(text, key)}: {key} is given twice")
        try:
            require(key, value, scope)
        except BadInput as error:
            raise BadInput(f"{path}:{_line(text, key)}: {error.message}", hint=error.hint) from None
        values[key] = KEYS[key].accept(value) if key in KEYS else value
    return Layer(path, values)


def _flatten(document: Mapping[str, object], scope: Scope) -> list[tuple[str, object]]:
    """Dotted keys of a document. A table where none belongs stays a value, and is refused."""
    found: list[tuple[str, object]] = []
    for name, value in document.items():
        if name in SECTIONS and isinstance(value, Mapping):
            found += [(f"{name}.{key}", inner) for key, inner in value.items()]
        elif name == "env" and isinstance(value, Mapping):
            found += [(f"env.{key}", inner) for key, inner in value.items()]
        elif name in NAMED_TABLES and isinstance(value, Mapping):
            found += _flatten_named(name, value)
        else:
            found.append((FLAT.get(name, name) if scope == "town" else name, value))
    return found


def _flatten_named(section: str, tables: Mapping[str, object]) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for name, table in tables.items():
        if isinstance(table, Mapping) and table:
            found += [(f"{section}.{name}.{key}", value) for key, value in table.items()]
        else:
            found.append((f"{section}.{name}", table))
    return found


def require(key: str, value: object, scope: Scope) -> None:
    """Raises BadInput when a dotted key is unknown, misplaced, or its value not acceptable."""
    table, _, name = key.partition(".")
    if table == "env" and name:
        _require_variable(name, value)
    elif table in NAMED_TABLES and name:
        _require_named(table, name)
        quotas.require(key, value)
    elif key in SECTIONS or key in OPEN_TABLES:
        raise BadInput(f"{key} must be a table", hint=f"write [{key}]")
    elif key not in KEYS:
        raise BadInput(f"unknown key {key}", hint=suggestion(key) or "tt config lists them all")
    elif scope not in KEYS[key].scopes:
        other = "the home's config.toml" if scope == "town" else "a town's tinytown.toml"
        where = "outside of every town" if scope == "town" else "in a town"
        raise BadInput(f"{key} belongs in {other}", hint=f"{where}: tt config {key} VALUE")
    elif KEYS[key].accept(value) is None:
        raise BadInput(f"{key} must be {KEYS[key].wants}, not {_shown(value)}")


def _require_named(table: str, name: str) -> None:
    named, _, key = name.partition(".")
    if not key or "." in key or not CLI_NAME.fullmatch(named):
        noun, example = NAMED_TABLES[table]
        raise BadInput(
            f"{table}.{name} is not a setting of a named {noun}",
            hint=f"write [{table}.NAME] and {example}, without dots in the name",
        )


def _require_variable(name: str, value: object) -> None:
    if not ENV_NAME.fullmatch(name):
        hint = "letters, digits and _, and no digit first"
        raise BadInput(f"env.{name} is not a name of an environment variable", hint=hint)
    if not isinstance(value, str) or "\0" in value:
        raise BadInput(
            f"env.{name} must be a string, not {_shown(redact_named(name, value))}",
            hint="numbers too are written in quotes",
        )


def _shown(value: object) -> str:
    """A value for a message: short, and without secrets; cut first, they would look like none."""
    return reprlib.repr(redact_all(value))


def _line(text: str, key: str) -> int:
    """The line of a dotted key; names with dots of their own and flat keys are found too."""
    parts = key.split(".", 2 if key.partition(".")[0] in NAMED_TABLES else 1)
    flat = next((old for old, new in FLAT.items() if new == key), parts[0])
    return line_of(text, parts) or line_of(text, [flat]) or 1


def merge(home: Layer, town: Layer | None) -> Config:
    """Defaults, then the home, then the town."""
    values: dict[str, object] = {key: spec.default for key, spec in KEYS.items()}
    origins = dict.fromkeys(values, "default")
    for name, layer in (("home", home), ("town", town)):
        if layer is None:
            continue
        values |= layer.values
        origins |= dict.fromkeys(layer.values, name)
        if "env_file" in layer.values:
            values["env_file"] = _resolved(layer)
    if town and not values["town.name"]:
        label = re.sub(r"[^A-Za-z0-9._-]+", "-", town.path.absolute().parent.name).lstrip(".-_")
        values["town.name"] = label[:64] or "town"
    return _build(values, origins, {"home": home.path} | ({"town": town.path} if town else {}))


def _resolved(layer: Layer) -> str:
    """`env_file` is relative to the file that names it."""
    named = str(layer.values["env_file"])
    # os.path's expanduser leaves `~nobody` as it is; pathlib's raises
    home = os.path.expanduser(named)  # noqa: PTH111
    return str(layer.path.absolute().parent / home) if named else ""


def _build(
    values: Mapping[str, object], origins: Mapping[str, str], files: Mapping[str, Path]
) -> Config:
    sections: dict[str, dict[str, Any]] = {name: {} for name in (*SECTIONS, *OPEN_TABLES)}
    named: dict[str, dict[str, dict[str, object]]] = {table: {} for table in NAMED_TABLES}
    for key, value in values.items():
        table, _, name = key.partition(".")
        if table in NAMED_TABLES:
            owner, _, field_name = name.partition(".")
            named[table].setdefault(owner, {})[field_name] = value
        elif name:
            sections[table][name] = value
    env_file = str(values[ENV_FILE.name])
    known: dict[str, Any] = {name: kind(**sections[name]) for name, kind in SECTIONS.items()}
    shares = quotas.build(named["agent_clis"], named["accounts"])
    config = Config(**known)
    return replace(
        config,
        policy=replace(_policy(config), accounts=shares.accounts, fallbacks=shares.fallbacks),
        env={name: str(value) for name, value in sections["env"].items()},
        env_file=Path(env_file) if env_file else None,
        agent_clis=named["agent_clis"],
        quotas=shares,
        values=values,
        origins=origins,
        files=files,
    )


def _policy(config: Config) -> Policy:
    """What decisions on the town look at."""
    bounds = {
        what: Budget(
            getattr(config.budgets, f"{what}_tokens"), getattr(config.budgets, f"{what}_usd")
        )
        for what in ("task", "agent", "plan", "day")
    }
    kept = config.history
    return Policy(
        auto_claim=config.backlog.auto_claim,
        reworks=config.limits.reworks,
        thread_messages=config.limits.thread_messages,
        urgent_interrupts=config.town.urgent_interrupts,
        budgets=bounds,
        conductor=config.conductor.enabled,
        conductor_rounds=config.conductor.rounds_per_hour,
        history=History(kept.tasks, kept.rounds, kept.days),
    )
