"""What a supervisor does next: pure functions of the town, the clock and the limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from tinytownd.domain import budgets, rate_limits, usage
from tinytownd.domain.agent import DESIRED, Agent
from tinytownd.domain.lines import next_of
from tinytownd.domain.message import CONDUCTOR, KINDS, PERSON, Message, Round
from tinytownd.domain.plan import SHELL
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town

#: After its verdict, or its CLI's final record, a round's process gets so long to end, in seconds.
#: Several CLIs hang there (measured); a minute lets one finish its last words.
VERDICT_GRACE = 60.0
FINAL_GRACE = 10.0
#: Characters of messages in one prompt, about: 60,000 tokens, which every model in use can read.
MOST_TEXT = 250_000
HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Begin:
    """Start a round with this task and these messages, on this CLI."""

    task: Task | None
    messages: tuple[Message, ...]
    cli: str = ""


@dataclass(frozen=True)
class Move:
    """A step in the agent's table that needs no process."""

    event: str
    reason: str | None = None


@dataclass(frozen=True)
class Nudge:
    """Work came due with the clock alone: have the conductor look."""


@dataclass(frozen=True)
class Sleep:
    """Nothing to do before `until` (milliseconds since the epoch), or before a wake."""

    until: int | None = None


@dataclass(frozen=True)
class Gone:
    """The agent is no member of the town any more."""


Step = Begin | Move | Nudge | Sleep | Gone
#: Whether a CLI can be started for an agent: it is there, and can be held to its permissions.
Usable = Callable[[Agent, str], bool]


def any_cli(_agent: Agent, _cli: str) -> bool:
    """For a decision that no fallback depends on."""
    return True


def next_step(town: Town, agent_id: str, usable: Usable = any_cli) -> Step:
    """What to do about an agent that has no round; `usable` is asked about its fallbacks."""
    agent = town.agents.get(agent_id)
    if agent is None:
        return Gone()
    if agent.desired in DESIRED:
        state, event = DESIRED[agent.desired]
        return Sleep() if agent.state == state else Move(event)
    if agent.restart or agent.state == "paused":
        return Move("start")
    if agent.state == "starting":
        return Move("rest")
    return idle_step(town, agent, usable) if agent.state == "idle" else Sleep()


def idle_step(town: Town, agent: Agent, usable: Usable = any_cli) -> Step:
    """What an idle agent does, unless it may not start a round now."""
    if agent.used_up:
        return Move("kill", f"its {agent.max_rounds} rounds are used up")
    if agent.over_budget:
        return Sleep()
    if town.meta.day_over:
        again = usage.day_after(town.meta.day)
        return Sleep(again) if budgets.over_for_today(town) else Nudge()
    if not agent.is_held(town.now):
        return work_step(town, agent, agent.cli)
    fallbacks = (cli for cli in rate_limits.fallbacks(town, agent) if usable(agent, cli))
    cli = next(fallbacks, None)
    if cli is None:
        return Sleep(rate_limits.next_look(town, agent))
    return work_step(town, agent, cli)


def work_step(town: Town, agent: Agent, cli: str) -> Step:
    """What there is to do: urgent work first, then older; nothing costs a token but work."""
    queue = town.queue(agent.name)
    task = queue[0] if queue else None
    waiting = messages_for(town, agent, task)
    if agent.is_conductor:
        return conductor_step(town, waiting, cli)
    if task is not None or any(message.starts_round for message in waiting):
        command = task is not None and task.run is not None
        return Begin(task, waiting, SHELL if command else cli)
    times = (task.not_before for task in town.ready(agent.name) if task.not_before is not None)
    due = min(times, default=None)
    came_due = due is not None and due <= town.now
    # The end of a hold, or a setting, may be all that makes it free for what is anybody's.
    return Nudge() if came_due or next_of(town, agent) else Sleep(due)


def conductor_step(town: Town, waiting: tuple[Message, ...], cli: str) -> Step:
    """What the conductor's own agent does: a round for all that waits, so many in an hour.

    They are spread over the hour; only a person does not wait.
    """
    asking = [message for message in waiting if message.starts_round]
    if not asking or not town.policy.conductor:
        return Sleep()
    earlier = (one.started_at for one in reversed(town.rounds.values()) if one.agent == CONDUCTOR)
    last = next(earlier, town.now + 1)
    due = last + HOUR_MS // town.policy.conductor_rounds
    # A round in the future is one from before the clock was set back.
    if last > town.now or due <= town.now or any(one.sender == PERSON for one in asking):
        return Begin(None, waiting, cli)
    return Sleep(due)


def messages_for(town: Town, agent: Agent, task: Task | None) -> tuple[Message, ...]:
    """The messages that a round with this task takes along, urgent ones first.

    As many as a prompt has room for, and one at least: the next round takes the rest. A round that
    only runs a command reads none: they wait for one that does. A question is a person's to read.
    """
    if agent.cli == SHELL or (task is not None and task.run is not None):
        return ()
    inbox = town.inbox(agent.name)
    waiting = [one for one in inbox if one.state == "waiting" and one.sort in KINDS]
    waiting.sort(key=lambda m: (m.priority != "urgent", not m.starts_round, m.seq))
    sizes = accumulate(len(message.text) for message in waiting)
    fits = sum(size <= MOST_TEXT for size in sizes)
    chosen = waiting[: max(fits, 1)]
    return tuple(sorted(chosen, key=lambda m: (m.priority != "urgent", m.seq)))


@dataclass(frozen=True)
class Limits:
    """A round's bounds, in seconds; `output` in MiB."""

    silence: float
    wall: float
    output: float


@dataclass(frozen=True)
class Clock:
    """Seconds, on a clock that cannot jump: since the start, the last output, and so on.

    None: it has not happened. `printed` is how much it has put out so far, in MiB.
    """

    running: float
    silent: float
    verdict: float | None = None
    final: float | None = None
    printed: float = 0.0


@dataclass(frozen=True)
class Stop:
    """End the round's processes. `how` says what that means for its task."""

    reason: str
    how: Literal["interrupted", "failed", "over"]


@dataclass(frozen=True)
class Watch:
    """Let it run, and look again after `seconds` at the latest."""

    seconds: float


def look(agent: Agent, running: Round, limits: Limits, clock: Clock) -> Stop | Watch:
    """Whether a running round may run on."""
    wills = {"stop": "the agent was killed", "pause": "the agent was interrupted"}
    if running.stopping is not None:
        return Stop(running.stopping, "interrupted")
    if agent.desired in wills:
        return Stop(wills[agent.desired], "interrupted")
    if clock.printed > limits.output:
        return Stop(f"it printed more than {limits.output:g} MiB", "failed")
    bounds = [
        (limits.wall, clock.running, f"it ran longer than {limits.wall:g} s", "failed"),
        (limits.silence, clock.silent, f"it was silent for {limits.silence:g} s", "failed"),
        (VERDICT_GRACE, clock.verdict, "its task is over", "over"),
        (FINAL_GRACE, clock.final, "it hung after its final record", "over"),
    ]
    left = []
    for bound, spent, reason, how in bounds:
        if spent is None:
            continue
        if spent >= bound:
            return Stop(reason, how)  # type: ignore[arg-type]
        left.append(bound - spent)
    return Watch(min(left))
