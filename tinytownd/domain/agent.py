"""An agent: a named member of the team, and how it moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from tinytownd.domain.machine import Table, advance
from tinytownd.domain.message import CONDUCTOR
from tinytownd.domain.record import Record

TRANSITIONS: Table = {
    "starting": {
        "rest": "idle",
        "pause": "paused",
        "close": "cold",
        "kill": "stopped",
        "break": "error",
    },
    "idle": {
        "work": "working",
        "pause": "paused",
        "close": "cold",
        "kill": "stopped",
        "break": "error",
    },
    "working": {
        "rest": "idle",
        "drain": "draining",
        "pause": "paused",
        "close": "cold",
        "kill": "stopped",
        "break": "error",
    },
    "draining": {
        "carry on": "working",
        "rest": "idle",
        "pause": "paused",
        "close": "cold",
        "kill": "stopped",
        "break": "error",
    },
    "paused": {"start": "starting", "close": "cold", "kill": "stopped"},
    "cold": {"start": "starting", "pause": "paused", "kill": "stopped"},
    "stopped": {"start": "starting", "pause": "paused", "close": "cold"},
    "error": {"start": "starting", "pause": "paused", "close": "cold", "kill": "stopped"},
}
STATES = tuple(TRANSITIONS)
#: What a person may want of an agent other than that it runs: the state that satisfies it, and the
#: event that leads there.
DESIRED = {"stop": ("stopped", "kill"), "close": ("cold", "close"), "pause": ("paused", "pause")}
#: Agents that count against `max_agents`.
COUNTED = frozenset(STATES) - {"stopped", "cold"}


@dataclass(frozen=True)
class Agent(Record):
    """A member of the team.

    `round` is the number of the round that runs now, `task` what it works on; `rounds` counts all
    rounds, `rounds_since_start` those that `max_rounds` bounds. A hold keeps it from starting a
    round before `hold_until`, a time that its CLI named where `hold_named`. `since` is when `state`
    last changed. `failures` counts rounds that failed in a row, `folded` the notes that the next
    prompt only counts. Its own `silence_seconds` and `wall_seconds` take the place of the town's
    limits. `session_input` and `session_output` are the tokens that its `session` has told so far,
    where its CLI counts them by session. `permissions` is what it may do unasked (None: what the
    town's settings say, at each round). `tags` say what kind of work it takes from the backlog,
    beside its role. `fallback` are CLIs that take its rounds over while its own is at a rate limit:
    while its hold is one that is `limited`. `tokens` and `cost_usd` are what its rounds used so
    far; `allowance` says how many times its budget it may use, and `over_budget` that it waits for
    a person's word on that. `restart` has it start afresh when it is next looked at. `attached` is
    the id of the command by which a person took its session into a terminal; it is paused until
    they hand it back.
    """

    kind: ClassVar[str] = "agents"

    name: str
    cli: str
    state: str = "starting"
    desired: str = "run"
    model: str | None = None
    role: str | None = None
    tags: tuple[str, ...] = ()
    fallback: tuple[str, ...] = ()
    nickname: str | None = None
    instructions: str | None = None
    parent: str | None = None
    task: str | None = None
    round: str | None = None
    rounds: int = 0
    rounds_since_start: int = 0
    max_rounds: int | None = None
    silence_seconds: int | None = None
    wall_seconds: int | None = None
    permissions: str | None = None
    session: str | None = None
    session_input: int = 0
    session_output: int = 0
    since: int = 0
    created_at: int = 0
    hold_until: int | None = None
    hold_reason: str | None = None
    hold_named: bool = False
    limited: bool = False
    failures: int = 0
    folded: int = 0
    tokens: int = 0
    cost_usd: float = 0.0
    allowance: float = 1.0
    over_budget: bool = False
    restart: bool = False
    attached: str | None = None

    def advance(self, event: str, at: int, **changes: Any) -> Self:
        """The agent after `event`; raises `IllegalTransition`."""
        state = advance(f"agent {self.name}", TRANSITIONS, self.state, event)
        return self.but(state=state, since=at, **changes)

    def held(
        self, until: int, why: str | None, *, named: bool = False, limited: bool = False
    ) -> Self:
        """The agent with a hold until then."""
        return self.but(hold_until=until, hold_reason=why, hold_named=named, limited=limited)

    def freed(self) -> Self:
        """The agent without a hold."""
        return self.but(hold_until=None, hold_reason=None, hold_named=False, limited=False)

    def on_hold(self, now: int) -> bool:
        """Whether its hold is not over yet."""
        return self.hold_until is not None and self.hold_until > now

    def is_held(self, now: int) -> bool:
        """Whether a hold or its budget keeps it from starting a round."""
        return self.over_budget or self.on_hold(now)

    @property
    def used_up(self) -> bool:
        """Whether it has had all the rounds that it may have since its start."""
        return self.max_rounds is not None and self.rounds_since_start >= self.max_rounds

    @property
    def is_conductor(self) -> bool:
        """Whether it is the conductor's own agent, whose mailbox is the conductor's."""
        return self.name == CONDUCTOR

    @property
    def words(self) -> set[str]:
        """What it answers to beside its name: its role and its tags, in lower case."""
        return {word.lower() for word in (self.role, *self.tags) if word}

    @property
    def available(self) -> bool:
        """Whether work can be handed to it, now or when it is resumed."""
        return self.desired in ("run", "pause") and self.state != "error"

    @property
    def will_work(self) -> bool:
        """Whether it does what it is given; also one in error that was just told to start again."""
        return self.available or (self.desired == "run" and self.restart)
