"""The plan and the backlog of a town."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

import anyio

from tinytown_cli import places, planfile
from tinytown_cli.api.agents import AgentRef, name_of
from tinytown_cli.api.following import Events
from tinytown_cli.api.records import Conductor, PlanInfo, PlanStatus, Pushed, Record, read
from tinytown_cli.api.session import Deadline, Session, ref
from tinytown_cli.api.tasks import Task, TaskOptions, described, tasks_in
from tinytown_cli.conversation import Data
from tinytown_cli.progress import is_decisive, is_over
from tinytownd.domain.errors import BadInput
from tinytownd.domain.names import check_name

#: How long a plan of 10,000 tasks may take, in seconds.
_PATIENCE = 120.0


@dataclass(frozen=True)
class Planned(Record):
    """A task of a plan's file; `agent` may be a role, `group` is the task that it is a child of."""

    id: str
    description: str
    agent: str | None
    run: str | None
    depends_on: tuple[str, ...]
    group: str | None


@dataclass(frozen=True)
class PlanWarning(Record):
    """What may be wrong in a line of a plan's file, and what to do about it."""

    line: int
    message: str
    hint: str


@dataclass(frozen=True)
class PlanCheck(Record):
    """A plan's file, in waves of what may run side by side."""

    description: str | None
    waves: tuple[tuple[Planned, ...], ...]
    warnings: tuple[PlanWarning, ...]


