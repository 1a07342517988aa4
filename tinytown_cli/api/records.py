"""What comes back: frozen records in the shapes of docs/protocol.md.

Names are the protocol's, but `from`, which is Python's own word: a message's is its `sender`.
Times are aware datetimes in UTC. Fields of a later version are ignored.
"""

from __future__ import annotations

import functools
import types
import typing
from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from typing import Any, Literal, TypeVar

from tinytownd.domain.errors import Unavailable

R = TypeVar("R", bound="Record")

Priority = Literal["low", "normal", "high", "urgent"]
#: What can be sent; the town itself also asks people a `question`.
Kind = Literal["request", "query", "info", "ack"]
MessageKind = Literal["request", "query", "info", "ack", "question"]
TaskState = Literal[
    "pending",
    "assigned",
    "running",
    "blocked",
    "submitted",
    "completed",
    "failed",
    "cancelled",
]
AgentState = Literal[
    "starting", "idle", "working", "paused", "draining", "cold", "stopped", "error"
]
MessageState = Literal["waiting", "delivered", "acknowledged"]
PlanState = Literal[
    "none",
    "proposed",
    "waiting",
    "paused",
    "running",
    "blocked",
    "completed",
    "failed",
    "stalled",
    "cancelled",
]
#: Our word to the protocol's, where that is one of Python's own.
_RENAMED = {"sender": "from"}


class Record:
    """What can be read out of an object of the protocol."""


@dataclass(frozen=True)
class TaskInfo(Record):
    """A task as it stood. `result` is what came of it, `error` why it failed."""

    id: str
    description: str
    state: TaskState
    agent: str | None
    role: str | None
    result: str | None
    error: str | None
    depends_on: tuple[str, ...]
    join: str
    failures: Literal["hold", "count"]
    parent: str | None
    tags: tuple[str, ...]
    priority: Priority
    attempts: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    plan: str | None
    epic: bool
    run: str | None
    approve: bool
    approved: bool
    check: str | None
    review: str | None
    gate_of: str | None
    feedback: str | None
    reworks: int
    waits_for: tuple[str, ...]
    not_before: datetime | None
    tokens: int
    cost_usd: float
    group: bool

    @property
    def finished(self) -> bool:
        """Whether it is completed, failed or cancelled."""
        return self.state in ("completed", "failed", "cancelled")


@dataclass(frozen=True)
class Hold(Record):
    """Why an agent may not start a round before a time; None: before a person has decided."""

    until: datetime | None
    reason: str


@dataclass(frozen=True)
class Waiting(Record):
    """What waits for an agent: tasks that were handed out, messages of each kind."""

    tasks: int
    request: int
    query: int
    info: int
    ack: int


@dataclass(frozen=True)
class AgentInfo(Record):
    """An agent as it stood; `desired` is what a person wants of it: run, pause, close, stop."""

    id: str
    name: str
    state: AgentState
    desired: str
    cli: str
    model: str | None
    role: str | None
    tags: tuple[str, ...]
    nickname: str | None
    parent: str | None
    task: str | None
    rounds: int
    rounds_since_start: int
    max_rounds: int | None
    silence_seconds: int | None
    wall_seconds: int | None
    permissions: str | None
    session: str | None
    attached: bool
    since: datetime
    hold: Hold | None
    error: str | None
    waiting: Waiting
    fallback: tuple[str, ...]
    tokens: int
    cost_usd: float


@dataclass(frozen=True)
class Message(Record):
    """A message; `claimed_sender` is in whose name a person sent it.

    `thread` is the id of the message that the conversation began with, `task` what its sender
    worked on. `about` is what a question is about, `answer` what a person said to it.
    """

    id: str
    sender: str
    to: str
    kind: MessageKind
    priority: Priority
    text: str
    state: MessageState
    sent_at: datetime
    delivered_at: datetime | None
    acknowledged_at: datetime | None
    round: int | None
    reply_to: str | None
    thread: str
    task: str | None
    about: str | None
    answer: str | None
    claimed_sender: str | None


@dataclass(frozen=True)
class Round(Record):
    """One process of an agent's CLI; `outcome` is None while it runs. Cost is in US dollars."""

    round: int
    agent: str
    task: str | None
    cli: str
    outcome: str | None
    started_at: datetime
    ended_at: datetime | None
    seconds: float
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    error: str | None


@dataclass(frozen=True)
class Event(Record):
    """One line of the town's history; what it does not concern is None."""

    id: str
    at: datetime
    event: str
    actor: str
    agent: str | None = None
    task: str | None = None
    plan: str | None = None
    message: str | None = None
    kind: str | None = None
    round: int | None = None
    text: str | None = None


