"""What can stand at the cursor: asked by the shells' completion scripts (see `completion`).

`tt __complete SHELL …` prints a line that says what kind of thing it is, `words`, `files` or
`directories`, and for words one a line, with what is said of it after a tab. Nothing is ever
waited for or started: without a daemon, or with one that is slow, there are no names.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import typer.main
from typer.exceptions import TyperException

from tinytown_cli import app, client, commandline, output, places, transport
from tinytown_cli.options import chosen
from tinytownd.domain.clis import CLIS
from tinytownd.domain.errors import OK, NotFound, TownError
from tinytownd.wire import HOME

#: Seconds that the daemon has for its answers, all together: what nobody notices at a prompt.
PATIENCE = 0.5
#: As many as a person may want to choose from, and a page of the daemon's.
_MOST = 1_000

Pairs = Iterable[tuple[str, str]]


class Answer(NamedTuple):
    """What can stand there: `words`, each with what is said of it, or paths."""

    kind: str
    words: list[tuple[str, str]] = []  # noqa: RUF012  # nobody changes it


class Late(Exception):
    """The time is up."""


def run(words: list[str]) -> int:
    """Answers a script: the shell's name, then what was typed; for bash see `commandline`."""
    if len(words) < 2:
        return OK
    shell, *typed = words
    line = commandline.Line(*typed[:2]) if shell == "bash" else None
    answer = complete(line.words if line else typed)
    fine = [(word, about) for word, about in answer.words if _is_one_line(word)]
    if line:
        told = list(line.replacements(word for word, _ in fine))
    else:
        told = [f"{word}\t{about}" if about else word for word, about in fine]
    text = "".join(f"{line}\n" for line in (answer.kind, *told))
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
    return OK


def _is_one_line(word: str) -> bool:
    return output.first_line(word) == word


def complete(typed: Sequence[str]) -> Answer:
    """What can stand in the place of the last word."""
    try:
        place = Place(typed[:-1], typed[-1])
        return place.answer()
    except (TownError, TyperException, transport.Lost, Late, OSError, LookupError, ValueError):
        return Answer("words")


class Place:
    """Where the cursor is: the command, and which of its parameters comes there.

    Raises LookupError where there is no such command.
    """

    def __init__(self, before: Sequence[str], word: str) -> None:
        self.command: Any = typer.main.get_command(app.tinytown)
        self.path: list[str] = []
        self.arguments: list[str] = []
        self._given: set[str] = set()
        self._word = word
        self._option: Any = None
        self._plain = False
        for one in before:
            self._pass(one)

    def _pass(self, word: str) -> None:
        """Takes in a word before the cursor."""
        if self._option is not None:
            self._take(self._option, word)
            self._option = None
        elif not self._plain and word == "--":
            self._plain = True
        elif not self._plain and word.startswith("-") and len(word) > 1:
            name, has_value, value = word.partition("=")
            option = self._options().get(name)
            self._given.add(name)
            if option is not None and has_value:
                self._take(option, value)
            elif option is not None and not option.is_flag:
                self._option = option
        elif word in self._inner():
            self.command = self.command.get_command(None, word)
            self.path.append(word)
        elif self._inner():
            raise LookupError(word)
        else:
            self.arguments.append(word)

    @staticmethod
    def _take(option: Any, value: str) -> None:
        if option.name == "town":
            chosen.town = value

    def _inner(self) -> list[str]:
        """The commands of a group."""
        names: list[str] = getattr(self.command, "list_commands", lambda _: [])(None)
        return names

    def _options(self) -> dict[str, Any]:
        found = [one for one in self.command.params if one.param_type_name == "option"]
        return {spelling: one for one in found for spelling in one.opts}

    def answer(self) -> Answer:
        """What can stand here."""
        name, has_value, value = self._word.partition("=")
        if self._option is not None:
            return self._values(self._option, self._word)
        if self._plain or not self._word.startswith("-"):
            return self._argument()
        option = self._options().get(name) if has_value else None
        if option is None:
            return Answer("words", list(self._spellings()))
        kind, words = self._values(option, value)
        return Answer(kind, [(f"{name}={word}", about) for word, about in words])

    def _spellings(self) -> Iterator[tuple[str, str]]:
        for spelling, option in self._options().items():
            if spelling not in self._given or option.multiple:
                yield spelling, output.first_line(option.help)
        yield "--help", "What the command does, with an example."

    def _argument(self) -> Answer:
        if self._inner():
            return Answer("words", list(self._commands()))
        slots = [one for one in self.command.params if one.param_type_name == "argument"]
        place = len(self.arguments)
        if slots and slots[-1].nargs == -1:
            place = min(place, len(slots) - 1)
        return self._values(slots[place], self._word) if place < len(slots) else Answer("words")

    def _commands(self) -> Iterator[tuple[str, str]]:
        if not self.path:
            yield from ((name, entry.about) for name, entry in app.COMMANDS.items())
            return
        for name in self._inner():
            yield name, output.first_line(self.command.get_command(None, name).help)

    def _values(self, parameter: Any, word: str) -> Answer:
        """What a parameter takes: one of its choices, names that the daemon knows, a path."""
        choices = getattr(parameter.type, "choices", None)
        if choices:
            return Answer("words", [(str(one), "") for one in choices])
        key = f"{self.path[0] if self.path else ''} {parameter.name}"
        kind = KINDS.get(key, KINDS.get(parameter.name, ""))
        if kind == "towns" and word:
            kind = "directories"
        if kind in ("files", "directories"):
            return Answer(kind)
        if kind == "receivers":
            kind = "agents" if not self.arguments else ""
        if kind == "agents" and "role:" in (parameter.help or ""):
            kind = "owners"
        return Answer("words", _known(kind))


