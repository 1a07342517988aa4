"""Work that is anybody's: tasks for a role, and the backlog's with a tag."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from tests.domain.towns import NOW, agent, events, make_town, message, picture, settled, task
from tinytownd.conductor.schedule import settle
from tinytownd.domain.agent import Agent
from tinytownd.domain.lines import lines_of, may_take
from tinytownd.domain.policy import Policy
from tinytownd.domain.town import Town
from tinytownd.supervisor.decide import Begin, Nudge, Sleep, next_step
from tinytownd.supervisor.loop import carry_out


def pool(*names: str, role: str | None = "dev", **fields: Any) -> list[Agent]:
    return [agent(name, number, role=role, **fields) for number, name in enumerate(names, 1)]


def owners(town: Town) -> dict[str, str | None]:
    return {one.id: one.agent for one in town.tasks.values()}


def start(town: Town, name: str) -> None:
    """The agent begins what it was given."""
    who = town.agent(name)
    (first, *_) = town.queue(name)
    town.put(first.advance("start", started_at=town.now, attempts=first.attempts + 1, round="1"))
    town.put(who.but(state="working", round="1", task=first.id, rounds=who.rounds + 1))
    settled(town)


def end(town: Town, name: str, event: str = "complete", **changes: Any) -> None:
    who = town.agent(name)
    town.put(town.tasks[who.task or ""].advance(event, round=None, **changes))
    town.put(who.but(state="idle", round=None, task=None))
    settled(town)


def test_each_free_agent_takes_one_and_the_next_when_it_is_free_again() -> None:
    work = [task(n, role="Dev") for n in range(1, 6)]
    town = settled(make_town(*pool("ann", "bob", "cid"), *work))
    assert owners(town) == {"t1": "ann", "t2": "bob", "t3": "cid", "t4": None, "t5": None}
    start(town, "bob")
    end(town, "bob")
    assert owners(town)["t4"] == "bob"


def test_who_has_worked_least_takes_first() -> None:
    team = [agent("ann", 1, role="dev", rounds=3), agent("bob", 2, role="dev", rounds=1)]
    town = settled(make_town(*team, task(1, role="dev")))
    assert owners(town) == {"t1": "bob"}


def test_who_ends_a_round_does_not_come_before_one_that_has_worked_less() -> None:
    town = settled(make_town(*pool("ann", "bob"), task(1, role="dev"), task(2, role="dev")))
    start(town, "ann")
    town.put(town.agent("bob").but(rounds=0))
    town.put(town.tasks["t2"].advance("complete"))
    town.put(task(3, role="dev", needs=("t1",)))
    settled(town)
    end(town, "ann")
    assert owners(town)["t3"] == "bob"


def test_the_most_urgent_goes_first_whatever_line_it_is_in() -> None:
    work = [
        task(1, role="dev"),
        task(2, tags=("UI",), priority="high"),
        task(3, role="dev", priority="urgent"),
    ]
    town = settled(make_town(agent("ann", role="dev", tags=("ui",)), *work))
    order = []
    for _ in work:
        order += [one.id for one in town.queue("ann")]
        start(town, "ann")
        end(town, "ann")
    assert order == ["t3", "t2", "t1"]


@pytest.mark.parametrize(
    "busy",
    [
        {"desired": "pause"},
        {"desired": "close"},
        {"state": "paused"},
        {"state": "error"},
        {"round": "1", "state": "working"},
        {"hold_until": NOW + 1},
        {"over_budget": True},
        {"max_rounds": 2, "rounds_since_start": 2},
        {"cli": "shell"},
    ],
    ids=str,
)
def test_who_is_not_free_takes_nothing(busy: dict[str, Any]) -> None:
    work = [task(1, role="dev"), task(2, tags=("dev",))]
    town = settled(make_town(*pool("ann", **busy), *work))
    assert owners(town) == {"t1": None, "t2": None}


def test_own_work_comes_first() -> None:
    town = settled(make_town(*pool("ann"), task(1, "ann"), task(2, role="dev", priority="urgent")))
    assert owners(town) == {"t1": "ann", "t2": None}


def test_a_line_of_a_plan_that_does_not_move_stands() -> None:
    plan = [task(1, role="dev", plan="main"), task(2, tags=("dev",), plan="main")]
    town = settled(make_town(*pool("ann", "bob"), *plan))
    assert owners(town) == {"t1": None, "t2": None}
    town.put(town.meta.but(conducting=True))
    settled(town)
    assert owners(town) == {"t1": "ann", "t2": "bob"}


# The backlog


@pytest.mark.parametrize(
    ("tags", "taken"),
    [((), False), (("ui",), True), (("UI", "x"), True), (("Dev",), True), (("api",), False)],
)
def test_a_tag_is_the_role_or_a_tag_of_who_takes_it(tags: tuple[str, ...], taken: bool) -> None:
    town = make_town(agent("ann", role="dev", tags=("Ui",)), task(1, tags=tags))
    settle(town)
    assert owners(town) == {"t1": "ann" if taken else None}
    assert events(town) == (["task.moved", "task.assigned"] if taken else [])


def test_nobody_takes_from_the_backlog_where_the_settings_say_so_but_roles_go_on() -> None:
    town = make_town(*pool("ann", "bob"), task(1, tags=("dev",)), task(2, role="dev"))
    town.policy = replace(Policy(), auto_claim=False)
    settled(town)
    assert owners(town) == {"t1": None, "t2": "ann"}
    town.policy = Policy()
    # Nothing of the town changed: its agents find out when they look.
    bob = town.agent("bob")
    assert next_step(town, bob.id) == Nudge()
    carry_out(town, bob.id, Nudge(), lambda _: None)
    settled(town)
    assert owners(town) == {"t1": "bob", "t2": "ann"}


def test_a_claim_makes_a_round_of_its_own_and_no_message() -> None:
    town = settled(make_town(*pool("ann"), task(1, tags=("dev",))))
    assert not town.messages
    assert isinstance(next_step(town, "a1"), Begin)


# Reviews


def test_nobody_reviews_its_own_work() -> None:
    done = task(1, "ann", state="submitted", role="dev", review="role:dev")
    gate = task(2, role="dev", gate_of="t1")
    town = settled(make_town(*pool("ann"), done, gate))
    assert owners(town)["t2"] is None
    town.put(agent("bob", 2, role="dev"))
    settled(town)
    assert owners(town)["t2"] == "bob"


def test_nobody_takes_what_it_is_to_review() -> None:
    town = settled(make_town(*pool("ann", "bob"), task(1, role="dev", review="Ann")))
    assert owners(town) == {"t1": "bob"}


# The whole life of a role's task


@pytest.mark.parametrize("gone", [{"desired": "stop"}, {"desired": "close"}, {"state": "error"}])
@pytest.mark.parametrize("began", [False, True])
def test_work_of_an_agent_that_is_gone_goes_back_to_its_role(
    gone: dict[str, str], began: bool
) -> None:
    town = settled(make_town(*pool("ann"), task(1, role="dev")))
    if began:
        start(town, "ann")
        town.put(town.tasks["t1"].advance("release", round=None, not_before=town.now + 5_000))
        town.put(town.agent("ann").but(state="idle", round=None, task=None))
        settled(town)
        assert owners(town) == {"t1": "ann"}, "it has the session"
    town.put(town.agent("ann").but(**gone))
    settled(town)
    assert (owners(town), town.tasks["t1"].not_before) == ({"t1": None}, None)
    town.put(agent("bob", 2, role="dev"))
    settled(town)
    assert owners(town) == {"t1": "bob"}
    assert town.tasks["t1"].state == "assigned", "the pause was for the one that failed"


def test_an_agent_that_is_removed_leaves_its_work_to_the_role() -> None:
    town = settled(make_town(*pool("ann"), task(1, role="dev"), task(2, "ann")))
    town.drop(town.agent("ann"))
    settled(town)
    assert owners(town) == {"t1": None, "t2": "ann"}


@pytest.mark.parametrize("began", [False, True])
@pytest.mark.parametrize(
    "waits",
    [{"desired": "pause"}, {"limited": True, "hold_until": NOW + 9}, {"over_budget": True}],
    ids=str,
)
def test_who_waits_keeps_what_it_has_begun_and_nothing_else(
    began: bool, waits: dict[str, Any]
) -> None:
    lent = task(1, "ann", role="dev", started_at=NOW if began else None)
    town = settled(make_town(*pool("ann"), lent))
    town.put(town.agent("ann").but(**waits))
    settled(town)
    assert owners(town) == {"t1": "ann" if began else None}


def test_a_short_hold_takes_nothing_away() -> None:
    """Or agents that all lack the same, as room on the disk, would hand a task around for ever."""
    town = settled(make_town(*pool("ann", "bob"), task(1, role="dev")))
    town.put(town.agent("ann").but(hold_until=NOW + 3_000, hold_reason="the disk is full"))
    settled(town)
    assert owners(town) == {"t1": "ann"}


def test_the_end_of_a_hold_has_the_agent_look_once() -> None:
    town = settled(make_town(*pool("ann", hold_until=NOW + 10), task(1, role="dev")))
    assert next_step(town, "a1") == Sleep(NOW + 10)
    town.now += 10
    assert next_step(town, "a1") == Nudge()
    carry_out(town, "a1", Nudge(), lambda _: None)
    settled(town)
    assert isinstance(next_step(town, "a1"), Begin)


def test_who_finds_nothing_to_take_sleeps() -> None:
    work = [task(1, role="ops"), task(2, tags=("ops",)), task(3), task(4, role="dev", approve=True)]
    town = settled(make_town(*pool("ann"), *work))
    assert next_step(town, "a1") == Sleep()


def test_a_message_is_read_in_the_same_round() -> None:
    town = settled(make_town(*pool("ann"), message(1, "ann"), task(1, role="dev")))
    step = next_step(town, "a1")
    assert isinstance(step, Begin)
    assert (step.task and step.task.id, len(step.messages)) == ("t1", 1)


# Random lives


@st.composite
def towns(draw: st.DrawFn) -> Town:
    roles = st.sampled_from([None, "dev", "Ops"])
    tags = st.sampled_from([(), ("ui",), ("DEV",), ("ui", "ops")])
    team = [agent(name, n, role=draw(roles), tags=draw(tags)) for n, name in enumerate("abc", 1)]
    work = [
        task(
            number,
            draw(st.sampled_from([None, None, "a", "gone"])),
            role=draw(roles),
            tags=draw(tags),
            needs=(f"t{number - 1}",) if number > 1 and draw(st.booleans()) else (),
            plan=draw(st.sampled_from([None, "main"])),
        )
        for number in range(1, draw(st.integers(1, 8)) + 1)
    ]
    return make_town(*team, *work, conducting=draw(st.booleans()), tasks=len(work))


def live(town: Town, dice: random.Random) -> None:
    who = dice.choice(list(town.agents.values()))
    what = dice.choice(["start", "end", "fail", "release", "will", "state", "hold", "time", "on"])
    if what == "start" and who.round is None and who.state == "idle" and town.queue(who.name):
        start(town, who.name)
    elif what in ("end", "fail", "release") and who.round is not None:
        later: dict[str, Any] = {"not_before": town.now + 5} if what == "release" else {}
        end(town, who.name, "complete" if what == "end" else what, **later)
    elif what == "will":
        town.put(who.but(desired=dice.choice(["run", "run", "pause", "stop"])))
    elif what == "state" and who.round is None:
        town.put(who.but(state=dice.choice(["idle", "idle", "error"])))
    elif what == "hold":
        town.put(who.but(hold_until=town.now + 5, limited=dice.choice([True, False])))
    elif what == "time":
        town.now += 5
    elif what == "on":
        town.put(town.meta.but(conducting=not town.meta.conducting))


def looked(town: Town) -> None:
    """Every agent looks, as often as that leads to something that needs no process."""
    for one in list(town.agents.values()):
        for _ in range(5):
            step = next_step(town, one.id)
            if not isinstance(step, Nudge):
                break
            carry_out(town, one.id, step, lambda _: None)
            settled(town)
        assert not isinstance(next_step(town, one.id), Nudge), "it looks without end"


@given(towns(), st.randoms(use_true_random=False), st.integers(1, 30))
@settings(max_examples=150, deadline=None)
def test_no_work_stands_beside_who_is_free_for_it(
    town: Town, dice: random.Random, steps: int
) -> None:
    settled(town)
    for _ in range(steps):
        live(town, dice)
        settled(town)
        looked(town)
        note("\n".join(map(str, town.records())))
        for one in town.agents.values():
            check_agent(town, one.name)
    for one in town.agents.values():
        # Who is at work looks when that is over.
        town.touch(one.name)
    settled(town)
    before = picture(town)
    again = make_town(*town.records(), now=town.now)
    again.meta = town.meta
    settle(again)
    assert not again.change, "a town that is loaded again is settled"
    assert picture(again) == before


def check_agent(town: Town, name: str) -> None:
    who = town.agent(name)
    mine = [one for one in town.tasks.values() if one.agent == name and not one.finished]
    at_work = who.desired == "run" and who.state == "idle" and not who.is_held(town.now)
    now = [one for one in mine if one.state == "assigned" or (one.not_before or 0) <= town.now]
    if at_work and not [one for one in now if not town.unmet(one) and town.may_go_out(one)]:
        lines = [one for line in lines_of(town, who) for one in town.ready(line)]
        assert not [one for one in lines if may_take(town, who, one)]
    if not who.available:
        assert not [one for one in mine if one.role and one.state in ("pending", "assigned")]
