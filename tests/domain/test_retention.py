"""A town has at hand what may still matter; what is long over is put away, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from tests.domain.towns import agent, make_town, message, picture, round_, settled, task
from tinytownd.domain import retention
from tinytownd.domain.policy import History, Policy
from tinytownd.domain.record import Record
from tinytownd.domain.town import Town
from tinytownd.domain.track import TrackedPlan

DAY = 86_400_000


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five are kept, and two more may be there before two go."""
    monkeypatch.setattr(retention, "KEPT", 5)
    monkeypatch.setattr(retention, "BATCH", 2)


def keeping(*records: Record, history: History | None = None, **meta: Any) -> Town:
    town = make_town(*records, **{"numbered": 100, **meta})
    town.policy = Policy(history=history or History(tasks=5, rounds=5))
    return town


def busy() -> Town:
    """Ten of each kind: every third is not over."""
    read = ("acknowledged", "acknowledged", "waiting")
    ended = ("completed", "failed", None)
    return keeping(
        *(message(n, "ann", state=read[n % 3]) for n in range(10)),
        *(round_(n, "ann", outcome=ended[n % 3]) for n in range(10)),
    )


def done(number: int, owner: str | None = "ann", **fields: Any) -> Record:
    return task(number, owner, **{"state": "completed", "finished_at": number, **fields})


def put_away(town: Town) -> list[str]:
    """The tasks that one look puts away; they left the town, and nothing else did."""
    before = set(town.tasks)
    retention.retire(town)
    gone = [one for kind, one in town.change.archived if kind == "tasks"]
    assert before - set(town.tasks) == set(gone)
    town.commit()
    return gone


def old(*records: Record, **meta: Any) -> Town:
    """A town in which whatever may go will go: all that is over is older than a day."""
    return keeping(*records, history=History(tasks=1, days=1), now=3 * DAY, **meta)


# Messages and rounds


def test_the_oldest_that_are_over_go() -> None:
    town = settled(busy())
    assert list(town.messages) == ["m2", "m3", "m4", "m5", "m6", "m7", "m8", "m9"]
    assert list(town.rounds) == ["2", "3", "4", "5", "6", "7", "8", "9"]
    assert [one.id for one in town.inbox("ann")] == ["m2", "m5", "m8"]
    assert (town.over["messages"], town.over["rounds"]) == (5, 5)


def test_rounds_are_put_away_and_messages_are_dropped() -> None:
    town = busy()
    retention.retire(town)
    assert list(town.change.archived) == [("rounds", "0"), ("rounds", "1")]


def test_files_of_forgotten_rounds_may_go_but_none_after_an_open_one() -> None:
    town = busy()
    retention.retire(town)
    assert town.meta.cleared == 1
    assert town.change.wakes == {""}


def test_a_few_too_many_are_left_for_the_next_time() -> None:
    town = settled(keeping(*(message(n, "ann", state="acknowledged") for n in range(6))))
    assert len(town.messages) == 6
    town.put(message(6, "ann", state="acknowledged"))
    assert len(settled(town).messages) == 5


def test_a_change_that_is_taken_back_brings_them_back() -> None:
    town = busy()
    for number in range(8):
        town.put(done(number + 1, plan="main"))
    town.put(TrackedPlan("main", 1, state="completed"))
    town.commit()
    before, counts = picture(town), dict(town.over)
    retention.retire(town)
    assert picture(town) != before
    assert len(town.change.archived) == 2 + 8
    town.rollback()
    assert (picture(town), dict(town.over)) == (before, counts)
    assert not town.change.archived


# Tasks: how many, how old


def test_the_tasks_that_ended_first_go_and_the_others_stay_at_hand() -> None:
    ends = [4, 3, 9, 1, 2, 8, 7]
    town = keeping(*(done(n + 1, finished_at=at) for n, at in enumerate(ends)), now=DAY)
    assert put_away(town) == ["t4", "t5"]
    assert put_away(town) == []


