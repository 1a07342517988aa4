"""How rounds begin and end in the town's records: pure, each one change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from tinytownd.domain import budgets, gates, rate_limits, rules, usage
from tinytownd.domain.agent import DESIRED, Agent
from tinytownd.domain.message import Round
from tinytownd.domain.plan import SHELL
from tinytownd.domain.rate_limits import RateLimit
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town
from tinytownd.supervisor.decide import Begin


@dataclass(frozen=True)
class Ending:
    """What a round came to. `how`: completed, failed, limited, interrupted or unknown.

    With `cumulative`, tokens are the whole session's so far. `jitter` is a number from 0 to 1 that
    the caller drew. `printed` is the end of what a command put out, on both streams. `broken`: it
    is `limited` by a mistake in the settings, not by its CLI.
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
    printed: str = ""
    broken: bool = False


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


def begin(
    town: Town, agent: Agent, work: Begin, *, token: str, cli: str, base: str | None = None
) -> Round:
    """Records a round about to start: the intent, before any process exists.

    `base` is the commit that the task begins with, where it is to be reviewed.
    """
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
        task = task.but(base=task.base or (base if task.review is not None else None))
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
        # The conductor's agent is told all it needs to know, each time: a session only costs.
        resumed=None if agent.is_conductor or cli != agent.cli else agent.session,
        attempt=task.attempts if task else 0,
        folded=0 if command else agent.folded,
        started_at=town.now,
    )
    town.put(running)
    left = agent.folded if command else 0
    agent = agent.but(rounds=agent.rounds + 1, rounds_since_start=agent.rounds_since_start + 1)
    town.put(agent.advance("work", town.now, round=number, task=running.task, folded=left))
    town.event("round.started", agent.name, round=int(number), agent=agent.name, task=running.task)
    if stands_in(agent, running):
        why = f"{agent.cli} is at a rate limit: this round is on {cli}"
        town.event("agent.fell_back", "daemon", agent=agent.name, task=running.task, text=why)
    return running


def stands_in(agent: Agent, running: Round) -> bool:
    """Whether a round runs on another CLI than its agent's own, whose limit it waits for."""
    return running.cli not in (agent.cli, SHELL)


def finish(town: Town, running: Round, ending: Ending, retries: Retries) -> None:
    """Records a round's end: its task, its messages, the agent and the usage in one change."""
    spoken = running.verdict_at is not None
    tokens_in, tokens_out = used(town, running, ending)
    tokens, usd = (tokens_in or 0) + (tokens_out or 0), ending.cost_usd or 0.0
    budgets.new_day(town)
    usage.add(town, running, tokens, usd)
    settle_task(town, running, ending, retries)
    settle_messages(town, running, acknowledged=spoken or ending.how == "completed")
    town.put(
        running.but(
            outcome="completed" if spoken else ending.how,
            error=None if spoken else ending.error,
            ended_at=town.now,
            session=ending.session,
            input_tokens=tokens_in,
            output_tokens=tokens_out,
            cost_usd=ending.cost_usd,
        )
    )
    town.event(
        "round.ended",
        running.agent,
        round=int(running.id),
        agent=running.agent,
        task=running.task,
        text="completed" if spoken else f"{ending.how}: {ending.error}" if ending.error else None,
    )
    settle_agent(town, running, ending, retries)
    budgets.judge(town, running, tokens, usd)


def used(town: Town, running: Round, ending: Ending) -> tuple[int | None, int | None]:
    """Tokens that went in and came out in this round alone; None where the CLI did not say."""
    before = tokens_before(town, running, ending)
    return less(ending.input_tokens, before[0]), less(ending.output_tokens, before[1])


def tokens_before(town: Town, running: Round, ending: Ending) -> tuple[int, int]:
    """Tokens of earlier rounds that the CLI counted again, as codex does when it resumes."""
    if not ending.cumulative or ending.session is None:
        return 0, 0
    agent = town.agent(running.agent)
    if ending.session == agent.session and agent.session_input:
        return agent.session_input, agent.session_output
    # An agent of an earlier version has no such counts yet.
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
    ending = said(task, ending)
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
        reason = ending.error or "it failed"
        gates.fail(town, task.but(round=None), "daemon", reason, ending.printed)


def said(task: Task, ending: Ending) -> Ending:
    """What an ending means for a gate: silence is no review, and a check's result is its output."""
    if ending.how == "completed" and gates.is_review(task):
        return replace(ending, how="failed", error="it gave no verdict")
    return replace(ending, text=ending.printed) if gates.is_check(task) else ending


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


def settle_agent(town: Town, running: Round, ending: Ending, retries: Retries) -> None:
    """The agent after its round: at rest, held, broken, or where a person wants it."""
    agent = town.agent(running.agent).but(round=None, task=None)
    away = stands_in(agent, running)
    if ending.session_lost or running.afresh:
        agent = agent.but(session=None)
    elif ending.session is not None and not away:
        agent = in_session(agent, ending)
    if ending.how == "limited":
        # Also after a verdict: the next round would meet the same limit.
        agent = held_by_limit(town, agent, running, ending)
    elif ending.how == "completed" or running.verdict_at is not None:
        # A hold that is not over is that of a limit: another agent met it, or this round stood in.
        agent = agent if agent.on_hold(town.now) else agent.freed()
        agent = agent.but(failures=agent.failures if away else 0)
    elif ending.how != "interrupted" and not ending.session_lost:
        agent = agent.but(failures=agent.failures + 1)
        last = agent.failures >= retries.attempts
        if away:
            # What fails as often waits for the agent's own CLI, rather than for a person.
            agent = agent.but(limited=agent.limited and not last)
        elif running.task is None:
            agent = held_by_failure(town, agent, ending, retries)
            if last:
                town.put(agent.advance("break", town.now, hold_reason=ending.error))
                town.event("agent.error", "daemon", agent=agent.name, text=ending.error)
                return
    town.put(agent.advance(rest_event(agent), town.now))


def in_session(agent: Agent, ending: Ending) -> Agent:
    """The agent in the session of its round, with the tokens that this has told so far."""
    same = agent.session == ending.session
    told = (agent.session_input, agent.session_output) if same else (0, 0)
    if ending.cumulative:
        told = ending.input_tokens or told[0], ending.output_tokens or told[1]
    return agent.but(session=ending.session, session_input=told[0], session_output=told[1])


def rest_event(agent: Agent) -> str:
    """Where an agent goes whose round is over: where a person wants it, else to rest."""
    return DESIRED[agent.desired][1] if agent.desired in DESIRED else "rest"


def held_by_limit(town: Town, agent: Agent, running: Round, ending: Ending) -> Agent:
    """The agent after a limit, with all others on its CLI; a broken setting is its own alone."""
    named = ending.resets_at
    resets_at = int(named.timestamp() * 1000) if named is not None else None
    limit = RateLimit(ending.error or "rate limit", resets_at, ending.jitter)
    if not ending.broken:
        return rate_limits.met(town, agent, running.cli, limit)
    agent = agent.but(failures=agent.failures + 1)
    town.event("agent.held", "daemon", agent=agent.name, text=limit.why)
    return agent.held(limit.until(town.now, agent.failures), limit.why)


def held_by_failure(town: Town, agent: Agent, ending: Ending, retries: Retries) -> Agent:
    """The agent with a pause before it tries its messages again, unless it waits longer anyway."""
    until = town.now + retries.pause(agent.failures, ending.jitter)
    waits = agent.on_hold(town.now) and (agent.hold_until or 0) > until
    return agent if waits else agent.held(until, ending.error)