class Plan:
    """A plan of the town, and the conductor who hands it out.

    `town.plan` is the one of `tasks.toml` (or the only one that there is); `town.plan("billing")`
    is another, with the file `plans/billing.toml`.
    """

    def __init__(self, session: Session, directory: Path, name: str = places.MAIN) -> None:
        self._session = session
        self._directory = directory
        self.name = name
        #: How verbs are told of it: the town's own is meant where none is named.
        self._told = None if name == places.MAIN else name
        own = Path("plans") / f"{name}.toml" if self._told else Path(places.PLAN)
        self._file = directory / own

    def __call__(self, name: str) -> Plan:
        """The plan of that name, there or not. Raises `BadInput` for what can be no name."""
        return Plan(self._session, self._directory, check_name(name, "plan"))

    async def push(
        self,
        plan: str | os.PathLike[str] | None = None,
        *,
        prune: bool = False,
        adopt_status: bool = False,
        propose: bool = False,
    ) -> Pushed:
        """Brings the plan's tasks into the town: a text, the file of a path, or its own file.

        With `propose` nothing of it starts before a person has approved of it. Raises `PlanError`
        with every problem of it, `NotFound`, `BadInput`, `Conflict` for one to propose that is
        under way.
        """
        told: Data = {"text": self._text(plan), "plan": self._told}
        told |= {"prune": prune, "adopt_status": adopt_status, "propose": propose}
        return read(Pushed, await self._session.ask("plan.push", seconds=_PATIENCE, **told))

    async def check(self, plan: str | os.PathLike[str] | None = None) -> PlanCheck:
        """What a push would bring, in waves of what may run side by side. Raises as `push`."""
        told = {"text": self._text(plan)}
        return read(PlanCheck, await self._session.ask("plan.check", seconds=_PATIENCE, **told))

    def _text(self, plan: str | os.PathLike[str] | None) -> str:
        self._session.check_open()
        text = plan if isinstance(plan, str) else planfile.read(Path(plan or self._file))
        if "\n" not in text and text.endswith(".toml"):
            raise BadInput(f"{text!r} is a file's name and no plan", hint=f"Path({text!r})")
        return text

    async def pull(self, *, everything: bool = False) -> list[str]:
        """Writes states, agents and results into its file; the ids of what changed in it.

        With `everything`, tasks that the file lacks are appended: the rest of the plan, and to
        `tasks.toml` those of no plan. Raises `NotFound`, `Conflict`.
        """
        self._session.check_open()
        before = planfile.read(self._file, missing="" if everything else None)
        told = {"text": before, "plan": self._told, "all": everything}
        reply = await self._session.ask("plan.pull", seconds=_PATIENCE, **told)
        if reply["text"] != before:
            planfile.replace(before, reply["text"], self._file)
        return [one["id"] for one in reply["changed"]]

    async def start(self, *, spawn: bool = False) -> Conductor:
        """Has plans handed out; with `spawn`, agents that they name and the town lacks are made.

        The conductor is switched on for all plans that were pushed. Raises `BadInput` where there
        is none, `NotFound` where there is not this one, `Conflict` when it is paused or proposed.
        """
        reply = await self._session.ask("conductor.start", spawn=spawn, plan=self._told)
        return read(Conductor, reply["conductor"])

    async def stop(self) -> Conductor:
        """Switches the conductor off for all plans; what runs goes on. For one: `pause`."""
        return read(Conductor, (await self._session.ask("conductor.stop"))["conductor"])

    async def status(self) -> PlanStatus:
        """How far it is. Raises `NotFound`."""
        return read(PlanStatus, await self._session.ask("conductor.status", plan=self._told))

    async def pause(self) -> PlanInfo:
        """Hands out no more of this plan; what runs goes on. Raises `Conflict` when it is over."""
        return await self._change("plan.pause")

    async def resume(self) -> PlanInfo:
        """Goes on with it. Raises `Conflict` when it is over, or waits for an answer."""
        return await self._change("plan.resume")

    async def cancel(self) -> PlanInfo:
        """Cancels all that is open of it; rounds that work on it are ended. Raises `Conflict`."""
        return await self._change("plan.cancel")

    async def approve(self) -> PlanInfo:
        """Lets it start, where it was proposed. Not for agents. Raises `Conflict`."""
        return await self._change("plan.approve")

    async def reject(self, reason: str | None = None) -> PlanInfo:
        """Cancels a proposed one, and tells its owner why. Not for agents. Raises `Conflict`."""
        return await self._change("plan.reject", reason=reason)

    async def _change(self, verb: str, reason: str | None = None) -> PlanInfo:
        told: Data = {} if reason is None else {"reason": reason}
        reply = await self._session.ask(verb, name=self.name, **told)
        return read(PlanInfo, reply["plan"])

    async def wait(self, timeout: float | None = None) -> PlanStatus:
        """Waits until it goes on no further by itself; how it stands then.

        That is when it is completed, cancelled, has failed or stalled, or the conductor was
        switched off. It waits on while a person is asked, or has paused it.
        Raises `TimedOut` after so many seconds.
        """
        deadline, session = Deadline(timeout), self._session.following()
        if over := await self._end(session):
            return over
        with anyio.move_on_after(deadline.left()):
            async with Events(session) as events:
                while not (over := await self._end(session)):
                    async for event in events:
                        if is_decisive(event.event, event.agent):
                            break
                return over
        raise deadline.missed("the plan is still not over")

    async def _end(self, session: Session) -> PlanStatus | None:
        """How the plan stands, if it is over."""
        told = await session.ask("conductor.status", plan=self._told)
        return read(PlanStatus, told) if is_over(told) else None


class Backlog:
    """Work that nobody owns yet."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(self, text: str, **options: Unpack[TaskOptions]) -> Task:
        """Adds work without an owner; a free agent whose role or tag is one of its tags takes it.

        Raises `BadInput`, `NotFound`.
        """
        told = described(text, options)
        return Task(self._session, (await self._session.ask("backlog.add", **told))["task"])

    async def tasks(self) -> list[Task]:
        """What nobody owns, the most urgent first."""
        told = await self._session.listed("backlog.list", "tasks")
        return [Task(self._session, one) for one in told]

    async def claim(self, task: str | Task, agent: AgentRef | None = None) -> Task:
        """Gives a task of it to an agent; inside an agent's process, to itself.

        Raises `Conflict` when somebody owns it.
        """
        who = None if agent is None else name_of(agent)
        reply = await self._session.ask("backlog.claim", task=ref(task), agent=who)
        return Task(self._session, reply["task"])

    async def assign_all(self, agent: AgentRef) -> list[Task]:
        """Gives all of it to an agent."""
        reply = await self._session.ask("backlog.assign_all", agent=name_of(agent))
        return tasks_in(self._session, reply)

    async def remove(self, task: str | Task) -> Task:
        """Cancels a task of it."""
        reply = await self._session.ask("backlog.remove", task=ref(task))
        return Task(self._session, reply["task"])
