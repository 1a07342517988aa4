"""Verbs called on a town in memory, as the daemon calls them: bound, decided, settled, answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from types import SimpleNamespace
from typing import Any

from tests.domain.towns import make_town, picture
from tinytownd.conductor.schedule import settle
from tinytownd.config import Config
from tinytownd.domain import retention
from tinytownd.domain.agent import Agent
from tinytownd.domain.change import Change
from tinytownd.domain.errors import BadInput, TownError
from tinytownd.domain.message import Round
from tinytownd.domain.record import Record
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town
from tinytownd.handlers import registry
from tinytownd.handlers.registry import Absent, Answer, Context, Speaker, Verb
from tinytownd.recovery import Finding
from tinytownd.runtimes.catalogue import PRESETS
from tinytownd.settings import TownSettings
from tinytownd.supervisor.decide import Begin, next_step
from tinytownd.supervisor.loop import carry_out
from tinytownd.supervisor.verdict import Ending, Retries, begin, finish

#: The kinds of verbs that change the town.
WRITING = ("write", "prepare")


def installed_cli(cli: str | None, permissions: str | None) -> str:
    """What the daemon's edge says of a CLI: all are there but one."""
    if cli == "missing":
        raise BadInput("the CLI 'missing' is not on PATH")
    return cli or "claude"


class Nothing(dict[str, Task | None]):
    """What an archive says that was asked for every task there may be, and has none."""

    def __contains__(self, ref: object) -> bool:
        return True

    def __missing__(self, ref: str) -> None:
        return None


class Shelf:
    """An archive that holds these tasks and rounds, the first put away first."""

    def __init__(self, held: dict[str, Task], rounds: dict[str, Round] | None = None) -> None:
        self._held = held
        self._rounds = {} if rounds is None else rounds

    async def tasks(self, ids: Iterable[str]) -> dict[str, Task]:
        return {one: self._held[one] for one in ids if one in self._held}

    async def tasks_around(self, ids: Iterable[str]) -> dict[str, Task]:
        found = await self.tasks(ids)
        near = [one for task in found.values() for one in (*task.needs, task.parent or "")]
        return found | await self.tasks(near)

    async def rounds_of(self, task: Task) -> list[Round]:
        return []

    async def newest(self) -> AsyncIterator[Task]:
        async for _, one in self.newest_from():
            yield one

    async def newest_from(self, after: tuple[int, ...] = ()) -> AsyncIterator[Any]:
        for number, one in reversed([*enumerate(self._held.values())]):
            if not after or (number,) < after:
                yield (number,), one

    async def tasks_since(self, start: int) -> AsyncIterator[Task]:
        for one in self._held.values():
            if (one.finished_at or 0) >= start:
                yield one

    async def rounds_since(self, start: int) -> AsyncIterator[Round]:
        for one in self._rounds.values():
            if (one.ended_at or 0) >= start:
                yield one

    async def first_round_at(self) -> int | None:
        return min((one.started_at for one in self._rounds.values()), default=None)


class Desk:
    """A town and its verbs. `said` is the last command's change, as it would have been written."""

    def __init__(
        self, *records: Record, max_agents: int = 16, permissions: str = "bypass", **meta: Any
    ) -> None:
        self.town: Town = make_town(*records, **meta)
        self.said = Change()
        #: What is found beside the records.
        self.found: list[Finding] = []
        #: What was put away, by id.
        self.archived: dict[str, Task] = {}
        self.archived_rounds: dict[str, Round] = {}
        self._shelf = Shelf(self.archived, self.archived_rounds)
        self._services = SimpleNamespace(
            config=Config(town=TownSettings(max_agents=max_agents, permissions=permissions)),
            installed_cli=installed_cli,
            runtime=PRESETS.__getitem__,
            mend=self._mend,
            store=SimpleNamespace(last_event="7-0", archive=self._shelf),
        )
        settle(self.town)
        self.town.commit()

    def call(self, name: str, by: str | None = None, /, **args: object) -> dict[str, Any]:
        """One command of a person, or of the agent `by`. A refusal leaves no trace in the town."""
        before = picture(self.town)
        try:
            verb = registry.find(name, home=False)
            found = self._run(verb, Speaker(self.town.agent(by) if by else None), verb.bind(args))
            if verb.kind in WRITING:
                settle(self.town)
        except TownError:
            self.town.rollback()
            assert picture(self.town) == before
            raise
        if verb.kind in WRITING:
            found = self._answered(found)
        else:
            assert not self.town.change
        self.said = self.town.change
        self.town.commit()
        told: dict[str, Any] = found
        return told

    def _run(self, verb: Verb, speaker: Speaker, args: dict[str, Any]) -> Any:
        """Runs it, and again with what the archive has, where that must be asked first."""
        known: dict[str, Task | None] = {}
        while True:
            context = Context(self.town, speaker, self._services, archived=known)
            try:
                found = verb.run(context, **args)
                if verb.kind in ("prepare", "query"):
                    found = asyncio.run(found)
                return found(context) if verb.kind == "prepare" else found
            except Absent as absent:
                self.town.rollback()
                known |= {one: self.archived.get(one) for one in absent.tasks}

    def put_away(self, *ids: str) -> None:
        """These tasks go into the archive, and whatever must go with them."""
        retention.put_away(self.town, [self.town.tasks[one] for one in ids])
        self.archived |= {i: t for (_, i), t in self.town.change.archived.items()}  # type: ignore[misc]
        self.town.commit()

    async def _mend(self) -> list[Finding]:
        return self.found

    def _answered(self, answer: Answer) -> dict[str, object]:
        """What the answer says; one that raises leaves its change."""
        try:
            return answer()
        except TownError:
            self.said = self.town.change
            self.town.commit()
            raise

    def told(self) -> list[str]:
        """The names of the last command's events."""
        return [str(event["event"]) for event in self.said.events]

    def look(self, name: str) -> None:
        """The supervisor of an agent takes every step that needs no process."""
        agent_id = self.town.agent(name).id
        for _ in range(5):
            carry_out(self.town, agent_id, next_step(self.town, agent_id), lambda _: None)
            settle(self.town)
        self.town.commit()

    def begin(self, name: str) -> str:
        """The agent starts its next round; its number."""
        agent = self.town.agent(name)
        step = next_step(self.town, agent.id)
        assert isinstance(step, Begin)
        running = begin(self.town, agent, step, token="secret", cli=agent.cli)
        self.town.commit()
        return running.id

    def end(self, name: str, how: str = "completed", session: str | None = None) -> None:
        """The agent's round is over."""
        running = self.town.rounds[self.agent(name).round or ""]
        finish(self.town, running, Ending(how, session=session), Retries(3, 1_000, 60_000))
        settle(self.town)
        self.town.commit()

    def agent(self, name: str) -> Agent:
        return self.town.agent(name)

    def states(self, *ids: str) -> list[str]:
        return [self.town.tasks[one].state for one in ids or self.town.tasks]
