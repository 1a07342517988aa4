"""A task, as one who waits for it or steers it has it in hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias, TypedDict

from tinytown_cli.api.errors import TaskCancelled, TaskError, TaskFailed, TaskHeld
from tinytown_cli.api.records import Priority, Round, TaskInfo, read
from tinytown_cli.api.session import Deadline, Session, refs, texts
from tinytown_cli.conversation import Data


class Task:
    """A task of the town. `info` is how it stood when it was last seen: see `refresh`."""

    def __init__(self, session: Session, told: Data) -> None:
        self._session = session
        self.info = read(TaskInfo, told)

    def __repr__(self) -> str:
        return f"<Task {self.id}: {self.info.state}>"

    @property
    def id(self) -> str:
        """Its id in the town."""
        return self.info.id

    async def refresh(self) -> TaskInfo:
        """How it stands now. Raises `NotFound` where it is gone."""
        return await self._look(self._session)

    async def _look(self, session: Session) -> TaskInfo:
        self.info = read(TaskInfo, (await session.ask("task.show", task=self.id))["task"])
        return self.info

    async def result(self, timeout: float | None = None) -> str:
        """Waits until it is completed, for so many seconds at most (None: whenever); its result.

        Raises `TaskFailed`, `TaskCancelled`, `TaskHeld` when it waits for one that failed or was
        cancelled, and `TimedOut`.
        """
        info = await self.wait(timeout)
        if info.state != "completed":
            raise _no_result(info)
        return info.result or ""

    async def wait(self, timeout: float | None = None) -> TaskInfo:
        """Waits until nothing more becomes of it; how it stands then. Raises `TimedOut`.

        That is when it is completed, failed or cancelled, or held back by one that failed or was
        cancelled.
        """
        deadline, session = Deadline(timeout), self._session.following()
        while not (await self._look(session)).finished:
            what = f"task {self.id} is still {self.info.state}"
            if failed := await session.wait(what, deadline, task=self.id):
                self.info = read(TaskInfo, failed[0])
                break
        return self.info

    async def rounds(self, *, gates: bool = False) -> list[Round]:
        """The rounds that were spent on it, with `gates` those of its checks and reviews, too.

        The oldest comes first.
        """
        verb = "task.rounds" if gates else "task.show"
        told = await self._session.ask(verb, task=self.id)
        return [read(Round, one) for one in told["rounds"]]

    async def complete(self, result: str | None = None) -> TaskInfo:
        """Says that it is done; inside an agent's process, only of the agent's own task."""
        return await self._change("task.complete", result=result)

    async def fail(self, reason: str | None = None) -> TaskInfo:
        """Says that it cannot be done. It is not tried again."""
        return await self._change("task.fail", reason=reason)

    async def cancel(self, *, cascade: bool = False) -> list[Task]:
        """Cancels it, with `cascade` also all that depends on it; what was cancelled.

        Raises `IllegalTransition` when it is completed or cancelled.
        """
        reply = await self._session.ask("task.cancel", task=self.id, cascade=cascade)
        cancelled = tasks_in(self._session, reply)
        self.info = next((one.info for one in cancelled if one.id == self.id), self.info)
        return cancelled

    async def approve(self) -> TaskInfo:
        """Lets it start, or accepts what was handed in. Raises `Conflict` where neither waits."""
        return await self._change("task.approve")

    async def reject(self, reason: str) -> TaskInfo:
        """Does not let it start, or sends back what was handed in; `Conflict` as above."""
        return await self._change("task.reject", reason=reason)

    async def retry(self) -> TaskInfo:
        """Tries it again. Raises `IllegalTransition` unless it has failed or was cancelled."""
        return await self._change("task.retry")

    async def edit(
        self,
        *,
        text: str | None = None,
        priority: Priority | None = None,
        agent: str | None = None,
        tags: str | Iterable[str] | None = None,
    ) -> TaskInfo:
        """Changes it before it starts; what is None stays. Raises `Conflict` when it has."""
        told = None if tags is None else texts(tags) or []
        return await self._change("task.edit", text=text, priority=priority, agent=agent, tags=told)

    async def move(self, agent: str) -> TaskInfo:
        """Gives it to another agent, or to the `backlog`."""
        return await self._change("task.move", agent=agent)

    async def _change(self, verb: str, **args: Any) -> TaskInfo:
        told = await self._session.ask(verb, task=self.id, **args)
        self.info = read(TaskInfo, told["task"])
        return self.info


#: Tasks that are named: one or several, by handle or by id.
TaskRefs: TypeAlias = str | Task | Iterable[str | Task]


def tasks_in(session: Session, reply: Data) -> list[Task]:
    """The tasks of a reply."""
    return [Task(session, one) for one in reply["tasks"]]


class TaskOptions(TypedDict, total=False):
    """What may be said of a new task."""

    #: It starts when these are completed; their results are in its prompt.
    after: TaskRefs
    #: How many of them are enough: `all` (the default), `any`, or a number.
    join: str | int
    #: Whether one of them that failed or was cancelled holds it back, or counts.
    failures: Literal["hold", "count"]
    tags: str | Iterable[str]
    priority: Priority
    #: Whether a person must approve before it starts.
    approve: bool
    #: A command that must pass before it is completed.
    check: str
    #: Who reviews its result: an agent's name, or a `role:R`.
    review: str
    #: The plan that it counts to; it need not have a file.
    plan: str


def described(text: str, options: TaskOptions) -> Data:
    """The arguments of a verb that makes a task."""
    told: Data = {"text": text, **options}
    if "join" in options:
        told["join"] = str(options["join"])
    return told | {"after": refs(options.get("after", ())), "tags": texts(options.get("tags", ()))}


def _no_result(info: TaskInfo) -> TaskError:
    retry = f"tt task retry {info.id}"
    if info.state == "failed":
        return TaskFailed(f"task {info.id} failed: {info.error or 'no reason'}", info, hint=retry)
    if info.state == "cancelled":
        return TaskCancelled(f"task {info.id} was cancelled", info, hint=retry)
    others = ", ".join(info.waits_for)
    return TaskHeld(f"task {info.id} is held back: it waits for {others}", info)
