"""The desk of an open town: carries out its commands, one after the other, and answers them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from tinytownd import wire
from tinytownd.domain.errors import (
    Elsewhere,
    Internal,
    NotFound,
    TimedOut,
    TownError,
    Unavailable,
)
from tinytownd.domain.town import Town
from tinytownd.handlers import registry
from tinytownd.handlers.registry import Answer, Context, Decision, Speaker, Verb
from tinytownd.redact import encode_error
from tinytownd.store.client import end
from tinytownd.store.commands import Command, CommandReader
from tinytownd.store.patience import LOST
from tinytownd.store.replies import Entry
from tinytownd.store.town import TownStore

log = structlog.get_logger(__name__)
#: A read's reply is kept so long, in seconds: for a client that lost its connection.
READ_SECONDS = 60
#: How long a command waits before it is tried again when Redis was away, in seconds.
AGAIN_SECONDS = 0.2


class Desk:
    """Takes the commands of one town. `services` is what handlers see of the daemon."""

    def __init__(
        self, store: TownStore, reader: CommandReader, directory: Path, services: object
    ) -> None:
        self._store = store
        self._reader = reader
        self._directory = directory
        self._services = services
        self._inbox: asyncio.Queue[Command] = asyncio.Queue()
        #: Those that wait for an answer, and the command of each.
        self._waiting: dict[asyncio.Task[None], Command] = {}

    async def close(self) -> None:
        """Lets go of those that wait; the next daemon asks for them again."""
        await end(self._waiting)

    async def dismiss(self, agent: str) -> None:
        """Lets go of those of an agent whose round is over: nobody is there to hear the answer."""
        gone = {task: one for task, one in self._waiting.items() if one.entry.agent == agent}
        await end(gone)
        for command in gone.values():
            over = encode_error(command.entry.command, TimedOut("the round is over"))
            await self._answer(command, over, life=READ_SECONDS)

    async def deliver(self, command: Command) -> None:
        """Takes a command; they are carried out one after the other."""
        await self._inbox.put(command)

    async def run(self) -> None:
        """Carries out what comes, until cancelled; so do those that wait for an answer."""
        while True:
            command = await self._inbox.get()
            try:
                await self._carry_out(command)
            except LOST as error:
                log.warning("command.again", **_about(command), error=str(error))
                await asyncio.sleep(AGAIN_SECONDS)
                await self._reader.again(command)
            except Exception:
                log.exception("command.fault", **_about(command))

    async def _carry_out(self, command: Command) -> None:
        try:
            verb = registry.find(command.verb, home=False)
            args = verb.bind(command.args)
            self._refuse_elsewhere(command)
        except TownError as error:
            await self._answer(command, encode_error(command.entry.command, error))
            return
        if verb.kind == "wait":
            task = asyncio.create_task(self._wait(verb, command, args))
            self._waiting[task] = command
            task.add_done_callback(self._waiting.pop)
            return
        try:
            if verb.kind in ("write", "prepare"):
                decide = await self._decision(verb, command, args)
                await self._store.execute(command.entry, decide)
                self._reader.finished(command)
            else:
                data = await self._look(verb, command, args)
                reply = wire.encode_reply(command.entry.command, data)
                await self._answer(command, reply, life=READ_SECONDS)
        except OSError as error:  # of a file; redis-py's errors are its own
            told = Unavailable(f"the system refused: {error}")
            await self._answer(command, encode_error(command.entry.command, told))
        except LOST:
            raise
        except TownError as error:
            await self._answer(command, encode_error(command.entry.command, error))
        except Exception:
            log.exception("command.fault", **_about(command))
            await self._answer(command, encode_error(command.entry.command, Internal()))

    def _refuse_elsewhere(self, command: Command) -> None:
        """A moved or copied town has the same id: `town.open` tells which of the two it is."""
        where = command.directory
        if not where or command.entry.agent:
            return
        # Not by Path.resolve, which raises for links that go round in circles.
        if "\0" in where or os.path.realpath(where) != str(self._directory):
            raise Elsewhere(f"the town is open in {self._directory}, not in {where}")

    async def _decision(
        self, verb: Verb, command: Command, args: dict[str, Any]
    ) -> Callable[[Town], Answer]:
        run: Decision = partial(verb.run, **args)
        if verb.kind == "prepare":
            run = await self._look(verb, command, args)
        return lambda town: run(self._context(town, command))

    async def _look(self, verb: Verb, command: Command, args: dict[str, Any]) -> Any:
        if verb.kind in ("read", "wait"):
            return await self._store.read(
                lambda town: verb.run(self._context(town, command), **args)
            )
        context = await self._store.read(lambda town: self._context(town, command))
        return await verb.run(context, **args)

    async def _wait(self, verb: Verb, command: Command, args: dict[str, Any]) -> None:
        """Asks again after every change, until there is an answer or nobody waits any more."""
        loop = asyncio.get_running_loop()
        # From here on by a clock that nobody can set.
        deadline = loop.time() + (command.expires_at - wire.now_ms()) / 1000
        try:
            while loop.time() < deadline:
                data = await self._look(verb, command, args)
                if data is not None:
                    reply = wire.encode_reply(command.entry.command, data)
                    await self._answer(command, reply, life=READ_SECONDS)
                    return
                try:
                    async with asyncio.timeout_at(deadline):
                        await self._store.changed()
                except TimeoutError:
                    break
            late = TimedOut("it is still not over", hint="tt status")
            await self._answer(command, encode_error(command.entry.command, late))
        except LOST:
            await asyncio.sleep(AGAIN_SECONDS)
            await self._reader.again(command)
        except TownError as error:
            await self._answer(command, encode_error(command.entry.command, error))

    def _context(self, town: Town, command: Command) -> Context:
        speaker = Speaker()
        if command.entry.agent:
            agent = town.agents.get(command.entry.agent)
            if agent is None:
                raise NotFound("this agent is no member of the town any more")
            speaker = Speaker(agent)
        return Context(town, speaker, self._services, command.entry.command)

    async def _answer(self, command: Command, reply: str, *, life: int = wire.DONE_SECONDS) -> None:
        entry: Entry = command.entry
        await self._store.answer(entry, reply, life=life)
        self._reader.finished(command)


def _about(command: Command) -> dict[str, object]:
    return {
        "town": command.entry.town,
        "agent": command.entry.agent or None,
        "command": command.entry.command,
        "verb": command.verb,
    }
