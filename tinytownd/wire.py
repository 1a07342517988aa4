"""What travels between `tt` and `tinytownd`: names of streams, commands, replies.

All that the client imports of the daemon. Plain dicts and functions on purpose: `dataclasses`
alone would more than double the start-up time of `tt`.

A command is one stream entry with the fields `v, id, verb, args, expires_at, dir`; `args` is a JSON
object, `expires_at` milliseconds since the epoch, `dir` the directory that the town is in, as far
as the client knows (empty: it does not say). Who speaks is known from the stream's key.
A reply is one JSON object: `{"v": 1, "id": …, "ok": true, "data": {…}}` or
`{"v": 1, "id": …, "ok": false, "error": {"kind", "message", "hint", "exit_code", "problems"?}}`.
"""

from __future__ import annotations

import os
import time

from tinytownd.domain import errors

VERSION = 1
#: The stream of commands that concern no town: it belongs to the daemon itself.
HOME = "home"
#: A task's text, a message, a result: bytes of UTF-8, at most. The domain has the same bound of its
#: own (`names`): this module is imported at every start of `tt`, and imports next to nothing.
MAX_TEXT_BYTES = 1024 * 1024
#: A plan file: bytes of UTF-8, at most. 10,000 tasks of ordinary length fit four times.
MAX_PLAN_BYTES = 16 * 1024 * 1024
#: A line of a refusal: characters, at most. What stands in it may be of anybody's making.
MAX_LINE = 1000
#: A command's answer is kept, and its id refused a second life, for a day.
DONE_SECONDS = 24 * 60 * 60


def commands_key(town: str, agent: str = "") -> str:
    """The stream that people (or one agent, by its id) write commands into."""
    return f"tt:{{{town}}}:commands" + (f":{agent}" if agent else "")


def done_key(town: str, command: str, agent: str = "") -> str:
    """Where the reply to a command is kept; it is the record against doing it twice, too."""
    return f"tt:{{{town}}}:done:" + (f"{agent}:" if agent else "") + command


def reply_channel(town: str, command: str, agent: str = "") -> str:
    """The channel on which the reply to a command is announced, as its text."""
    return f"tt:{{{town}}}:reply:" + (f"{agent}:" if agent else "") + command


def events_key(town: str) -> str:
    """The stream of everything that happened in a town: one field, `event`, a JSON object."""
    return f"tt:{{{town}}}:events"


def now_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def command_id() -> str:
    """A fresh id: its first part is the time it was made, in hexadecimal milliseconds."""
    return f"{now_ms():012x}-{os.urandom(8).hex()}"


def made_at(command: str) -> int:
    """When a command's id was made, in milliseconds since the epoch.

    Raises `BadInput` for what is not an id.
    """
    stamp, _, rest = command.partition("-")
    if len(stamp) != 12 or len(rest) != 16:
        raise errors.BadInput("that is not a command id")
    try:
        int(rest, 16)
        return int(stamp, 16)
    except ValueError:
        raise errors.BadInput("that is not a command id") from None


def encode_command(
    verb: str,
    args: dict[str, object],
    *,
    command: str = "",
    life_ms: int = 60_000,
    directory: str = "",
) -> list[tuple[str, str]]:
    """The fields of a command's stream entry, in order. It expires `life_ms` from now."""
    return command_fields(
        verb, _json(args), command=command or command_id(), life_ms=life_ms, directory=directory
    )


def command_fields(
    verb: str, args: str, *, command: str, life_ms: int, directory: str
) -> list[tuple[str, str]]:
    """The same of arguments that are JSON already."""
    return [
        ("v", str(VERSION)),
        ("id", command),
        ("verb", verb),
        ("args", args),
        ("expires_at", str(now_ms() + life_ms)),
        ("dir", directory),
    ]


def encode_reply(command: str, data: dict[str, object]) -> str:
    """The reply to a command that was done."""
    return _json({"v": VERSION, "id": command, "ok": True, "data": data})


def one_line(text: str) -> str:
    """The text as one line that can be shown: nothing unprintable, nothing beyond `MAX_LINE`."""
    line = text if len(text) <= MAX_LINE else text[: MAX_LINE - 1] + "…"
    if line.isprintable():
        return line
    return "".join(map(_printable, " ".join(line.split())))[:MAX_LINE]


def _printable(one: str) -> str:
    return one if one.isprintable() else ascii(one)[1:-1]


def encode_error(command: str, error: errors.TownError) -> str:
    """The reply to a command that was refused."""
    told: dict[str, object] = {
        "kind": error.kind,
        "message": one_line(error.message),
        "hint": one_line(error.hint),
        "exit_code": error.exit_code,
    }
    if isinstance(error, errors.PlanError):
        told["problems"] = [
            {name: one_line(said) if isinstance(said, str) else said for name, said in one.items()}
            for one in error.problems
        ]
    return _json({"v": VERSION, "id": command, "ok": False, "error": told})


def _json(told: object) -> str:
    import json  # noqa: PLC0415  # half a Python's start, which the front door of `tt` saves

    return json.dumps(told, ensure_ascii=False)
