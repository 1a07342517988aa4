"""What is shown of a town that is too large to be shown: some of it, with counts, in pages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.domain.towns import NOW, agent, message, task
from tests.handlers.desk import Desk
from tinytown_cli import layout, statuspage
from tinytownd.domain.errors import BadInput
from tinytownd.domain.record import Record
from tinytownd.domain.track import TrackedPlan
from tinytownd.handlers import paging

Args = dict[str, Any]
MANY = 240


def everything(desk: Desk, verb: str, what: str, **args: Any) -> list[Args]:
    """All that a verb lists, page by page."""
    reply = desk.call(verb, **args, after="")
    found: list[Args] = reply[what]
    while reply["next"] is not None:
        reply = desk.call(verb, **args, after=reply["next"])
        found += reply[what]
    return found


def team(count: int, **special: Args) -> list[Record]:
    return [agent(f"a{n}", n, **special.get(f"a{n}", {})) for n in range(1, count + 1)]


def done(number: int, **fields: Any) -> Record:
    return task(number, "a1", **{"state": "completed", "finished_at": NOW, **fields})


def lists() -> Desk:
    records = [task(n, priority="high" if n % 3 == 0 else "normal") for n in range(1, MANY + 1)]
    mail = [message(n, "a1", sort="info") for n in range(1, MANY + 1)]
    return Desk(*team(MANY), *records, *mail, agents=MANY, tasks=MANY, messages=MANY)


@pytest.mark.parametrize(
    ("verb", "what"),
    [
        ("agent.list", "agents"),
        ("task.list", "tasks"),
        ("message.inbox", "messages"),
        ("backlog.list", "tasks"),
    ],
)
def test_a_list_is_told_in_pages(verb: str, what: str) -> None:
    desk = lists()
    first = desk.call(verb, after="")
    assert (len(first[what]), first["total"]) == (paging.USUAL, MANY)
    ids = [one["id"] for one in everything(desk, verb, what)]
    for limit in (1, 7, MANY - 1, MANY, MANY + 1):
        assert [one["id"] for one in everything(desk, verb, what, limit=limit)] == ids
    assert len(set(ids)) == MANY
    assert ids[: paging.USUAL] == [one["id"] for one in first[what]]
    for limit in (0, -1, paging.MOST + 1):
        with pytest.raises(BadInput, match="limit is from 1 to 1,000"):
            desk.call(verb, limit=limit)
    for after in ("t1", "1.x", ".", "1" * 5_000):
        with pytest.raises(BadInput, match="'after' is what"):
            desk.call(verb, after=after)


def test_what_comes_and_goes_between_two_pages_moves_nothing() -> None:
    desk = lists()
    first = desk.call("backlog.list", limit=50, after="")
    desk.call("backlog.remove", task=first["tasks"][-1]["id"])
    desk.call("backlog.remove", task=first["tasks"][0]["id"])
    desk.call("backlog.add", text="low", priority="low")
    rest = everything(desk, "backlog.list", "tasks")
    second = desk.call("backlog.list", limit=50, after=first["next"])["tasks"]
    assert second == rest[48:98]


def test_a_page_is_cut_where_its_texts_are_long() -> None:
    long = [task(n, description="x" * 100_000) for n in range(1, 8)]
    desk = Desk(*long, task(8, description="x" * 1_000_000), tasks=8)
    first = desk.call("task.list", after="")
    assert len(first["tasks"]) == 2
    assert len(json.dumps(first)) < paging.PAGE_BYTES
    assert [one["id"] for one in everything(desk, "task.list", "tasks")] == [
        f"t{n}" for n in range(1, 9)
    ]


def test_of_many_tasks_the_open_ones_are_shown_and_then_the_newest() -> None:
    open_ = {3: "pending", 5: "blocked", 400: "pending"}
    tasks = [task(n, state=open_[n]) if n in open_ else done(n) for n in range(1, 501)]
    desk = Desk(*tasks, *team(1), agents=1, tasks=500)
    reply = desk.call("task.list", limit=5)
    assert [one["id"] for one in reply["tasks"]] == ["t3", "t5", "t400", "t499", "t500"]
    assert (reply["total"], reply["next"]) == (500, None)
    assert [one["id"] for one in desk.call("task.list", limit=2)["tasks"]] == ["t3", "t5"]
    assert len(desk.call("task.list", state="completed", limit=9)["tasks"]) == 9


def test_one_agent_is_found_by_its_name() -> None:
    desk = lists()
    (found,) = desk.call("agent.list", name="A7")["agents"]
    assert found["name"] == "a7"
    assert desk.call("agent.list", name="nobody") == {"agents": [], "total": 0, "next": None}


def test_a_small_team_is_shown_whole_and_of_a_large_one_who_needs_somebody_or_works() -> None:
    special: dict[str, Args] = {
        "a60": {"state": "error", "hold_reason": "no account"},
        "a59": {"state": "working"},
        "a58": {"hold_until": NOW + 60_000, "hold_reason": "limit"},
        "a57": {"state": "paused", "desired": "pause"},
        "a1": {"state": "stopped", "desired": "stop"},
    }
    small = Desk(*team(50), agents=50).call("town.status")
    assert [one["name"] for one in small["agents"]] == [f"a{n}" for n in range(1, 51)]
    desk = Desk(*team(60, **special), task(1, "a59"), task(2, "a1"), agents=60, tasks=2)
    status = desk.call("town.status")
    names = [one["name"] for one in status["agents"]]
    assert names == ["a60", "a58", "a57", "a59", *(f"a{n}" for n in range(2, 18))]
    assert status["team"] == {"stopped": 1, "idle": 56, "paused": 1, "working": 1, "error": 1}
    assert status["tasks"]["by_agent"].keys() == {"a59"}
    page = list(statuspage.lines(status, deep=False))
    assert "… and 40 more: 1 stopped, 39 idle (tt list)" in page
    whole = desk.call("town.status", all=True)
    assert len(whole["agents"]) == 60
    assert whole["tasks"]["by_agent"].keys() == {"a59", "a1"}
    assert not any("more" in line for line in statuspage.lines(whole, deep=False))


def test_of_many_plans_those_that_go_on_are_shown_and_then_the_newest() -> None:
    plans = [TrackedPlan(f"p{n}", n, state="completed") for n in range(1, 61)]
    plans[4] = TrackedPlan("p5", 5, state="paused", paused=True)
    tasks = [done(n, plan=f"p{n}") for n in range(1, 61) if n != 5]
    held = task(5, "a1", plan="p5", state="pending")
    desk = Desk(*plans, *tasks, held, *team(1), agents=1, tasks=60)
    status = desk.call("town.status")
    names = [one["name"] for one in status["plans"]]
    assert names == ["p5", *(f"p{n}" for n in range(42, 61))]
    assert status["plans_left"] == 40
    assert "… and 40 plans more: tt plan list" in list(statuspage.lines(status, deep=False))
    assert len(desk.call("town.status", all=True)["plans"]) == 60


def test_of_a_large_plan_the_most_urgent_tasks_are_told() -> None:
    tasks: list[Record] = [done(n, plan="main") for n in range(1, 301)]
    tasks += [
        task(n, "a1", plan="main", state="pending", approve=True, depends_on=("t1",))
        for n in range(301, 311)
    ]
    failed = done(311, plan="main", state="failed", error="no")
    desk = Desk(*tasks, failed, *team(1), agents=1, tasks=311)
    for verb in ("conductor.status", "plan.status"):
        reply = desk.call(verb, limit=3)
        assert len(reply["tasks"]) == 3
        assert reply["tasks_left"] == 308
        assert "t311" in [one["id"] for one in reply["tasks"]]
        assert desk.call(verb)["tasks_left"] == 111


def test_an_empty_team_has_no_rest() -> None:
    status = Desk().call("town.status")
    assert list(layout.team(status["agents"])) == ["No agents yet. Try: tt spawn developer"]
    assert not any("more" in line for line in statuspage.lines(status, deep=False))


def test_plans_are_told_in_pages() -> None:
    names = [f"p{n}" for n in range(1, MANY + 1)]
    desk = Desk(*(TrackedPlan(name, n) for n, name in enumerate(names, 1)))
    assert len(desk.call("plan.list")["plans"]) == paging.USUAL
    for limit in (7, MANY):
        told = everything(desk, "plan.list", "plans", limit=limit)
        assert [one["name"] for one in told] == names


def test_who_waits_is_told_the_first_of_very_many_that_failed() -> None:
    many = paging.MOST + 10
    lost = (done(n, state="failed", error="no") for n in range(1, many + 1))
    told = Desk(agent("a1"), *lost, tasks=many).call("town.wait", all=True)
    shown = [one["id"] for one in told["failed"]]
    assert shown == [f"t{n}" for n in range(1, len(shown) + 1)]
    assert (0 < len(shown) < many, len(shown) + told["failed_left"]) == (True, many)


def test_of_a_large_team_some_are_told_when_all_stop_or_come_back() -> None:
    desk = Desk(*team(MANY), max_agents=MANY, agents=MANY)
    for verb in ("town.stop", "town.start"):
        assert 0 < len(desk.call(verb)["agents"]) < MANY
    assert {one.desired for one in desk.town.agents.values()} == {"run"}


def test_of_who_is_missing_the_first_tasks_are_told() -> None:
    tasks = (task(n, "absent", plan="main") for n in range(1, MANY + 1))
    (told,) = Desk(*tasks, tasks=MANY).call("conductor.start")["missing"]
    assert told["tasks"] == [f"t{n}" for n in range(1, 21)]
