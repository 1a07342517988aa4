"""`[agent_clis.NAME]` tables: a runtime of one's own, or a preset with some keys changed."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

from tinytownd.domain.errors import BadInput
from tinytownd.runtimes.catalogue import PRESETS, PromptBy, Runtime
from tinytownd.runtimes.readers import READERS

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PROMPT_BY = ("stdin", "argument", "file")


def from_table(name: str, table: Mapping[str, object]) -> Runtime:
    """The runtime that the table describes.

    Without a `command`, keys that it does not give stay as the preset has them; with one, the
    prompt goes to standard input and the exit code is the verdict unless the table says more.

    `command` and the fragments `model` and `resume` are text that is split as a shell would, or
    lists. Raises BadInput on an unknown key, a wrong type, or a new runtime without a command.
    """
    preset = PRESETS.get(name)
    if preset is None and "command" not in table:
        raise BadInput(
            f"agent_clis.{name} has no command.",
            hint=f'Add command = "…"{_meant(name, PRESETS)}',
        )
    changes: dict[str, Any] = {}
    for key, value in table.items():
        if key not in _KEYS:
            raise BadInput(
                f"agent_clis.{name} has the unknown key {key!r}.",
                hint=f"Keys are {', '.join(_KEYS)}{_meant(key, _KEYS)}",
            )
        attribute, check = _KEYS[key]
        changes[attribute] = check(f"agent_clis.{name}.{key}", value)
    # A command of one's own is another program: nothing of the preset's ways can be assumed of it.
    base = preset if preset and "command" not in table else Runtime(name=name, argv=())
    return _complete(replace(base, **changes))


def _complete(runtime: Runtime) -> Runtime:
    """Put the fragments and the prompt where the command does not say: at its end, prompt last."""
    argv = list(runtime.argv)
    argv += ["{model}"] * bool(runtime.model and "{model}" not in argv)
    argv += ["{resume}"] * bool(runtime.resume and "{resume}" not in argv)
    wanted = {"argument": "{prompt}", "file": "{prompt_file}"}.get(runtime.prompt)
    if wanted and not any(wanted in element for element in argv):
        argv.append(wanted)
    return replace(runtime, argv=tuple(argv))


def _words(where: str, value: object) -> tuple[str, ...]:
    try:
        words = shlex.split(value) if isinstance(value, str) else value
    except ValueError as error:
        raise BadInput(f"{where} cannot be split into words: {error}.") from error
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise BadInput(f"{where} must be text or a list of texts.")
    if any("\0" in word for word in words):
        raise BadInput(f"{where} contains a NUL character.")
    return tuple(words)


def _command(where: str, value: object) -> tuple[str, ...]:
    words = _words(where, value)
    if not words or not words[0]:
        raise BadInput(f"{where} is empty.", hint="Name the program to start.")
    return words


def _resume(where: str, value: object) -> tuple[str, ...]:
    words = _words(where, value)
    if words and not any("{session}" in word for word in words):
        raise BadInput(
            f"{where} does not say where the session goes.",
            hint='For example: resume = "--resume {session}"',
        )
    return words


def _model(where: str, value: object) -> tuple[str, ...]:
    words = _words(where, value)
    if words and not any("{model}" in word for word in words):
        raise BadInput(
            f"{where} does not say where the model goes.",
            hint='For example: model = "--model {model}"',
        )
    return words


def _text(where: str, value: object) -> str:
    if not isinstance(value, str):
        raise BadInput(f"{where} must be text.")
    return value


def _prompt(where: str, value: object) -> PromptBy:
    return cast(PromptBy, _one_of(where, value, _PROMPT_BY))


def _reader(where: str, value: object) -> str:
    return _one_of(where, value, tuple(READERS))


def _one_of(where: str, value: object, names: tuple[str, ...]) -> str:
    text = _text(where, value)
    if text not in names:
        raise BadInput(
            f"{where} is {text!r}.", hint=f"It is one of {', '.join(names)}{_meant(text, names)}"
        )
    return text


def _env(where: str, value: object) -> Mapping[str, str]:
    if not isinstance(value, Mapping):
        raise BadInput(f"{where} must be a table.", hint='For example: env = { NAME = "value" }')
    for variable, text in value.items():
        if not isinstance(variable, str) or not _VARIABLE.fullmatch(variable):
            raise BadInput(f"{where} has the impossible variable name {variable!r}.")
        if "\0" in _text(f"{where}.{variable}", text):
            raise BadInput(f"{where}.{variable} contains a NUL character.")
    return dict(value)


def _meant(word: str, known: Mapping[str, object] | tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else "."


_KEYS: Mapping[str, tuple[str, Callable[[str, object], object]]] = {
    "command": ("argv", _command),
    "prompt": ("prompt", _prompt),
    "model": ("model", _model),
    "resume": ("resume", _resume),
    "reader": ("reader", _reader),
    "env": ("env", _env),
    "install": ("install", _text),
}
