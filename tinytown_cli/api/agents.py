"""An agent, as one who gives it work has it in hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypedDict, Unpack

from tinytown_cli.api.records import AgentInfo, Kind, Message, Round, TaskState, read
from tinytown_cli.api.session import Deadline, Session, ref
from tinytown_cli.api.tasks import Task, TaskOptions, described, tasks_in
from tinytown_cli.conversation import Data
from tinytownd.domain.errors import NotFound


class AgentOptions(TypedDict, total=False):
    """What an agent is, where it is not what the town's settings say."""

    #: Its CLI: claude, codex, auggie, …
    cli: str
    model: str
    #: What it is for, in a word.
    role: str
    #: What work it takes from the backlog, beside that with its role as a tag.
    tags: Sequence[str]
    #: What it is told in every round.
    instructions: str
    #: A name for people.
    nickname: str
    #: Whom it reports to.
    parent: str
    #: After so many rounds it is stopped.
    max_rounds: int
    #: A round that prints nothing for so many seconds is ended; one that takes so many is, too.
    silence_seconds: int
    wall_seconds: int
    #: What it may do unasked.
    permissions: Literal["bypass", "edit", "read"]
    #: CLIs that take its rounds over while its own is at a rate limit.
    fallback: Sequence[str]


class Agent:
    """An agent of the town. `info` is how it stood when it was last seen: see `refresh`."""

    def __init__(self, session: Session, told: Data) -> None:
        self._session = session
        self.info = read(AgentInfo, told)

    def __repr__(self) -> str:
        return f"<Agent {self.name}: {self.info.state}>"

    @property
    def name(self) -> str:
        """Its name in the town."""
        return self.info.name

    async def refresh(self) -> AgentInfo:
        """How it stands now. Raises `NotFound` where it is gone."""
        self.info = (await find(self._session, self.name)).info
        return self.info

    async def assign(self, text: str, **options: Unpack[TaskOptions]) -> Task:
        """Gives it a task, which starts when all that it comes `after` are completed.

        Their results are in its prompt. Raises `BadInput`, `NotFound`.
        """
        told = described(text, options)
        reply = await self._session.ask("task.assign", agent=self.name, **told)
        return Task(self._session, reply["task"])

    async def send(
        self,
        text: str,
        *,
        kind: Kind = "request",
        urgent: bool = False,
        interrupt: bool = False,
        reply_to: str | Message | None = None,
    ) -> Message:
        """Sends it a message; `interrupt` stops its round for an urgent one, and goes on with it.

        Raises `BadInput`, `Conflict` when its mailbox is full.
        """
        told = Letter(text, kind, urgent, interrupt, reply_to)
        (sent,) = await send(self._session, told, to=self.name)
        return sent

    async def wait_for_idle(self, timeout: float | None = None) -> list[Task]:
        """Waits until it does nothing, nor is about to; those of its tasks that have failed.

        An agent that is stopped, paused or in error is idle. Raises `TimedOut` after so many
        seconds.
        """
        failed = await self._session.wait(
            f"{self.name} is still not idle", Deadline(timeout), agents=[self.name]
        )
        return [Task(self._session, one) for one in failed]

    async def tasks(self, state: TaskState | None = None) -> list[Task]:
        """Its tasks, or those in a state, in the order they were made."""
        reply = await self._session.ask("task.list", agent=self.name, state=state)
        return tasks_in(self._session, reply)

    async def current_task(self) -> Task | None:
        """What it works on."""
        told = (await self._session.ask("task.current", agent=self.name))["task"]
        return Task(self._session, told) if told else None

    async def inbox(self) -> list[Message]:
        """The messages that wait for it."""
        reply = await self._session.ask("message.inbox", agent=self.name)
        return [read(Message, one) for one in reply["messages"]]

    async def rounds(self, limit: int = 200) -> list[Round]:
        """Its last rounds that are at hand, so many at most; the oldest comes first."""
        reply = await self._session.ask("agent.rounds", name=self.name, limit=limit)
        return [read(Round, one) for one in reply["rounds"]]

    async def kill(self) -> AgentInfo:
        """Ends it now; its task goes back. `restart` brings it back."""
        return await self._change("agent.kill")

    async def close(self) -> AgentInfo:
        """Lets it finish its round, then ends it. `restart` brings it back."""
        return await self._change("agent.close")

    async def interrupt(self) -> AgentInfo:
        """Pauses it; it keeps its session. `resume` lets it go on."""
        return await self._change("agent.interrupt")

    async def resume(self) -> AgentInfo:
        """Lets it go on when it is paused or held."""
        return await self._change("agent.resume")

    async def restart(self) -> AgentInfo:
        """Brings it back with a fresh session."""
        return await self._change("agent.restart")

    async def _change(self, verb: str) -> AgentInfo:
        told = await self._session.ask(verb, name=self.name)
        self.info = read(AgentInfo, told["agent"])
        return self.info


#: An agent that is named, by handle or by name.
AgentRef: TypeAlias = str | Agent


def name_of(agent: AgentRef) -> str:
    """The name of an agent that is given as a handle or by its name."""
    return agent if isinstance(agent, str) else agent.name


async def find(session: Session, name: str) -> Agent:
    """The agent of that name, in any case; raises `NotFound`."""
    for told in (await session.ask("agent.list", name=name))["agents"]:
        return Agent(session, told)
    raise NotFound(f"there is no agent {name!r} in this town", hint="town.agents() lists them")


@dataclass(frozen=True)
class Letter:
    """What is sent, and how."""

    text: str
    kind: Kind
    urgent: bool = False
    interrupt: bool = False
    reply_to: str | Message | None = None


async def send(
    session: Session, letter: Letter, *, to: str | None, sender: str | None = None
) -> list[Message]:
    """Sends it to a mailbox, a role or a group, or to the whole team where `to` is None."""
    reply = await session.ask(
        "message.send",
        to=to,
        all=to is None or None,
        text=letter.text,
        kind=letter.kind,
        priority="urgent" if letter.urgent else None,
        interrupt=letter.interrupt or None,
        reply_to=None if letter.reply_to is None else ref(letter.reply_to),
        sender=sender,
    )
    return [read(Message, one) for one in reply["messages"]]
