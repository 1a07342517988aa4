"""What a hostile writer puts into a command stream: one `XADD` after the other, at random."""

from __future__ import annotations

import json
import random
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tinytownd.handlers  # noqa: F401 -- fills the registry
from tests.fuzz.payloads import DEEP, PLANS, Payloads
from tinytownd import wire
from tinytownd.handlers.registry import VERBS, Verb

#: What would end the daemon, a town under test, or the round whose stream is written.
DEADLY = frozenset({"daemon.stop"})
SERIOUS = frozenset({"town.forget", "town.rehearse"})
ENDING = frozenset(
    {"agent.kill", "agent.close", "agent.interrupt", "agent.restart", "agent.prune", "town.stop"}
    | {"task.complete", "task.fail", "task.cancel", "task.reclaim", "town.reset"}
    # The task waits for a person then, and its round is ended a minute later.
    | {"task.ask"}
)
ARGS = (
    "",
    "null",
    "[]",
    "1",
    '"x"',
    "{",
    "{'a': 1}",
    '{"a": 1,}',
    '{"a": "\\ud800"}',
    '{"a":1,"a":2}',
)
#: The last id that a stream can have: after it nothing can be added.
LAST = b"18446744073709551615-18446744073709551615"
NAMES = ("dev", "Dev", "ops", "re.viewer", "nobody", "person", "conductor")
WORDS = {
    "agent": NAMES,
    "name": NAMES,
    "to": NAMES,
    "parent": NAMES,
    "task": ("t1", "t2", "t3", "t", "a", "b", ""),
    "reply_to": ("m1", "m2", "x"),
    "priority": ("low", "normal", "high", "urgent", "URGENT"),
    "kind": ("request", "query", "info", "ack", "x"),
    "state": ("pending", "failed", "x"),
    "cli": ("scripted", "claude", "sh", "nobody's"),
    "key": ("limits.attempts", "town.name", "redis.url", "env.PATH", "x.y", "agent_clis.a.command"),
}


@dataclass(frozen=True)
class Stream:
    """A stream to write to: its key, and what its writers' entries may not come to."""

    key: str
    home: bool = False
    deadly: frozenset[str] = DEADLY


@dataclass(frozen=True)
class Post:
    """One `XADD`: where, with which options and id, and the fields. `sort` is for the report."""

    stream: str
    sort: str
    fields: tuple[bytes, ...]
    id: bytes = b"*"
    options: tuple[bytes, ...] = ()

    @property
    def argv(self) -> tuple[bytes, ...]:
        """The words of the command."""
        return (b"XADD", self.stream.encode(), *self.options, self.id, *self.fields)

    @property
    def size(self) -> int:
        """Bytes of its fields."""
        return sum(map(len, self.fields))