@dataclass(frozen=True)
class PlanInfo(Record):
    """A plan as a whole: its tasks that somebody executes, by state; how long, for how much.

    `owner` made it. `seconds` it has taken so far; `tokens` and US dollars its rounds used.
    """

    name: str
    description: str | None
    owner: str
    state: PlanState
    total: int
    completed: int
    failed: int
    cancelled: int
    running: int
    blocked: int
    pending: int
    started_at: datetime | None
    ended_at: datetime | None
    seconds: float | None
    tokens: int
    cost_usd: float


@dataclass(frozen=True)
class Conductor(Record):
    """Whether the plan is handed out, how far it is, and what its agent was asked and works on."""

    on: bool
    plan: PlanInfo
    asked: int
    cli: str | None


@dataclass(frozen=True)
class TownInfo(Record):
    """Which town it is; `dir` is its directory."""

    id: str
    name: str
    dir: str


@dataclass(frozen=True)
class Counts(Record):
    """How many tasks there are, by state, and by agent and state."""

    by_state: dict[str, int]
    by_agent: dict[str, dict[str, int]]


@dataclass(frozen=True)
class Status(Record):
    """The town at a glance, after the event with the id `event`; `rounds` are the last ten.

    Of a team or of plans of more than fifty some are shown; `team` counts all agents by state,
    `plans_left` the plans that are not shown.
    """

    town: TownInfo
    conductor: Conductor
    plans: tuple[PlanInfo, ...]
    plans_left: int
    agents: tuple[AgentInfo, ...]
    team: dict[str, int]
    tasks: Counts
    messages: dict[str, int]
    questions: int
    backlog: int
    rounds: tuple[Round, ...]
    event: str


@dataclass(frozen=True)
class Missing(Record):
    """An agent that the plan needs and that cannot work; `state` is None where it is no member."""

    name: str
    tasks: tuple[str, ...]
    state: AgentState | None


@dataclass(frozen=True)
class PlanStatus(Record):
    """How far the plan is, after the event with the id `event`.

    Of many tasks the most urgent are shown: `tasks_left` are not.
    """

    conductor: Conductor
    tasks: tuple[TaskInfo, ...]
    tasks_left: int
    agents: tuple[AgentInfo, ...]
    missing: tuple[Missing, ...]
    event: str

    @property
    def state(self) -> PlanState:
        """The plan's state."""
        return self.conductor.plan.state


@dataclass(frozen=True)
class Change(Record):
    """What a push did to a task, and why where it did not do what the file says."""

    id: str
    state: TaskState
    why: str | None


@dataclass(frozen=True)
class Pushed(Record):
    """What a push of a plan did, task by task."""

    added: tuple[Change, ...]
    updated: tuple[Change, ...]
    unchanged: tuple[Change, ...]
    kept: tuple[Change, ...]
    removed: tuple[Change, ...]
    plan: PlanInfo


def read(shape: type[R], told: dict[str, Any]) -> R:
    """An object of the protocol as its record. Raises `Unavailable` where a field is missing."""
    found = {}
    for name, (key, wanted, needed) in _fields(shape).items():  # type: ignore[arg-type]  # mypy takes no class for hashable
        if key in told:
            found[name] = _value(wanted, told[key])
        elif needed:
            raise Unavailable(
                f"the daemon speaks another version: its {shape.__name__} has no {key!r}",
                hint="tt daemon restart",
            )
    return shape(**found)


@functools.cache
def _fields(shape: Any) -> dict[str, tuple[str, Any, bool]]:
    """Field to what the protocol calls it, its type, and whether it must be there."""
    hints = typing.get_type_hints(shape)
    return {
        one.name: (_RENAMED.get(one.name, one.name), hints[one.name], one.default is MISSING)
        for one in fields(shape)
    }


def _value(wanted: Any, told: Any) -> Any:
    """What was told in JSON as the type that is wanted."""
    if typing.get_origin(wanted) is types.UnionType:
        (wanted,) = (one for one in typing.get_args(wanted) if one is not types.NoneType)
    if told is None:
        return None
    if typing.get_origin(wanted) is tuple:
        return tuple(_value(typing.get_args(wanted)[0], one) for one in told)
    if wanted is datetime:
        return datetime.fromisoformat(told)
    return read(wanted, told) if _is_record(wanted) else told


def _is_record(wanted: Any) -> bool:
    return isinstance(wanted, type) and issubclass(wanted, Record)
