"""Settling looks at what a change touched: that is all that there was to look at.

Random towns with several plans, roles, reviews and questions live random lives; after every change
each plan, each cause and each line is held against a look at everything.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from hypothesis import given, note, settings
from hypothesis import strategies as st

from tests.domain.towns import agent, make_town, round_, task
from tinytownd.conductor import causes
from tinytownd.conductor.causes import UNFIT, is_over, sent_home, unfit
from tinytownd.conductor.plans import plan_state
from tinytownd.conductor.schedule import settle
from tinytownd.domain import gates, questions
from tinytownd.domain.agent import Agent
from tinytownd.domain.lines import lines_of, may_take
from tinytownd.domain.message import CONDUCTOR
from tinytownd.domain.names import ROLE
from tinytownd.domain.policy import Policy
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town
from tinytownd.domain.track import TrackedPlan

PLANS = ("one", "two")
OWNERS = (
    {"agent": "ann"},
    {"agent": "absent"},
    {"role": "dev"},
    {"role": "dev"},
    {"role": "nobody"},
    {"tags": ("ui",)},
)
GATES = ({}, {}, {"review": "ann"}, {"review": "role:dev"}, {"check": "make"}, {"approve": True})


@st.composite
def towns(draw: st.DrawFn) -> Town:
    tasks = [
        task(
            number,
            plan=draw(st.sampled_from([None, *PLANS])),
            needs=tuple({f"t{draw(st.integers(1, number - 1))}"}) if number > 2 else (),
            digest=draw(st.sampled_from([None, "0123456789abcdef"])),
            **draw(st.sampled_from(OWNERS)) | draw(st.sampled_from(GATES)),  # type: ignore[arg-type]
        )
        for number in range(1, draw(st.integers(3, 9)))
    ]
    tasks = [one for one in tasks if one.agent is None or one.agent != one.review]
    team = [
        agent("ann", 1, role="dev"),
        agent("bob", 2, role=draw(st.sampled_from(["dev", "ops"])), tags=("ui",)),
        agent(CONDUCTOR, 3, role=CONDUCTOR),
    ]
    plans = [TrackedPlan(name, number) for number, name in enumerate(PLANS, 1)]
    counts = {"tasks": 20, "rounds": 20, "agents": 3}
    town = make_town(*team, *plans, *tasks, conducting=draw(st.booleans()), **counts)
    town.policy = Policy(conductor_cli="claude")
    return town


def some(town: Town, dice: random.Random, *states: str) -> Task | None:
    fits = [one for one in town.tasks.values() if one.state in states]
    return dice.choice(fits) if fits else None


def live(town: Town, dice: random.Random) -> None:
    """One thing happens, as handlers and supervisors bring it about."""
    running, over = some(town, dice, "running"), some(town, dice, "failed", "cancelled")
    events: list[Callable[[], object]] = [
        lambda: start(town, dice),
        lambda: start(town, dice),
        lambda: running and gates.hand_in(town, running, running.agent or "", "done"),
        lambda: running and gates.is_review(running) and gates.turn_down(town, running, "x", "no"),
        lambda: running and gates.fail(town, running, "daemon", "broken"),
        lambda: running and not running.gate_of and gates.ask(town, running, "ann", "Really?"),
        lambda: over and not over.gate_of and town.put(over.advance("retry", error=None)),
        lambda: decide(town, dice),
        lambda: employ(town, dice),
        lambda: plan(town, dice),
        lambda: town.put(town.meta.but(conducting=not town.meta.conducting)),
        lambda: configure(town, dice),
    ]
    dice.choice(events)()


def start(town: Town, dice: random.Random) -> None:
    """An agent starts what was handed to it; its round goes on after the task's end, for a while."""
    one = some(town, dice, "assigned")
    who = town.find_agent((one and one.agent) or "")
    if one is not None and who is not None and who.state == "idle":
        number = str(town.next_id("rounds"))
        town.put(round_(int(number), who.name, task=one.id))
        town.put(one.advance("start", round=number))
        town.put(who.advance("work", town.now, round=number, rounds=who.rounds + 1))


