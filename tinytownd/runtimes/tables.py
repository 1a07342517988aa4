"""`[agent_clis.NAME]` tables: a runtime of one's own, or a preset with some keys changed."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, get_args

from tinytownd.domain.errors import BadInput
from tinytownd.domain.names import PERMISSIONS, did_you_mean, shown
from tinytownd.quotas import CLI_KEYS
from tinytownd.runtimes.catalogue import PRESETS, PromptBy, Runtime
from tinytownd.runtimes.readers import READERS
from tinytownd.settings import ENV_NAME

#: Judges a key's value: its name for messages, the value → what the runtime gets, or `BadInput`.
_Check = Callable[[str, object], object]


def no_such_cli(name: str, known: Collection[str]) -> BadInput:
    """The refusal of a CLI that nobody has described."""
    hint = did_you_mean(name, known) or f"one of {', '.join(sorted(known))}"
    return BadInput(f"there is no CLI {shown(name)}", hint=hint)


def from_table(name: str, table: Mapping[str, object]) -> Runtime:
    """The runtime that the table describes.

    Without a `command`, keys that it does not give stay as the preset has them; with one, the
    prompt goes to standard input and the exit code is the verdict unless the table says more.

    `command` and the fragments `model`, `resume` and those of `permissions` are text that is split
    as a shell would, or lists. Raises BadInput on an unknown key, a wrong type, or a new runtime
    without a command. What the table says of limits was read with the configuration.
    """
    preset = PRESETS.get(name)
    if preset is None and "command" not in table:
        near = did_you_mean(name, PRESETS)
        hint = 'add command = "…"' + (f"; {near}" if near else "")
        raise BadInput(f"agent_clis.{name} has no command", hint=hint)
    changes: dict[str, Any] = {}
    known = (*_KEYS, *CLI_KEYS)
    for key, value in table.items():
        if key in CLI_KEYS:
            continue
        if key not in _KEYS:
            raise BadInput(
                f"agent_clis.{name} has the unknown key {key!r}",
                hint=did_you_mean(key, known) or f"known keys: {', '.join(known)}",
            )
        attribute, check = _KEYS[key]
        changes[attribute] = check(f"agent_clis.{name}.{key}", value)
    # A command of one's own is another program: nothing of the preset's ways can be assumed of it.
    base = preset if preset and "command" not in table else Runtime(name=name, argv=())
    if "permissions" in changes:
        changes["permissions"] = {**base.permissions, **changes["permissions"]}
    return _complete(replace(base, **changes))


def _complete(runtime: Runtime) -> Runtime:
    """Puts the fragments and the prompt where the command does not say: at its end, prompt last."""
    argv = _with_fragments(runtime, runtime.argv)
    wanted = {"argument": "{prompt}", "file": "{prompt_file}"}.get(runtime.prompt)
    if wanted and not any(wanted in element for element in argv):
        argv.append(wanted)
    interactive: list[str] = []
    if runtime.interactive:
        interactive = _with_fragments(runtime, runtime.interactive)
        interactive += ["{context}"] * ("{context}" not in interactive)
    return replace(runtime, argv=tuple(argv), interactive=tuple(interactive))


def _with_fragments(runtime: Runtime, command: tuple[str, ...]) -> list[str]:
    argv = list(command)
    argv += ["{permissions}"] * bool(
        any(runtime.permissions.values()) and "{permissions}" not in argv
    )
    argv += ["{model}"] * bool(runtime.model and "{model}" not in argv)
    argv += ["{resume}"] * bool(runtime.resume and "{resume}" not in argv)
    return argv


def _words(where: str, value: object) -> tuple[str, ...]:
    try:
        words = shlex.split(value) if isinstance(value, str) else value
    except ValueError as error:
        raise BadInput(f"{where} cannot be split into words: {error}") from error
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise BadInput(f"{where} must be text or a list of texts")
    if any("\0" in word for word in words):
        raise BadInput(f"{where} has a NUL character")
    return tuple(words)


def _command(where: str, value: object) -> tuple[str, ...]:
    words = _words(where, value)
    if not words or not words[0]:
        raise BadInput(f"{where} is empty", hint="name the program to start")
    return words


def _fragment(what: str, example: str) -> _Check:
    """A check of arguments that are used only where `what` is there: they must name it."""

    def check(where: str, value: object) -> tuple[str, ...]:
        words = _words(where, value)
        if words and not any(f"{{{what}}}" in word for word in words):
            message = f"{where} does not say where the {what} goes"
            raise BadInput(message, hint=f'for example "{example}"')
        return words

    return check


def _text(where: str, value: object) -> str:
    if not isinstance(value, str):
        raise BadInput(f"{where} must be text")
    return value


def _one_of(names: Collection[str]) -> _Check:
    """A check of texts of which there are only some."""

    def check(where: str, value: object) -> str:
        text = _text(where, value)
        if text not in names:
            hint = did_you_mean(text, names) or f"one of {', '.join(names)}"
            raise BadInput(f"{where} cannot be {text!r}", hint=hint)
        return text

    return check


def _permissions(where: str, value: object) -> Mapping[str, tuple[str, ...]]:
    if not isinstance(value, Mapping):
        raise BadInput(f"{where} must be a table", hint='for example permissions = { read = "-r" }')
    for mode in value:
        if mode not in PERMISSIONS:
            hint = did_you_mean(str(mode), PERMISSIONS) or f"one of {', '.join(PERMISSIONS)}"
            raise BadInput(f"{where} has the unknown mode {mode!r}", hint=hint)
    return {mode: _words(f"{where}.{mode}", words) for mode, words in value.items()}


def _env(where: str, value: object) -> Mapping[str, str]:
    if not isinstance(value, Mapping):
        raise BadInput(f"{where} must be a table", hint='for example env = { NAME = "value" }')
    for variable, text in value.items():
        if not isinstance(variable, str) or not ENV_NAME.fullmatch(variable):
            raise BadInput(f"{where} has the impossible variable name {variable!r}")
        if "\0" in _text(f"{where}.{variable}", text):
            raise BadInput(f"{where}.{variable} has a NUL character")
    return dict(value)


#: Key → the attribute of `Runtime` that it gives, and what judges and converts its value.
_KEYS: Mapping[str, tuple[str, _Check]] = {
    "command": ("argv", _command),
    "prompt": ("prompt", _one_of(get_args(PromptBy))),
    "model": ("model", _fragment("model", "--model {model}")),
    "resume": ("resume", _fragment("session", "--resume {session}")),
    "permissions": ("permissions", _permissions),
    "interactive": ("interactive", _command),
    "context": ("context", _fragment("prompt", "--append-system-prompt {prompt}")),
    "reader": ("reader", _one_of(READERS)),
    "env": ("env", _env),
    "install": ("install", _text),
}
