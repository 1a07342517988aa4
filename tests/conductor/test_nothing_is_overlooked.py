"""Settling looks at what a change touched: that is all that there was to look at.

Random towns with several plans, roles, reviews and questions live random lives; after every change
each plan, each cause and each line is held against a look at everything.
"""

from __future__ import annotations

import random
from typing import Any

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
from tinytownd.domain.message import CONDUCTOR, QUESTION
from tinytownd.domain.names import ROLE
from tinytownd.domain.policy import Policy
from tinytownd.domain.record import Record
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town
from tinytownd.domain.track import TrackedPlan

PLANS = ("one", "two")
OWNERS: tuple[dict[str, Any], ...] = (
    {"agent": "ann"},
    {"agent": "absent"},
    {"role": "dev"},
    {"role": "dev"},
    {"role": "nobody"},
    {"tags": ("ui",)},
)
GATES: tuple[dict[str, Any], ...] = (
    {},
    {},
    {"review": "ann"},
    {"review": "role:dev"},
    {"check": "make"},
    {"approve": True},
)

EVENTS = (
    *("start", "start", "hand in", "fail", "ask", "turn down"),
    *("decide", "employ", "plan", "conduct", "configure", "retry"),
)


@st.composite
def towns(draw: st.DrawFn) -> Town:
    tasks = [
        task(
            number,
            plan=draw(st.sampled_from([None, *PLANS])),
            needs=tuple({f"t{draw(st.integers(1, number - 1))}"}) if number > 2 else (),
            digest=draw(st.sampled_from([None, "0123456789abcdef"])),
            **draw(st.sampled_from(OWNERS)) | draw(st.sampled_from(GATES)),
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
    town = make_town(*team, *plans, *tasks, conducting=draw(st.booleans()), tasks=20, agents=3)
    town.policy = Policy(conductor_cli="claude")
    return town


def some(town: Town, dice: random.Random, *states: str) -> Task | None:
    fits = [one for one in town.tasks.values() if one.state in states]
    return dice.choice(fits) if fits else None


def live(town: Town, dice: random.Random) -> None:
    """One thing happens, as handlers and supervisors bring it about."""
    match dice.choice(EVENTS):
        case "decide":
            decide(town, dice)
        case "employ":
            employ(town, dice)
        case "plan":
            one = dice.choice(list(town.plans.values()))
            town.put(
                one.but(paused=not one.paused) if dice.random() < 0.8 else one.but(state="none")
            )
        case "conduct":
            town.put(town.meta.but(conducting=not town.meta.conducting))
        case "configure":
            town.policy = Policy(conductor_cli="claude", auto_claim=dice.random() < 0.5)
        case "retry":
            over = some(town, dice, "failed", "cancelled")
            if over is not None and over.gate_of is None:
                town.put(over.advance("retry", error=None))
        case "start":
            start(town, dice)
        case event:
            running = some(town, dice, "running")
            if running is not None:
                work(town, running, event)


def work(town: Town, running: Task, event: str) -> None:
    """What a round says of its task."""
    if event == "hand in" and gates.is_review(running):
        gates.complete(town, running, "daemon", "good")
    elif event == "hand in":
        gates.hand_in(town, running, running.agent or "", "done")
    elif event == "ask" and running.gate_of is None:
        gates.ask(town, running, "daemon", "Really?")
    elif event == "turn down" and gates.is_review(running):
        gates.turn_down(town, running, "daemon", "no good")
    elif event == "fail":
        gates.fail(town, running, "daemon", "broken")


def start(town: Town, dice: random.Random) -> None:
    """An agent starts what was handed to it; its round goes on for a while when that is over."""
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
        if dice.random() < 0.5:
            gates.approve(town, one, "person")
        else:
            gates.reject(town, one, "person", "no")
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
    asking = [one for one in town.about() if one.sort == QUESTION or one.starts_round]
    assert not [one.about for one in asking if is_over(town, one.about or "")]
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


# What random lives seldom come to


def stalled(*records: Record, **policy: Any) -> Town:
    """A town in which nobody can go on with the plan `two`; who could is busy."""
    busy = agent("bob", 2, role="dev", tags=("ui",), state="working", round="1")
    town = make_town(busy, round_(1, "bob"), TrackedPlan("two", 1), *records)
    town.policy = Policy(**policy)
    for _ in range(2):  # that it came to this is looked at once more
        settle(town)
        town.commit()
    assert town.plans["two"].state == "stalled"
    return town


def test_a_plan_moves_when_what_it_waits_for_elsewhere_is_done() -> None:
    needed = task(1, "absent")
    town = stalled(needed, task(2, role="dev", needs=("t1",), plan="two", digest=None))
    town.put(needed.advance("complete"))
    settle(town)
    assert town.plans["two"].state == "running"


def test_a_plan_moves_when_the_settings_let_it_also_after_a_refusal() -> None:
    town = stalled(task(1, tags=("ui",), plan="two", digest=None), auto_claim=False)
    town.policy = Policy(auto_claim=True)
    settle(town)
    assert town.plans["two"].state == "running"
    town.rollback()
    assert town.plans["two"].state == "stalled"
    town.event("nothing", "person")
    settle(town)
    assert town.plans["two"].state == "running"


def test_a_plan_is_blocked_by_a_question_about_its_work() -> None:
    town = stalled(task(1, "absent", plan="two", digest=None, state="submitted"))
    questions.ask(town, CONDUCTOR, "verdict:t1", "Is it good?", "t1")
    settle(town)
    assert town.plans["two"].state == "blocked"
