"""Rate limits: one that a CLI meets is that of all agents on it, and on its account. Pure.

Each agent has a hold of its own, so that a person can lift one; the town remembers which CLIs are
at a limit, so that nobody falls back on them.
"""

from __future__ import annotations

from dataclasses import dataclass

from tinytownd.domain.agent import Agent
from tinytownd.domain.town import Town

#: A limit without a reset time: 1 minute, doubling to 30. One with a time is believed for at most
#: a day. It gets up to a tenth of jitter, a minute at most: towns should not all come back at once.
FIRST_MS, LONGEST_MS, CLAMP_MS, MOST_JITTER_MS = 60_000, 30 * 60_000, 24 * 3_600_000, 60_000
#: Agents of one CLI come back one after the other, the one that met its limit first: 3 s apart, all
#: within 5 minutes. Ours: the first one's refusal, if there is one, comes before the others start.
STEP_MS, SPREAD_MS = 3_000, 300_000
#: The longest hold, with all that comes on top of it.
LONGEST_HOLD_MS = CLAMP_MS + MOST_JITTER_MS + SPREAD_MS


@dataclass(frozen=True)
class RateLimit:
    """What a round met: why, when it is over by its CLI's word (milliseconds since the epoch).

    `jitter` is a number from 0 to 1 that the caller drew.
    """

    why: str
    resets_at: int | None = None
    jitter: float = 0.0

    def until(self, now: int, failures: int) -> int:
        """When it is over; `failures` counts the rounds in a row that failed, with this one."""
        pause = min(FIRST_MS << min(failures - 1, 10), LONGEST_MS)
        if self.resets_at is not None:
            pause = max(1_000, min(self.resets_at - now, CLAMP_MS))
        return now + pause + int(min(pause / 10, MOST_JITTER_MS) * self.jitter)


def one_limit(town: Town, cli: str, other: str) -> bool:
    """Whether two CLIs share their limits: they are the same, or of one account."""
    accounts = town.policy.accounts
    return cli == other or (cli in accounts and accounts[cli] == accounts.get(other))


def limited_until(town: Town, cli: str) -> int | None:
    """Until when a CLI is at a limit that an agent of this town met; None: at none."""
    known = town.meta.limited.items()
    found = (at for other, at in known if at > town.now and one_limit(town, cli, other))
    return max(found, default=None)


def remember(town: Town, cli: str, until: int) -> None:
    """The CLI is at a limit until then. What is over is forgotten."""
    known = {other: at for other, at in town.meta.limited.items() if at > town.now}
    town.put(town.meta.but(limited={**known, cli: until}))


def met(town: Town, agent: Agent, cli: str, limit: RateLimit) -> Agent:
    """A round met a limit of its CLI: all on that CLI are held. The agent as it is then.

    If that CLI only took over for it, its own hold stays as it is.
    """
    agent = agent.but(failures=agent.failures + 1)
    until = limit.until(town.now, agent.failures)
    if limit.resets_at is None:
        until = max(until, limited_until(town, cli) or 0)
    remember(town, cli, until)
    named = limit.resets_at is not None
    if one_limit(town, agent.cli, cli):
        town.event("agent.held", "daemon", agent=agent.name, text=limit.why)
        agent = agent.held(until, limit.why, named=named, limited=True)
    hold_others(town, cli, agent, limit, until)
    return agent


def hold_others(town: Town, cli: str, first: Agent, limit: RateLimit, until: int) -> None:
    """Holds all agents of a limited CLI but the one that met the limit; they follow it."""
    others = [
        one
        for one in town.agents.values()
        if one.id != first.id and one.available and one_limit(town, one.cli, cli)
    ]
    step = min(STEP_MS, SPREAD_MS // max(len(others), 1))
    for place, one in enumerate(others, start=1):
        due = until + place * step
        hold(town, one, due, limit.why, named=limit.resets_at is not None)


def hold(town: Town, agent: Agent, until: int, why: str, *, named: bool = False) -> None:
    """Holds an agent for its CLI's limit, unless something else holds it longer; says so once."""
    held = agent.on_hold(town.now)
    if held and not agent.limited and (agent.hold_until or 0) >= until:
        return
    if not (held and agent.limited):
        town.event("agent.held", "daemon", agent=agent.name, text=why)
    town.put(agent.held(until, why, named=named, limited=True))


def hold_newcomer(town: Town, agent: Agent) -> None:
    """Who joins the team while its CLI is at a limit waits for its end, as the others do."""
    until = limited_until(town, agent.cli)
    if until is not None:
        hold(town, agent, until + STEP_MS, f"{agent.cli} is at a rate limit")


def fallbacks(town: Town, agent: Agent) -> tuple[str, ...]:
    """The CLIs that may take the agent's rounds over now: its own one is at a limit, they are not.

    Only the agent's own list counts, not that of what it falls back on: nothing goes in circles.
    """
    waits = agent.limited and agent.on_hold(town.now)
    if not waits or limited_until(town, agent.cli) is None:
        return ()
    named = listed(town, agent)
    return tuple(cli for cli in named if limited_until(town, cli) is None)


def listed(town: Town, agent: Agent) -> tuple[str, ...]:
    """The CLIs that the agent, or else the settings of its CLI, name for that."""
    return agent.fallback or town.policy.fallbacks.get(agent.cli, ())


def next_look(town: Town, agent: Agent) -> int | None:
    """When an agent that is held should look again: its hold is over, or that of a fallback is."""
    ends = [limited_until(town, cli) for cli in listed(town, agent)] if agent.limited else []
    return min(at for at in (agent.hold_until, *ends) if at is not None)
