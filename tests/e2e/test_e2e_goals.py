"""Goals: the conductor's agent makes a plan, a person approves, and the town carries it out."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

from tests.e2e.conducted import asked, at_rest, rules
from tests.e2e.town import BIN, TownUnderTest, until
from tests.terminal import OnTerminal

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


def test_a_goal_becomes_a_plan_that_a_person_approves(conducted: TownUnderTest) -> None:
    makes_a_plan(conducted, f"{PUSH} --propose")
    with following(conducted, GOAL) as client:
        told = told_until(client, f"tt plan approve {NAME}")
        assert re.search(r"tests +ann +\S*page +Test it", told)
        assert [one["about"] for one in questions_of(conducted)] == [f"plan:{NAME}"]
        assert conducted.states() == {f"{NAME}/page": "pending", f"{NAME}/tests": "pending"}
        conducted.quick("plan", "approve", NAME)
        out, err = client.communicate(timeout=40)
    assert client.returncode == 0, err
    assert f"Plan {NAME} completed: 2 of 2 done" in out
    at_rest(conducted, 1)
    assert [one["code"] for one in conducted.said()] == [0, 0]


def test_an_agent_that_forgets_to_propose_starts_nothing_either(conducted: TownUnderTest) -> None:
    makes_a_plan(conducted, PUSH)
    with following(conducted, GOAL) as client:
        until(lambda: questions_of(conducted), "the question")
        conducted.quick("plan", "reject", NAME)
        _, err = client.communicate(timeout=40)
    assert client.returncode == 1
    assert "the plan was cancelled" in err
    assert [one["agent"] for one in conducted.rounds()] == ["conductor"]


def test_a_plan_that_is_rejected_with_a_reason_is_made_anew(conducted: TownUnderTest) -> None:
    makes_a_plan(conducted, f"{PUSH} --propose")
    with following(conducted, GOAL) as client:
        first = until(lambda: questions_of(conducted), "the question")
        at_rest(conducted, 1)
        conducted.quick("plan", "reject", NAME, "call it portal")
        until(lambda: questions_of(conducted) not in ([], first), "the next question")
        conducted.quick("plan", "approve", NAME)
        out, err = client.communicate(timeout=40)
    assert client.returncode == 0, err
    assert f"Plan {NAME} completed: 2 of 2 done" in out
    prompt = asked(conducted)[1]["prompt"]
    assert f"The plan {NAME} will not do: call it portal" in prompt
    assert f"m1, which it answers, was:\n\n~~~\n{GOAL}\n~~~" in prompt
    at_rest(conducted, 2)


def test_an_agent_cannot_approve_its_own_plan(conducted: TownUnderTest) -> None:
    makes_a_plan(conducted, f"{PUSH} --propose")
    extra = [
        f"tt plan approve {NAME}",
        f"tt answer plan:{NAME} yes",
        "tt reset --force",
        "tt prune",
    ]
    found = json.loads((conducted.directory / "conductor.rules").read_text())
    found[0][1] += extra
    conducted.write("conductor.rules", json.dumps(found))
    with following(conducted, GOAL) as client:
        until(lambda: len(conducted.said()) == 6, "all that it tries")
        assert [one["code"] for one in conducted.said()][2:] == [2, 2, 2, 2]
        assert len(questions_of(conducted)) == 1
        client.kill()
        client.communicate()


def test_at_a_terminal_the_plan_is_shown_and_asked_about(conducted: TownUnderTest) -> None:
    makes_a_plan(conducted, f"{PUSH} --propose")
    with OnTerminal(
        [BIN / "tt", "conductor", GOAL], conducted.directory, conducted.home.env
    ) as terminal:
        terminal.until(f"Start the plan {NAME}? [y/N]")
        terminal.type("n\n")
        terminal.until("What must change?")
        terminal.type("call it portal\n")
        first = len(terminal.until("portal"))
        terminal.until(f"Start the plan {NAME}? [y/N]", after=first)
        terminal.type("y\n")
        assert terminal.end() == 0, terminal.seen
    assert "2 of 2 done" in terminal.seen
    assert f"The plan {NAME} will not do: call it portal" in asked(conducted)[1]["prompt"]


def test_with_yes_nobody_is_asked(conducted: TownUnderTest) -> None:
    makes_a_plan(conducted, PUSH)
    done = conducted.tt("conductor", GOAL, "--yes")
    assert f"Plan {NAME} completed: 2 of 2 done" in done.out
    assert not questions_of(conducted)


def test_a_goal_of_which_nothing_is_made(conducted: TownUnderTest) -> None:
    done = conducted.tt("conductor", GOAL, code=1)
    assert "tt: the conductor made no plan of it" in done.err
    at_rest(conducted, 1)


def test_goals_that_cannot_be_taken(conducted: TownUnderTest) -> None:
    one_word = conducted.tt("conductor", "statsu", code=2)
    assert "statsu" in one_word.err
    conducted.quick("config", "conductor.enabled", "false")
    off = conducted.tt("conductor", GOAL, code=2)
    why = "the conductor of this town has no agent of its own"
    assert off.err == f"tt: {why} (tt config conductor.enabled true)\n"
    conducted.quick("config", "conductor.enabled", "true")
    conducted.quick("config", "town.conductor_cli", "auggie")
    missing = conducted.tt("conductor", GOAL, code=2)
    assert "the CLI 'auggie' is not on PATH" in missing.err
    assert conducted.see("inbox", "conductor") == []
    assert conducted.see("plan", "list") == []


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
