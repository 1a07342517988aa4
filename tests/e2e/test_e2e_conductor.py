"""The conductor's own agent with a real daemon: what wakes it, once, and what it then does.

Its CLI is a script: this shows that it is asked, told and heard, not how well it judges.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.town import BIN, Home, TownUnderTest, until

ON = "conductor.enabled"


@pytest.fixture
def town(make_home: Callable[..., Home]) -> Iterator[TownUnderTest]:
    """A town with a conductor's agent that may be asked every second."""
    home = make_home()
    town = home.town(home.path.parent / "shop")
    settings = "[conductor]\nenabled = true\nrounds_per_hour = 3600\n"
    town.write("tinytown.toml", f'[town]\nname = "shop"\n\n{settings}')
    yield town
    town.go("everybody-go")


def rules(town: TownUnderTest, *pairs: tuple[str, list[str]]) -> None:
    """What the scripted conductor does when it finds a pattern in its prompt."""
    town.write("conductor.rules", json.dumps(pairs))


def asked(town: TownUnderTest) -> list[dict[str, Any]]:
    """The rounds of the conductor's agent so far."""
    return [one for one in town.rounds() if one["agent"] == "conductor"]


def conductor(town: TownUnderTest) -> dict[str, Any]:
    """The conductor's agent, or nothing."""
    return next((one for one in town.see("list") if one["name"] == "conductor"), {})


def at_rest(town: TownUnderTest, rounds: int) -> None:
    """The conductor's agent has had so many rounds, and nothing waits for it."""

    def rests() -> bool:
        agent = conductor(town)
        waits = agent.get("waiting", {})
        return (
            agent.get("rounds", 0) >= rounds and agent["state"] == "idle" and not waits["request"]
        )

    until(rests, f"{rounds} rounds of the conductor")
    assert conductor(town)["rounds"] == rounds
    assert len(asked(town)) == rounds


def test_a_task_that_failed_is_one_round_in_which_it_is_mended(town: TownUnderTest) -> None:
    town.team("ann")
    rules(town, ("Task t1 failed", ["copy tinytown.toml mended", "tt task retry t1"]))
    task = town.assign("ann", "needs mended")
    until(lambda: town.states()[task] == "completed", "the end of the task")
    at_rest(town, 1)
    [prompt] = [one["prompt"] for one in asked(town)]
    assert prompt.split("# What you may do")[0].endswith(
        """
# The town

Team:
ann (scripted) is idle

Tasks:
1 failed
t1 (ann) failed: exit code 1

# What you are asked

## m1: request from daemon

~~~
Task t1 failed: exit code 1
~~~

"""
    )


PLAN = """\
[[tasks]]
id = "cart"
description = "Build the cart"
agent = "ann"

[[tasks]]
id = "till"
description = "Build the till"
agent = "bob"
depends_on = ["cart"]
"""


def test_a_stalled_plan_is_mended_while_somebody_follows_it(town: TownUnderTest) -> None:
    town.team("ann")
    rules(town, ("there is no agent bob", ["tt spawn bob"]))
    town.plan(PLAN)
    done = town.tt("conductor")
    assert "Plan completed: 2 of 2 done" in done.out
    at_rest(town, 1)
    assert "bob joined the team" in done.out


def test_a_plan_that_waits_for_a_cancelled_task_is_mended(town: TownUnderTest) -> None:
    town.team("ann", "bob")
    rules(town, ("Plan main is stalled", ["tt task retry cart"]))
    town.plan(PLAN)
    town.quick("task", "cancel", "cart")
    done = town.tt("conductor")
    assert "Plan completed: 2 of 2 done" in done.out
    at_rest(town, 1)
    assert (
        "till (bob) waits for cart, which is cancelled: Build the till" in asked(town)[0]["prompt"]
    )


def test_whoever_follows_a_plan_is_told_when_the_agent_leaves_it_as_it_is(
    town: TownUnderTest,
) -> None:
    town.team("ann")
    town.plan(PLAN)
    done = town.tt("conductor", code=1)
    assert "tt: bob is not on the team to do till" in done.err
    at_rest(town, 1)


