"""What `[agent_clis.NAME]` and `[accounts.NAME]` say of limits: rounds at once, and fallbacks.

The other keys of `[agent_clis]` say how a CLI is run, and are the runtimes'.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tinytownd.domain.errors import BadInput
from tinytownd.settings import CLI_NAME, Key

MAX_ROUNDS = Key("max_rounds", 0, "rounds that run at once on it; 0: no bound", high=1000)
ACCOUNT = Key(
    "account", "", "CLIs of one account share its limits",
    pattern=re.compile(rf"({CLI_NAME.pattern})?"),
    rule="an account's name: letters, digits, dashes and underscores",
)  # fmt: skip


def _scalar(key: Key) -> Callable[[str, str, object], None]:
    def check(where: str, _cli: str, value: object) -> None:
        if key.accept(value) is None:
            raise BadInput(f"{where} must be {key.wants}, not {value!r}")

    return check


def _fallback(where: str, cli: str, value: object) -> None:
    """A list of other CLIs; whether they are there is seen when they are needed."""
    names = value if isinstance(value, list) else [None]
    if not all(isinstance(name, str) and CLI_NAME.fullmatch(name) for name in names):
        raise BadInput(f"{where} must be a list of CLIs, not {value!r}", hint='like ["codex"]')
    if cli in names:
        raise BadInput(f"{where} names {cli} itself", hint="name other CLIs")


#: The keys of a CLI's table that are judged here.
CLI_KEYS: Mapping[str, Callable[[str, str, object], None]] = {
    "max_rounds": _scalar(MAX_ROUNDS),
    "account": _scalar(ACCOUNT),
    "fallback": _fallback,
}
Tables = Mapping[str, Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Quotas:
    """By CLI: its account, its fallbacks, its rounds at once. By account: its rounds at once."""

    accounts: Mapping[str, str] = field(default_factory=dict)
    fallbacks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cli_rounds: Mapping[str, int] = field(default_factory=dict)
    account_rounds: Mapping[str, int] = field(default_factory=dict)

    def rounds_of(self, cli: str) -> dict[str, int]:
        """What a round on that CLI counts for, and how many of each may run at once (0: any)."""
        found = {f"CLI {cli}": self.cli_rounds.get(cli, 0)}
        account = self.accounts.get(cli)
        if account is not None:
            found[f"account {account}"] = self.account_rounds.get(account, 0)
        return found


def require(key: str, value: object) -> None:
    """Raises `BadInput` where a setting of a CLI or an account (a dotted key) is none of ours."""
    table, cli, name = key.split(".", 2)
    if table == "accounts":
        if name != MAX_ROUNDS.name:
            raise BadInput(f"unknown key {key}", hint=f"accounts.{cli}.{MAX_ROUNDS.name}")
        CLI_KEYS[name](key, cli, value)
    elif name in CLI_KEYS:
        CLI_KEYS[name](key, cli, value)


def build(clis: Tables, accounts: Tables) -> Quotas:
    """The quotas that tables which were checked describe."""
    return Quotas(
        accounts={cli: str(one["account"]) for cli, one in clis.items() if one.get("account")},
        fallbacks={cli: _names(one.get("fallback")) for cli, one in clis.items()},
        cli_rounds={cli: _number(one) for cli, one in clis.items()},
        account_rounds={account: _number(one) for account, one in accounts.items()},
    )


def _names(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()


def _number(table: Mapping[str, object]) -> int:
    value = table.get(MAX_ROUNDS.name, 0)
    return value if isinstance(value, int) else 0
