"""How rounds begin and end in the town's records: pure, each one change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tinytownd.domain import gates, rules
from tinytownd.domain.agent import DESIRED, Agent
from tinytownd.domain.message import Round
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town
from tinytownd.supervisor.decide import Begin

#: A rate limit without a reset time: 1 minute, doubling to 30. One with a time is believed for at
#: most a day, and gets up to a tenth of jitter so that agents do not all come back at once.
LIMIT_FIRST_MS, LIMIT_LONGEST_MS, LIMIT_CLAMP_MS = 60_000, 30 * 60_000, 24 * 3_600_000
#: The longest hold with its jitter, in milliseconds.
LONGEST_HOLD_MS = LIMIT_CLAMP_MS * 11 // 10


@dataclass(frozen=True)
class Ending:
    """What a round came to. `how`: completed, failed, limited, interrupted or unknown.

    With `cumulative`, tokens are the whole session's so far. `jitter` is a number from 0 to 1 that
    the caller drew.
    """

    how: str
    text: str = ""
    error: str | None = None
    session: str | None = None
    session_lost: bool = False
    resets_at: datetime | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    cumulative: bool = False
    jitter: float = 0.0


@dataclass(frozen=True)
class Retries:
    """How often a task is tried, and how long the pauses are, in milliseconds."""

    attempts: int
    first_ms: float
    longest_ms: float

    def pause(self, failures: int, jitter: float) -> int:
        """The pause after so many failures: doubling, with up to a tenth more."""
        pause = min(self.first_ms * 2 ** min(failures - 1, 30), self.longest_ms)
        return int(pause * (1 + jitter / 10))


def begin(town: Town, agent: Agent, work: Begin, *, token: str, cli: str) -> Round:
    """Records a round about to start: the intent, before any process exists."""
    number = str(town.next_id("rounds"))
    task = work.task
    command = task is not None and task.run is not None
    for message in work.messages:
        town.put(message.advance("deliver", round=number, delivered_at=town.now))
        town.event("message.delivered", "daemon", message=message.id, agent=agent.name)
    if task is not None:
        started = task.started_at if task.started_at is not None else town.now
        attempts = task.attempts + 1
        task = task.advance("start", round=number, attempts=attempts, started_at=started)
        town.put(task)
        town.event("task.started", agent.name, task=task.id, agent=agent.name, round=int(number))
    running = Round(
        id=number,
        agent=agent.name,
        token=token,
        task=task.id if task else None,
        messages=tuple(message.id for message in work.messages),
        cli=cli,
        cwd=town.meta.dir,
        resumed=agent.session,
        attempt=task.attempts if task else 0,
        folded=0 if command else agent.folded,
        started_at=town.now,
    )
    town.put(running)
    left = agent.folded if command else 0
    agent = agent.but(rounds=agent.rounds + 1, rounds_since_start=agent.rounds_since_start + 1)
    town.put(agent.advance("work", town.now, round=number, task=running.task, folded=left))
    town.event("round.started", agent.name, round=int(number), agent=agent.name, task=running.task)
    return running


def finish(town: Town, running: Round, ending: Ending, retries: Retries) -> None:
    """Records a round's end: its task, its messages, the agent and the usage in one change."""
    agent = town.agent(running.agent)
    spoken = running.verdict_at is not None
    before = tokens_before(town, running, ending)
    settle_task(town, running, ending, retries)
    settle_messages(town, running, acknowledged=spoken or ending.how == "completed")
    town.put(
        running.but(
            outcome="completed" if spoken else ending.how,
            error=None if spoken else ending.error,
            ended_at=town.now,
            session=ending.session,
            input_tokens=less(ending.input_tokens, before[0]),
            output_tokens=less(ending.output_tokens, before[1]),
            cost_usd=ending.cost_usd,
        )
    )
    town.event(
        "round.ended",
        agent.name,
        round=int(running.id),
        agent=agent.name,
        task=running.task,
        text="completed" if spoken else f"{ending.how}: {ending.error}" if ending.error else None,
    )
    settle_agent(town, agent, running, ending, retries)


def tokens_before(town: Town, running: Round, ending: Ending) -> tuple[int, int]:
    """Tokens of earlier rounds that the CLI counted again, as codex does when it resumes."""
    if not ending.cumulative or ending.session is None:
        return 0, 0
    earlier = [
        one
        for one in town.rounds.values()
        if one.agent == running.agent and one.session == ending.session and one.id != running.id
    ]
    return sum(r.input_tokens or 0 for r in earlier), sum(r.output_tokens or 0 for r in earlier)


def less(total: int | None, before: int) -> int | None:
    """A count without what was counted before."""
    return None if total is None else max(0, total - before)


