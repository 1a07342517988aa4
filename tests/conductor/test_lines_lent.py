"""What agents took by themselves: what goes back when they are gone, and who may take at all."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conductor.test_lines import end, owners, pool, start
from tests.domain.towns import NOW, agent, make_town, settled, task
from tests.handlers.desk import Desk
from tinytownd.conductor.schedule import settle
from tinytownd.domain import budgets, usage
from tinytownd.domain.policy import Budget, Policy
from tinytownd.domain.town import Town
from tinytownd.supervisor.decide import Begin, Nudge, next_step
from tinytownd.supervisor.loop import carry_out

LIMITED = {"limited": True, "hold_until": NOW + 9_000}


# The backlog gets back what it lent


@pytest.mark.parametrize("gone", [{"desired": "stop"}, {"desired": "close"}, {"state": "error"}])
@pytest.mark.parametrize("began", [False, True])
def test_work_of_an_agent_that_is_gone_goes_back_to_the_backlog(
    gone: dict[str, str], began: bool
) -> None:
    town = settled(make_town(*pool("ann"), task(1, tags=("dev",))))
    if began:
        start(town, "ann")
        end(town, "ann", "release", not_before=town.now + 5_000)
        assert owners(town) == {"t1": "ann"}, "it has the session"
    town.put(town.agent("ann").but(**gone))
    settle(town)
    moved = [event for event in town.change.events if event["event"] == "task.moved"]
    assert [(event["agent"], event["text"]) for event in moved] == [("backlog", "ann is not there")]
    town.commit()
    back = town.tasks["t1"]
    assert (back.agent, back.state, back.not_before) == (None, "pending", None)
    town.put(agent("bob", 2, role="dev"))
    settled(town)
    assert (owners(town), town.tasks["t1"].state) == ({"t1": "bob"}, "assigned")


@pytest.mark.parametrize("verb", ["claim", "move", "edit", "assign_all"])
def test_what_somebody_gave_to_an_agent_stays_with_it(verb: str) -> None:
    desk = Desk(*pool("ann", "bob"), task(1, tags=("dev",)))
    assert owners(desk.town) == {"t1": "ann"}
    if verb in ("claim", "assign_all"):
        desk = Desk(*pool("ann"), agent("bob", 2), task(1))
    match verb:
        case "claim":
            desk.call("backlog.claim", task="t1", agent="bob")
        case "assign_all":
            desk.call("backlog.assign_all", agent="bob")
        case _:
            desk.call(f"task.{verb}", task="t1", agent="bob")
    desk.call("agent.kill", name="bob")
    desk.look("bob")
    assert owners(desk.town) == {"t1": "bob"}


def test_an_agent_that_is_removed_leaves_its_work_to_the_backlog() -> None:
    town = settled(make_town(*pool("ann"), task(1, tags=("dev",))))
    town.drop(town.agent("ann"))
    settled(town)
    assert owners(town) == {"t1": None}


# Rate limits


def falling_back(**fields: Any) -> Town:
    """An agent at a limit whose fallback is at none."""
    work = [task(1, role="dev"), task(2, tags=("dev",))]
    held = agent("ann", role="dev", **{"fallback": ("codex",), **LIMITED, **fields})
    return make_town(held, *work, limited={"claude": NOW + 9_000})


def test_who_falls_back_takes_work_meanwhile() -> None:
    town = settled(falling_back())
    assert owners(town) == {"t1": "ann", "t2": None}
    step = next_step(town, "a1")
    assert isinstance(step, Begin)
    assert step.cli == "codex"
    town.put(town.agent("ann").but(nickname="Ann"))
    settled(town)
    assert owners(town)["t1"] == "ann", "it keeps what it can begin"


@pytest.mark.parametrize(
    ("fields", "meta"),
    [
        ({"limited": False}, {}),
        ({"fallback": ()}, {}),
        ({"fallback": ("auggie",)}, {}),
        ({"over_budget": True}, {}),
        ({}, {"limited": {"claude": NOW + 9, "codex": NOW + 9}}),
    ],
    ids=str,
)
def test_who_has_nothing_to_fall_back_on_takes_nothing(
    fields: dict[str, Any], meta: dict[str, Any]
) -> None:
    town = falling_back(**fields)
    town.policy = Policy(absent=frozenset({"auggie"}))
    town.put(town.meta.but(**meta))
    settled(town)
    assert owners(town) == {"t1": None, "t2": None}


def test_who_works_on_its_own_cli_takes_before_who_falls_back() -> None:
    town = falling_back()
    town.put(agent("bob", 2, role="dev", rounds=7))
    settled(town)
    assert owners(town) == {"t1": "bob", "t2": "ann"}


def test_the_end_of_a_fallbacks_limit_has_the_agent_take_work() -> None:
    town = falling_back()
    town.put(town.meta.but(limited={"claude": NOW + 9_000, "codex": NOW + 1}))
    settled(town)
    town.now += 1
    assert next_step(town, "a1") == Nudge()
    carry_out(town, "a1", Nudge(), lambda _: None)
    settled(town)
    assert isinstance(next_step(town, "a1"), Begin)


# The day's budget


def test_nobody_takes_work_on_a_day_whose_budget_is_over() -> None:
    team, work = pool("ann"), [task(1, role="dev"), task(2, tags=("dev",))]
    town = make_town(*team, *work, day=usage.day_of(NOW), day_over=True, day_tokens=100)
    town.policy = Policy(budgets={"day": Budget(tokens=100)})
    settled(town)
    assert owners(town) == {"t1": None, "t2": None}
    town.now = usage.day_after(town.meta.day)
    assert next_step(town, "a1") == Nudge()
    carry_out(town, "a1", Nudge(), lambda _: None)
    settled(town)
    assert owners(town) == {"t1": "ann", "t2": None}


def test_a_yes_to_more_for_the_day_has_them_take_it() -> None:
    town = make_town(*pool("ann"), task(1, role="dev"), day=usage.day_of(NOW), day_over=True)
    town.policy = Policy(budgets={"day": Budget(tokens=100)})
    settled(town)
    budgets.ask(town, budgets.spent_today(town), "no round starts")
    budgets.answered(town, budgets.DAY, "person", "yes")
    settled(town)
    if owners(town)["t1"] is None:  # then it is woken, and looks
        assert next_step(town, "a1") == Nudge()
        carry_out(town, "a1", Nudge(), lambda _: None)
        settled(town)
    assert owners(town) == {"t1": "ann"}
