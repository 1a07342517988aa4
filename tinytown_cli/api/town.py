"""The way in: a town that is open, its team, its work and its mail."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Unpack

from tinytown_cli import conversation
from tinytown_cli.api.agents import (
    Agent,
    AgentOptions,
    AgentRef,
    Letter,
    find,
    name_of,
    send,
)
from tinytown_cli.api.connections import Connections
from tinytown_cli.api.following import Events, Mail
from tinytown_cli.api.goals import Goal
from tinytown_cli.api.plans import Backlog, Plan
from tinytown_cli.api.records import (
    Event,
    Kind,
    Message,
    PlanInfo,
    Status,
    TaskState,
    TownInfo,
    read,
)
from tinytown_cli.api.reports import Report
from tinytown_cli.api.session import Deadline, Session, ref
from tinytown_cli.api.tasks import Task, TaskOptions, described
from tinytown_cli.api.upkeep import Upkeep
from tinytownd.domain.errors import BadInput
from tinytownd.domain.names import GROUP


class Town(Upkeep):
    """An open town: `async with Town.connect(".") as town`. For one event loop and thread.

    Any number of calls may be under way at once; one that is cancelled may have happened. All raise
    `TownError`s: what the daemon refused a command with, `Unavailable` when there is no daemon or
    no Redis, `TimedOut`, and `Closed` when the town is.
    """

    def __init__(self, session: Session, info: TownInfo) -> None:
        self._session = session
        self.id, self.name, self.directory = info.id, info.name, Path(info.dir)
        self.plan = Plan(session, self.directory)
        self.backlog = Backlog(session)

    def __repr__(self) -> str:
        return f"<Town {self.name} in {self.directory}>"

    @classmethod
    @asynccontextmanager
    async def connect(cls, directory: str | os.PathLike[str] = "") -> AsyncIterator[Town]:
        """Opens the town in a directory, or, without one, that which `tt` would mean here.

        Starts the daemon if none runs. Inside an agent's process it is the agent that speaks, and
        in its own town only. Raises `NotFound` where there is no town.
        """
        connections = Connections()
        try:
            session = Session(connections, await conversation.here(connections, directory))
            status = await session.ask("town.status")
            yield cls(session, read(TownInfo, status["town"]))
        finally:
            await connections.aclose()

    @staticmethod
    async def init(directory: str | os.PathLike[str], *, name: str | None = None) -> None:
        """Makes a directory a town, as `tt init`; nothing changes where it is one."""
        connections, where = Connections(), str(Path(directory).resolve())
        try:
            await conversation.home(connections, "town.init", {"dir": where, "name": name})
        finally:
            await connections.aclose()

    async def status(self, *, everything: bool = False) -> Status:
        """The town at a glance; with `everything` every agent and plan of a large one, too."""
        return read(Status, await self._session.ask("town.status", all=everything))

    async def spawn(self, name: str, **options: Unpack[AgentOptions]) -> Agent:
        """Adds an agent to the team; one that is there and is the same is that one.

        Raises `Conflict` where it is there and differs, `BadInput`.
        """
        reply = await self._session.ask("agent.spawn", name=name, **options)
        return Agent(self._session, reply["agent"])

    async def agent(self, name: str) -> Agent:
        """The agent of that name. Raises `NotFound`."""
        return await find(self._session, name)

    async def agents(self) -> list[Agent]:
        """The team, in the order it was spawned."""
        told = await self._session.listed("agent.list", "agents")
        return [Agent(self._session, one) for one in told]

    async def assign(self, to: AgentRef, text: str, **options: Unpack[TaskOptions]) -> Task:
        """Gives a task to an agent, or with `role:R` to any agent of a role: who is free first.

        Raises `BadInput`, `NotFound` where nobody has the role.
        """
        told = described(text, options)
        reply = await self._session.ask("task.assign", agent=name_of(to), **told)
        return Task(self._session, reply["task"])

    async def task(self, task: str | Task) -> Task:
        """The task with that id, or the only one whose id starts so.

        Raises `NotFound`, `Ambiguous`.
        """
        return Task(self._session, (await self._session.ask("task.show", task=ref(task)))["task"])

    async def plans(self) -> list[PlanInfo]:
        """All plans, in the order they were made; `town.plan(name)` has one in hand."""
        return [read(PlanInfo, one) for one in await self._session.listed("plan.list", "plans")]

    async def tasks(
        self,
        *,
        state: TaskState | None = None,
        agent: AgentRef | None = None,
        tag: str | None = None,
        archived: bool = False,
    ) -> list[Task]:
        """All tasks that fit, in the order they were made.

        With `archived` those of the archive instead, the last that was put away first.
        """
        who = None if agent is None else name_of(agent)
        verb = "task.archived" if archived else "task.list"
        told = await self._session.listed(verb, "tasks", state=state, agent=who, tag=tag)
        return [Task(self._session, one) for one in told]

    async def current_task(self) -> Task | None:
        """What the agent inside whose process this runs works on."""
        told = (await self._session.ask("task.current"))["task"]
        return Task(self._session, told) if told else None

    async def wait_for_idle(self, *agents: AgentRef, timeout: float | None = None) -> list[Task]:
        """Waits until these agents, or all, do nothing, nor are about to.

        Returns those of their tasks that have failed, of very many the first. Raises `TimedOut`
        after so many seconds.
        """
        names = [name_of(agent) for agent in agents]
        who = f"{', '.join(names)} {'is' if len(names) == 1 else 'are'}" if names else "the team is"
        return await self._waited(f"{who} still not idle", timeout, agents=names or None)

    async def wait_until_done(self, timeout: float | None = None) -> list[Task]:
        """Waits until nothing is open, runs, or would start a round; the tasks that have failed.

        Of very many the first. Raises `TimedOut` after so many seconds.
        """
        return await self._waited("the town's work is still not done", timeout, all=True)

    async def _waited(self, what: str, timeout: float | None, **args: object) -> list[Task]:
        failed = await self._session.wait(what, Deadline(timeout), **args)
        return [Task(self._session, one) for one in failed]

    async def send(  # noqa: PLR0913  # one parameter an argument of the verb
        self,
        to: AgentRef,
        text: str,
        *,
        kind: Kind = "request",
        urgent: bool = False,
        interrupt: bool = False,
        reply_to: str | Message | None = None,
        sender: str | None = None,
    ) -> Message:
        """Sends a message to an agent, the `conductor`, a `person`, or one agent with a `role:R`.

        With `interrupt` an urgent one stops the round that its reader is in, which goes on with it.
        `sender` is in whose name, where a person says so; it is recorded as said. Raises
        `BadInput`, `NotFound`, `Conflict` when the mailbox is full.
        """
        who = name_of(to)
        if who.startswith(GROUP):
            raise BadInput(f"{who} may be several", hint="town.broadcast(text, group=...)")
        told = Letter(text, kind, urgent, interrupt, reply_to)
        (sent,) = await send(self._session, told, to=who, sender=sender)
        return sent

    async def broadcast(
        self,
        text: str,
        *,
        group: str | None = None,
        kind: Kind = "request",
        urgent: bool = False,
        interrupt: bool = False,
    ) -> list[Message]:
        """Sends a message to the whole team, or to all whose role or tag is `group`.

        Raises `BadInput` or `NotFound` where there is nobody.
        """
        to = None if group is None else f"{GROUP}{group}"
        return await send(self._session, Letter(text, kind, urgent, interrupt), to=to)

    async def inbox(
        self, agent: AgentRef | None = None, *, everything: bool = False
    ) -> list[Message]:
        """The messages that wait: for an agent, or for all; for an agent that asks, its own.

        With `everything`, every message that the town still has, read ones too.
        """
        who = None if agent is None else name_of(agent)
        told = await self._session.listed("message.inbox", "messages", agent=who, all=everything)
        return [read(Message, one) for one in told]

    async def take_mail(self, mailbox: AgentRef = "conductor") -> list[Message]:
        """Reads what waits in a mailbox and takes it out: nobody else is given it.

        Questions stay. Not for agents: they are given theirs.
        """
        reply = await self._session.ask("message.read", agent=name_of(mailbox))
        return [read(Message, one) for one in reply["messages"]]

    async def questions(self) -> list[Message]:
        """What waits for a person's answer, oldest first."""
        told = (await self._session.ask("question.list"))["questions"]
        return [read(Message, one) for one in told]

    async def answer(self, question: str | Message, text: str) -> Message:
        """Answers a question, once. Not for agents. Raises `NotFound`, `Conflict`, `BadInput`."""
        reply = await self._session.ask("question.answer", question=ref(question), text=text)
        return read(Message, reply["question"])

    async def ask(self, text: str) -> Message:
        """Asks a person, as an agent in its process; the task of its round waits for the answer."""
        return read(Message, (await self._session.ask("task.ask", text=text))["question"])

    async def thread(self, message: str | Message) -> list[Message]:
        """The conversation that a message belongs to, oldest first. Raises `NotFound`."""
        reply = await self._session.ask("message.thread", message=ref(message))
        return [read(Message, one) for one in reply["messages"]]

    def messages(self, mailbox: AgentRef = "conductor", *, waiting: bool = False) -> Mail:
        """The messages to an agent, the `conductor` or a `person`, as they arrive: see `Mail`.

        Not for agents: they are given theirs. Raises `NotFound` when it begins.
        """
        return Mail(self._session, name_of(mailbox), waiting=waiting)

    def events(self, since: str | Event | None = None) -> Events:
        """What happens from now on, or after the event `since` (`"0"`: all); see `Events`.

        Not for agents. Raises `BadInput` for what is no event's id.
        """
        return Events(self._session, since)

    async def history(
        self, *, agent: AgentRef | None = None, task: str | Task | None = None, limit: int = 100
    ) -> list[Event]:
        """The last events, about an agent or a task or everything, the oldest first."""
        who = None if agent is None else name_of(agent)
        what = None if task is None else ref(task)
        reply = await self._session.ask("town.history", agent=who, task=what, limit=limit)
        return [read(Event, one) for one in reply["events"]]

    async def report(self, since: timedelta = timedelta(hours=12)) -> Report:
        """What was done in that time, what failed, what it cost, and what needs a person."""
        seconds = int(since.total_seconds())
        return read(Report, await self._session.ask("town.report", since=seconds))

    async def goal(self, text: str, *, yes: bool = False) -> Goal:
        """Hands the conductor's agent a goal; it makes a plan, which waits for your approval.

        With `yes` it does not. Not for agents. Raises `Conflict`, `BadInput` where the conductor
        has no agent that works.
        """
        reply = await self._session.ask("conductor.goal", text=text, yes=yes)
        plan = self.plan(reply["plan"]["name"])
        return Goal(self._session, plan, read(Message, reply["message"]))

    async def conductor_context(self) -> str:
        """What the conductor's agent would be told if its round began now, to the byte."""
        prompt: str = (await self._session.ask("conductor.context"))["prompt"]
        return prompt

    async def stop(self, *, now: bool = False) -> None:
        """Closes all agents when their rounds are over, or `now`. `start` brings them back."""
        await self._session.ask("town.stop", now=now)

    async def start(self) -> None:
        """Brings all agents back."""
        await self._session.ask("town.start")
