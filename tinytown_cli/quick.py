"""The front door of `tt`: the plain forms of the hot verbs, at little more than Python's own start.

Most of what `tt` costs is what it imports. So what agents and scripts call all the time is read,
sent and printed here, with next to no imports, and those of the printing while the daemon works.
All else goes the long road: `app`, which is the parser of record. That is words that are not surely
one of these forms, a daemon that does not run, refusals, silence. A command that was sent by then
keeps its id, so that it happens once.
"""

from __future__ import annotations

import _socket
import os
import sys

from tinytown_cli import jsontext, whereabouts
from tinytown_cli.options import AGENT_PATIENCE, INTERRUPTED, PATIENCE, chosen
from tinytownd import wire
from tinytownd.domain.errors import BAD_INPUT, OK, TownError

TYPE_CHECKING = False  # see `jsontext`
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    Options = Mapping[str, tuple[str, str | None]]

#: Seconds of silence after which the long road looks what is the matter.
_QUIET_SECONDS = 1.0
#: What a shell's completion script says first; see `candidates`.
COMPLETING = "__complete"
#: What needs no parser where it is typed just so, and changes nothing: the module that does it.
ALONE = {(): "welcome", ("doctor",): "checkup"}
#: Characters of a word, at most; the limits of texts are in bytes, and the long road's to tell.
_LONGEST = 100_000
# What is not as it should be: the long road finds out, and tells.
_ODD = (OSError, ValueError, LookupError, TypeError, TownError)
# An option is a name and its value; None: the word that follows.
_COMMON: Options = {
    **dict.fromkeys(("-t", "--town"), ("-t", None)),
    "--json": ("--json", "yes"),
}


class Form:
    """A hot verb: what is sent, what shows the reply, its arguments in order, how many it needs."""

    def __init__(
        self,
        verb: str,
        show: str,
        arguments: tuple[str, ...] = (),
        needs: int = 0,
        options: Options | None = None,
    ) -> None:
        self.verb, self.arguments, self.needs = verb, arguments, needs
        self.options = {**_COMMON, **(options or {})}
        self._module, _, self._show = show.partition(".")

    def show(self) -> Callable[[Any], None]:
        """The function that shows the reply, imported only now."""
        module = __import__(f"tinytown_cli.{self._module}", fromlist=[self._show])
        function: Callable[[Any], None] = getattr(module, self._show)
        return function


_SENDING: Options = {
    "--reply-to": ("reply_to", None),
    "--urgent": ("priority", "urgent"),
    **{f"--{kind}": ("kind", kind) for kind in ("query", "info", "ack")},
}
_COMPLETING: Options = {"--result": ("result", None)}
FORMS = {
    "assign": Form("task.assign", "taskpage.assigned", ("agent", "text"), 2),
    "send": Form("message.send", "mailpage.sent", ("to", "text"), 2, _SENDING),
    "inbox": Form("message.inbox", "mailpage.inbox", ("agent",)),
    "status": Form("town.status", "statuspage.shown"),
    "task complete": Form("task.complete", "taskpage.completed", ("task",), 0, _COMPLETING),
    "task current": Form("task.current", "taskpage.current", ("agent",)),
}
_GROUPS = ("", "task")


class Asked:
    """What was typed: the form, its arguments, and the options that every command has."""

    def __init__(self, form: Form, args: dict[str, str]) -> None:
        self.form, self.args = form, args
        self.town, self.json = args.pop("-t", ""), bool(args.pop("--json", ""))


def read(words: list[str]) -> Asked | None:
    """What the words ask for; None where they are not surely one of the forms."""
    if not all(map(_is_plain, words)):
        return None
    name, plain, rest = "", list[str](), iter(words)
    form: Form | None = None
    args: dict[str, str] = {}
    for word in rest:
        if word[0] == "-":
            if not _take(word, rest, form.options if form else _COMMON, args):
                return None
        elif form:
            plain.append(word)
        elif name in _GROUPS:
            name = f"{name} {word}".lstrip()
            form = FORMS.get(name)
    if form is None or not form.needs <= len(plain) <= len(form.arguments):
        return None
    return Asked(form, args | dict(zip(form.arguments, plain, strict=False)))


