"""The morning page of a made-up town: what is on it, and the page itself."""

from __future__ import annotations

from typing import Any

import pytest

from tests.domain.towns import NOW, agent, round_, task
from tests.handlers.desk import Desk
from tinytown_cli import report
from tinytownd.domain import questions
from tinytownd.domain.errors import BadInput
from tinytownd.domain.record import Record
from tinytownd.domain.track import TrackedPlan
from tinytownd.handlers.report import TOLD

HOUR = 3_600_000
NIGHT = 12 * 3_600


def ran(number: int, of: str, hours_ago: float, **used: Any) -> Record:
    """A round that ended so long ago."""
    ended = NOW - int(hours_ago * HOUR)
    return round_(
        number, of, outcome="completed", started_at=ended - 60_000, ended_at=ended, **used
    )


def over(number: int, hours_ago: float, state: str = "completed", **fields: Any) -> Record:
    """A task of Ann's that came to its end so long ago, after a quarter of an hour."""
    ended = NOW - int(hours_ago * HOUR)
    told = {"state": state, "started_at": ended - HOUR // 4, "finished_at": ended, **fields}
    return task(number, "ann", **told)


def night() -> Desk:
    """A town in the morning."""
    desk = Desk(
        agent("ann"),
        agent("bob", 2, state="error", hold_reason="no such CLI"),
        agent("eve", 3, hold_until=NOW + HOUR, hold_reason="rate limit"),
        agent("sam", 4, desired="pause", state="paused", hold_until=NOW + HOUR, hold_reason="?"),
        TrackedPlan(
            "billing",
            1,
            started_at=NOW - 3 * HOUR,
            ended_at=NOW - HOUR,
            state="completed",
            tokens=1_500,
            cost_usd=0.75,
        ),
        TrackedPlan("shop", 2, paused=True, state="paused"),
        TrackedPlan("old", 3, started_at=1, ended_at=2, state="completed"),
        over(1, 2, plan="billing", result="Invoices\nas PDF"),
        over(2, 1, plan="billing"),
        over(3, 20, plan="old"),
        over(4, 3, result="Tidied"),
        over(5, 4, "failed", error="make: error 2\nmore"),
        over(6, 40, "failed", error="long ago"),
        over(7, 41, "failed", error="in the way"),
        over(8, 1, "failed", gate_of="t2", run="make", error="a check"),
        task(9, "sam", plan="shop", digest=None),
        task(10, "sam", needs=("t7",)),
        ran(1, "ann", 30, input_tokens=9_999, cost_usd=9.0),
        ran(2, "ann", 2, input_tokens=1_000, output_tokens=500, cost_usd=0.75),
        ran(3, "bob", 3, input_tokens=100),
        conducting=True,
    )
    questions.ask(desk.town, "ann", "answer:t1", "Which colour?\nRed or blue", "t1")
    questions.ask(desk.town, "ann", "plan:site", "Plan site: 3 tasks for ann. Start it?")
    desk.town.commit()
    return desk


PAGE = """\
The last 12 h

Done: 3 tasks
  plan billing: completed, 2 of 2 done, 2 h, 1,500 tokens, $0.75
    t1 by ann in 15 min: Invoices
    t2 by ann in 15 min: Do 2
  of no plan
    t4 by ann in 15 min: Tidied

Failed: 1 task
    t5 by ann: make: error 2

Cost: 2 rounds, 1,600 tokens, $0.75
    ann: 1 round, 1,500 tokens, $0.75
    bob: 1 round, 100 tokens

Needs you:
    question m1: Which colour?
      tt answer m1 "…"
    question m2: Plan site: 3 tasks for ann. Start it?
      tt plan approve site
    task t5: failed: make: error 2
      tt task retry t5
    task t7: failed: in the way
      tt task retry t7
    plan shop: it is paused
      tt plan resume shop
    agent bob: in error: no such CLI
      tt restart bob
    agent eve: held: rate limit
      tt resume eve"""


def test_the_morning_page() -> None:
    told = night().call("town.report", since=NIGHT)
    assert "\n".join(report.lines(told, NIGHT)) == PAGE


def test_how_far_back_it_looks_is_for_the_caller_to_say() -> None:
    desk = night()
    done = {n: desk.call("town.report", since=n * 3_600)["done"] for n in (1, 3, 24)}
    assert {n: [one["id"] for one in tasks] for n, tasks in done.items()} == {
        1: ["t2"],
        3: ["t1", "t2", "t4"],
        24: ["t1", "t2", "t3", "t4"],
    }
    costs = [desk.call("town.report", since=n * 3_600)["cost"]["cost_usd"] for n in (1, 12, 31)]
    assert costs == [0, 0.75, 9.75]
    assert len(desk.call("town.report")["done"]) == 3, "a night where nobody says"


def test_an_empty_town_has_a_page() -> None:
    told = Desk().call("town.report")
    assert "\n".join(report.lines(told, NIGHT)) == (
        "The last 12 h\n\nDone: nothing\n\nCost: 0 rounds, 0 tokens\n\nNeeds you: nothing"
    )


def test_many_things_of_a_kind_are_counted() -> None:
    desk = Desk(agent("ann"), *(over(number, 1) for number in range(1, 31)))
    page = list(report.lines(desk.call("town.report"), NIGHT))
    assert "    … and 10 more: tt task list --state completed" in page
    assert sum(" by ann in " in line for line in page) == 20


def test_costs_of_rounds_that_are_forgotten_are_not_made_up() -> None:
    desk = Desk(agent("ann"), ran(7, "ann", 1, input_tokens=5), cleared=6)
    cost = desk.call("town.report")["cost"]
    assert (cost["whole"], cost["tokens"]) == (False, 5)
    assert "Cost: at least 1 round, 5 tokens" in report.lines(desk.call("town.report"), NIGHT)


# What is in the archive by the morning


def long_night(count: int) -> Desk:
    """So many tasks of the plan `shop` were done, one failed, and all but t5 were put away."""
    plan = TrackedPlan("shop", 1, state="completed", started_at=1, ended_at=2)
    tasks = [over(n, 1 + n / 1_000, plan="shop") for n in range(5, count + 5)]
    lost = over(count + 5, 1, "failed", error="make: error 2")
    desk = Desk(agent("ann"), plan, *tasks, lost, over(count + 6, 40), numbered=count + 50)
    desk.put_away(*(task for task in desk.town.tasks if task != "t5"))
    assert list(desk.town.tasks) == ["t5"]
    return desk


def test_what_was_put_away_is_told_and_counted() -> None:
    desk = long_night(3)
    told = desk.call("town.report")
    assert [one["id"] for one in told["done"]] == ["t5", "t6", "t7"]
    assert [one["id"] for one in told["failed"]] == ["t8"]
    assert [(one["id"], one["command"]) for one in told["needs"]] == [("t8", "tt task retry t8")]
    desk.call("task.retry", task="t8")
    assert desk.call("town.report")["counts"] == [{"plan": "shop", "done": 3, "failed": 0}]


def test_a_very_long_night_is_counted_and_the_newest_are_told() -> None:
    desk = long_night(TOLD + 30)
    told = desk.call("town.report")
    assert told["counts"] == [
        {"plan": "shop", "done": TOLD + 30, "failed": 0},
        {"plan": None, "done": 0, "failed": 1},
    ]
    assert len(told["done"]) <= TOLD
    assert told["done"][0]["id"] == "t5"
    page = list(report.lines(told, NIGHT))
    assert f"Done: {TOLD + 30} tasks" in page
    assert f"    … and {TOLD + 10} more: tt task list --state completed" in page


def test_the_cost_of_rounds_that_were_put_away_is_told() -> None:
    desk = Desk(agent("ann"), ran(7, "ann", 1, input_tokens=5), cleared=6)
    for number, hours in ((5, 30), (6, 2)):
        one: Any = ran(number, "ann", hours, input_tokens=10)
        desk.archived_rounds[one.id] = one
    cost = desk.call("town.report")["cost"]
    assert (cost["whole"], cost["rounds"], cost["tokens"]) == (True, 2, 15)


@pytest.mark.parametrize(
    ("plan", "need"),
    [
        ({"paused": True}, ("it is paused", "tt plan resume a")),
        ({}, ("nobody can go on with it", "tt plan status a")),
        ({"on": False}, ("the conductor is off", "tt conductor --plan a")),
    ],
)
def test_a_plan_that_does_not_go_on_needs_a_person(
    plan: dict[str, Any], need: tuple[str, str]
) -> None:
    on = plan.pop("on", True)
    desk = Desk(TrackedPlan("a", 1, **plan), task(1, "absent", plan="a"), conducting=on)
    found = [one for one in desk.call("town.report")["needs"] if one["kind"] == "plan"]
    assert [(one["id"], one["why"], one["command"]) for one in found] == [("a", *need)]


def test_failures_of_a_plan_that_was_cancelled_need_nobody() -> None:
    desk = Desk(
        agent("ann"), TrackedPlan("a", 1), over(1, 1, "failed", plan="a"), task(2, "ann", plan="a")
    )
    assert [one["id"] for one in desk.call("town.report")["needs"] if one["kind"] == "task"]
    desk.call("plan.cancel", name="a")
    assert desk.call("town.report")["needs"] == []


@pytest.mark.parametrize("since", [0, -1, 366 * 86_400 + 1, 10**30])
def test_times_that_make_no_sense_are_refused(since: int) -> None:
    with pytest.raises(BadInput, match="is no time to look back"):
        Desk().call("town.report", since=since)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1_800), ("12h", NIGHT), ("2d", 172_800)]
)
def test_lengths_of_time_are_written_short(text: str, seconds: int) -> None:
    assert report.seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "12", "h", "0h", "-1h", "1.5h", "1w", "12 h", "9" * 10 + "s"])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="is no length of time"):
        report.seconds_of(text)