#: What a parameter takes, by its name; the same word of another command has that before it.
KINDS = {
    **dict.fromkeys(("agent", "agents", "owner", "named", "parent", "sender"), "agents"),
    **dict.fromkeys(("review", "to", "of_agent", "reclaim source"), "agents"),
    **dict.fromkeys(("ref", "task", "after"), "tasks"),
    **dict.fromkeys(("plan", "plan name"), "plans"),
    **dict.fromkeys(("cli", "fallback"), "clis"),
    **dict.fromkeys(("file", "migrate source"), "files"),
    **dict.fromkeys(("reply_to", "thread message"), "messages"),
    **dict.fromkeys(("town", "forget"), "towns"),
    "send words": "receivers",
    "answer question": "questions",
    "key": "settings",
    "tag": "tags",
    "role": "roles",
    "permissions": "permissions",
    "join": "joins",
}


def _known(kind: str) -> list[tuple[str, str]]:
    """The names of a kind, each once, as far as they are known in time."""
    source = SOURCES.get(kind)
    if source is None:
        return []
    found: dict[str, str] = {}
    with contextlib.suppress(TownError, transport.Lost, Late, OSError), _in_time():
        for name, about in source():
            found.setdefault(name, output.first_line(about))
    return list(found.items())[:_MOST]


@contextlib.contextmanager
def _in_time() -> Iterator[None]:
    """Raises `Late` when the time is up, whatever is waited for."""

    def late(*_: object) -> None:
        raise Late

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _town(verb: str, **args: object) -> client.Data:
    """Asks a town that has an id already. Raises `NotFound` for others."""
    town = places.town_id(places.town_directory())
    if not town:
        raise NotFound("a town that is not known yet")
    return client.glance(town, verb, PATIENCE, **args)


def _agents() -> Pairs:
    for one in _town("agent.list", limit=_MOST)["agents"]:
        yield one["name"], ", ".join(filter(None, (one["state"], one["role"], one["cli"])))


def _roles() -> Pairs:
    for one in _town("agent.list", limit=_MOST)["agents"]:
        if one["role"]:
            yield one["role"], f"the role of {one['name']}"


def _owners() -> Pairs:
    for one in _town("agent.list", limit=_MOST)["agents"]:
        yield one["name"], ", ".join(filter(None, (one["state"], one["role"], one["cli"])))
        if one["role"]:
            yield f"role:{one['role']}", "any agent of this role"


def _tasks() -> Pairs:
    for one in _town("task.list")["tasks"]:
        yield one["id"], f"{one['state']}: {output.fit(output.first_line(one['description']), 50)}"


def _tags() -> Pairs:
    for one in (*_town("agent.list", limit=_MOST)["agents"], *_town("task.list")["tasks"]):
        yield from ((tag, "") for tag in one["tags"])


def _plans() -> Pairs:
    for one in _town("plan.list", limit=_MOST)["plans"]:
        yield one["name"], f"{one['state']}, {one['completed']} of {one['total']} completed"


def _messages() -> Pairs:
    for one in _town("message.inbox", all=True, limit=_MOST)["messages"]:
        yield one["id"], f"{one['from']} → {one['to']}: {output.first_line(one['text'])}"


def _questions() -> Pairs:
    for one in _town("message.inbox", agent="conductor")["messages"]:
        if one["kind"] == "question":
            yield one["id"], output.first_line(one["text"])


def _settings() -> Pairs:
    with contextlib.suppress(NotFound):
        directory = str(places.town_directory())
        for one in client.glance(HOME, "config.list", PATIENCE, dir=directory)["settings"]:
            yield one["key"], one["doc"]


def _towns() -> Pairs:
    for one in client.glance(HOME, "town.list", PATIENCE)["towns"]:
        yield one["dir"], f"{one['name']}, {one['state']}"


def _clis() -> Pairs:
    yield from ((name, "") for name in (*CLIS, "rehearsal", "shell"))
    for one in _town("agent.list", limit=_MOST)["agents"]:
        yield one["cli"], f"as {one['name']}"


SOURCES: dict[str, Callable[[], Pairs]] = {
    "agents": _agents,
    "roles": _roles,
    "owners": _owners,
    "tasks": _tasks,
    "tags": _tags,
    "plans": _plans,
    "messages": _messages,
    "questions": _questions,
    "settings": _settings,
    "towns": _towns,
    "clis": _clis,
    "permissions": lambda: (("bypass", "anything"), ("edit", "change files"), ("read", "look")),
    "joins": lambda: (("all", ""), ("any", "")),
}
