"""The desk of an open town: carries out its commands, one after the other, and answers them.

Of commands that wait, those that only decide are written together: one decides on what the one
before it left, and all of it is one step. Where that cannot be, each is written by itself.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

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
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town
from tinytownd.handlers import registry
from tinytownd.handlers.registry import (
    Absent,
    Answer,
    Archived,
    Context,
    Decision,
    Speaker,
    Verb,
)
from tinytownd.redact import encode_error
from tinytownd.store.client import end
from tinytownd.store.commands import Command, CommandReader
from tinytownd.store.patience import LOST, REFUSED, patiently
from tinytownd.store.replies import Entry, Unacknowledged
from tinytownd.store.town import Decide, TownStore

log = structlog.get_logger(__name__)
#: A read's reply is kept so long, in seconds: for a client that lost its connection.
READ_SECONDS = 60
#: How long a command waits before it is tried again when Redis was away, in seconds.
AGAIN_SECONDS = 0.2
#: Commands that are written together, at most, and so many characters of arguments: nothing else
#: happens in the daemon while they are decided.
TOGETHER, TOGETHER_SIZE = 50, 1024 * 1024

T = TypeVar("T")


class Desk:
    """Takes the commands of one town. `services` is what handlers see of the daemon."""

    def __init__(
        self, store: TownStore, reader: CommandReader, directory: Path, services: object
    ) -> None:
        self._store = store
        self._reader = reader
        self._directory = directory
        self._services = services
        self._inbox: deque[Command] = deque()
        self._came = asyncio.Event()
        #: Those that wait for an answer, and the command of each.
        self._waiting: dict[asyncio.Task[None], Command] = {}
        #: Those whose answer the server is still to take.
        self._answering: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Lets go of those that wait; the next daemon asks for them again."""
        await end([*self._waiting, *self._answering])

    async def dismiss(self, agent: str) -> None:
        """Lets go of those of an agent whose round is over: nobody is there to hear the answer."""
        gone = {task: one for task, one in self._waiting.items() if one.entry.agent == agent}
        await end(gone)
        for command in gone.values():
            over = encode_error(command.entry.command, TimedOut("the round is over"))
            await self._answer(command, over, life=READ_SECONDS)

    async def deliver(self, command: Command) -> None:
        """Takes a command; they are carried out one after the other."""
        self._inbox.append(command)
        self._came.set()

    async def run(self) -> None:
        """Carries out what comes, until cancelled; so do those that wait for an answer."""
        while True:
            commands = await self._next()
            if len(commands) == 1 or not await self._together(commands):
                for command in commands:
                    await self._alone(command)

    async def _next(self) -> list[Command]:
        """The next command, with those behind it that can be written in one step with it."""
        while not self._inbox:
            self._came.clear()
            await self._came.wait()
        found = [self._inbox.popleft()]
        size = found[0].size
        while self._inbox and _decides(found[0]) and _decides(self._inbox[0]):
            size += self._inbox[0].size
            if len(found) == TOGETHER or size > TOGETHER_SIZE:
                break
            found.append(self._inbox.popleft())
        return found

    async def _together(self, commands: Sequence[Command]) -> bool:
        """Whether they were carried out, or will come again; else nothing was done."""
        try:
            if not await self._store.execute_all([(c.entry, self._decided(c)) for c in commands]):
                return False
        except (OSError, TownError, Absent):  # of a decision, or the server refuses to write
            return False
        except LOST as error:
            await self._again(error, *commands)
        except Exception:
            log.exception("commands.apart", **_about(commands[0]), count=len(commands))
            return False
        for command in commands:
            self._reader.finished(command)
        return True

    async def _alone(self, command: Command) -> None:
        try:
            await self._carry_out(command)
        except LOST as error:
            await self._again(error, command)
        except Unacknowledged as told:
            self._answer_later(command, told)
        except Exception:
            log.exception("command.fault", **_about(command))

    async def _again(self, error: Exception, *commands: Command) -> None:
        about = _about(commands[0])
        log.warning("command.again", **about, count=len(commands), error=str(error))
        await asyncio.sleep(AGAIN_SECONDS)
        await self._reader.again(*commands)

    async def _carry_out(self, command: Command) -> None:
        try:
            verb, args = self._asked(command)
            # What does more than to look at the town must not do it twice.
            if verb.kind in ("wait", "query", "prepare"):
                known = await self._store.reply_to(command.entry)
                if known is not None:
                    await self._answer(command, known)
                    return
        except TownError as error:
            await self._answer(command, encode_error(command.entry.command, error))
            return
        if verb.kind == "wait":
            task = asyncio.create_task(self._wait(verb, command, args))
            self._waiting[task] = command
            task.add_done_callback(self._waiting.pop)
            return
        try:
            await self._looked_up(lambda known: self._done(verb, command, args, known))
        except OSError as error:  # of a file; redis-py's errors are its own
            told = Unavailable(f"the system refused: {error}")
            await self._answer(command, encode_error(command.entry.command, told))
        except (*LOST, Unacknowledged):
            raise
        except TownError as error:
            await self._answer(command, encode_error(command.entry.command, error))
        except Exception:
            log.exception("command.fault", **_about(command))
            await self._answer(command, encode_error(command.entry.command, Internal()))

    async def _looked_up(self, act: Callable[[Archived], Awaitable[T]]) -> T:
        """Does something with what the archive has of the tasks that it names."""
        known: dict[str, Task | None] = {}
        while True:
            try:
                return await act(known)
            except Absent as absent:
                found = await self._store.archive.tasks(absent.tasks)
                known |= {one: found.get(one) for one in absent.tasks}

    async def _done(
        self, verb: Verb, command: Command, args: dict[str, Any], known: Archived
    ) -> None:
        if verb.kind in ("write", "prepare"):
            decide: Decision = partial(verb.run, **args)
            if verb.kind == "prepare":
                decide = await self._look(verb, command, args, known)
            await self._store.execute(
                command.entry, lambda town: decide(self._context(town, command, known))
            )
            self._reader.finished(command)
        else:
            data = await self._look(verb, command, args, known)
            reply = wire.encode_reply(command.entry.command, data)
            await self._answer(command, reply, life=READ_SECONDS)

    def _asked(self, command: Command) -> tuple[Verb, dict[str, Any]]:
        """What a command asks for. Raises `TownError`."""
        verb = registry.find(command.verb, home=False)
        args = verb.bind(command.args)
        self._refuse_elsewhere(command)
        return verb, args

    def _decided(self, command: Command) -> Decide:
        """What a command decides that needs nothing but the town."""

        def decide(town: Town) -> Answer:
            verb, args = self._asked(command)
            answer: Answer = verb.run(self._context(town, command, {}), **args)
            return answer

        return decide

    def _refuse_elsewhere(self, command: Command) -> None:
        """A moved or copied town has the same id: `town.open` tells which of the two it is."""
        where = command.directory
        if not where or command.entry.agent or where == str(self._directory):
            return
        # Not by Path.resolve, which raises for links that go round in circles.
        if "\0" in where or os.path.realpath(where) != str(self._directory):
            raise Elsewhere(f"the town is open in {self._directory}, not in {where}")

    async def _look(
        self, verb: Verb, command: Command, args: dict[str, Any], known: Archived
    ) -> Any:
        if verb.kind in ("read", "wait"):
            return await self._store.read(
                lambda town: verb.run(self._context(town, command, known), **args)
            )
        context = await self._store.read(lambda town: self._context(town, command, known))
        return await verb.run(context, **args)

    async def _wait(self, verb: Verb, command: Command, args: dict[str, Any]) -> None:
        """Asks again after every change, until there is an answer or nobody waits any more."""
        loop = asyncio.get_running_loop()
        # From here on by a clock that nobody can set.
        deadline = loop.time() + (command.expires_at - wire.now_ms()) / 1000
        try:
            while loop.time() < deadline:
                data = await self._looked_up(lambda known: self._look(verb, command, args, known))
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

    def _context(self, town: Town, command: Command, known: Archived) -> Context:
        speaker = Speaker()
        if command.entry.agent:
            agent = town.agents.get(command.entry.agent)
            if agent is None:
                raise NotFound("this agent is no member of the town any more")
            speaker = Speaker(agent)
        return Context(town, speaker, self._services, command.entry.command, known)

    async def _answer(self, command: Command, reply: str, *, life: int = wire.DONE_SECONDS) -> None:
        try:
            await self._store.answer(command.entry, reply, life=life)
        except Unacknowledged as told:
            self._answer_later(command, told)
        else:
            self._reader.finished(command)

    def _answer_later(self, command: Command, told: Unacknowledged) -> None:
        """What was announced stays the answer, also when the disk has room before it is written."""
        entry: Entry = command.entry

        async def once() -> None:
            await self._store.answer(entry, told.reply, life=told.life)
            self._reader.finished(command)

        waiting = patiently(once, (*LOST, REFUSED), **_about(command))
        task = asyncio.create_task(waiting)
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)


def _decides(command: Command) -> bool:
    """Whether it needs nothing but the town, and is done once that is written."""
    verb = registry.VERBS.get(command.verb)
    return verb is not None and verb.kind == "write" and not verb.home


def _about(command: Command) -> dict[str, object]:
    return {
        "town": command.entry.town,
        "command": command.entry.command,
        "speaker": command.entry.agent or None,
        "verb": command.verb,
    }