def _is_plain(word: str) -> bool:
    """Whether it is a text that can be meant: not blank, UTF-8, not near any limit."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return bool(word.strip()) and len(word) <= _LONGEST and "\0" not in word


def _take(word: str, rest: Iterator[str], options: Options, args: dict[str, str]) -> bool:
    """Takes an option and its value; False where it is none, is odd, or was given before."""
    name, value = options.get(word, ("", ""))
    if value is None:
        value = next(rest, "-")
    if not value or value[0] == "-" or name in args:
        return False
    args[name] = value
    return True


def answered(asked: Asked, sent: dict[str, str]) -> tuple[Callable[[Any], None], Any]:
    """What shows the reply, and the reply. Raises `_ODD` where it is not to be had at once.

    The id of a command that was sent is in `sent`.
    """
    chosen.town, chosen.json = asked.town, asked.json
    directory = whereabouts.town_directory()
    server = whereabouts.credentials() or _of_people(directory)
    if not (server["town"] and server["socket"] and server["password"]):
        raise LookupError("a town that is not open yet, or a server elsewhere")
    command = wire.command_id()
    link = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        link.settimeout(_QUIET_SECONDS)
        link.connect(server["socket"])
        sent[asked.form.verb] = command
        link.sendall(_packed(asked, command, directory, server))
        show = asked.form.show()
        told: Any = jsontext.parsed(_announced(link))
    finally:
        link.close()
    if not told["ok"]:
        raise ValueError("a refusal")
    return show, told["data"]


def _of_people(directory: str) -> dict[str, Any]:
    """What a round's credentials tell an agent, for people: how to reach Redis, and the town."""
    endpoint = whereabouts.ready_endpoint() or {}
    return {**endpoint, "agent": "", "town": whereabouts.town_id(directory)}


def _packed(asked: Asked, command: str, directory: str, server: dict[str, Any]) -> bytes:
    """Who we are, what we wait for, and what we ask for, as it travels: arrays of texts."""
    town, agent = server["town"], server["agent"]
    fields = wire.command_fields(
        asked.form.verb,
        jsontext.compact(asked.args),
        command=command,
        life_ms=int((AGENT_PATIENCE if agent else PATIENCE) * 1000),
        directory=directory,
    )
    words = [word for field in fields for word in field]
    packed = b""
    for line in (
        ["HELLO", "3", "AUTH", server["user"] or "default", server["password"]],
        ["SUBSCRIBE", wire.reply_channel(town, command, agent)],
        ["XADD", wire.commands_key(town, agent), "*", *words],
    ):
        packed += b"*%d\r\n" % len(line)
        packed += b"".join(b"$%d\r\n%b\r\n" % (len(one), one) for one in map(str.encode, line))
    return packed


def _announced(link: _socket.socket) -> str:
    """The text of the first message. Raises OSError, ValueError."""
    import hiredis  # noqa: PLC0415  # the daemon works meanwhile

    reader = hiredis.Reader(encoding="utf-8", errors="replace", notEnoughData=None)
    while data := link.recv(65536):
        reader.feed(data)
        while (said := reader.gets()) is not None:  # nothing of what we sent is answered so
            if isinstance(said, hiredis.PushNotification) and said[0] == "message":
                return str(said[2])
            if isinstance(said, hiredis.ReplyError):
                raise ValueError("the server refused")
    raise ValueError("the server closed the connection")


def _done(words: list[str], sent: dict[str, str]) -> bool:
    """Whether the command was one of ours, and all went well. Raises OSError of the output."""
    asked = read(words)
    if asked is None:
        return False
    try:
        show, reply = answered(asked, sent)
    except _ODD:
        return False
    show(reply)
    from tinytown_cli import output  # noqa: PLC0415  # it has been imported by now

    output.flush()
    return True


def _alone(words: list[str]) -> int | None:
    """The exit code of one of `ALONE`; None for what is none of them, or is not well."""
    if (name := ALONE.get(tuple(words))) is None:
        return None
    module = __import__(f"tinytown_cli.{name}", fromlist=["run"])
    from tinytown_cli import output  # noqa: PLC0415  # as above

    try:
        code: int = module.run()
    except TownError:
        return None  # the long road comes to the same, and tells
    output.flush()
    return code


def _long(words: list[str], sent: dict[str, str]) -> int:
    from tinytown_cli import app  # noqa: PLC0415  # the long road

    return app.run(words, sent)


def run(words: list[str]) -> int:
    """One command, by whichever road; returns its exit code."""
    sent: dict[str, str] = {}
    try:
        if words[:1] == [COMPLETING]:
            from tinytown_cli import candidates  # noqa: PLC0415  # a shell asks, and nobody else

            return candidates.run(words[1:])
        if _done(words, sent):
            return OK
        return _long(words, sent) if (code := _alone(words)) is None else code
    except OSError as error:
        from tinytown_cli import output  # noqa: PLC0415  # as above

        output.unusable(error)
        return BAD_INPUT
    except KeyboardInterrupt:
        return INTERRUPTED
    except LookupError as fault:
        # A page that does not find in a reply what it shows.
        from tinytown_cli import versions  # noqa: PLC0415  # as above

        return versions.blamed(fault)


def main() -> None:
    """The program `tt`."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by who started us
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115
    # A character that the encoding has not got ends no command, nor does half of one (\ud800).
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    code = run(sys.argv[1:])
    try:  # noqa: SIM105  # contextlib is an import, too
        sys.stdout.flush()
    except OSError:
        pass  # that has been told
    # Python would take its memory apart now: a tenth of all its time, for what is gone anyway.
    os._exit(code)
