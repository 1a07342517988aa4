"""Who is meant where a role or a group is named. Pure."""

from __future__ import annotations

from tinytownd.domain.agent import Agent
from tinytownd.domain.errors import NotFound
from tinytownd.domain.names import did_you_mean, shown
from tinytownd.domain.plan import SHELL
from tinytownd.domain.town import Town

#: So many roles or tags are named in a hint.
MAX_NAMED = 8


def readers(town: Town, but: Agent | None = None) -> list[Agent]:
    """The team as far as it reads messages, without the conductor's own agent, and `but` one."""
    return [
        agent
        for agent in town.agents.values()
        if agent.cli != SHELL and not agent.is_conductor and agent.id != (but and but.id)
    ]


def least_loaded(town: Town, role: str, but: Agent | None = None) -> Agent:
    """Of those with a role the one with the least to do, one that works first.

    Fewest tasks that were handed to it, then fewest messages that wait, then fewest rounds so far.
    Raises `NotFound`.
    """
    team = readers(town, but)
    fit = [agent for agent in team if (agent.role or "").lower() == role.lower()]
    if not fit:
        raise nobody(f"with the role {shown(role)}", role, [one.role or "" for one in team], but)
    return min(fit, key=lambda agent: (not agent.will_work, *load(town, agent), agent.order))


def load(town: Town, agent: Agent) -> tuple[int, int, int]:
    """How much an agent has to do: tasks, messages, and how much it has done."""
    tasks = len(town.queue(agent.name)) + (agent.task is not None)
    return tasks, len(town.inbox(agent.name)), agent.rounds


def group(town: Town, word: str, but: Agent | None = None) -> list[Agent]:
    """Everybody whose role or one of whose tags that is; raises `NotFound`."""
    team = readers(town, but)
    fit = [agent for agent in team if word.lower() in agent.words]
    if not fit:
        known = [one for agent in team for one in (agent.role or "", *agent.tags)]
        raise nobody(f"whose role or tag is {shown(word)}", word, known, but)
    return fit


def nobody(what: str, word: str, known: list[str], but: Agent | None) -> NotFound:
    """The error that nobody is meant, with the words that somebody answers to."""
    words = sorted({one for one in known if one})
    named = ", ".join(shown(one) for one in words[:MAX_NAMED])
    there = f"there {'is' if len(words) == 1 else 'are'} {named}" + ", …" * (len(words) > MAX_NAMED)
    hint = did_you_mean(word, words) or (there if words else "tt spawn NAME --role ROLE")
    other = f" but {but.name}" if but is not None else ""
    return NotFound(f"there is no agent {what} in this town{other}", hint=hint)