def test_a_query_of_an_agent_is_answered(town: TownUnderTest) -> None:
    town.team("ann")
    rules(town, ("which port", ['tt send ann --info "port 80"']))
    town.assign("ann", 'tt send conductor --query "which port"')
    at_rest(town, 1)
    [answer] = until(lambda: town.see("inbox", "ann"), "the answer")
    assert (answer["from"], answer["text"]) == ("conductor", "port 80")


def test_notes_wake_nobody_and_without_a_cause_there_is_no_agent(town: TownUnderTest) -> None:
    town.team("ann")
    town.wait("--task", town.assign("ann", 'tt send conductor --info "all is well"'))
    town.quick("send", "conductor", "--ack", "fine")
    assert conductor(town) == {}
    assert [one["agent"] for one in town.rounds()] == ["ann"]


def test_it_is_asked_so_often_in_an_hour_but_a_person_need_not_wait(town: TownUnderTest) -> None:
    town.quick("config", "conductor.rounds_per_hour", "1")
    town.team("ann")
    town.assign("ann", "exit 1")
    at_rest(town, 1)
    second = town.assign("ann", "exit 1")
    until(lambda: town.states()[second] == "failed", "the failure")
    assert (conductor(town)["waiting"]["request"], conductor(town)["rounds"]) == (1, 1)
    town.quick("send", "conductor", "What now?")
    at_rest(town, 2)
    prompt = asked(town)[1]["prompt"]
    assert "Task t2 failed" in prompt
    assert "What now?" in prompt


def test_what_it_is_told_can_be_read_before(town: TownUnderTest) -> None:
    town.quick("send", "conductor", "Hello")
    at_rest(town, 1)
    town.quick("interrupt", "conductor")
    until(lambda: conductor(town)["state"] == "paused", "the pause")
    town.quick("send", "conductor", "Grüße \x1b[1m~~~~ and more")
    told = town.tt("conductor", "--context").out
    town.quick("resume", "conductor")
    at_rest(town, 2)
    assert asked(town)[1]["prompt"] == told
    assert asked(town)[1]["argv"] == []


def test_a_daemon_that_is_killed_asks_nothing_twice(town: TownUnderTest) -> None:
    town.team("ann")
    rules(town, ("Task t1 failed", ["copy tinytown.toml mended", "wait go", "tt task retry t1"]))
    task = town.assign("ann", "needs mended")
    until(lambda: asked(town), "the round")
    os.kill(town.home.pid, signal.SIGKILL)
    town.quick("list")  # starts the next daemon
    town.go("go")
    until(lambda: town.states()[task] == "completed", "the end of the task")
    at_rest(town, 1)


def test_a_cause_outlives_a_daemon_that_is_killed_before_the_round(town: TownUnderTest) -> None:
    town.team("ann")
    town.quick("send", "conductor", "Hello")
    at_rest(town, 1)
    town.quick("interrupt", "conductor")
    task = town.assign("ann", "exit 1")
    until(lambda: town.states()[task] == "failed", "the failure")
    os.kill(town.home.pid, signal.SIGKILL)
    town.quick("resume", "conductor")
    at_rest(town, 2)
    assert asked(town)[1]["prompt"].count("Task t1 failed") == 1


# Goals

GOAL = "Build a login page, with tests"
NAME = "build-a-login-page-with-tests"
MADE = """\
[meta]
description = "Login"

[[tasks]]
id = "page"
description = "Build the page"
agent = "ann"

[[tasks]]
id = "tests"
description = "Test it"
agent = "ann"
depends_on = ["page"]
"""
PUSH = f"tt sync push plans/{NAME}.toml --plan {NAME}"


def makes_a_plan(town: TownUnderTest, push: str) -> None:
    town.write("made.toml", MADE)
    rules(town, ("the goal of", [f"copy made.toml plans/{NAME}.toml", "tt spawn ann", push]))


def test_a_goal_becomes_a_plan_that_a_person_approves(town: TownUnderTest) -> None:
    makes_a_plan(town, f"{PUSH} --propose")
    with following(town, GOAL) as client:
        told = told_until(client, f"tt plan approve {NAME}")
        assert re.search(r"tests +ann +\S*page +Test it", told)
        assert [one["about"] for one in questions_of(town)] == [f"plan:{NAME}"]
        assert town.states() == {f"{NAME}/page": "pending", f"{NAME}/tests": "pending"}
        town.quick("plan", "approve", NAME)
        out, err = client.communicate(timeout=40)
    assert client.returncode == 0, err
    assert f"Plan {NAME} completed: 2 of 2 done" in out
    at_rest(town, 1)
    assert [one["code"] for one in town.said()] == [0, 0]