class Fuzzer:
    """Draws posts; the same seed draws the same ones, but for ids and times."""

    def __init__(self, seed: int, streams: list[Stream], directories: list[Path]) -> None:
        self.dice = random.Random(seed)
        self.payloads = Payloads(self.dice)
        self.streams = streams
        self.directories = directories
        self.used: list[str] = []
        self.most_huge = 16 << 20

    def post(self) -> Post:
        """The next one."""
        stream = self.dice.choice(self.streams)
        sorts = {
            self.junk: 15,
            self.broken: 20,
            self.wrong_types: 25,
            self.plausible: 30,
            self.repeated: 6,
            self.mangled: 6,
            self.huge: 0.1,
            # Each of them takes what waits with it, or keeps out what comes next.
            self.trimming: 0.03,
            self.last_id: 0.02,
        }
        return self.dice.choices(list(sorts), list(sorts.values()))[0](stream)

    # The kinds of posts

    def junk(self, stream: Stream) -> Post:
        """Fields that have nothing to do with a command, or only some of them."""
        fields: list[bytes] = []
        for _ in range(self.dice.choice([1, 1, 2, 5, 200])):
            name = self.dice.choice(["v", "id", "verb", "args", "expires_at", "dir", ""])
            name = name if self.dice.random() < 0.5 else self.payloads.text()
            fields += [_bytes(name), _bytes(self.payloads.text())]
        return Post(stream.key, "junk", tuple(fields))

    def broken(self, stream: Stream) -> Post:
        """A good command but for one field."""
        fields = self._command(stream, *self._plausible(stream, waits=False))
        name = self.dice.choice(["v", "id", "verb", "args", "expires_at", "dir", "missing", "more"])
        if name == "missing":
            del fields[self.dice.choice(["v", "id", "verb", "args", "expires_at"])]
        elif name == "more":
            fields[self.payloads.text()] = self.payloads.text()
        else:
            fields[name] = self._bad(name)
        if name == "verb" and fields["verb"] in stream.deadly:
            fields["verb"] = "x"
        return Post(stream.key, f"bad {name}", _flat(fields))

    def wrong_types(self, stream: Stream) -> Post:
        """A verb with arguments that its signature does not know, or of other types."""
        verb = self._verb(stream)
        args: dict[str, Any] = {name: self._fitting(name, verb) for name in verb.required}
        names = [*verb.types, self.payloads.text()]
        for name in self.dice.choices(names, k=self.dice.randint(1, 3)):
            args[name] = self.payloads.value()
        if verb.name in stream.deadly:
            args["surplus"] = 1
        return Post(stream.key, "wrong types", _flat(self._command(stream, verb.name, args)))

    def plausible(self, stream: Stream) -> Post:
        """A verb with arguments that fit its signature, and are odd in themselves."""
        command = self._command(stream, *self._plausible(stream))
        return Post(stream.key, "plausible", _flat(command))

    def repeated(self, stream: Stream) -> Post:
        """An id that was used before, for the same stream or another, with other contents."""
        fields = self._command(stream, *self._plausible(stream))
        if self.used:
            fields["id"] = self.dice.choice(self.used[-500:])
        return Post(stream.key, "repeated id", _flat(fields))

    def mangled(self, stream: Stream) -> Post:
        """A good command whose bytes are cut or flipped."""
        fields = list(_flat(self._command(stream, *self._plausible(stream, waits=False))))
        at = self.dice.randrange(len(fields))
        how = self.dice.choice([self.payloads.cut, self.payloads.flipped])
        fields[at] = how(fields[at])
        return Post(stream.key, "mangled", tuple(fields))

    def huge(self, stream: Stream) -> Post:
        """A command with one field of up to 16 MiB."""
        fields = self._command(stream, *self._plausible(stream))
        text = self.payloads.huge(self.most_huge)
        where = self.dice.choice(["v", "id", "verb", "args", "text", "plan", "surplus", "dir"])
        if where == "plan" and not stream.home:
            fields |= {"verb": "plan.check", "args": json.dumps({"text": text})}
        elif where in ("text", "plan", "surplus"):
            name = text if where == "surplus" else "text"
            fields |= {"verb": "backlog.add", "args": json.dumps({name: text})}
        else:
            fields[where] = text
        return Post(stream.key, "huge", _flat(fields))

    def trimming(self, stream: Stream) -> Post:
        """One that takes with it all that waits."""
        fields = self._command(stream, *self._plausible(stream))
        return Post(stream.key, "MAXLEN 0", _flat(fields), options=(b"MAXLEN", b"0"))

    def last_id(self, stream: Stream) -> Post:
        """One after which no other can come."""
        fields = self._command(stream, *self._plausible(stream))
        ahead = b"%d-*" % (wire.now_ms() + 50 * 60_000)
        return Post(stream.key, "last id", _flat(fields), id=self.dice.choice([LAST, ahead]))

    # What they are made of

    def _command(self, stream: Stream, verb: str, args: dict[str, Any]) -> dict[str, str]:
        # A command that waits is over in a second, so that the end can be waited for.
        life = 1_000 if verb == "town.wait" else 600_000
        fields = dict(wire.encode_command(verb, args, life_ms=life))
        self.used.append(fields["id"])
        return fields

    def _verb(self, stream: Stream) -> Verb:
        return self.dice.choice([v for v in VERBS.values() if v.home == stream.home])

    def _plausible(self, stream: Stream, *, waits: bool = True) -> tuple[str, dict[str, Any]]:
        """A verb and its arguments; without `waits` none that waits: it might wait for a day."""
        verb = self._verb(stream)
        while verb.name in stream.deadly or (verb.kind == "wait" and not waits):
            verb = self._verb(stream)
        optional = [n for n in verb.types if n not in verb.required and self.dice.random() < 0.4]
        names = [*sorted(verb.required), *optional]
        return verb.name, {name: self._fitting(name, verb) for name in names}

    def _fitting(self, name: str, verb: Verb) -> Any:
        """A value of the type that the verb wants."""
        wanted = verb.types[name]
        options = typing.get_args(wanted) if isinstance(wanted, types.UnionType) else (wanted,)
        kind = next(option for option in options if option is not types.NoneType)
        if kind is bool:
            return self.dice.random() < 0.5
        if kind is int:
            return self.payloads.number()
        if kind is str:
            return self._word(name, verb.name)
        return [self._word(name, verb.name) for _ in range(self.dice.choice([0, 1, 3, 300]))]

    def _word(self, name: str, verb: str) -> str:
        if name == "dir":
            # Forgotten or rehearsed are only towns that there are not.
            return self._directory(odd=verb in SERIOUS)
        if name == "plan" or (name == "text" and verb.startswith("plan.")):
            return self.dice.choice(PLANS)
        if name in WORDS and self.dice.random() < 0.7:
            return self.dice.choice(WORDS[name])
        return self.payloads.text()

    def _directory(self, *, odd: bool = False) -> str:
        """Directories of the test's own, and what cannot be one; never another that exists."""
        own = str(self.dice.choice(self.directories))
        bad = [f"{own}/\0", f"{own}/{'x' * 300}", f"{own}{'/x' * 3000}", "", "relative", "\0"]
        bad += [f"{own}/not there", f"{own}/a\nb", f"{own}/file", f"{own}/file/x", f"{own}/loop"]
        bad += [f"{own}/\ud800", f"{own}/\x1b[31m"]
        return self.dice.choice(bad if odd else [own, own, *bad])

    def _bad(self, name: str) -> str:
        bad = {
            "v": ["", "0", "2", "1.0", "01", " 1", "-1", "9" * 50, "1\n"],
            "id": self._bad_ids(),
            "verb": ["", "town", "Town.Status", "town.status ", "__class__", "daemon.stop\0"],
            "args": [*ARGS, *DEEP, "9" * 10_000],
            "expires_at": ["", "0", "-1", "1e9", "x", "9" * 30, "9" * 5000, "0x10", " 1 "],
            "dir": [self._directory(), "/", "\0", "x" * 5000],
        }[name]
        return self.dice.choice([*bad, self.payloads.text()])

    def _bad_ids(self) -> list[str]:
        now, rest, day = wire.now_ms(), self.dice.randbytes(8).hex(), 24 * 60 * 60_000
        return [
            *("", "x", f"{now:012x}", f"{'-' * 12}-{rest}", f" {now:011x}-{rest}"),
            *(f"{now + away:012x}-{rest}" for away in (-day, day, -2 * day)),
            *(f"{now:012x}-{odd}" for odd in ("z" * 16, f"{' ' * 15}1", f"{rest}00", "1_2" * 5)),
        ]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _flat(fields: dict[str, str]) -> tuple[bytes, ...]:
    return tuple(_bytes(word) for pair in fields.items() for word in pair)