def decide(town: Town, dice: random.Random) -> None:
    """A person decides on a task: it is approved, answered, or taken back."""
    one = some(town, dice, "blocked", "submitted", "pending", "assigned")
    if one is None:
        return
    asked = questions.find(town, f"answer:{one.id}")
    if one.state == "blocked" and asked is not None:
        gates.answer(town, one, "person", "Really?", "yes")
    elif one.state == "submitted" or gates.needs_approval(one):
        dice.choice([gates.approve, lambda *a: gates.reject(*a, "no")])(town, one, "person")
    elif one.gate_of is None or dice.random() < 0.3:
        gates.cancel(town, one, "person")


def employ(town: Town, dice: random.Random) -> None:
    """A round ends, or an agent is stopped, called back, broken, or gone."""
    who = dice.choice(list(town.agents.values()))
    state = dice.choice(["idle", "idle", "stopped", "error"])
    running = town.rounds.get(who.round or "")
    if running is not None:
        town.put(running.but(outcome="completed"))
        for one in [t for t in town.tasks.values() if t.round == running.id]:
            if one.state == "running":
                town.put(one.advance("release", round=None))
    desired = {"stopped": "stop"}.get(state, dice.choice(["run", "run", "pause"]))
    if who.name == "bob" and dice.random() < 0.2:
        town.drop(who)
    else:
        town.put(who.but(state=state, desired=desired, round=None, task=None))


def plan(town: Town, dice: random.Random) -> None:
    """A plan is held up, let go on, or made anew."""
    one = dice.choice(list(town.plans.values()))
    if dice.random() < 0.8:
        town.put(one.but(paused=not one.paused))
    else:
        town.put(one.but(state="none"))


def configure(town: Town, dice: random.Random) -> None:
    town.policy = Policy(conductor_cli="claude", auto_claim=dice.random() < 0.5)


@given(towns(), st.randoms(use_true_random=False), st.integers(1, 40))
@settings(max_examples=250, deadline=None)
def test_what_settling_did_not_look_at_is_as_it_should_be(
    town: Town, dice: random.Random, steps: int
) -> None:
    settle(town)
    town.commit()
    for _ in range(steps):
        live(town, dice)
        settle(town)
        if dice.random() < 0.2:
            town.rollback()  # what was looked at in vain is looked at with the next change
            town.event("nothing", "person")
            settle(town)
        town.commit()
        note("\n".join(map(str, (*town.tasks.values(), *town.agents.values()))))
        check_plans(town)
        check_causes(town)


def check_plans(town: Town) -> None:
    for one in town.plans.values():
        assert one.state == plan_state(town, one)


def check_causes(town: Town) -> None:
    waiting = [one.about or "" for one in town.about() if one.to == CONDUCTOR]
    assert not [about for about in waiting if is_over(town, about)]
    owners = {*town.index.lines(), *(t.agent.lower() for t in town.tasks.values() if t.agent)}
    for owner in owners:
        found = [one.id for one in unfit(town, owner)]
        assert found == naive_unfit(town, owner)
        asked = all(town.tasks[one].lacks == owner for one in found)
        assert asked or sent_home(town) or not causes.is_there(town), f"{UNFIT}:{owner}"


def naive_unfit(town: Town, owner: str) -> list[str]:
    """What is ready and nobody will do, by asking everybody about everything."""

    def fits(one: Agent, ready: Task) -> bool:
        if not owner.startswith(ROLE):
            return one.name.lower() == owner
        return owner in lines_of(town, one) and may_take(town, one, ready)

    team = [one for one in town.agents.values() if one.will_work]
    if owner.startswith("tag:"):
        return []
    return [t.id for t in town.ready(owner) if not any(fits(one, t) for one in team)]
