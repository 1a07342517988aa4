"""One command: into the daemon's stream, and its reply back.

The command keeps its id however often it is sent; the daemon does it once. The reply cannot be
missed: the connection listens before it writes, and looks up the kept reply after a silence.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import hiredis

from tinytown_cli import launch, places, transport
from tinytownd import wire
from tinytownd.domain import errors

Data = dict[str, Any]

#: Seconds until a command is given up; an agent's outlasts a daemon that restarts.
PATIENCE, AGENT_PATIENCE = 30.0, 60.0
_QUIET_SECONDS = 1.0
# A server that was started anew knows a running round's user again after this long at most.
_ADMITTED_SECONDS = 5.0
_PAUSES = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


class Target(NamedTuple):
    """Whom a command is for and who speaks: a town's id (or home), an agent's id or nothing.

    `directory` is the town's, for the daemon that does not know it yet.
    """

    town: str
    agent: str = ""
    directory: Path | None = None


class Refused(errors.TownError):
    """The daemon's error reply."""

    def __init__(self, told: Data) -> None:
        super().__init__(told["message"], hint=told.get("hint") or "")
        self.kind = told.get("kind", "error")
        self.exit_code = int(told.get("exit_code", errors.WORK_FAILED))
        self.problems: list[Data] = told.get("problems") or []


def for_people() -> None:
    """Raises `BadInput` in an agent's process, `Unavailable` in one that its round left behind."""
    if places.credentials():
        raise errors.BadInput(
            "an agent cannot use this command", hint="run it outside the agent's process"
        )


def home(verb: str, **args: object) -> Data:
    """Asks the daemon itself. Raises `TownError`s, as all of these do."""
    for_people()
    return send(Target(wire.HOME), verb, args)


def town(verb: str, **args: object) -> Data:
    """Asks the town that is meant."""
    return send(here(), verb, args)


def here() -> Target:
    """The town that is meant, known to the daemon by an id."""
    directory = places.town_directory()
    agent = places.credentials()
    if agent:
        return Target(agent.town, agent.agent, agent.directory)
    known = places.town_id(directory) or home("town.open", dir=str(directory))["town"]["id"]
    return Target(known, "", directory)


def address(target: Target) -> places.Address:
    """The server to talk to, and as whom; starts a daemon for people, never for an agent."""
    agent = places.credentials() if target.agent else None
    return agent.address if agent else launch.ensure().address


def send(target: Target, verb: str, args: Data, seconds: float | None = PATIENCE) -> Data:
    """A command's reply, within so many seconds (None: whenever). Arguments of None are left out.

    Raises `Refused`, `TimedOut`, `Unavailable`, `BadInput`.
    """
    told = {name: value for name, value in args.items() if value is not None}
    try:
        json.dumps(told, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise errors.BadInput("an argument is not UTF-8") from None
    if seconds == PATIENCE and target.agent:
        seconds = AGENT_PATIENCE
    try:
        return _exchanged(target, verb, told, seconds)
    except Refused as refusal:
        if refusal.kind != "elsewhere":
            raise
    # The town's directory was moved, or this is a copy of it: the daemon tells which.
    home("town.open", dir=str(target.directory))
    return _exchanged(target, verb, told, seconds)


def _exchanged(target: Target, verb: str, args: Data, seconds: float | None) -> Data:
    exchange = _Exchange(target, verb, args, seconds)
    while True:
        try:
            return exchange.attempt()
        except transport.Lost as lost:
            exchange.pause(lost)


class _Exchange:
    """A command under way, over as many connections as it takes."""

    def __init__(self, target: Target, verb: str, args: Data, seconds: float | None) -> None:
        self._target, self._verb, self._args = target, verb, args
        self._id = wire.command_id()
        self._seconds = seconds
        self._started = time.monotonic()
        self._sent = 0
        self._lost = 0
        self._opened = target.directory is None or bool(target.agent)

    def attempt(self) -> Data:
        """Sends the command on a new connection and waits for the reply."""
        target = self._target
        done = wire.done_key(target.town, self._id, target.agent)
        with transport.Link(address(target)) as link:
            link.write(
                ["SUBSCRIBE", wire.reply_channel(target.town, self._id, target.agent)],
                *([["GET", done]] if self._sent else []),
                self._entry(),
            )
            self._sent += 1
            while True:
                try:
                    message = link.read(self._left(_QUIET_SECONDS))
                except TimeoutError:
                    self._quiet()
                    link.write(["GET", done])
                    continue
                if (reply := _reply_in(message)) is not None:
                    return _data_of(reply)

    def pause(self, lost: transport.Lost) -> None:
        """Waits a little before the next connection. Raises when there is no time for one."""
        late = time.monotonic() - self._started > _ADMITTED_SECONDS
        if late and self._target.agent and str(lost).startswith("WRONGPASS"):
            raise errors.Unavailable("this round is over: its agent cannot speak any more")
        if self._left(1.0) <= 0:
            if self._sent:
                raise self._timed_out()
            raise errors.Unavailable(f"Redis cannot be reached: {lost}", hint="tt daemon status")
        time.sleep(self._left(_PAUSES[min(self._lost, len(_PAUSES) - 1)]))
        self._lost += 1

    def _entry(self) -> list[str]:
        # A command that nobody waits for any more must not happen.
        left = self._left(wire.DONE_SECONDS)
        fields = wire.encode_command(
            self._verb,
            self._args,
            command=self._id,
            life_ms=int(left * 1000),
            directory=str(self._target.directory or ""),
        )
        stream = wire.commands_key(self._target.town, self._target.agent)
        return ["XADD", stream, "*", *(part for field in fields for part in field)]

    def _left(self, at_most: float) -> float:
        if self._seconds is None:
            return at_most
        return min(self._seconds - (time.monotonic() - self._started), at_most)

    def _quiet(self) -> None:
        """Nothing came for a while: is the daemon there, does it know the town, is it too late?"""
        if self._left(1.0) <= 0:
            raise self._timed_out()
        if not self._target.agent:
            launch.ensure()
        if not self._opened:
            self._opened = True
            home("town.open", dir=str(self._target.directory))

    def _timed_out(self) -> errors.TimedOut:
        return errors.TimedOut(
            f"no answer to {self._verb} within {self._seconds:.0f} s", hint="tt daemon status"
        )


def _reply_in(message: object) -> str | None:
    """The reply, announced or looked up. Redis's own replies never begin with a brace."""
    if isinstance(message, hiredis.PushNotification):
        message = message[2] if message[0] == "message" else None
    return message if isinstance(message, str) and message.startswith("{") else None


def _data_of(reply: str) -> Data:
    told = json.loads(reply)
    if not told["ok"]:
        refused = Refused(told["error"])
        if refused.exit_code == errors.TIMED_OUT:
            # The daemon's clock may be a moment ahead of ours: it is the same end.
            raise errors.TimedOut(refused.message, hint=refused.hint)
        raise refused
    data: Data = told["data"]
    return data
