"""The table of verbs: each is a plain function whose signature is the schema of its arguments.

| kind | signature | what happens |
| --- | --- | --- |
| write | `f(ctx, *, …) -> Answer` | decides on the town; the store commits, then answers |
| read | `f(ctx, *, …) -> dict` | looks at the town, changes nothing |
| wait | `f(ctx, *, …) -> dict or None` | like read; asked again at every change till it answers |
| query | `async f(ctx, *, …) -> dict` | needs more than the town: history, files, the home |
| prepare | `async f(ctx, *, …) -> Decision` | reads what a write needs; then that is decided |
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tinytownd.domain.agent import Agent
from tinytownd.domain.errors import BadInput, Conflict
from tinytownd.domain.names import check_encoding, did_you_mean, shown
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town
from tinytownd.handlers.services import Daemon, Host

#: What to answer, once the town has settled.
Answer = Callable[[], dict[str, object]]
Kind = Literal["write", "read", "wait", "query", "prepare"]
PERSON = "person"


@dataclass(frozen=True)
class Speaker:
    """Who a command comes from; known from its stream, never from what it says."""

    agent: Agent | None = None

    @property
    def name(self) -> str:
        return self.agent.name if self.agent else PERSON


class Absent(Exception):  # no error: it is caught, and all is done again
    """These are no ids of tasks at hand: whoever runs the verb asks the archive, and runs it again.

    So a verb that only decides may name archived tasks, and is written with others otherwise.
    """

    def __init__(self, tasks: Iterable[str]) -> None:
        self.tasks = tuple(tasks)
        super().__init__(*self.tasks)


#: What the archive has of the tasks that it was asked for; None: it has none of that id.
Archived = Mapping[str, Task | None]


@dataclass(frozen=True)
class Context:
    """What a decision may look at: the town, who speaks, and what the edge found out.

    `command` is the command's id: a file that is written for it can say so.
    """

    town: Town
    speaker: Speaker
    #: The open town for its verbs, the daemon for those of the home: see `host` and `daemon`.
    services: Any = None
    command: str = ""
    archived: Archived = field(default_factory=dict)

    def task(self, ref: str) -> Task:
        """The task that is meant: see `Town.task`; raises `Conflict` for one in the archive."""
        away = self.archived_task(ref)
        if away is None:
            return self.town.task(ref)
        again = away.state in ("failed", "cancelled") and not away.group
        back = f"; tt task retry {ref} brings it back" if again else ""
        raise Conflict(
            f"task {ref} is in the archive: it is {away.state}", hint=f"tt task show {ref}{back}"
        )

    def task_anywhere(self, ref: str) -> Task:
        """The task that is meant: one at hand, or by its whole id one in the archive."""
        return self.archived_task(ref) or self.town.task(ref)

    def archived_task(self, ref: str) -> Task | None:
        """The task with that id, where it is in the archive and not at hand."""
        self.look_up([ref])
        return None if ref in self.town.tasks else self.archived[ref]

    def look_up(self, refs: Iterable[str]) -> None:
        """Raises `Absent` where the archive must be asked for some of these first.

        It is asked for whatever is not an id at hand: `t1` is also how `t10` begins.
        """
        unknown = [one for one in refs if one not in self.town.tasks and one not in self.archived]
        if unknown:
            raise Absent(dict.fromkeys(unknown))

    @property
    def now(self) -> int:
        """Milliseconds since the epoch."""
        return self.town.now

    def people_only(self) -> None:
        """Raises `BadInput` where an agent speaks: what concerns the whole team is a person's."""
        if self.speaker.agent is not None:
            raise BadInput(
                "an agent cannot use this command", hint="run it outside the agent's process"
            )

    @property
    def host(self) -> Host:
        """The open town, for its verbs."""
        host: Host = self.services
        return host

    @property
    def daemon(self) -> Daemon:
        """The daemon, for verbs of the home."""
        daemon: Daemon = self.services
        return daemon


#: What a `prepare` returns: it runs under the store's lock, like a write.
Decision = Callable[[Context], Answer]


@dataclass(frozen=True)
class Verb:
    """One verb: its name, kind, function and the types of its arguments."""

    name: str
    kind: Kind
    run: Callable[..., Any]
    home: bool = False
    types: Mapping[str, Any] = field(default_factory=dict)
    required: frozenset[str] = frozenset()

    def bind(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments as the function takes them; raises `BadInput`."""
        for name in args:
            if name not in self.types:
                hint = did_you_mean(name, self.types)
                raise BadInput(f"{self.name} takes no {shown(name)}", hint=hint)
        given = {name: value for name, value in args.items() if value is not None}
        for name in sorted(self.required - given.keys()):
            raise BadInput(f"{self.name} needs '{name}'")
        for name, value in given.items():
            if not _fits(value, self.types[name]):
                raise BadInput(f"{self.name}: '{name}' is not {_told(self.types[name])}")
            for text in value if isinstance(value, list) else [value]:
                if isinstance(text, str):
                    check_encoding(text, name)
        return given


VERBS: dict[str, Verb] = {}


def verb(name: str, kind: Kind, *, home: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Registers a function under its verb."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        hints = typing.get_type_hints(function)
        parameters = [
            parameter
            for parameter in inspect.signature(function).parameters.values()
            if parameter.kind is parameter.KEYWORD_ONLY
        ]
        VERBS[name] = Verb(
            name,
            kind,
            function,
            home,
            {parameter.name: hints[parameter.name] for parameter in parameters},
            frozenset(p.name for p in parameters if p.default is p.empty),
        )
        return function

    return register


def find(name: str, *, home: bool) -> Verb:
    """The verb of that name for that kind of stream; raises `BadInput`."""
    found = VERBS.get(name)
    if found is None or found.home != home:
        known = [verb.name for verb in VERBS.values() if verb.home == home]
        raise BadInput(f"there is no verb {shown(name)}", hint=did_you_mean(name, known))
    return found


def _fits(value: object, wanted: Any) -> bool:
    if isinstance(wanted, types.UnionType):
        return any(_fits(value, option) for option in typing.get_args(wanted))
    if typing.get_origin(wanted) is list:
        inner = typing.get_args(wanted)[0]
        return isinstance(value, list) and all(_fits(item, inner) for item in value)
    if wanted is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, wanted)


def _told(wanted: Any) -> str:
    if isinstance(wanted, types.UnionType):
        return " or ".join(_told(o) for o in typing.get_args(wanted) if o is not types.NoneType)
    if typing.get_origin(wanted) is list:
        return "a list of " + {"str": "texts"}.get(typing.get_args(wanted)[0].__name__, "things")
    return {str: "a text", int: "a whole number", bool: "true or false"}.get(wanted, str(wanted))
