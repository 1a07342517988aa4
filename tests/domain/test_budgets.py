"""What rounds used, and what happens as a budget runs low and out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.domain.towns import agent, events, make_town, round_, settled, task
from tinytownd.domain import budgets, gates, questions, usage
from tinytownd.domain.errors import BadInput
from tinytownd.domain.message import Message
from tinytownd.domain.policy import Budget, Policy
from tinytownd.domain.town import Town
from tinytownd.domain.track import TrackedPlan

DAY = 86_400_000
KINDS = ("task", "agent", "plan", "day")


def shop(*kinds: str, tokens: int = 100, usd: float = 0.0, **fields: Any) -> Town:
    """A town with a task of a plan that ann works on in round 1, and budgets of some kinds."""
    town = make_town(
        agent("ann", state="working", round="1"),
        task(1, "ann", plan="shop", digest=None, **fields),
        task(2, "ann", plan="shop", digest=None),
        round_(1, "ann", task="t1"),
        TrackedPlan("shop", 1, "A shop"),
    )
    town.policy = Policy(budgets={kind: Budget(tokens, usd) for kind in kinds})
    return town


def use(town: Town, tokens: int, usd: float = 0.0) -> list[Message]:
    """A round has ended that used so much; the open questions."""
    town.commit()
    running = town.rounds["1"]
    budgets.new_day(town)
    usage.add(town, running, tokens, usd)
    budgets.judge(town, running, tokens, usd)
    return list(questions.open_questions(town))


def asked(town: Town) -> list[str | None]:
    return [one.about for one in questions.open_questions(town)]


def counts(town: Town) -> list[tuple[int, float]]:
    """What the task, the agent, the plan and the day have used."""
    spenders = (town.tasks["t1"], town.agent("ann"), town.plans["shop"])
    day = (town.meta.day_tokens, town.meta.day_usd)
    return [*((one.tokens, one.cost_usd) for one in spenders), day]


# Counting


def test_a_round_counts_for_its_task_its_agent_its_plan_and_the_day() -> None:
    town = shop()
    use(town, 30, 0.5)
    use(town, 12)
    assert counts(town) == [(42, 0.5)] * 4
    assert town.tasks["t2"].tokens == 0
    assert not events(town)


def test_a_gate_counts_for_what_it_is_a_gate_of_and_for_its_plan_once() -> None:
    town = shop()
    town.put(task(3, "rev", gate_of="t1", plan="shop", digest=None))
    town.put(agent("rev", 2))
    town.put(round_(1, "rev", task="t3"))
    use(town, 10, 0.25)
    assert (town.tasks["t3"].tokens, town.tasks["t1"].tokens) == (10, 10)
    assert (town.plans["shop"].tokens, town.meta.day_tokens) == (10, 10)
    assert (town.agent("rev").tokens, town.agent("ann").tokens) == (10, 0)


def test_a_round_whose_task_is_gone_counts_for_its_agent_and_the_day() -> None:
    town = shop()
    town.drop(town.tasks["t1"])
    use(town, 10)
    assert (town.agent("ann").tokens, town.meta.day_tokens, town.plans["shop"].tokens) == (
        10,
        10,
        0,
    )


def test_the_day_begins_at_nothing() -> None:
    town = shop()
    use(town, 10, 0.25)
    town.now += DAY
    use(town, 3)
    assert (town.meta.day_tokens, town.meta.day_usd) == (3, 0.0)
    assert town.meta.day == usage.day_of(town.now)
    assert town.agent("ann").tokens == 13


def test_a_day_ends_at_midnight_in_utc() -> None:
    assert usage.day_of(0) == usage.day_of(DAY - 1) == "1970-01-01"
    assert usage.day_of(DAY) == "1970-01-02"
    assert usage.day_after("1970-01-01") == DAY
    assert usage.day_after("2028-02-28") == usage.day_after("2028-02-27") + DAY


# Warning and stopping


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("tokens", "usd"), [(100, 0.0), (0, 1.0), (100, 50.0)])
def test_each_budget_warns_once_and_then_asks_once(kind: str, tokens: int, usd: float) -> None:
    town = shop(kind, tokens=tokens, usd=usd)
    assert (use(town, 79, 0.79), events(town)) == ([], [])
    assert use(town, 1, 0.01) == []
    assert events(town) == ["budget.warned", "message.sent"]
    assert town.inbox("conductor")[-1].text.startswith("A budget runs low: ")
    assert (use(town, 19, 0.19), events(town)) == ([], [])
    (question,) = use(town, 1, 0.01)
    assert "budget.exceeded" in events(town)
    assert question.text.count("May it use as much again?") == 1
    assert use(town, 50, 0.5) == [question], "and is not asked again while it waits"
    assert not events(town)


def test_what_is_told_is_what_is_bounded() -> None:
    town = shop("task", "day", tokens=1_000, usd=2.0)
    for_task, for_day = use(town, 1_500, 0.126)
    means = "May it use as much again?"
    assert (
        for_task.text
        == f"Task t1 has used 1,500 of 1,000 tokens and $0.13 of $2.00. {means} (no: it fails)"
    )
    assert for_day.text.startswith("On 2026-09-21 (UTC) the town has used 1,500 of 1,000 tokens")
    assert for_day.text.endswith("(no: no round starts before the next day)")
    assert (for_task.task, for_day.task) == ("t1", None)


def test_one_round_that_uses_up_everything_asks_for_each_and_stops_each() -> None:
    town = shop(*KINDS)
    use(town, 300)
    assert asked(town) == ["budget:task:t1", "budget:agent:ann", "budget:plan:shop", "budget:day"]
    assert (town.tasks["t1"].state, town.agent("ann").over_budget) == ("blocked", True)
    assert (town.plans["shop"].paused, town.meta.day_over) == (True, True)
    assert budgets.over_for_today(town)
    assert "budget.warned" not in events(town)


def test_no_budget_is_no_bound() -> None:
    town = shop(*KINDS, tokens=0)
    assert use(town, 10**9, 10.0**6) == []
    assert not events(town)


def test_what_is_over_needs_nothing_more() -> None:
    town = shop("task", "plan", state="completed")
    town.put(town.tasks["t2"].but(state="cancelled"))
    assert use(town, 500) == []


def test_a_plan_that_a_person_paused_is_not_asked_about() -> None:
    town = shop("plan")
    town.put(town.plans["shop"].but(paused=True))
    assert use(town, 500) == []


def test_a_task_at_its_check_is_judged_again_after_it() -> None:
    town = shop("task", state="submitted")
    assert use(town, 500) == []
    town.put(town.tasks["t1"].but(state="pending"))
    assert [one.about for one in use(town, 0)] == ["budget:task:t1"]


# What a person says


@pytest.mark.parametrize("kind", KINDS)
def test_a_yes_allows_as_much_again(kind: str) -> None:
    town = shop(kind)
    (question,) = use(town, 150)
    budgets.answered(town, question.about or "", "person", "yes, but mind the cost")
    assert asked(town) == []
    assert town.tasks["t1"].state == "pending"
    still = (town.agent("ann").over_budget, town.plans["shop"].paused, town.meta.day_over)
    assert still == (False, False, False)
    assert use(town, 79) == []
    assert not events(town)
    assert use(town, 20) == []
    assert events(town) == ["budget.warned", "message.sent"]
    assert [one.about for one in use(town, 1)] == [question.about]


@pytest.mark.parametrize(("kind", "woken"), [("agent", {"a1"}), ("day", {"a1", "a2"})])
def test_who_may_go_on_is_woken(kind: str, woken: set[str]) -> None:
    town = shop(kind)
    town.put(agent("bob", 2))
    (question,) = use(town, 150)
    town.commit()
    budgets.answered(town, question.about or "", "person", "yes")
    assert town.change.wakes == woken


def test_a_no_is_final() -> None:
    town = shop(*KINDS)
    for question in use(town, 150):
        budgets.answered(town, question.about or "", "person", "no")
    assert asked(town) == []
    assert town.tasks["t1"].state == "failed"
    assert "150 of 100 tokens" in (town.tasks["t1"].error or "")
    assert (town.agent("ann").desired, town.agent("ann").over_budget) == ("close", False)
    assert (town.plans["shop"].paused, town.meta.day_over) == (True, True)


@pytest.mark.parametrize("text", ["perhaps", "100000", "yesterday", "-5"])
def test_other_answers_are_refused_and_change_nothing(text: str) -> None:
    town = shop(*KINDS)
    for question in use(town, 150):
        town.commit()
        with pytest.raises(BadInput, match="neither yes nor no"):
            budgets.answered(town, question.about or "", "person", text)
        assert not town.change


def test_a_person_who_decides_on_the_task_needs_not_answer() -> None:
    town = shop("task")
    use(town, 150)
    gates.cancel(town, town.tasks["t1"], "person")
    assert asked(town) == []


@pytest.mark.parametrize("gone", ["task", "agent", "plan"])
@pytest.mark.parametrize("answer", ["yes", "no"])
def test_an_answer_about_what_is_gone_is_only_recorded(gone: str, answer: str) -> None:
    town = shop(gone)
    (question,) = use(town, 150)
    record: Any = {
        "task": town.tasks["t1"], "agent": town.agent("ann"), "plan": town.plans["shop"]
    }[gone]  # fmt: skip
    town.drop(record)
    budgets.answered(town, question.about or "", "person", answer)
    assert asked(town) == []


# The next day


def test_the_days_question_lapses_with_the_day() -> None:
    town = shop("day")
    use(town, 150)
    town.now = usage.day_after(town.meta.day) - 1
    budgets.new_day(town)
    assert asked(town) == [budgets.DAY]
    town.now += 1
    assert not budgets.over_for_today(town)
    budgets.new_day(town)
    assert (asked(town), town.meta.day_over, town.meta.day_tokens) == ([], False, 0)


def test_a_yes_for_the_day_is_one_for_that_day() -> None:
    town = shop("day")
    use(town, 150)
    budgets.answered(town, budgets.DAY, "person", "yes")
    town.now += DAY
    assert [one.about for one in use(town, 100)] == [budgets.DAY]


def test_a_plan_goes_on_with_the_answer() -> None:
    town = shop("plan")
    town.put(town.agent("ann").but(state="idle", round=None))
    use(town, 150)
    settled(town)
    assert [one.state for one in town.tasks.values()] == ["pending", "pending"]
    budgets.answered(town, "budget:plan:shop", "person", "yes")
    settled(town)
    assert [one.state for one in town.tasks.values()] == ["assigned", "assigned"]
