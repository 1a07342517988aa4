"""What is derived from a town's agents: who is called what, and who has nothing to do."""

from __future__ import annotations

import bisect
import heapq
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from itertools import groupby

from tinytownd.domain.agent import Agent

#: Where an agent stands among those at rest: its rounds so far, when it was spawned, its id.
Turn = tuple[int, int, str]


class Roster:
    """The indexes of the agents in `agents`, which its owner changes."""

    def __init__(self, agents: Mapping[str, Agent]) -> None:
        self._agents = agents
        #: How many agents are in each state.
        self.states: Counter[str] = Counter()
        self._names: dict[str, str] = {}
        #: Ids by roles and tags, in lower case; and those of agents at rest, in turn.
        self._members: defaultdict[str, set[str]] = defaultdict(set)
        self._resting: defaultdict[str, list[Turn]] = defaultdict(list)

    def find(self, name: str) -> Agent | None:
        """The agent of that name, in any case, or None."""
        found = self._names.get(name.lower())
        return self._agents[found] if found else None

    def members(self, word: str) -> Iterator[Agent]:
        """The agents whose role or one of whose tags that is, in any case."""
        return (self._agents[one] for one in self._members.get(word.lower(), ()))

    def resting(self, *words: str) -> Iterator[Agent]:
        """Those of one of these words that have no round, who has worked least first."""
        places = heapq.merge(*(self._resting.get(word.lower(), ()) for word in words))
        return (self._agents[one] for (_, _, one), _ in groupby(places))

    def replace(self, old: Agent | None, new: Agent | None) -> None:
        """An agent was added (no old), replaced, or removed (no new)."""
        if old is not None:
            self.states[old.state] -= 1
            self._names.pop(old.name.lower(), None)
            for word in old.words:
                self._members[word].discard(old.id)
                if rests(old):
                    places = self._resting[word]
                    del places[bisect.bisect_left(places, turn(old))]
        if new is not None:
            self.states[new.state] += 1
            self._names[new.name.lower()] = new.id
            for word in new.words:
                self._members[word].add(new.id)
                if rests(new):
                    bisect.insort(self._resting[word], turn(new))


def rests(agent: Agent) -> bool:
    """Whether an agent is there and has no round."""
    return agent.round is None and agent.state in ("idle", "starting")


def turn(agent: Agent) -> Turn:
    """Who has worked least takes first, and of those who came first."""
    return agent.rounds, agent.order, agent.id
