"""Every setting there is, in one table: type, default, range, and what it is for.

The sections are frozen dataclasses; each field carries its `Key`. Reading, listing, the template
of `tt init` and the docs are all made from `KEYS`, so that they cannot disagree.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from tinytownd.domain.names import NAME, PERMISSIONS

Scope = Literal["home", "town"]
Scalar = str | bool | int | float

DAY = 86_400  # seconds

_NAME_RULE = "a name of up to 64 letters, digits, dots, dashes and underscores"
_URL = re.compile(r"(redis|rediss|unix)://\S+")


@dataclass(frozen=True, slots=True)
class Key:
    """One setting. `low` and `high` bound a number; `pattern` with its `rule` bounds a string."""

    name: str  # dotted, as in `tt config`
    default: Scalar
    doc: str
    low: float = 0
    high: float = 0
    pattern: re.Pattern[str] | None = None
    rule: str = "a string"
    scopes: tuple[Scope, ...] = ("home", "town")

    @property
    def wants(self) -> str:
        """What is acceptable, in words: "a whole number from 1 to 100"."""
        if isinstance(self.default, str):
            return self.rule
        if isinstance(self.default, bool):
            return "true or false"
        kind = "whole number" if isinstance(self.default, int) else "number"
        return f"a {kind} from {self.low:g} to {self.high:g}"

    def accept(self, value: object) -> Scalar | None:
        """The value in this key's type, or None when it is not acceptable."""
        if isinstance(self.default, str):
            good = isinstance(value, str) and "\0" not in value and self._matches(value)
            return value if good and isinstance(value, str) else None
        if isinstance(value, bool) or isinstance(self.default, bool):
            return value if isinstance(value, bool) and isinstance(self.default, bool) else None
        if not isinstance(value, int | float):
            return None
        if isinstance(self.default, int) and not isinstance(value, int):
            return None
        return type(self.default)(value) if self.low <= value <= self.high else None

    def read(self, text: str) -> Scalar | None:
        """The value that a person typed, or None when it is not acceptable."""
        if isinstance(self.default, str):
            return self.accept(text)
        if isinstance(self.default, bool):
            return {"true": True, "false": False}.get(text)
        try:
            return self.accept(type(self.default)(text))
        except ValueError:
            return None

    def _matches(self, value: str) -> bool:
        return self.pattern is None or self.pattern.fullmatch(value) is not None


def _key(name: str, default: Scalar, doc: str, **rules: Any) -> Any:
    """A dataclass field for a setting."""
    return field(default=default, metadata={"key": Key(name, default, doc, **rules)})


# No dots: they would part the name in `agent_clis.NAME.command`.
CLI_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_CLI = {"pattern": CLI_NAME, "rule": "a CLI's name: letters, digits, dashes and underscores"}
_OPTIONAL_CLI = {"pattern": re.compile(rf"({CLI_NAME.pattern})?"), "rule": f'{_CLI["rule"]}, or ""'}


@dataclass(frozen=True, slots=True)
class TownSettings:
    """`[town]`"""

    name: str = _key(
        "town.name", "", "the town's label; empty: the directory's name",
        pattern=re.compile(rf"({NAME.pattern})?"), rule=_NAME_RULE, scopes=("town",),
    )  # fmt: skip
    default_cli: str = _key(
        "town.default_cli", "claude", "CLI of agents spawned without one", **_CLI
    )
    max_agents: int = _key(
        "town.max_agents", 16, "agents that are not stopped or cold, at most", low=1, high=10_000
    )
    permissions: str = _key(
        "town.permissions",
        "bypass",
        "what agents may do unasked: bypass (anything), edit (change the town's files), read",
        pattern=re.compile("|".join(PERMISSIONS)),
        rule="bypass, edit or read",
    )
    urgent_interrupts: bool = _key(
        "town.urgent_interrupts", False,
        "urgent messages stop the round that runs, which goes on with them in the same session",
    )  # fmt: skip
    notify: str = _key(
        "town.notify", "",
        "a command for the shell, run when a person is asked something or a plan ends",
    )  # fmt: skip
    rehearse_cli: str = _key(
        "town.rehearse_cli", "rehearsal", "CLI that plays every agent in a rehearsal", **_CLI
    )
    conductor_cli: str = _key(
        "town.conductor_cli",
        "",
        "CLI of the conductor's own agent; empty: default_cli",
        **_OPTIONAL_CLI,
    )


