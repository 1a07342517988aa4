"""What a supervisor does next, and how long a round may run."""

from __future__ import annotations

from typing import Any

import pytest

from tests.domain.towns import NOW, agent, make_town, message, round_, settled, task
from tinytownd.domain.agent import STATES
from tinytownd.domain.town import Town
from tinytownd.supervisor.decide import (
    FINAL_GRACE,
    MOST_TEXT,
    VERDICT_GRACE,
    Begin,
    Clock,
    Gone,
    Limits,
    Move,
    Nudge,
    Sleep,
    Stop,
    Watch,
    look,
    next_step,
)
from tinytownd.supervisor.loop import carry_out

ENDS = {"stop": ("stopped", "kill"), "close": ("cold", "close"), "pause": ("paused", "pause")}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("desired", ["run", *ENDS])
def test_every_state_with_everything_that_is_wanted(state: str, desired: str) -> None:
    step = next_step(make_town(agent("ann", state=state, desired=desired)), "a1")
    if desired in ENDS:
        there, event = ENDS[desired]
        assert step == (Sleep() if state == there else Move(event))
    else:
        moves = {"starting": Move("rest"), "paused": Move("start")}
        assert step == moves.get(state, Sleep())


@pytest.mark.parametrize("state", ["starting", "idle", "paused", "cold", "stopped", "error"])
@pytest.mark.parametrize("desired", ["run", *ENDS])
def test_an_agent_comes_to_rest_where_it_is_wanted(state: str, desired: str) -> None:
    town = make_town(agent("ann", state=state, desired=desired, restart=True))
    for _ in range(3):
        carry_out(town, "a1", next_step(town, "a1"), lambda _: None)
    assert next_step(town, "a1") == Sleep()
    assert town.agent("ann").state == ENDS.get(desired, ("idle", ""))[0]


def test_an_agent_that_was_pruned_is_gone() -> None:
    assert next_step(make_town(), "a1") == Gone()


def test_an_agent_whose_cli_is_missing_breaks_and_says_why() -> None:
    town = make_town(agent("ann", state="starting"))
    carry_out(town, "a1", Move("rest"), lambda _: "no such CLI")
    assert (town.agent("ann").state, town.agent("ann").hold_reason) == ("error", "no such CLI")


def test_a_step_that_is_outdated_is_not_taken() -> None:
    town = make_town(agent("ann", state="idle"))
    carry_out(town, "a1", Move("start"), lambda _: None)
    carry_out(town, "a2", Move("start"), lambda _: None)
    assert not town.change


def begun(town: Town) -> tuple[str | None, list[str]]:
    step = next_step(settled(town), "a1")
    assert isinstance(step, Begin)
    return step.task.id if step.task else None, [one.id for one in step.messages]


def test_the_best_task_and_all_messages_urgent_ones_first() -> None:
    town = make_town(
        agent("ann"),
        *(task(1, "ann"), task(2, "ann", priority="high"), task(3, "ann")),
        message(4, "ann", sort="info"),
        message(5, "ann"),
        message(6, "ann", priority="urgent"),
        message(7, "ann", state="delivered"),
        message(8, "bob"),
    )
    assert begun(town) == ("t2", ["m6", "m4", "m5"])


@pytest.mark.parametrize(
    ("fields", "starts"),
    [
        ({"sort": "request"}, True),
        ({"sort": "query"}, True),
        ({"sort": "info"}, False),
        ({"sort": "ack"}, False),
        ({"sort": "info", "priority": "high"}, False),
        ({"sort": "ack", "priority": "urgent"}, True),
    ],
)
def test_news_alone_starts_no_round(fields: dict[str, str], starts: bool) -> None:
    step = next_step(make_town(agent("ann"), message(1, "ann", **fields)), "a1")
    assert isinstance(step, Begin if starts else Sleep)


def test_news_rides_along_with_a_message_that_starts_a_round() -> None:
    town = make_town(agent("ann"), message(1, "ann", sort="info"), message(2, "ann"))
    assert begun(town) == (None, ["m1", "m2"])


def test_a_command_reads_no_messages_and_they_wait_for_a_round_that_does() -> None:
    town = make_town(agent("ann"), task(1, "ann", run="make"), message(1, "ann"))
    assert begun(town) == ("t1", [])


def test_the_shell_never_runs_a_message() -> None:
    town = make_town(agent("ann", cli="shell"), message(1, "ann", priority="urgent"))
    assert next_step(town, "a1") == Sleep()


@pytest.mark.parametrize("priority", ["normal", "urgent"])
def test_nothing_overrides_a_hold(priority: str) -> None:
    held = agent("ann", hold_until=NOW + 1, hold_reason="rate limit")
    town = make_town(held, task(1, "ann", priority=priority), message(1, "ann", priority=priority))
    assert next_step(settled(town), "a1") == Sleep(NOW + 1)
    town.now += 1
    assert begun(town) == ("t1", ["m1"])


