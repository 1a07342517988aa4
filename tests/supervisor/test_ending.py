"""How rounds begin and end in the records (`supervisor/verdict.py`)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.domain.towns import NOW, agent, events, make_town, message, settled, states, task
from tinytownd.domain import rules
from tinytownd.domain.message import Round
from tinytownd.domain.town import Town
from tinytownd.supervisor.decide import Begin, next_step
from tinytownd.supervisor.verdict import Ending, Retries, begin, finish

RETRIES = Retries(attempts=3, first_ms=1_000, longest_ms=3_000)
HOWS = ("completed", "failed", "limited", "interrupted", "unknown")


def begun(town: Town) -> Round:
    """The round that the first agent starts now."""
    settled(town)
    step = next_step(town, "a1")
    assert isinstance(step, Begin)
    running = begin(town, town.agents["a1"], step, token="secret", cli="claude")
    town.commit()
    return running


def working(**fields: Any) -> tuple[Town, Round]:
    """A town whose agent is in a round with a task and a message."""
    town = make_town(agent("ann", **fields), task(1, "ann"), message(1, "ann", sort="info"))
    return town, begun(town)


def end(town: Town, running: Round, how: str = "completed", **told: Any) -> None:
    finish(town, town.rounds[running.id], Ending(how, **told), RETRIES)


def test_a_round_is_recorded_before_it_runs() -> None:
    town = make_town(
        agent("ann", session="s1", rounds=4, rounds_since_start=1),
        task(1, "ann", attempts=1, started_at=5),
        message(1, "ann"),
    )
    running = begun(town)
    assert (running.id, running.agent, running.task, running.messages) == (
        "1",
        "ann",
        "t1",
        ("m1",),
    )
    assert (running.token, running.resumed, running.attempt) == ("secret", "s1", 2)
    assert (running.outcome, running.started_at) == (None, NOW)
    at_work = town.agent("ann")
    assert (at_work.state, at_work.round, at_work.task) == ("working", "1", "t1")
    assert (at_work.rounds, at_work.rounds_since_start) == (5, 2)
    one = town.tasks["t1"]
    assert (one.state, one.round, one.attempts, one.started_at) == ("running", "1", 2, 5)
    assert (town.messages["m1"].state, town.messages["m1"].round) == ("delivered", "1")


#: How a round ended, whether the agent spoke: task, message, round's outcome.
ENDINGS = [
    ("completed", False, "completed", "acknowledged", "completed"),
    ("failed", False, "pending", "waiting", "failed"),
    ("unknown", False, "pending", "waiting", "unknown"),
    ("limited", False, "pending", "waiting", "limited"),
    ("interrupted", False, "pending", "waiting", "interrupted"),
    *((how, True, "completed", "acknowledged", "completed") for how in HOWS),
]


@pytest.mark.parametrize(("how", "spoken", "state", "letter", "outcome"), ENDINGS)
def test_every_outcome_with_and_without_a_verdict(
    how: str, spoken: bool, state: str, letter: str, outcome: str
) -> None:
    town, running = working()
    if spoken:
        rules.complete(town, town.tasks["t1"], "ann", "Said so")
    end(town, running, how, text="The CLI's words", error="broke", session="s2")
    assert states(town) == [state]
    assert town.messages["m1"].state == letter
    ended = town.rounds["1"]
    assert (ended.outcome, ended.ended_at, ended.session) == (outcome, NOW, "s2")
    rested = town.agent("ann")
    assert (rested.state, rested.round, rested.task, rested.session) == ("idle", None, None, "s2")
    assert "round.ended" in events(town)
    if how == "completed":
        assert town.tasks["t1"].result == ("Said so" if spoken else "The CLI's words")


@pytest.mark.parametrize("how", HOWS)
def test_a_round_of_messages_alone(how: str) -> None:
    town = make_town(agent("ann"), message(1, "ann"))
    end(town, begun(town), how, error="broke")
    assert town.messages["m1"].state == ("acknowledged" if how == "completed" else "waiting")
    one = town.agent("ann")
    assert one.state == "idle"
    assert (one.hold_until is not None) is (how in ("failed", "unknown", "limited"))
    assert one.failures == (1 if how in ("failed", "unknown", "limited") else 0)


def test_an_agent_that_fails_at_its_messages_again_and_again_breaks() -> None:
    town = make_town(agent("ann", failures=2), message(1, "ann"))
    end(town, begun(town), "failed", error="no account")
    one = town.agent("ann")
    assert (one.state, one.hold_reason, one.round) == ("error", "no account", None)
    assert "agent.error" in events(town)


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("person", ["cancel", "complete"])
def test_a_result_of_a_round_that_no_longer_holds_its_task_is_refused(
    how: str, person: str
) -> None:
    town, running = working()
    getattr(rules, person)(town, town.tasks["t1"], "person", *(["Done"] * (person == "complete")))
    assert town.rounds["1"].stopping == "person decided on its task"
    before = town.tasks["t1"]
    town.commit()
    end(town, running, how, text="Too late\nreally")
    assert town.tasks["t1"] == before
    refused = [e for e in town.change.events if e["event"] == "result.refused"]
    assert [(e["text"], e["task"], e["round"]) for e in refused] == [("Too late", "t1", 1)]


def test_a_task_that_another_round_holds_by_now_is_left_to_it() -> None:
    town, running = working()
    town.put(town.tasks["t1"].but(round="7"))
    end(town, running, text="Mine")
    assert (town.tasks["t1"].state, town.tasks["t1"].round) == ("running", "7")
    assert "result.refused" in events(town)


def test_a_round_that_has_nothing_to_say_is_not_told_that_it_is_late() -> None:
    town, running = working()
    rules.cancel(town, town.tasks["t1"], "person")
    end(town, running, "interrupted")
    assert "result.refused" not in events(town)


@pytest.mark.parametrize("how", ["failed", "unknown"])
def test_failures_are_retried_with_growing_pauses_then_the_task_fails(how: str) -> None:
    town = make_town(agent("ann"), task(1, "ann"), agent("boss", 2))
    for attempt, pause in ((1, 1_000), (2, 2_000)):
        end(town, begun(town), how, error="broke")
        one = town.tasks["t1"]
        assert (one.state, one.attempts, one.error) == ("pending", attempt, "broke")
        assert one.not_before == town.now + pause
        assert "task.retrying" in events(town)
        town.now += pause
        town.touch("ann")
    end(town, begun(town), how, error="broke")
    assert (town.tasks["t1"].state, town.tasks["t1"].error) == ("failed", "broke")
    assert [one.text for one in town.inbox("conductor")] == [
        "Task t1 failed after 3 attempts: broke"
    ]


@pytest.mark.parametrize(
    ("how", "told"),
    [("limited", {}), ("interrupted", {}), ("failed", {"session_lost": True})],
)
def test_what_is_not_the_tasks_fault_is_no_attempt(how: str, told: dict[str, bool]) -> None:
    town, running = working(session="old")
    end(town, running, how, **told)
    assert (town.tasks["t1"].attempts, town.tasks["t1"].not_before) == (0, None)


def test_a_lost_session_is_forgotten_and_held_against_nobody() -> None:
    town, running = working(session="old", failures=1)
    end(town, running, "failed", session_lost=True, session="old")
    one = town.agent("ann")
    assert (one.session, one.failures, one.hold_until) == (None, 1, None)
    assert begun(town).resumed is None


@pytest.mark.parametrize(
    ("failures", "jitter", "pause"),
    [(1, 0, 1_000), (2, 0, 2_000), (3, 0, 3_000), (99, 0, 3_000), (1, 1, 1_100), (99, 0.5, 3_150)],
)
def test_pauses_double_up_to_a_bound_with_a_tenth_of_jitter(
    failures: int, jitter: float, pause: int
) -> None:
    assert RETRIES.pause(failures, jitter) == pause


MINUTE, DAY = 60_000, 86_400_000


@pytest.mark.parametrize(
    ("failures", "resets_in", "jitter", "hold"),
    [
        (0, None, 0, MINUTE),
        (1, None, 0, 2 * MINUTE),
        (4, None, 0, 16 * MINUTE),
        (50, None, 0, 30 * MINUTE),
        (0, None, 1, 66_000),
        (0, 90_000, 0, 90_000),
        (0, 90_000, 1, 99_000),
        (9, -5_000, 0, 1_000),
        (0, 9 * DAY, 0, DAY),
    ],
)
def test_a_rate_limit_holds_until_its_reset(
    failures: int, resets_in: int | None, jitter: float, hold: int
) -> None:
    town, running = working(failures=failures)
    at = datetime.fromtimestamp((NOW + resets_in) / 1000, UTC) if resets_in is not None else None
    end(town, running, "limited", error="5 hours", resets_at=at, jitter=jitter)
    one = town.agent("ann")
    assert (one.hold_until, one.hold_reason) == (NOW + hold, "5 hours")
    assert one.failures == failures + 1
    assert "agent.held" in events(town)


def test_a_rate_limit_after_a_verdict_holds_as_well() -> None:
    town, running = working()
    rules.complete(town, town.tasks["t1"], "ann", "Done")
    end(town, running, "limited")
    assert town.agent("ann").hold_until == NOW + MINUTE


def test_success_ends_a_row_of_failures() -> None:
    town, running = working(failures=5)
    end(town, running)
    assert (town.agent("ann").failures, town.agent("ann").hold_until) == (0, None)


@pytest.mark.parametrize(
    ("desired", "state"),
    [("run", "idle"), ("close", "cold"), ("pause", "paused"), ("stop", "stopped")],
)
@pytest.mark.parametrize("draining", [False, True])
def test_after_its_round_an_agent_is_where_it_is_wanted(
    desired: str, state: str, draining: bool
) -> None:
    town, running = working()
    one = town.agent("ann")
    town.put(one.advance("drain", NOW) if draining else one)
    town.put(town.agent("ann").but(desired=desired))
    end(town, running)
    assert town.agent("ann").state == state


def test_codex_counts_a_threads_tokens_from_its_beginning() -> None:
    town = make_town(agent("ann"), *(task(number, "ann") for number in (1, 2, 3)))
    for total, session in ((100, "s1"), (250, "s1"), (40, "s2")):
        usage: dict[str, Any] = {
            "session": session,
            "input_tokens": total,
            "output_tokens": total // 10,
        }
        end(town, begun(town), cumulative=True, **usage)
    used = [(one.input_tokens, one.output_tokens) for one in town.rounds.values()]
    assert used == [(100, 10), (150, 15), (40, 4)]


@pytest.mark.parametrize(("cumulative", "count"), [(False, 70), (True, 0)])
def test_tokens_are_never_negative_and_never_made_up(cumulative: bool, count: int) -> None:
    town = make_town(agent("ann"), task(1, "ann"), task(2, "ann"))
    end(town, begun(town), session="s", input_tokens=100, cumulative=cumulative)
    end(town, begun(town), session="s", input_tokens=70, cumulative=cumulative)
    assert (town.rounds["2"].input_tokens, town.rounds["2"].output_tokens) == (count, None)


def test_dependents_go_out_in_the_step_that_ends_the_round() -> None:
    town = make_town(agent("ann"), agent("bob", 2), task(1, "ann"), task(2, "bob", needs=("t1",)))
    end(town, begun(town), text="Use JWT")
    settled(town)
    assert states(town) == ["completed", "assigned"]