@dataclass(frozen=True, slots=True)
class Limits:
    """`[limits]`, all times in seconds."""

    silence_seconds: float = _key(
        "limits.silence_seconds", 600.0, "a round that prints nothing so long is ended",
        low=0.1, high=DAY,
    )  # fmt: skip
    wall_seconds: float = _key(
        "limits.wall_seconds", 7200.0, "a round that takes so long is ended", low=0.1, high=7 * DAY
    )
    attempts: int = _key(
        "limits.attempts", 3, "rounds that a task may fail before it counts as failed",
        low=1, high=100,
    )  # fmt: skip
    max_rounds: int = _key(
        "limits.max_rounds", 8, "rounds that run at once, over all towns of the home",
        low=1, high=1000, scopes=("home",),
    )  # fmt: skip
    town_rounds: int = _key(
        "limits.town_rounds", 0, "rounds that run at once in this town; 0: no bound of its own",
        low=0, high=1000,
    )  # fmt: skip
    grace_seconds: float = _key(
        "limits.grace_seconds", 10.0, "from TERM to KILL when a round is ended", low=0, high=3600
    )
    backoff_seconds: float = _key(
        "limits.backoff_seconds", 1.0, "before the first retry; doubles from then on",
        low=0, high=DAY,
    )  # fmt: skip
    output_mb: int = _key(
        "limits.output_mb", 256, "a round that prints more MiB is ended", low=1, high=100_000
    )
    min_disk_mb: int = _key(
        "limits.min_disk_mb", 100, "MiB of free disk below which no round starts",
        low=0, high=100_000,
    )  # fmt: skip
    min_memory_mb: int = _key(
        "limits.min_memory_mb", 100, "MiB of free memory below which no round starts",
        low=0, high=100_000,
    )  # fmt: skip
    reworks: int = _key(
        "limits.reworks", 3, "how often a check or a review may send a task back before it fails",
        low=0, high=100,
    )  # fmt: skip
    thread_messages: int = _key(
        "limits.thread_messages", 20,
        "requests and queries of agents in one conversation that is about no task",
        low=1, high=10_000,
    )  # fmt: skip
    backoff_max_seconds: float = _key(
        "limits.backoff_max_seconds", 1800.0, "before a retry, at most", low=0, high=7 * DAY
    )


