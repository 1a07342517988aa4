"""The plan and the backlog of a town."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import anyio

from tinytown_cli import places, planfile
from tinytown_cli.api.agents import AgentRef, name_of
from tinytown_cli.api.following import Events
from tinytown_cli.api.records import Conductor, PlanStatus, Priority, Pushed, read
from tinytown_cli.api.session import Deadline, Session, ref
from tinytown_cli.api.tasks import Task, TaskRefs, described, tasks_in
from tinytown_cli.progress import is_decisive, is_over
from tinytownd.domain.errors import BadInput

#: How long a plan of 10,000 tasks may take, in seconds.
_PATIENCE = 120.0


class Plan:
    """The town's plan, and the conductor who hands it out."""

    def __init__(self, session: Session, directory: Path) -> None:
        self._session = session
        self._file = directory / places.PLAN

    async def push(
        self,
        plan: str | os.PathLike[str] | None = None,
        *,
        prune: bool = False,
        adopt_status: bool = False,
    ) -> Pushed:
        """Brings the plan's tasks into the town: a text, the file of a path, or `tasks.toml`.

        Raises `PlanError` with every problem of it, `NotFound`, `BadInput`.
        """
        text = plan if isinstance(plan, str) else planfile.read(Path(plan or self._file))
        if "\n" not in text and text.endswith(".toml"):
            raise BadInput(f"{text!r} is a file's name and no plan", hint=f"Path({text!r})")
        told = {"text": text, "prune": prune, "adopt_status": adopt_status}
        return read(Pushed, await self._session.ask("plan.push", seconds=_PATIENCE, **told))

    async def pull(self, *, everything: bool = False) -> list[str]:
        """Writes states, agents and results into `tasks.toml`; the ids of what changed in it.

        With `everything`, the town's other tasks are appended. Raises `NotFound`, `Conflict`.
        """
        before = planfile.read(self._file, missing="" if everything else None)
        reply = await self._session.ask("plan.pull", seconds=_PATIENCE, text=before, all=everything)
        if reply["text"] != before:
            planfile.replace(before, reply["text"], self._file)
        return [one["id"] for one in reply["changed"]]

    async def start(self, *, spawn: bool = False) -> Conductor:
        """Has the plan handed out; with `spawn`, agents that it names and the town lacks are made.

        Raises `BadInput` where there is no plan.
        """
        reply = await self._session.ask("conductor.start", spawn=spawn)
        return read(Conductor, reply["conductor"])

    async def stop(self) -> Conductor:
        """Hands out no more of it; what runs goes on."""
        return read(Conductor, (await self._session.ask("conductor.stop"))["conductor"])

    async def status(self) -> PlanStatus:
        """How far it is."""
        return read(PlanStatus, await self._session.ask("conductor.status"))

    async def wait(self, timeout: float | None = None) -> PlanStatus:
        """Waits until it goes on no further by itself; how it stands then.

        That is when it is completed, has failed or stalled, or the conductor was switched off.
        Raises `TimedOut` after so many seconds.
        """
        deadline = Deadline(timeout)
        if over := await self._end():
            return over
        with anyio.move_on_after(deadline.left()):
            async with Events(self._session) as events:
                while not (over := await self._end()):
                    async for event in events:
                        if is_decisive(event.event):
                            break
                return over
        raise deadline.missed("the plan is still not over")

    async def _end(self) -> PlanStatus | None:
        """How the plan stands, if it is over."""
        told = await self._session.ask("conductor.status")
        return read(PlanStatus, told) if is_over(told) else None


class Backlog:
    """Work that nobody owns yet."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(
        self,
        text: str,
        *,
        after: TaskRefs = (),
        tags: str | Iterable[str] = (),
        priority: Priority | None = None,
    ) -> Task:
        """Adds work without an owner. Raises `BadInput`, `NotFound`."""
        told = described(text, after, tags, priority)
        return Task(self._session, (await self._session.ask("backlog.add", **told))["task"])

    async def tasks(self) -> list[Task]:
        """What nobody owns, the most urgent first."""
        return tasks_in(self._session, await self._session.ask("backlog.list"))

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