def test_one_too_many_is_left_for_the_next_time() -> None:
    town = keeping(*map(done, range(1, 7)), now=DAY)
    assert put_away(town) == []
    town.put(done(7))
    town.commit()
    assert put_away(town) == ["t1", "t2"]


def test_what_is_older_than_so_many_days_goes_however_few_there_are() -> None:
    town = keeping(done(1), done(2, finished_at=2 * DAY), history=History(days=2), now=3 * DAY)
    assert put_away(town) == ["t1"]


def test_what_is_open_stays() -> None:
    states = ("pending", "assigned", "running", "blocked", "submitted")
    town = old(*(task(n + 1, "ann", state=state) for n, state in enumerate(states)), done(9))
    assert put_away(town) == ["t9"]


def test_a_look_is_bounded_and_the_next_one_goes_on_behind_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retention, "LOOK", 3)
    town = keeping(*map(done, range(1, 13)), now=DAY)
    retention.retire(town)
    assert town.change.wakes == {""}, "somebody must go on, although nothing else happens"
    town.commit()
    assert put_away(town) == ["t4", "t5", "t6"]
    assert put_away(town) == [], "one too many is left"


def test_what_must_stay_does_not_keep_the_others_from_going(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retention, "LOOK", 3)
    needed = [done(n) for n in range(1, 7)]
    waiting = task(20, "ann", needs=tuple(f"t{n}" for n in range(1, 7)))
    town = keeping(*needed, waiting, *map(done, range(7, 15)), now=DAY)
    gone: list[str] = []
    for _ in range(4):
        gone += put_away(town)
        town.now += retention.LOOK_MS
    assert gone == ["t7", "t8", "t9"]


def test_a_town_at_rest_is_not_looked_through_at_each_change() -> None:
    waiting = task(20, "ann", needs=("t1", "t2", "t3"))
    town = keeping(*map(done, range(1, 8)), waiting, now=DAY)
    assert put_away(town) == []
    looked = town.looked
    put_away(town)
    assert town.looked == looked
    town.now += retention.LOOK_MS
    put_away(town)
    assert town.looked != looked


# Tasks: what still needs them


def test_what_an_open_task_builds_on_stays() -> None:
    town = old(done(1), task(2, "ann", needs=("t1",)), done(3))
    assert put_away(town) == ["t3"]