@dataclass(frozen=True, slots=True)
class ConductorSettings:
    """`[conductor]`: its agent, which is asked only when judgement is needed."""

    enabled: bool = _key("conductor.enabled", True, "whether the conductor has an agent of its own")
    rounds_per_hour: int = _key(
        "conductor.rounds_per_hour", 12, "rounds of the conductor's agent in an hour, at most",
        low=1, high=3600,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class BacklogSettings:
    """`[backlog]`"""

    auto_claim: bool = _key(
        "backlog.auto_claim", True,
        "idle agents take tasks of the backlog whose tags name their role or one of their tags",
    )  # fmt: skip


def _budget(name: str, doc: str) -> Any:
    kind: int | float = 0 if name.endswith("tokens") else 0.0
    return _key(f"budgets.{name}", kind, doc, low=0, high=1e12)


@dataclass(frozen=True, slots=True)
class BudgetSettings:
    """`[budgets]`: what may be used before a person is asked; 0 is no bound."""

    task_tokens: int = _budget("task_tokens", "tokens for one task; 0: no bound")
    task_usd: float = _budget("task_usd", "dollars for one task; 0: no bound")
    agent_tokens: int = _budget("agent_tokens", "tokens for one agent; 0: no bound")
    agent_usd: float = _budget("agent_usd", "dollars for one agent; 0: no bound")
    plan_tokens: int = _budget("plan_tokens", "tokens for one plan; 0: no bound")
    plan_usd: float = _budget("plan_usd", "dollars for one plan; 0: no bound")
    day_tokens: int = _budget("day_tokens", "tokens for the town in a day (UTC); 0: no bound")
    day_usd: float = _budget("day_usd", "dollars for the town in a day (UTC); 0: no bound")


@dataclass(frozen=True, slots=True)
class HistorySettings:
    """`[history]`: what is over and still at hand; the rest goes into the archive."""

    tasks: int = _key(
        "history.tasks", 1_000, "finished tasks at hand; older ones go into the archive",
        low=100, high=1_000_000,
    )  # fmt: skip
    rounds: int = _key(
        "history.rounds", 1_000, "rounds at hand, with their files; the same",
        low=100, high=1_000_000,
    )  # fmt: skip
    days: int = _key(
        "history.days", 30, "days that a finished task is at hand, at most", low=1, high=36_500
    )


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """`[redis]`"""

    url: str = _key(
        "redis.url", "", "a Redis or Valkey (7.0 or newer) in place of the embedded server",
        pattern=re.compile(rf"({_URL.pattern})?"),
        rule='a redis://, rediss:// or unix:// address, or ""',
        scopes=("home",),
    )  # fmt: skip
    durability: str = _key(
        "redis.durability", "second",
        "what a power cut may take from the embedded server: the last second, or nothing",
        pattern=re.compile("second|always"), rule='"second" or "always"', scopes=("home",),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class LogSettings:
    """`[logs]`: how much of the daemon's log is kept."""

    file_mb: int = _key(
        "logs.file_mb", 10, "MiB of the daemon's log before another file is begun; so is a new day",
        low=1, high=10_000, scopes=("home",),
    )  # fmt: skip
    files: int = _key(
        "logs.files", 14, "files of the daemon's log that are kept beside the one it writes",
        low=0, high=10_000, scopes=("home",),
    )  # fmt: skip
    max_days: int = _key(
        "logs.max_days", 14, "days that those are kept, at most", low=1, high=36_500,
        scopes=("home",),
    )  # fmt: skip


SECTIONS: dict[str, Any] = {
    "town": TownSettings,
    "limits": Limits,
    "conductor": ConductorSettings,
    "backlog": BacklogSettings,
    "budgets": BudgetSettings,
    "history": HistorySettings,
    "redis": RedisSettings,
    "logs": LogSettings,
}
ENV_FILE = Key("env_file", "", "file of NAME=value lines for the agents' environment")
KEYS: dict[str, Key] = {
    key.name: key
    for key in (
        ENV_FILE,
        *(f.metadata["key"] for section in SECTIONS.values() for f in fields(section)),
    )
}
# Tables whose keys are the user's own; their values are checked by those who use them.
OPEN_TABLES = ("env", "agent_clis", "accounts")
ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# These may stand at the top level of tinytown.toml, too: earlier files have them there.
FLAT = {"name": "town.name", "default_cli": "town.default_cli", "max_agents": "town.max_agents"}


def suggestion(word: str) -> str:
    """A hint that names the setting that was probably meant; a close last part is enough."""
    known = {name.rpartition(".")[2]: name for name in KEYS}
    known |= {name: name for name in (*SECTIONS, *OPEN_TABLES, *KEYS)}
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {known[close[0]]}?" if close else ""


def full_name(key: str) -> str:
    """The dotted name of a setting that may have been given by its last part alone."""
    if key in KEYS:
        return key
    full = [name for name in KEYS if name.rpartition(".")[2] == key]
    return full[0] if len(full) == 1 else key
