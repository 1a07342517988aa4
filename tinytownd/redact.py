"""Keeps secrets out of what is told: logs, events, errors, settings. Pure.

`redact` takes away what looks like a secret, and is for what we say: a word too many that is hidden
costs little there. `hide` takes away values that are known to be secrets and nothing else, and is
for what agents say: their texts are content, and stay what they are.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from tinytownd import wire
from tinytownd.domain.errors import PlanError, TownError

T = TypeVar("T")
HIDDEN = "***"
#: Shorter values stand in too many texts by chance, in characters.
SHORTEST = 9
#: So long a line of a secret of several lines is one by itself (a PEM key's have 64 characters).
SHORTEST_LINE = 20

# How names of secrets end; with an underscore before those that end other words, too (PWD).
_ENDINGS = (
    *("_KEY", "_AUTH", "_PWD", "_PAT", "APIKEY", "ACCESS_KEY_ID", "TOKEN", "PASSWD", "PASSWORD"),
    *("PASSPHRASE", "CREDENTIAL", "CREDENTIALS"),
)
# Keywords that end a name: `api_key=`, `X-Auth-Token:`, `"password":`, `--client-secret `.
_WORD = (
    r"(?:api[_-]?key|access[_-]?key(?:[_-]?id)?|secret[_-]?key|private[_-]?key|(?-i:_KEY)|token"
    r"|secret|passwd|password|passphrase|_pwd|_auth)"
)
# A count or a switch is no secret; nor is what was hidden before.
_PLAIN = r"(?!(?:\d{1,6}|true|false|null|none)\b|\*{3})"
# What the makers of the keys document, and what secret scanners go by.
_SHAPES = (
    r"\bsk-[\w-]{16,}",  # OpenAI, Anthropic
    r"\b[sr]k_(?:live|test)_\w{10,}",  # Stripe
    r"\bgh[opsur]_\w{16,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}",  # GitHub, GitLab
    r"\bxox[abeoprs]-[\w-]{10,}",  # Slack
    r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}",  # AWS
    r"\bAIza[\w-]{30,}",  # Google
    r"\bhf_\w{20,}|\bnpm_\w{30,}|\bpypi-[\w-]{30,}",  # Hugging Face, npm, PyPI
    r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*",  # JSON web tokens
)
_RULES = tuple(
    (re.compile(pattern, flags), replacement)
    for pattern, flags, replacement in (
        (
            r"(-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----)(?!\*{3})"
            r".*?(?:-----END [A-Z ]{0,30}-----|\Z)",
            re.DOTALL,
            rf"\1{HIDDEN}",
        ),
        # A URL's password; `http://host:80/@x` has none. A user so long is a token.
        (r"(://[^\s:@/\"']{0,200}:)(?!\d{1,5}/)[^\s\"']{1,500}@", 0, rf"\1{HIDDEN}@"),
        (r"(://)[\w.~%-]{20,500}@", 0, rf"\1{HIDDEN}@"),
        (r"([?&](?:key|sig|signature)=)[^\s&\"']+", re.IGNORECASE, rf"\1{HIDDEN}"),
        (
            r"((?:authorization|cookie)[\"']? ?[:=] ?[\"']?)(?!\*{3}| )[^\r\n\"']{4,}",
            re.IGNORECASE,
            rf"\1{HIDDEN}",
        ),
        (r"\b(bearer )[\w.~+/=-]{8,}", re.IGNORECASE, rf"\1{HIDDEN}"),
        ("|".join(_SHAPES), 0, HIDDEN),
        (rf"({_WORD}[\"']? ?= ?[\"']?){_PLAIN}[^\s&\"']+", re.IGNORECASE, rf"\1{HIDDEN}"),
        (rf"({_WORD}[\"'] ?: ?[\"'])[^\"'\r\n]+", re.IGNORECASE, rf"\1{HIDDEN}"),
        # Without quotes it may be prose: "unexpected token: word". A digit is none.
        (rf"({_WORD}: ?){_PLAIN}(?=\S*\d)\S{{6,}}", re.IGNORECASE, rf"\1{HIDDEN}"),
        (rf"(--[\w-]{{0,40}}{_WORD} )[^\s-]\S+", re.IGNORECASE, rf"\1{HIDDEN}"),
    )
)


# One of these is in every text that a rule changes: nearly all texts are told by that.
_SIGNS = (
    *("://", "key", "sig", "auth", "cookie", "bearer ", "token", "secret", "passw", "passphrase"),
    *("_pwd", "sk-", "sk_", "rk_", "ghp_", "gho_", "ghs_", "ghu_", "ghr_", "github_pat_", "glpat-"),
    *("xox", "akia", "asia", "aiza", "hf_", "npm_", "pypi-", "eyj", "-----begin"),
)


def redact(text: str, known: Iterable[str] = ()) -> str:
    """The text without what looks like a secret, and without the `known` ones."""
    text = hide(text, known)
    lower = text.lower()
    if any(sign in lower for sign in _SIGNS):
        for pattern, replacement in _RULES:
            text = pattern.sub(replacement, text)
    return text


def hide(text: str, known: Iterable[str]) -> str:
    """The text without the `known` secrets, longest first, as `secret_values` gives them."""
    for value in known:
        text = text.replace(value, HIDDEN)
    return text


def hide_all(data: T, known: Iterable[str]) -> T:
    """The same for every text in plain data, but not for the names of its fields."""
    changed: T = _each(data, lambda _, value: hide(value, known))
    return changed


def redact_all(data: T, known: Iterable[str] = ()) -> T:
    """`redact` for every text in plain data; a text under a secret's name is hidden whole."""
    return redact_named("", data, known)


def redact_named(name: str, data: T, known: Iterable[str] = ()) -> T:
    """The same for what stands under a name."""

    def change(name: str, text: str) -> str:
        return HIDDEN if text and is_secret(name) else redact(text, known)

    changed: T = _each(data, change, name)
    return changed


def _each(data: Any, change: Callable[[str, str], str], name: str = "") -> Any:
    """Plain data with each text changed; `change` gets the name it stands under, and the text."""
    if isinstance(data, str):
        return change(name, data)
    if isinstance(data, Mapping):
        return {key: _each(value, change, str(key)) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_each(value, change, name) for value in data]
    return data


def is_secret(name: str) -> bool:
    """Whether a variable of that name holds a secret."""
    upper = name.upper().replace("-", "_")
    return upper.endswith(_ENDINGS) or "SECRET" in upper or upper == "KEY"


def secret_values(env: Mapping[str, str]) -> tuple[str, ...]:
    """The secrets in an environment, in every form in which they may be told, longest first."""
    found: set[str] = set()
    for name, value in env.items():
        if is_secret(name):
            lines = [line for line in value.splitlines() if len(line) >= SHORTEST_LINE]
            found.update((value, value.strip(), *lines))
        elif "://" in value and (match := re.search(r"://[^\s:@/]*:([^\s@]+)@", value)):
            found.add(match[1])
    found |= {quote(value, safe="") for value in found}
    found |= {json.dumps(value)[1:-1] for value in found}
    return tuple(sorted((one for one in found if len(one) >= SHORTEST), key=len, reverse=True))


def encode_error(command: str, error: TownError) -> str:
    """The reply to a command that was refused: `wire.encode_error`, without secrets."""
    told = copy.copy(error)
    told.message, told.hint = redact(error.message), redact(error.hint)
    if isinstance(error, PlanError) and isinstance(told, PlanError):
        told.problems = [
            {key: redact(one) if isinstance(one, str) else one for key, one in problem.items()}
            for problem in error.problems
        ]
    return wire.encode_error(command, told)
