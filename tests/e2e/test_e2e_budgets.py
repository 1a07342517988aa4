"""Limits that work: rate limits, fallbacks, budgets, and rounds at once, by the installed programs.

The number of rounds, each of which is a call of a model, is asserted everywhere.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.town import Home, TownUnderTest, lines, until

Make = Callable[..., Home]
AGENT = Path(__file__).with_name("metered_agent.py")
#: Seconds between two agents that come back from one limit, less what a busy machine may take off.
APART = 2.5


def table(name: str, more: str = "") -> str:
    command = json.dumps([sys.executable, "-IS", str(AGENT), name])
    return f"""
[agent_clis.{name}]
command = {command}
reader = "claude"
resume = "--resume {{session}}"
{more}
"""


@pytest.fixture
def metered(make_home: Make, tmp_path: Path) -> Callable[..., TownUnderTest]:
    """Makes a town whose agents are on `alpha` and `beta`, which say more in their tables."""

    def make(alpha: str = "", beta: str = "", more: str = "") -> TownUnderTest:
        home = make_home(table("alpha", alpha) + table("beta", beta) + more)
        return home.town(tmp_path / "town")

    return make


def rounds(town: TownUnderTest) -> list[dict[str, Any]]:
    return lines(town.directory / "metered.jsonl")


def told(town: TownUnderTest, *keys: str) -> list[tuple[Any, ...]]:
    """What the rounds so far noted, in the order in which they began."""
    return [tuple(one[key] for key in keys) for one in rounds(town)]


def do(town: TownUnderTest, agent: str, *script: str, options: tuple[str, ...] = ()) -> str:
    """A task for the agent; its id."""
    return str(town.see("assign", agent, "\n".join(["Work", *script]), *options)["id"])


def done(town: TownUnderTest, *tasks: str) -> None:
    for task in tasks:
        town.wait("--task", task)


def hold(town: TownUnderTest, agent: str) -> Any:
    return town.agent(agent)["hold"]


def questions(town: TownUnderTest) -> list[dict[str, Any]]:
    return [one for one in town.see("inbox", "conductor") if one["kind"] == "question"]


# Rate limits


def test_a_limit_of_one_cli_holds_its_team_which_comes_back_one_by_one(
    metered: Callable[..., TownUnderTest],
) -> None:
    town = metered('account = "work"', 'account = "home"', table("gamma", 'account = "work"'))
    for name, cli in (("a", "alpha"), ("b", "alpha"), ("g", "gamma"), ("other", "beta")):
        town.quick("spawn", name, "--cli", cli)
    town.write("alpha.limit", "4")
    first = do(town, "a")
    until(lambda: hold(town, "g"), "the hold of all on the account")
    assert hold(town, "other") is None
    tasks = [do(town, name) for name in ("b", "g", "other")]
    done(town, tasks[-1])
    assert told(town, "agent", "limited") == [("a", True), ("other", False)]
    done(town, first, *tasks)
    assert told(town, "agent", "limited")[2:] == [("a", False), ("b", False), ("g", False)]
    starts = [one["at"] for one in rounds(town)[2:]]
    assert starts[1] - starts[0] > APART
    assert starts[2] - starts[1] > APART
    assert len(rounds(town)) == 5
    held = [one["agent"] for one in town.see("history") if one["event"] == "agent.held"]
    assert held == ["a", "b", "g"]


def test_a_person_lifts_the_hold_of_one(metered: Callable[..., TownUnderTest]) -> None:
    town = metered()
    for name in ("a", "b"):
        town.quick("spawn", name, "--cli", "alpha")
    town.write("alpha.limit", "3600")
    do(town, "a")
    until(lambda: hold(town, "b"), "the hold")
    (town.directory / "alpha.limit").unlink()
    task = do(town, "b")
    town.tt("resume", "b")
    done(town, task)
    assert hold(town, "a") is not None
    assert told(town, "agent", "limited") == [("a", True), ("b", False)]


def test_a_fallback_takes_over_and_its_own_session_comes_back(
    metered: Callable[..., TownUnderTest],
) -> None:
    town = metered('fallback = ["codex-that-is-not-there", "beta"]')
    town.quick("spawn", "a", "--cli", "alpha")
    done(town, do(town, "a"))
    town.write("alpha.limit", "5")
    second = do(town, "a")
    done(town, second)
    keys = ("cli", "task", "resumed", "session", "limited")
    assert told(town, *keys)[1:] == [
        ("alpha", second, True, "alpha-1", True),
        ("beta", second, False, "beta-1", False),
    ]
    prompts = [one["prompt"] for one in rounds(town)]
    assert prompts[1] == prompts[2]
    assert town.agent("a")["session"] == "alpha-1"
    assert [one["cli"] for one in town.task(second)["rounds"]] == ["alpha", "beta"]
    assert town.task(second)["attempts"] == 1
    assert "a works on another CLI: alpha is at a rate limit" in town.tt("history").out
    until(lambda: hold(town, "a") is None, "the end of the limit")
    third = do(town, "a")
    done(town, third)
    assert told(town, *keys)[3:] == [("alpha", third, True, "alpha-1", False)]


def test_fallbacks_in_a_circle_wait_for_the_first_reset(
    metered: Callable[..., TownUnderTest],
) -> None:
    town = metered('fallback = ["beta"]', 'fallback = ["alpha"]')
    town.quick("spawn", "a", "--cli", "alpha")
    town.write("alpha.limit", "3600")
    town.write("beta.limit", "3")
    done(town, do(town, "a"))
    assert told(town, "cli", "limited") == [("alpha", True), ("beta", True), ("beta", False)]


# Budgets


def test_an_agents_budget_warns_then_stops_with_one_question_and_goes_on_with_the_answer(
    metered: Callable[..., TownUnderTest],
) -> None:
    town = metered()
    town.quick("spawn", "a", "--cli", "alpha")
    town.tt("config", "budgets.agent_tokens", "100")
    tasks = [do(town, "a", "use 45 0.5") for _ in range(4)]
    until(lambda: questions(town), "the question")
    done(town, *tasks[:3])
    assert [one["text"] for one in questions(town)] == [
        "Agent a has used 135 of 100 tokens. May it use as much again? (no: it is closed)"
    ]
    assert hold(town, "a") == {"until": None, "reason": "agent a has used 135 of 100 tokens"}
    assert "held: agent a has used 135 of 100 tokens" in town.tt("list").out
    said = [one["event"] for one in town.see("history") if one["event"].startswith("budget.")]
    assert said == ["budget.warned", "budget.exceeded"]
    refused = town.tt("resume", "a", code=2)
    assert refused.err == "tt: agent a has used up its budget (tt answer budget:agent:a yes)\n"
    assert len(rounds(town)) == 3
    town.tt("answer", "budget:agent:a", "yes")
    done(town, tasks[3])
    assert (len(rounds(town)), questions(town)) == (4, [])
    one = town.agent("a")
    assert (one["tokens"], one["cost_usd"], one["hold"]) == (180, 2.0, None)
    assert [town.task(task)["tokens"] for task in tasks] == [45] * 4


def test_a_plans_budget_pauses_the_plan_and_nothing_else(
    metered: Callable[..., TownUnderTest],
) -> None:
    town = metered()
    for name in ("a", "b"):
        town.quick("spawn", name, "--cli", "alpha")
    town.tt("config", "budgets.plan_usd", "1")
    one = do(town, "a", "use 9 1.25", options=("--plan", "shop"))
    two = do(town, "a", options=("--plan", "shop", "--after", one))
    until(lambda: questions(town), "the question")
    done(town, do(town, "a"), do(town, "b"))
    assert town.states() == {one: "completed", two: "pending", "t3": "completed", "t4": "completed"}
    assert len(rounds(town)) == 3
    plan = town.see("plan", "status", "shop")["plan"]
    assert (plan["state"], plan["tokens"], plan["cost_usd"]) == ("paused", 9, 1.25)
    town.tt("answer", "budget:plan:shop", "yes")
    done(town, two)
    assert len(rounds(town)) == 4


def test_the_days_budget_keeps_everybody_from_starting(
    metered: Callable[..., TownUnderTest],
) -> None:
    town = metered()
    for name in ("a", "b"):
        town.quick("spawn", name, "--cli", "alpha")
    town.tt("config", "budgets.day_tokens", "50")
    done(town, do(town, "a", "use 60 0"))
    task = do(town, "b")
    assert "has used 60 of 50 tokens" in until(lambda: hold(town, "b"), "the hold")["reason"]
    assert hold(town, "b")["until"].endswith("T00:00:00.000Z")
    town.tt("daemon", "restart")
    assert (len(questions(town)), len(rounds(town))) == (1, 1)
    town.tt("answer", "budget:day", "yes")
    done(town, task)
    assert len(rounds(town)) == 2


@pytest.mark.parametrize(
    ("answer", "state", "count"), [("yes", "completed", 2), ("no", "failed", 1)]
)
def test_a_task_over_its_budget_is_not_tried_again_before_the_answer(
    metered: Callable[..., TownUnderTest], answer: str, state: str, count: int
) -> None:
    town = metered()
    town.quick("spawn", "a", "--cli", "alpha")
    town.tt("config", "budgets.task_usd", "1")
    town.tt("config", "limits.attempts", "3")
    task = do(town, "a", "use 9 1.25", "fail without luck")
    until(lambda: questions(town), "the question")
    done(town, do(town, "a"))
    assert (town.task(task)["state"], town.task(task)["cost_usd"]) == ("blocked", 1.25)
    assert told(town, "task") == [(task,), ("t2",)]
    town.go("luck")
    town.tt("answer", f"budget:task:{task}", answer)
    town.wait("--task", task, code=None)
    assert town.task(task)["state"] == state
    assert [one["task"] for one in rounds(town)].count(task) == count
    assert questions(town) == []


# Rounds at once


def test_rounds_at_once_by_cli_and_by_account(metered: Callable[..., TownUnderTest]) -> None:
    town = metered(
        'max_rounds = 1\naccount = "work"',
        more=table("gamma", 'account = "work"') + "\n[accounts.work]\nmax_rounds = 2\n",
    )
    clis = {"a1": "alpha", "a2": "alpha", "g1": "gamma", "g2": "gamma", "b": "beta"}
    for name, cli in clis.items():
        town.quick("spawn", name, "--cli", cli)
    tasks = [do(town, name, "wait go") for name in clis]
    until(lambda: len(rounds(town)) == 3, "what there is room for")
    assert sorted(told(town, "agent")) == [("a1",), ("b",), ("g1",)]
    town.tt("daemon", "restart")
    assert len(rounds(town)) == 3, "rounds of an earlier daemon count"
    town.go("go")
    done(town, *tasks)
    assert len(rounds(town)) == 5
    assert all(town.task(task)["attempts"] == 1 for task in tasks)


# Bad input


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("config", "budgets.day_tokens", "-1"),
            "budgets.day_tokens must be a whole number from 0",
        ),
        (("config", "budgets.task_usd", "-0.5"), "budgets.task_usd must be a number from 0"),
        (("config", "agent_clis.alpha.max_rounds", "-1"), "a whole number from 0 to 1000"),
        (("config", "accounts.work.max_rounds", "-1"), "a whole number from 0 to 1000"),
        (("config", "accounts.work.rounds", "1"), "unknown key accounts.work.rounds"),
        (("config", "agent_clis.alpha.account", "a b"), "an account's name"),
        (("config", "agent_clis.alpha.fallback", "beta"), "must be a list of CLIs"),
        (("config", "agent_clis.alpha.fallback", '["alpha"]'), "names alpha itself"),
        (("spawn", "x", "--cli", "alpha", "--fallback", "betta"), "there is no CLI 'betta'"),
        (("spawn", "x", "--cli", "alpha", "--fallback", "alpha"), "its own CLI"),
        (("answer", "budget:day", "yes"), "there is no open question"),
    ],
)
def test_bad_input_is_one_clear_line(
    town: TownUnderTest, words: tuple[str, ...], message: str
) -> None:
    town.write("tinytown.toml", (town.directory / "tinytown.toml").read_text() + table("alpha"))
    before = (town.directory / "tinytown.toml").read_text()
    refused = town.tt(*words, code=2)
    assert message in refused.err
    assert refused.err.count("\n") == 1
    assert (town.directory / "tinytown.toml").read_text() == before
    assert town.see("list") == []