def settle_task(town: Town, running: Round, ending: Ending, retries: Retries) -> None:
    """The verdict on the task, if this round still holds it; else a result is refused."""
    task = town.tasks.get(running.task or "")
    if task is None:
        return
    if task.state != "running" or task.round != running.id:
        if running.verdict_at is None and ending.text:
            text = rules.first_line(ending.text)
            about = {"task": task.id, "round": int(running.id), "text": text}
            town.event("result.refused", running.agent, agent=running.agent, **about)
        return
    # The process is over: there is nobody left whom the rules would have to stop.
    if ending.how == "completed":
        gates.hand_in(town, task.but(round=None), running.agent, ending.text or None)
    elif ending.how in ("limited", "interrupted") or ending.session_lost:
        release(town, task, task.attempts - 1)
        why = {"text": ending.error}
        town.event("task.released", running.agent, task=task.id, agent=task.agent, **why)
    elif may_try_again(task, ending, retries):
        due = town.now + retries.pause(task.attempts, ending.jitter)
        release(town, task.but(not_before=due, error=ending.error), task.attempts)
        about = {"task": task.id, "agent": task.agent, "text": ending.error}
        town.event("task.retrying", "daemon", **about)
    else:
        gates.fail(town, task.but(round=None), "daemon", ending.error or "it failed")


def may_try_again(task: Task, ending: Ending, retries: Retries) -> bool:
    """Whether a task gets another round; a command's exit code is a verdict, not a bad day."""
    verdict = task.run is not None and ending.how == "failed"
    return task.attempts < retries.attempts and not verdict


def release(town: Town, task: Task, attempts: int) -> None:
    """The task goes back to where it waits; nobody holds it."""
    town.put(task.advance("release", round=None, attempts=attempts))


def settle_messages(town: Town, running: Round, *, acknowledged: bool) -> None:
    """Messages are done with the round's verdict; otherwise the next round gets them again."""
    for message_id in running.messages:
        message = town.messages.get(message_id)
        if message is None or message.state != "delivered":
            continue
        if acknowledged:
            town.put(message.advance("acknowledge", acknowledged_at=town.now))
            about = {"message": message.id, "agent": message.to}
            town.event("message.acknowledged", running.agent, **about)
        else:
            town.put(message.advance("return", round=None))
            town.event("message.returned", "daemon", message=message.id, agent=message.to)


def settle_agent(
    town: Town, agent: Agent, running: Round, ending: Ending, retries: Retries
) -> None:
    """The agent after its round: at rest, held, broken, or where a person wants it."""
    agent = agent.but(round=None, task=None)
    if ending.session_lost:
        agent = agent.but(session=None)
    elif ending.session is not None:
        agent = agent.but(session=ending.session)
    spoken = running.verdict_at is not None
    if ending.how == "limited":
        # Also after a verdict: the next round would meet the same limit.
        agent = held_by_limit(town, agent, ending)
    elif ending.how == "completed" or spoken:
        agent = agent.but(failures=0, hold_until=None, hold_reason=None)
    elif ending.how != "interrupted" and not ending.session_lost:
        agent = agent.but(failures=agent.failures + 1)
        if running.task is None:
            pause = retries.pause(agent.failures, ending.jitter)
            agent = agent.but(
                hold_until=town.now + pause, hold_reason=ending.error, hold_named=False
            )
            if agent.failures >= retries.attempts:
                town.put(agent.advance("break", town.now))
                about = {"agent": agent.name, "text": ending.error}
                town.event("agent.error", "daemon", **about)
                return
    town.put(agent.advance(rest_event(agent), town.now))


def rest_event(agent: Agent) -> str:
    """Where an agent goes whose round is over: where a person wants it, else to rest."""
    return DESIRED[agent.desired][1] if agent.desired in DESIRED else "rest"


def held_by_limit(town: Town, agent: Agent, ending: Ending) -> Agent:
    """The agent with a hold until its limit's reset, or for a while that doubles."""
    failures = agent.failures + 1
    pause = min(LIMIT_FIRST_MS * 2 ** min(failures - 1, 10), LIMIT_LONGEST_MS)
    if ending.resets_at is not None:
        named = int(ending.resets_at.timestamp() * 1000) - town.now
        pause = max(1_000, min(named, LIMIT_CLAMP_MS))
    until = town.now + int(pause * (1 + ending.jitter / 10))
    reason = ending.error or "rate limit"
    town.event("agent.held", "daemon", agent=agent.name, text=reason)
    named_it = ending.resets_at is not None
    return agent.but(failures=failures, hold_until=until, hold_reason=reason, hold_named=named_it)
