"""What is wrong with a command line, in our words: the parser's are a framework's.

Its errors are told apart by the names of their classes; what it says else is given on as it is.
"""

from __future__ import annotations

import difflib
import re
from typing import Any

_MANY = re.compile(r"Got unexpected extra argument\(?s?\)? \((.*)\)", re.DOTALL)
_COMMAND = re.compile(r"No such command '(.*?)'\.", re.DOTALL)
_QUOTED = re.compile(r"'?(.*?)'? is not (?:one of|a valid|in the range)", re.DOTALL)
# The arguments that may be several words.
_TEXT = re.compile(r"\b(TEXT|REASON|GOAL)\b")
# How alike an option's name must be for somebody to have meant it.
_NEAR = 0.7


def said(error: Any) -> tuple[str, str]:
    """The message, and the hint: how it is written."""
    context = getattr(error, "ctx", None)
    told = _KINDS.get(type(error).__name__, _plain)(error, context)
    if told is not None:
        return told
    return str(error.format_message()), _help(context)


def _help(context: Any) -> str:
    return f"{context.command_path} --help" if context else ""


def _form(context: Any) -> str:
    """The command with its arguments, as it is typed: `tt reject TASK REASON`."""
    if context is None:
        return ""
    pieces = context.command.collect_usage_pieces(context)
    return " ".join([context.command_path, *(one for one in pieces if one != "[OPTIONS]")])


def _missing(error: Any, context: Any) -> tuple[str, str]:
    name = str(error.param.metavar or error.param.name).split()[-1]
    return f"{name} is missing", _form(context)


def _no_option(error: Any, context: Any) -> tuple[str, str]:
    near = difflib.get_close_matches(error.option_name, error.possibilities or (), 1, _NEAR)
    hint = f"did you mean {near[0]}?" if near else _help(context)
    return f"there is no option {error.option_name}", hint


def _option(error: Any, context: Any) -> tuple[str, str]:
    takes_none = "does not take" in error.message
    return f"{error.option_name} {'takes no' if takes_none else 'needs a'} value", _help(context)


def _value(error: Any, context: Any) -> tuple[str, str] | None:
    quoted = _QUOTED.match(error.message)
    wanted = _wanted(error.param.type) if error.param is not None else ""
    if not quoted or not wanted:
        return None
    name = error.param.opts[-1] if error.param.opts[-1].startswith("-") else error.param.metavar
    near = difflib.get_close_matches(quoted[1], getattr(error.param.type, "choices", ()), 1)
    hint = f"did you mean {near[0]}?" if near else _help(context)
    return f"{name} is {wanted}, not '{quoted[1]}'", hint


def _wanted(kind: Any) -> str:
    """What a parameter of this type is, in words; "" where there are none."""
    if choices := getattr(kind, "choices", None):
        return f"one of {', '.join(map(str, choices))}"
    if not hasattr(kind, "min"):
        return ""
    noun = "a whole number" if str(kind.name).startswith("int") else "a number"
    least = "" if kind.min is None else f" from {kind.min:,}"
    return noun + (least and f"{least} on" if kind.max is None else f"{least} to {kind.max:,}")


def _plain(error: Any, context: Any) -> tuple[str, str] | None:
    if words := _MANY.match(error.message):
        one = words[1].split()[0] if words[1].split() else words[1]
        form = _form(context)
        quotes = "; a text goes in quotes" if _TEXT.search(form) else ""
        return f"'{one}' is a word too many", form + quotes
    if word := _COMMAND.match(error.message):
        known = context.command.list_commands(context)
        near = difflib.get_close_matches(word[1], known, 1)
        path = context.command_path
        hint = f"did you mean {near[0]}?" if near else _help(context)
        return f"{path} has no command '{word[1]}'", hint
    return None


_KINDS = {
    "MissingParameter": _missing,
    "NoSuchOption": _no_option,
    "BadOptionUsage": _option,
    "BadParameter": _value,
}