@pytest.mark.parametrize(("used", "over"), [(0, False), (1, False), (2, True), (3, True)])
def test_an_agent_whose_rounds_are_used_up_is_stopped(used: int, over: bool) -> None:
    town = make_town(agent("ann", max_rounds=2, rounds=9, rounds_since_start=used), task(1, "ann"))
    step = next_step(settled(town), "a1")
    assert step == Move("kill", "its 2 rounds are used up") if over else isinstance(step, Begin)
    carry_out(town, "a1", step, lambda _: None)
    assert town.agent("ann").desired == ("stop" if over else "run")


def retrying(**fields: Any) -> Town:
    return settled(make_town(agent("ann"), task(1, "ann", not_before=NOW + 5, **fields)))


def test_a_retry_is_slept_for_then_handed_out() -> None:
    town = retrying()
    assert next_step(town, "a1") == Sleep(NOW + 5)
    town.now += 5
    assert next_step(town, "a1") == Nudge()
    carry_out(town, "a1", Nudge(), lambda _: None)
    assert begun(town)[0] == "t1"


def test_a_retry_of_a_plan_without_its_conductor_is_not_asked_for_over_and_over() -> None:
    town = retrying(plan="main")
    town.now += 5
    assert next_step(town, "a1") == Sleep()


def test_a_prompt_takes_as_many_messages_as_it_has_room_for() -> None:
    half = "x" * (MOST_TEXT // 2)
    town = make_town(
        agent("ann"),
        message(1, "ann", text="y" + half),
        message(2, "ann", text=half),
        message(3, "ann", text=half, priority="urgent"),
    )
    assert begun(town) == (None, ["m3"])
    town.put(message(1, "ann", text=half))
    assert begun(town) == (None, ["m3", "m1"])


def test_long_notes_do_not_keep_a_request_from_starting_a_round() -> None:
    notes = [message(n, "ann", text="x" * MOST_TEXT, sort="info") for n in (1, 2)]
    assert begun(make_town(agent("ann"), *notes, message(3, "ann"))) == (None, ["m3"])


def test_one_message_goes_however_long_it_is() -> None:
    town = make_town(agent("ann"), message(1, "ann", text="x" * 3 * MOST_TEXT), message(2, "ann"))
    assert begun(town) == (None, ["m1"])


LIMITS = Limits(silence=10, wall=100, output=5)


@pytest.mark.parametrize(
    ("clock", "expected"),
    [
        (Clock(0, 0), Watch(10)),
        (Clock(95, 1), Watch(5)),
        (Clock(50, 9.5), Watch(0.5)),
        (Clock(100, 0), Stop("it ran longer than 100 s", "failed")),
        (Clock(50, 10), Stop("it was silent for 10 s", "failed")),
        (Clock(50, 0, printed=5), Watch(10)),
        (Clock(50, 0, printed=5.1), Stop("it printed more than 5 MiB", "failed")),
        (Clock(50, 1, verdict=1), Watch(9)),
        (Clock(50, 0, verdict=VERDICT_GRACE), Stop("its task is over", "over")),
        (Clock(50, 0, final=FINAL_GRACE - 1), Watch(1)),
        (Clock(50, 0, final=FINAL_GRACE), Stop("it hung after its final record", "over")),
        (
            Clock(50, 0, verdict=0, final=FINAL_GRACE),
            Stop("it hung after its final record", "over"),
        ),
    ],
)
def test_the_bounds_of_a_round(clock: Clock, expected: Stop | Watch) -> None:
    assert look(agent("ann", state="working"), round_(1, "ann"), LIMITS, clock) == expected


@pytest.mark.parametrize(
    ("desired", "stopping", "reason"),
    [
        ("stop", None, "the agent was killed"),
        ("pause", None, "the agent was interrupted"),
        ("run", "bob decided on its task", "bob decided on its task"),
        ("stop", "bob decided on its task", "bob decided on its task"),
    ],
)
def test_a_round_is_interrupted(desired: str, stopping: str | None, reason: str) -> None:
    working = agent("ann", state="working", desired=desired)
    seen = look(working, round_(1, "ann", stopping=stopping), LIMITS, Clock(200, 200))
    assert seen == Stop(reason, "interrupted")


@pytest.mark.parametrize("state", ["working", "draining"])
def test_a_closing_agent_finishes_its_round(state: str) -> None:
    closing = agent("ann", state=state, desired="close")
    assert look(closing, round_(1, "ann"), LIMITS, Clock(0, 0)) == Watch(10)
