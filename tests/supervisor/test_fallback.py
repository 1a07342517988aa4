"""Rounds around limits: on another CLI and back, and none while a budget is used up."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.domain.towns import NOW, agent, events, make_town, message, settled, states, task
from tinytownd.domain import budgets, questions, usage
from tinytownd.domain.message import Round
from tinytownd.domain.policy import Budget, Policy
from tinytownd.domain.town import Town
from tinytownd.supervisor.decide import Begin, Nudge, Sleep, Step, next_step
from tinytownd.supervisor.loop import carry_out
from tinytownd.supervisor.verdict import Ending, Retries, begin, finish

HOUR = 3_600_000
RESET = datetime.fromtimestamp((NOW + HOUR) / 1000, UTC)
RETRIES = Retries(attempts=3, first_ms=1_000, longest_ms=3_000)


def town_of(*records: Any, **agent_fields: Any) -> Town:
    """A town whose ann is on claude, in session s1, and may fall back on codex, then aider."""
    ann = agent("ann", session="s1", **agent_fields)
    town = make_town(ann, *(records or (task(1, "ann"), task(2, "ann"))))
    town.policy = replace(Policy(), fallbacks={"claude": ("codex", "aider")})
    return settled(town)


def step(town: Town, *missing: str) -> Step:
    return next_step(settled(town), "a1", lambda _, cli: cli not in missing)


def begun(town: Town, *missing: str) -> Round:
    due = step(town, *missing)
    assert isinstance(due, Begin)
    return begin(town, town.agent("ann"), due, token="secret", cli=due.cli)


def end(town: Town, running: Round, how: str = "completed", **told: Any) -> None:
    finish(town, town.rounds[running.id], Ending(how, **told), RETRIES)


def limited(town: Town, **told: Any) -> Town:
    """Ann has met claude's limit."""
    end(town, begun(town), "limited", error="rate limit", **{"resets_at": RESET, **told})
    return town


def test_its_next_round_is_on_the_fallback_with_the_same_task_and_no_session() -> None:
    town = limited(town_of())
    town.commit()
    running = begun(town)
    assert (running.cli, running.task, running.resumed) == ("codex", "t1", None)
    (told,) = [one for one in town.change.events if one["event"] == "agent.fell_back"]
    assert told["text"] == "claude is at a rate limit: this round is on codex"
    assert (town.tasks["t1"].attempts, running.attempt) == (1, 1)


def test_after_the_reset_its_own_cli_and_session_are_back() -> None:
    town = limited(town_of(), session="s1")
    end(town, begun(town), session="of codex", text="Done")
    one = town.agent("ann")
    assert (one.session, one.hold_until, one.limited) == ("s1", NOW + HOUR, True)
    assert states(town)[0] == "completed"
    town.now += HOUR
    town.commit()
    running = begun(town)
    assert (running.cli, running.task, running.resumed) == ("claude", "t2", "s1")
    assert "agent.fell_back" not in events(town)
    end(town, running, session="s1")
    assert (town.agent("ann").hold_until, town.agent("ann").failures) == (None, 0)


def test_a_fallback_that_cannot_be_used_is_passed_over() -> None:
    town = limited(town_of())
    assert begun(town, "codex").cli == "aider"
    town = limited(town_of())
    assert step(town, "codex", "aider") == Sleep(NOW + HOUR)