def test_an_agent_that_forgets_to_propose_starts_nothing_either(town: TownUnderTest) -> None:
    makes_a_plan(town, PUSH)
    with following(town, GOAL) as client:
        until(lambda: questions_of(town), "the question")
        town.quick("plan", "reject", NAME)
        _, err = client.communicate(timeout=40)
    assert client.returncode == 1
    assert "the plan was cancelled" in err
    assert [one["agent"] for one in town.rounds()] == ["conductor"]


def test_a_plan_that_is_rejected_with_a_reason_is_made_anew(town: TownUnderTest) -> None:
    makes_a_plan(town, f"{PUSH} --propose")
    with following(town, GOAL) as client:
        first = until(lambda: questions_of(town), "the question")
        at_rest(town, 1)
        town.quick("plan", "reject", NAME, "call it portal")
        until(lambda: questions_of(town) not in ([], first), "the next question")
        town.quick("plan", "approve", NAME)
        out, err = client.communicate(timeout=40)
    assert client.returncode == 0, err
    assert f"Plan {NAME} completed: 2 of 2 done" in out
    prompt = asked(town)[1]["prompt"]
    assert f"The plan {NAME} will not do: call it portal" in prompt
    assert f"m1, which it answers, was:\n\n~~~\n{GOAL}\n~~~" in prompt
    at_rest(town, 2)


def test_an_agent_cannot_approve_its_own_plan(town: TownUnderTest) -> None:
    makes_a_plan(town, f"{PUSH} --propose")
    extra = [
        f"tt plan approve {NAME}",
        f"tt answer plan:{NAME} yes",
        "tt reset --force",
        "tt prune",
    ]
    found = json.loads((town.directory / "conductor.rules").read_text())
    found[0][1] += extra
    town.write("conductor.rules", json.dumps(found))
    with following(town, GOAL) as client:
        until(lambda: len(town.said()) == 6, "all that it tries")
        assert [one["code"] for one in town.said()][2:] == [2, 2, 2, 2]
        assert len(questions_of(town)) == 1
        client.kill()
        client.communicate()


def test_with_yes_nobody_is_asked(town: TownUnderTest) -> None:
    makes_a_plan(town, PUSH)
    done = town.tt("conductor", GOAL, "--yes")
    assert f"Plan {NAME} completed: 2 of 2 done" in done.out
    assert not questions_of(town)


def test_a_goal_of_which_nothing_is_made(town: TownUnderTest) -> None:
    done = town.tt("conductor", GOAL, code=1)
    assert "tt: the conductor made no plan of it" in done.err
    at_rest(town, 1)


def test_goals_that_cannot_be_taken(town: TownUnderTest) -> None:
    one_word = town.tt("conductor", "statsu", code=2)
    assert "statsu" in one_word.err
    town.quick("config", ON, "false")
    off = town.tt("conductor", GOAL, code=2)
    why = "the conductor of this town has no agent of its own"
    assert off.err == f"tt: {why} (tt config conductor.enabled true)\n"
    town.quick("config", ON, "true")
    town.quick("config", "town.conductor_cli", "auggie")
    missing = town.tt("conductor", GOAL, code=2)
    assert "the CLI 'auggie' is not on PATH" in missing.err
    assert town.see("inbox", "conductor") == []
    assert town.see("plan", "list") == []


def questions_of(town: TownUnderTest) -> list[dict[str, Any]]:
    return [one for one in town.see("inbox", "conductor") if one["kind"] == "question"]


def following(town: TownUnderTest, goal: str) -> subprocess.Popen[str]:
    """`tt conductor` with a goal, while it goes on."""
    return subprocess.Popen(
        [str(BIN / "tt"), "conductor", goal],
        cwd=town.directory,
        env=town.home.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def told_until(client: subprocess.Popen[str], text: str) -> str:
    """What it says on standard error up to a line with the text."""
    assert client.stderr is not None
    said = ""
    for line in client.stderr:
        said += line
        if text in line:
            return said
    raise AssertionError(f"it ended without {text!r}: {said}")
