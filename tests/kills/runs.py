"""One run of a verb: a town is made, the command sent, somebody dies perhaps; what came of it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import redis

from tests.kills.daemons import Home, until
from tests.kills.picture import file_picture, home_picture, is_quiet, plain, store_picture
from tinytownd import wire
from tinytownd.handlers.registry import VERBS
from tinytownd.store.replies import read_script

Words = Mapping[str, object]
#: Stand for the town's directory and for the old Redis in the arguments of a scenario.
DIR, OLD = "{dir}", "{old}"


#: What is asked and not answered in time: the next reading of the streams, and the server's end.
NO_REPLY = {"XREADGROUP", "SHUTDOWN"}


@dataclass(frozen=True)
class Scenario:
    """How a verb is tried: its arguments, and what is done before on a town of its own.

    `town`: the town is made first. `files` are written into its directory before anything else.
    `restarted`: the outcome is told after one more start of the daemon. `stops`: the verb ends it.
    `old`: there is a Redis with a town of the Rust tinytown in it. `refused`: only agents may.
    """

    args: Words = field(default_factory=dict)
    before: tuple[tuple[str, Words], ...] = ()
    town: bool = True
    files: Mapping[str, str] = field(default_factory=dict)
    restarted: bool = False
    stops: bool = False
    old: bool = False
    refused: bool = False


@dataclass
class Outcome:
    """What a command came to, without what differs by nature."""

    reply: Any
    store: Any
    files: Any


class Run:
    """A verb on a fresh town of a home that other runs use before and after."""

    def __init__(self, home: Home, verb: str, scenario: Scenario, number: int) -> None:
        self.home = home
        self.verb = verb
        self.scenario = scenario
        self.directory = home.base / "runs" / f"{number:04}" / "shop"
        self.command = wire.command_id()
        self.town_id = ""
        self._starts = 0
        self._fields: dict[str, str] = {}

    def undisturbed(self) -> tuple[list[str], Outcome]:
        """Every step, and the outcome; the same command sent again changes nothing of it."""
        self._send()
        reply = self._reply()
        assert self._is_right(reply), reply
        until(self._all_heard, "the reply to everything that was asked")
        until(self._is_quiet, "rest")
        until(self._all_heard, "the reply to everything that was asked")
        steps = self.home.lines(self.command, "step")
        first = self._outcome(reply)
        self._post()
        until(self._is_quiet, "rest after the same command again")
        assert self._outcome(self._reply()) == first
        self._clear()
        return steps, first

    def disturbed(self) -> Outcome:
        """The outcome when somebody dies at the step that the home's trap names."""
        self._send()
        trap = self.home.traps[self.command]
        until(lambda: self.home.lines(self.command, "died"), f"the step '{trap.step}'")
        del self.home.traps[self.command]
        if trap.victim == "daemon":
            until(lambda: not self.home.running, "the end of the daemon")
            self.home.start()
        self._post()
        reply = self._reply()
        until(self._is_quiet, "rest")
        outcome = self._outcome(reply)
        self._clear()
        return outcome

    @property
    def _where(self) -> str:
        return wire.HOME if VERBS[self.verb].home else self.town_id

    def _send(self) -> None:
        self._prepare()
        until(self._is_quiet, "rest after what came before")
        self._encode()
        self._drop_records()
        self._starts = self.home.starts
        self._post()

    def _encode(self) -> None:
        args = self._told(self.scenario.args)
        where = "" if VERBS[self.verb].home else str(self.directory)
        told = wire.encode_command(self.verb, args, command=self.command, directory=where)
        self._fields = dict(told)

    def _post(self) -> None:
        self.home.post(self._where, self._fields)

    def _reply(self) -> Any:
        return self.home.reply(self._where, self.command)

    def _is_right(self, reply: Any) -> bool:
        return bool(reply["ok"] != self.scenario.refused)

    def _prepare(self) -> None:
        self.directory.mkdir(parents=True)
        # A server that was killed lost its scripts, and loading them would be steps of some runs.
        for script in map(read_script, ("commit", "mend")):
            self.home.patiently(partial(redis.Redis.script_load, script=script))
        shutil.rmtree(self.home.path / "rehearsals", ignore_errors=True)
        for name, text in self.scenario.files.items():
            file = self.directory / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        if self.scenario.town:
            made = self.home.ask(wire.HOME, "town.init", dir=str(self.directory), name="shop")
            self.town_id = made["data"]["town"]["id"]
        for verb, args in self.scenario.before:
            where = wire.HOME if VERBS[verb].home else self.town_id
            reply = self.home.ask(where, verb, **self._told(args))
            assert reply["ok"], reply
            until(self._is_quiet, f"rest after {verb}")

    def _told(self, args: Words) -> dict[str, object]:
        meant = {DIR: str(self.directory), OLD: str(self.home.base / "old.sock")}
        told = dict(args)
        for name, value in args.items():
            for mark, text in meant.items():
                if isinstance(value, str) and mark in value:
                    told[name] = value.replace(mark, text)
        return told

    def _is_quiet(self) -> bool:
        return bool(self.home.patiently(lambda r: is_quiet(r, self.town_id)))

    def _all_heard(self) -> bool:
        steps = self.home.lines(self.command, "step")
        if self.scenario.stops and self.home.running and self.home.starts == self._starts:
            return False
        asked = {s.removeprefix("asks ") for s in steps if s.startswith("asks ")} - NO_REPLY
        return {f"hears {one}" for one in asked} <= set(steps)

    def _outcome(self, reply: Any) -> Outcome:
        if self.scenario.restarted:
            self.home.kill()
            self.home.ask(wire.HOME, "daemon.status")
            until(self._is_quiet, "rest after the restart")
        # One that comes up carries out commands before it has written its last file.
        until(self.home.ready, "the daemon")
        town_id = self._id_on_disk()
        names = [(str(self.directory), "<dir>"), (str(self.home.base), "<base>")]
        if town_id:
            names.append((town_id, "<this town>"))
        files = file_picture(self.directory) | home_picture(self.home, self.directory)
        return Outcome(
            plain(reply, *names),
            plain(self.home.patiently(store_picture), *names),
            plain(files, *names),
        )

    def _id_on_disk(self) -> str:
        file = self.directory / ".tt" / "town"
        return file.read_text().strip() if file.exists() else ""

    def _clear(self) -> None:
        """Takes everything away that the next run would see."""
        gone = self.home.ask(wire.HOME, "town.forget", dir=str(self.directory))
        assert gone["ok"] or gone["error"]["kind"] == "not_found", gone
        self._drop_records()
        shutil.rmtree(self.directory)

    def _drop_records(self) -> None:
        """Replies to earlier commands are no part of the picture."""

        def drop(server: Any) -> bool:
            names = [*server.scan_iter(match="tt:{*}:done:*", count=1000)]
            if names:
                server.delete(*names)
            return True

        self.home.patiently(drop)