def test_the_fallbacks_limit_leads_to_the_next_one_and_then_nowhere() -> None:
    town = limited(town_of())
    soon = datetime.fromtimestamp((NOW + HOUR // 2) / 1000, UTC)
    end(town, begun(town), "limited", error="429", resets_at=soon)
    assert begun(town).cli == "aider"
    town = limited(town_of())
    end(town, begun(town), "limited", error="429", resets_at=soon)
    end(town, begun(town), "limited", error="429", resets_at=RESET)
    assert step(town) == Sleep(NOW + HOUR // 2)
    assert town.tasks["t1"].attempts == 0
    town.now += HOUR // 2
    assert begun(town).cli == "codex"
    assert town.agent("ann").hold_until == NOW + HOUR


def test_nothing_due_is_no_reason_to_fall_back() -> None:
    town = town_of(message(1, "ann"))
    running = begun(town)
    end(town, running, "limited", resets_at=RESET)
    town.put(town.messages["m1"].but(sort="info"))
    assert step(town) == Sleep()


def test_a_message_that_asks_is_answered_on_the_fallback() -> None:
    town = limited(town_of(message(1, "ann")))
    running = begun(town)
    assert (running.cli, running.messages) == ("codex", ("m1",))
    end(town, running)
    assert town.messages["m1"].state == "acknowledged"


def test_a_command_is_run_by_the_shell_whatever_the_cli() -> None:
    town = limited(town_of(task(1, "ann"), task(2, "ann", run="make test", priority="urgent")))
    assert begun(town).cli == "shell"


@pytest.mark.parametrize("letters", [False, True])
def test_a_fallback_that_fails_again_and_again_gives_way_to_its_own_cli(letters: bool) -> None:
    work = (message(1, "ann"),) if letters else (task(1, "ann"),)
    town = limited(town_of(*work))
    for _ in range(2):
        running = begun(town)
        assert running.cli == "codex"
        end(town, running, "failed", error="not signed in")
        if not letters:
            town.now += RETRIES.pause(2, 0)
            town.touch("ann")
    assert step(town) == Sleep(NOW + HOUR)
    assert town.agent("ann").state == "idle"
    town.now = NOW + HOUR
    assert begun(town).cli == "claude"


def test_what_a_fallback_does_well_does_not_shorten_the_next_pause_of_its_own_cli() -> None:
    town = limited(town_of(), resets_at=None)
    end(town, begun(town))
    town.now += 60_000
    limited(town, resets_at=None)
    assert town.agent("ann").hold_until == town.now + 120_000


def test_only_a_limit_has_a_fallback_not_a_mistake_in_the_settings() -> None:
    town = town_of()
    end(town, begun(town), "limited", error="no command", broken=True)
    assert town.agent("ann").hold_until == NOW + 60_000
    assert (town.agent("ann").limited, dict(town.meta.limited)) == (False, {})
    assert isinstance(step(town), Sleep)


def test_a_mistake_in_the_settings_holds_nobody_else() -> None:
    town = town_of(task(1, "ann"), agent("bob", 2))
    end(town, begun(town), "limited", error="no command", broken=True)
    assert town.agent("bob").hold_until is None


def test_a_limit_met_by_another_holds_beyond_the_end_of_a_round_that_runs() -> None:
    town = town_of(task(1, "ann"), task(2, "bob"), agent("bob", 2))
    running = begun(town)
    due = next_step(settled(town), "a2")
    assert isinstance(due, Begin)
    other = begin(town, town.agent("bob"), due, token="x", cli="claude")
    finish(town, other, Ending("limited", error="429", resets_at=RESET), RETRIES)
    end(town, running, session="s1")
    one = town.agent("ann")
    assert (one.on_hold(NOW), one.limited, one.failures) == (True, True, 0)
    assert states(town)[0] == "completed"


def test_a_person_lifts_one_hold_and_no_other() -> None:
    town = limited(town_of(task(1, "ann"), agent("bob", 2)))
    town.put(town.agent("ann").freed())
    assert begun(town).cli == "claude"
    assert town.agent("bob").on_hold(NOW)


# Budgets


def test_over_its_budget_an_agent_sleeps_also_with_a_fallback() -> None:
    town = limited(town_of())
    town.put(town.agent("ann").but(over_budget=True))
    assert step(town) == Sleep()


def test_rounds_of_every_kind_wait_for_the_next_day_and_then_begin() -> None:
    town = town_of()
    today = usage.day_of(NOW)
    town.put(town.meta.but(day=today, day_over=True, day_tokens=7))
    questions.ask(town, "daemon", budgets.DAY, "More?")
    assert step(town) == Sleep(usage.day_after(today))
    town.now = usage.day_after(today)
    assert step(town) == Nudge()
    carry_out(town, "a1", Nudge(), lambda _: None)
    assert (town.meta.day_over, town.meta.day_tokens) == (False, 0)
    assert not list(questions.open_questions(town))
    assert isinstance(step(town), Begin)


def test_a_round_that_runs_is_let_end_and_what_it_did_counts() -> None:
    town = town_of()
    town.policy = Policy(budgets={"agent": Budget(tokens=100)})
    running = begun(town)
    town.commit()
    end(town, running, text="Done", input_tokens=90, output_tokens=20)
    assert states(town) == ["completed", "assigned"]
    assert (town.tasks["t1"].tokens, town.agent("ann").tokens) == (110, 110)
    assert town.agent("ann").over_budget
    assert "budget.exceeded" in events(town)
    assert step(town) == Sleep()


def test_a_task_that_failed_over_its_budget_is_blocked_not_tried_again() -> None:
    town = town_of(task(1, "ann"))
    town.policy = Policy(budgets={"task": Budget(usd=1.0)})
    end(town, begun(town), "failed", error="broke", cost_usd=1.5)
    assert states(town) == ["blocked"]
    budgets.answered(town, "budget:task:t1", "person", "yes")
    town.now += int(RETRIES.longest_ms)
    assert begun(town).task == "t1"


def test_codex_counts_its_threads_total_only_once_towards_a_budget() -> None:
    town = town_of(*(task(number, "ann") for number in range(1, 6)))
    used = []
    for session, total in (("s1", 100), ("s1", 250), ("s1", 300), ("s2", 40), ("s2", 41)):
        running = begun(town)
        end(town, running, cumulative=True, session=session, input_tokens=total, output_tokens=1)
        used.append(town.agent("ann").tokens)
        # A town forgets its oldest rounds, not what they used.
        town.drop(town.rounds[running.id])
    assert used == [101, 251, 301, 342, 343]
