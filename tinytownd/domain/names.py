"""Names, texts, priorities, permissions: what may stand where people and agents write."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from tinytownd.domain.errors import BadInput

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
#: Words that mean something else wherever a name can stand.
RESERVED = frozenset({"conductor", "supervisor", "all", "person", "backlog", "daemon", "home"})
#: What stands for nobody where an owner can be named.
BACKLOG = "backlog"
#: What stands before a role where an agent can be named: the least loaded agent of that role.
ROLE = "role:"
#: What stands before a tag in the name of a line of the backlog; nobody writes it.
TAG = "tag:"
#: What stands before a role or a tag where a message's receivers are named: all who have it.
GROUP = "group:"
#: Characters of a tag, at most.
MAX_TAG_LENGTH = 64
#: What is longer is no slip of the pen, in characters; comparing a megabyte would take seconds.
MAX_MISSPELT = 200
#: Most pressing first: the order in which work is handed out.
PRIORITIES = ("urgent", "high", "normal", "low")
#: What an agent may do unasked, from least to most: look; change the town's files; anything.
PERMISSIONS = ("read", "edit", "bypass")
#: A task's text, a message, a result: bytes of UTF-8, at most.
MAX_TEXT_BYTES = 1024 * 1024


def check_id(text: str, noun: str) -> str:
    """The text itself, or `BadInput` where it does not look like an id: see `NAME`."""
    if not NAME.fullmatch(text) or ".." in text:
        raise BadInput(
            f"{shown(text)} cannot be {noun}",
            hint="1 to 64 of A-Z a-z 0-9 . _ - and a letter or digit first",
        )
    return text


def check_task_id(text: str) -> str:
    """A task's id, or `BadInput`: like any id, with its plan's name before it if it has one."""
    plan, slash, task = text.rpartition("/")
    if slash:
        check_id(plan, "a plan's name")
    check_id(task, "a task's id")
    return text


def check_role(role: str) -> str:
    """The role itself, or `BadInput`."""
    return check_label(role, "role")


def role_named(owner: str | None) -> str | None:
    """The role that is named where an agent can be; None for an agent's name, and for nobody."""
    return owner.removeprefix(ROLE) if owner is not None and owner.startswith(ROLE) else None


def check_owner(owner: str, noun: str = "name") -> str:
    """An agent's name or a role (role:reviewer) itself, or `BadInput`."""
    role = role_named(owner)
    if role is None:
        return check_name(owner, noun)
    check_role(role)
    return owner


def check_name(name: str, noun: str = "name") -> str:
    """The name itself, or `BadInput`: not like an id, or a reserved word."""
    check_id(name, f"the {noun}")
    if name.lower() in RESERVED:
        raise BadInput(f"'{name}' is a reserved word", hint="choose another name")
    return name


def check_text(text: str, noun: str = "text", *, empty: bool = False) -> str:
    """The text itself, or `BadInput`: empty, over 1 MiB, with NUL, or not UTF-8."""
    if not empty and not text.strip():
        raise BadInput(f"the {noun} is empty", hint="say what it is about")
    size = check_encoding(text, noun)
    if size > MAX_TEXT_BYTES:
        raise BadInput(
            f"the {noun} has {size:,} bytes, more than 1 MiB",
            hint="put it into a file and name the file",
        )
    return text


def check_encoding(text: str, noun: str) -> int:
    """How many bytes of UTF-8 the text has, or `BadInput`: with NUL, or not UTF-8."""
    if "\0" in text:
        raise BadInput(f"the {noun} has a NUL character", hint="texts are plain UTF-8")
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise BadInput(f"the {noun} is not UTF-8", hint="texts are plain UTF-8") from None


def check_label(text: str, noun: str, most: int = 200) -> str:
    """The text itself, or `BadInput`: empty, over `most` characters, or not one printable line.

    Labels stand between the town's own words in prompts and lists: they must not look like them.
    """
    if not text.strip() or not text.isprintable() or len(text) > most:
        raise BadInput(
            f"{shown(text)} cannot be a {noun}", hint=f"1 to {most} printable characters"
        )
    return text


def check_tag(tag: str) -> str:
    """The tag itself, or `BadInput`."""
    return check_label(tag, "tag", MAX_TAG_LENGTH)


def shown(word: str) -> str:
    """A word in quotes for a message: nothing unprintable, nothing long."""
    word = word[:100]  # before it is looked at: it may be megabytes
    plain = word if word.isprintable() else ascii(word)[1:-1]
    return f"'{plain}'" if len(plain) <= 80 else f"'{plain[:77]}…'"


def check_priority(priority: str) -> str:
    """The priority itself, or `BadInput`."""
    if priority not in PRIORITIES:
        raise BadInput(f"{shown(priority)} is no priority", hint="one of " + ", ".join(PRIORITIES))
    return priority


def check_permissions(mode: str) -> str:
    """The permission mode itself, or `BadInput`."""
    if mode not in PERMISSIONS:
        hint = did_you_mean(mode, PERMISSIONS) or "one of " + ", ".join(PERMISSIONS)
        raise BadInput(f"{shown(mode)} is no permission mode", hint=hint)
    return mode


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint that names what was probably meant, or an empty text."""
    if len(word) > MAX_MISSPELT:
        return ""
    close = difflib.get_close_matches(word, list(known), 1, 0.6)
    return f"did you mean {close[0]}?" if close else ""
