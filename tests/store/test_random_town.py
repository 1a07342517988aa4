"""Whatever happens to a town: the one in memory is the one that is read again."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from tests.store.steps import asked, entry_in, loaded, seen
from tinytownd.domain.agent import Agent
from tinytownd.domain.errors import Conflict, TownError
from tinytownd.domain.names import PRIORITIES
from tinytownd.domain.town import Town
from tinytownd.store import keys
from tinytownd.store.client import Client
from tinytownd.store.town import TownStore
from tinytownd.supervisor.decide import Begin, next_step
from tinytownd.supervisor.loop import carry_out
from tinytownd.supervisor.verdict import Ending, Retries, begin, finish

NAMES = ["dev", "Tester", "re.viewer", "ops"]
STEPS = 600
PLANS = [
    '[[tasks]]\nid = "a"\ndescription = "A"\nagent = "dev"\n'
    '[[tasks]]\nid = "b"\ndescription = "B"\nagent = "Tester"\ndepends_on = ["a"]\n',
    '[[tasks]]\nid = "a"\ndescription = "A, changed"\nagent = "dev"\n'
    '[[tasks]]\nid = "g"\ndescription = "G"\nepic = true\n'
    '[[tasks]]\nid = "c"\ndescription = "C"\nagent = "ops"\nparent = "g"\n'
    '[[tasks]]\nid = "d"\ndescription = "D"\nparent = "g"\ndepends_on = ["a", "c"]\n',
]
#: What spawning asks of the daemon around: any CLI is there.
AROUND = SimpleNamespace(
    installed_cli=lambda cli, permissions: cli or "claude",
    config=SimpleNamespace(town=SimpleNamespace(max_agents=16)),
)
Decision = Callable[[Town], object]


class Player:
    """Draws what happens next: a person's commands, and what supervisors do."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)

    def decision(self, town: Town) -> Decision:
        move = self.dice.choice([self.person, self.supervisor, self.supervisor])(town)
        return abandoned(move) if self.dice.random() < 0.15 else move

    def person(self, town: Town) -> Decision:
        verb, args = self.dice.choice(self.commands(town))
        return asked(verb, AROUND, **args)

    def commands(self, town: Town) -> list[tuple[str, dict[str, Any]]]:
        name, text = self.dice.choice(NAMES), f"text {self.dice.random()}"
        task = self.dice.choice([*town.tasks, "none"])
        known = [self.dice.choice(list(town.tasks))] if town.tasks else []
        priority = self.dice.choice(PRIORITIES)
        about = {"text": text, "priority": priority}
        return [
            *[("agent.spawn", {"name": name, "max_rounds": self.dice.choice([None, 3])})] * 3,
            (f"agent.{self.dice.choice(['kill', 'close', 'interrupt'])}", {"name": name}),
            *[(f"agent.{self.dice.choice(['resume', 'restart'])}", {"name": name})] * 3,
            ("agent.prune", {"all": self.dice.random() < 0.3}),
            ("task.reclaim", {"to": self.dice.choice([name, "backlog"])}),
            *[("town.start", {})] * 3,
            *[("task.assign", {"agent": name, "after": known, **about})] * 4,
            *((f"task.{what}", {"task": task}) for what in ("complete", "fail", "retry")),
            ("task.cancel", {"task": task, "cascade": self.dice.random() < 0.5}),
            ("task.edit", {"task": task, **about}),
            ("task.move", {"task": task, "agent": self.dice.choice([name, "backlog"])}),
            *[("message.send", {"to": name, **about})] * 3,
            ("message.send", {"all": True, "kind": "info", **about}),
            ("message.send", {"to": "supervisor", **about}),
            ("backlog.add", {"tags": [name], **about}),
            ("backlog.assign_all", {"agent": name}),
            ("plan.push", {"text": self.dice.choice(PLANS), "prune": self.dice.random() < 0.5}),
            (self.dice.choice(["conductor.start", "conductor.stop"]), {}),
        ]

    def supervisor(self, town: Town) -> Decision:
        if not town.agents:
            return lambda town: None
        agent = self.dice.choice(list(town.agents.values()))
        how = self.dice.choice(["completed", "failed", "limited", "interrupted", "unknown"])
        ending = Ending(how, "done", "why", session=f"s{self.dice.random()}", cost_usd=0.1)
        return lambda town: supervise(town, agent.id, ending)


def supervise(town: Town, agent_id: str, ending: Ending) -> None:
    """One step of an agent's supervisor: its round ends, or one begins, or it moves."""
    agent: Agent = town.agents[agent_id]
    running = town.rounds.get(agent.round or "")
    if running is not None:
        finish(town, running, ending, Retries(attempts=2, first_ms=0, longest_ms=0))
        return
    step = next_step(town, agent_id)
    if isinstance(step, Begin):
        begin(town, agent, step, token="t", cli="claude")
    else:
        carry_out(town, agent_id, step, lambda agent: None)


def abandoned(decide: Decision) -> Decision:
    """The same, taken back at the last moment."""

    def run(town: Town) -> None:
        decide(town)
        raise Conflict("thought better of it")

    return run


async def play(client: Client, store: TownStore, seed: int) -> None:
    """A busy time: decisions of supervisors and commands of people, one after the other."""
    player = Player(seed)
    for _ in range(STEPS):
        decide = await store.read(player.decision)
        if player.dice.random() < 0.5:
            entry = await entry_in(client, store.id)
            await store.execute(entry, partial(answered, decide))
            continue
        try:
            await store.transact(decide)
        except TownError:
            continue


def answered(decide: Decision, town: Town) -> Callable[[], dict[str, object]]:
    """A command's answer, whatever was decided."""
    made = decide(town)
    return made if callable(made) else dict


@pytest.mark.parametrize("seed", range(4))
async def test_a_town_is_the_same_when_it_is_read_again(
    client: Client, store: TownStore, seed: int
) -> None:
    await play(client, store, seed)
    town = await store.read(lambda town: town)
    assert await store.read(seen) == seen(await loaded(client, store.id))
    assert len(town.tasks) > 10
    assert len(town.rounds) > 10
    assert len(town.messages) > 10
    assert int(await client.hget(keys.town_key(store.id), "revision") or 0) > STEPS / 6
