"""Commands that wait are written together: each happens once, whoever dies while they are.

They are in the streams of people and of an agent before the daemon reads them, and are all sent
again by who heard no answer.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.kills.daemons import Home, home_in, until
from tests.kills.runs import Outcome, Run, Scenario
from tests.kills.scenarios import B
from tests.kills.test_every_step import VICTIMS, disturbed, undisturbed
from tests.kills.trap import Victim
from tinytownd import wire
from tinytownd.store import keys


class Asked(NamedTuple):
    """A command of a batch: of the agent at work, or of a person; `again`: it is there twice."""

    verb: str
    args: Mapping[str, object]
    of_agent: bool = False
    again: bool = False


#: One agent is at work, so that its stream is read; the others never start a round.
C = (("agent.spawn", {"name": "c"}), ("agent.interrupt", {"name": "c"}))
TASK = ("task.assign", {"agent": "a", "text": "Build it"})
BEFORE = (("agent.spawn", {"name": "a"}), *B, *C, TASK)
HELLO = {"to": "c", "text": "Hello"}
#: Tasks are people's and messages the agent's: in which order streams are read must not show.
PLAIN = (
    Asked("backlog.add", {"text": "Some day"}),
    Asked("task.assign", {"agent": "b", "text": "Test it"}),
    Asked("task.assign", {"agent": "nobody", "text": "Test it"}),
    Asked("task.edit", {"task": "t2", "text": "Some night"}),
    Asked("message.send", HELLO, of_agent=True),
    Asked("message.send", {"to": "nobody", "text": "Hello"}, of_agent=True),
    Asked("message.send", HELLO, of_agent=True),
)
TWICE = (
    Asked("backlog.add", {"text": "Some day"}, again=True),
    Asked("message.send", HELLO, of_agent=True, again=True),
    Asked("task.assign", {"agent": "b", "text": "Test it"}),
)
#: The archive is asked for the task, which nobody knows, and so the others do not wait.
ABSENT = (
    Asked("backlog.add", {"text": "Some day"}),
    Asked("task.cancel", {"task": "t99"}),
    Asked("message.send", HELLO, of_agent=True),
)
#: What is asked, which of it is refused, and in how many steps all of it is written.
BATCHES = {
    "plain": (PLAIN, (2, 5), 1),
    "twice": (TWICE, (), 5),
    "absent": (ABSENT, (1,), 2),
}


class Batch(Run):
    """A run of several commands, all of them in the streams at once."""

    def __init__(self, home: Home, name: str, number: int) -> None:
        self.asked, self._refused, self.commits = BATCHES[name]
        super().__init__(home, self.asked[0].verb, Scenario(before=BEFORE), number)
        self._agent = ""
        self._entries: list[tuple[str, dict[str, str]]] = []

    def _encode(self) -> None:
        agents = self.home.ask(self.town_id, "agent.list")["data"]["agents"]
        (self._agent,) = (one["id"] for one in agents if one["name"] == "a")
        # Its stream is read once this is answered: from then on in one with the people's.
        first = dict(wire.encode_command("message.inbox", {}))
        self.home.post(self.town_id, first, self._agent)
        self.home.reply(self.town_id, first["id"], self._agent)
        until(self._is_quiet, "the end of that")
        self._entries = []
        for number, one in enumerate(self.asked):
            command = wire.command_id() if number else self.command
            told = dict(wire.encode_command(one.verb, dict(one.args), command=command))
            agent = self._agent if one.of_agent else ""
            self._entries += [(agent, told)] * (2 if one.again else 1)

    def _post(self) -> None:
        def at_once(server: Any) -> object:
            pipe = server.pipeline(transaction=True)
            for agent, told in self._entries:
                pipe.xadd(keys.commands_key(self.town_id, agent), told)
            return pipe.execute()

        self.home.patiently(at_once)

    def _reply(self) -> list[dict[str, Any]]:
        asked = {told["id"]: agent for agent, told in self._entries}
        return [self.home.reply(self.town_id, one, agent) for one, agent in asked.items()]

    def _is_right(self, reply: list[dict[str, Any]]) -> bool:
        return tuple(n for n, one in enumerate(reply) if not one["ok"]) == self._refused

    def _outcome(self, reply: Any) -> Outcome:
        """How many steps it took, and in which order streams were read, is nobody's business.

        The records of replies are what was replied; all of them have the same name in a picture.
        """
        outcome = super()._outcome(reply)
        outcome.store = {key: one for key, one in outcome.store.items() if ":done:" not in key}
        for value in outcome.store.values():
            if isinstance(value, list):
                value.sort(key=json.dumps)
            else:
                value.pop("revision", None)
        return outcome

    def _clear(self) -> None:
        self.home.ask(self.town_id, "agent.interrupt", name="a")
        until(self._is_quiet, "the end of the round")
        super()._clear()


@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize("name", BATCHES)
def test_each_of_a_batch_happens_once(name: str, victim: Victim, tmp_path: Path) -> None:
    numbers = itertools.count()
    with home_in(tmp_path / "nobody") as home:
        first = Batch(home, name, next(numbers))
        steps, expected = undisturbed(home, first)
    assert sum(step.startswith("hears the commit") for step in steps) == first.commits, steps
    with home_in(tmp_path / victim) as home:
        runs: dict[str, Run] = {step: Batch(home, name, next(numbers)) for step in steps}
        wrong = disturbed(home, victim, runs, expected)
    assert not wrong, "\n".join(wrong)