def test_a_chain_that_goes_on_and_on_leaves_what_is_behind_it() -> None:
    chain = [done(n, needs=(f"t{n - 1}",)) for n in range(2, 7)]
    town = old(done(1), *chain, task(7, "ann", needs=("t6",)))
    assert put_away(town) == ["t1", "t2", "t3", "t4", "t5"]


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_what_one_that_may_be_tried_again_needs_goes_no_sooner_than_that(state: str) -> None:
    town = old(
        done(1, state=state),
        task(2, "ann", needs=("t1",), state="cancelled", finished_at=2 * DAY + DAY // 2),
    )
    assert put_away(town) == ["t1", "t2"]
    town = old(
        done(1, state=state),
        done(2, needs=("t1",), state="cancelled"),
        task(3, "ann", needs=("t2",)),
    )
    assert put_away(town) == []


def test_a_group_goes_with_all_that_is_within_it() -> None:
    bad = {"state": "failed"}
    group = done(1, None, group=True, **bad)
    within = [done(2, parent="t1", **bad), done(3, parent="t1"), done(4, parent="t3")]
    assert sorted(put_away(old(group, *within))) == ["t1", "t2", "t3", "t4"]
    still = task(5, "ann", parent="t1")
    assert put_away(old(group, *within, still)) == ["t4"]


def test_what_is_within_an_open_group_stays() -> None:
    town = old(task(1, group=True), done(2, parent="t1"), task(3, "ann", parent="t1"))
    assert put_away(town) == []


def test_a_gate_stays_as_long_as_its_task_may_move() -> None:
    gate = done(2, gate_of="t1")
    assert put_away(old(task(1, "ann", state="submitted"), gate)) == []
    assert put_away(old(done(1), gate)) == ["t1", "t2"]


def test_a_plan_under_way_has_its_tasks_at_hand() -> None:
    plan = TrackedPlan("main", 1)
    town = old(plan, done(1, plan="main"), task(2, "ann", plan="main"), done(3))
    assert put_away(town) == ["t3"]


def test_what_a_round_still_runs_on_stays() -> None:
    ann = agent("ann", round="7", task="t1")
    assert put_away(old(ann, round_(7, "ann", task="t1"), done(1), done(2))) == ["t2"]


def test_what_somebody_is_told_about_in_a_mailbox_stays() -> None:
    note = message(1, "conductor", sort="info", about="failed:t1")
    assert put_away(old(note, done(1, state="failed"), done(2, state="failed"))) == ["t2"]


def test_an_id_that_could_be_given_again_stays() -> None:
    assert put_away(old(done(1), done(2), done(9), done(3, id="x/t9", plan="x"), numbered=2)) == [
        "t1",
        "t2",
    ]


def test_what_came_from_another_town_stays_since_it_must_not_come_twice() -> None:
    assert put_away(old(done(1, origin="abc"), done(2))) == ["t2"]


def test_what_the_change_under_way_is_about_stays_for_its_answer() -> None:
    town = old(done(1), done(2))
    town.put(town.tasks["t1"].but(tokens=5))
    retention.retire(town)
    assert list(town.tasks) == ["t1"]


# What is still known of them


def test_counts_are_what_they_were() -> None:
    plan = TrackedPlan("main", 1, state="failed")
    town = old(plan, done(1, plan="main"), done(2, plan="main", state="failed"), done(3))
    before = +town.plan_counts(), +town.index.states, town.index.pushed["main"]
    assert put_away(town) == ["t1", "t2", "t3"]
    assert (+town.plan_counts(), +town.index.states, town.index.pushed["main"]) == before
    assert town.plans["main"].archived == {"completed": 1, "failed": 1}
    again = Town(town.meta, town.records(), now=town.now)
    assert picture(again) == picture(town)


def test_what_is_brought_back_is_counted_once() -> None:
    town = old(TrackedPlan("main", 1), done(1, plan="main"), done(2))
    before, tasks = picture(town), list(town.tasks.values())
    assert put_away(town) == ["t1", "t2"]
    for _ in range(2):
        retention.bring_back(town, tasks)
        town.commit()
        after = picture(town)
        assert {**after, "meta": 0, "records": 0} == {**before, "meta": 0, "records": 0}
        assert (town.meta.archived, town.plans["main"].archived) == ({}, {})


def test_an_emptied_archive_counts_nothing() -> None:
    town = old(done(1), done(2))
    put_away(town)
    town.empty_archive()
    assert (+town.index.states, town.change.empties_archive) == ({}, True)


def test_whoever_goes_on_comes_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "LOOK", 3)
    town = keeping(*map(done, range(1, 13)), now=DAY)
    looks = [put_away(town)]
    while retention.goes_on(town):
        looks.append(put_away(town))
        assert len(looks) < 5
    assert looks == [["t1", "t2", "t3"], ["t4", "t5", "t6"]]


def test_the_end_of_a_plan_lets_its_tasks_go_at_once() -> None:
    tasks = [done(n, plan="main") for n in range(1, 8)]
    town = keeping(TrackedPlan("main", 1), *tasks, task(8, "ann", plan="main"), now=DAY)
    assert put_away(settled(town)) == []
    town.put(town.tasks["t8"].but(state="completed", finished_at=town.now))
    settled(town)
    assert list(town.tasks) == ["t4", "t5", "t6", "t7", "t8"]
