"""The ways of working together in which somebody judges, decides, pays or goes wrong."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.e2e.town import TownUnderTest, until
from tests.patterns.cases import case, done, plan, task

AGENT = Path(__file__).parents[1] / "e2e" / "metered_agent.py"
METERED = json.dumps([sys.executable, "-IS", str(AGENT), "metered"])
METERED_CLI = f"""
[agent_clis.metered]
command = {METERED}
reader = "claude"
resume = "--resume {{session}}"
"""
FIRST, AGAIN = r"(?s)\A(?!.*# What came back)", "# What came back"


def rules(town: TownUnderTest, name: str, *pairs: tuple[str, list[str]]) -> None:
    """What a scripted agent does when it finds a pattern in its prompt."""
    town.write(f"{name}.rules", json.dumps(pairs))


@case("fan-in of 40", rounds=41)
def wide(town: TownUnderTest) -> None:
    """The joiner is told what came of every branch."""
    team = [f"w{number}" for number in range(4)]
    town.team(*team, "joiner")
    branches = [
        task(f"b{n:02}", team[n % 4], f"Do branch {n}", done(f"branch {n}")) for n in range(40)
    ]
    on = json.dumps([f"b{n:02}" for n in range(40)])
    plan(town, *branches, task("join", "joiner", "Join", done("Joined"), depends_on=on))


@case("quorum of two of three", rounds=4)
def quorum(town: TownUnderTest) -> None:
    """The joiner does not wait for the third branch, and is told that it runs."""
    town.team("ann", "bob", "cid", "joiner")
    branches = [
        task("a", "ann", "Do a", done("a is done")),
        task("b", "bob", "Do b", done("b is done")),
        task("c", "cid", "Do c", "do: wait joined", done("c is done")),
    ]
    script = ("do: copy tinytown.toml joined", done("Joined"))
    join = {"depends_on": '["a", "b", "c"]', "join": "2"}
    plan(town, *branches, task("join", "joiner", "Join", *script, **join))


@case("review with one rework", rounds=4)
def rework(town: TownUnderTest) -> None:
    """A reviewer sends the work back once, in the same session, then approves."""
    rules(
        town,
        "ann",
        (FIRST, ["tt task complete --result Greeted"]),
        (AGAIN, ["tt task complete --result 'Greeted!'"]),
    )
    rules(
        town,
        "rev",
        ("~~~\nGreeted\n~~~", ["tt reject t1 'Say it with an !'"]),
        ("~~~\nGreeted!\n~~~", ["tt approve t1"]),
    )
    town.team("ann", "rev")
    town.quick("assign", "ann", "Greet the world", "--review", "rev")
    town.tt("wait", "--all")


@case("check that fails once", rounds=2)
def check(town: TownUnderTest) -> None:
    """A command judges; its output goes back to the owner. A command asks no model."""
    rules(
        town,
        "ann",
        (FIRST, ["tt task complete --result Greeted"]),
        (AGAIN, ["copy tinytown.toml ok", "tt task complete --result 'Greeted!'"]),
    )
    town.team("ann")
    town.quick("assign", "ann", "Greet the world", "--check", "test -f ok")
    town.tt("wait", "--all")


@case("approval by a person", rounds=1)
def approval(town: TownUnderTest) -> None:
    """Nothing starts before a person has said yes."""
    town.team("ann")
    town.quick("assign", "ann", f"Deploy\n{done('Deployed')}", "--approve")
    until(lambda: town.states() == {"t1": "blocked"}, "the question")
    town.tt("approve", "t1")
    town.tt("wait", "--all")


@case("question to a person", rounds=2)
def question(town: TownUnderTest) -> None:
    """The question blocks its task; the answer starts the second round, in the same session."""
    rules(
        town,
        "ann",
        (FIRST, ["tt ask 'Which style?'"]),
        (AGAIN, ["tt task complete --result Styled"]),
    )
    town.team("ann")
    town.quick("assign", "ann", "Style the page")
    until(lambda: town.states() == {"t1": "blocked"}, "the question")
    town.tt("answer", "t1", "Plain")
    town.tt("wait", "--all")


@case("query and answer by mail", rounds=2)
def mail(town: TownUnderTest) -> None:
    """A message starts a round; its answer is a note, which starts none."""
    rules(town, "bob", ("# Messages", ["tt send ann --info --reply-to m1 'It is 8080'"]))
    rules(town, "ann", (FIRST, ["tt send bob --query 'Which port?'", "tt task complete"]))
    town.team("ann", "bob")
    town.quick("assign", "ann", "Ask bob which port it is")
    town.tt("wait", "--all")


@case("stalled plan, mended by the conductor's agent", rounds=2)
def stalled(town: TownUnderTest) -> None:
    """Nobody on the team can do a task: the conductor's agent is asked once."""
    settings = "[conductor]\nenabled = true\nrounds_per_hour = 3600\n"
    town.write("tinytown.toml", f'[town]\nname = "town"\n\n{settings}')
    rules(town, "conductor", ("there is no agent bob", ["tt spawn bob"]))
    town.team("ann")
    plan(town, task("till", "bob", "Build the till", done("Till")))


@case("budget that stops, and goes on", rounds=2, settings=METERED_CLI)
def budget(town: TownUnderTest) -> None:
    """A budget is used up: one question, and no round before its answer."""
    town.write("tinytown.toml", '[town]\nname = "town"\n\n[budgets]\nagent_tokens = 100\n')
    town.quick("spawn", "ann", "--cli", "metered")
    for number in (1, 2):
        town.quick("assign", "ann", f"Work {number}\nuse 100 0")
    until(lambda: town.see("inbox", "conductor"), "the question")
    (asked,) = [one for one in town.see("inbox", "conductor") if one["kind"] == "question"]
    town.tt("answer", asked["id"], "yes")
    town.tt("wait", "--all")


@case("rate limit, and the same session again", rounds=2, settings=METERED_CLI)
def limited(town: TownUnderTest) -> None:
    """A limit costs no attempt: the task waits for the reset, and is told once more."""
    town.quick("spawn", "ann", "--cli", "metered")
    town.write("metered.limit", "3")
    town.quick("assign", "ann", "Work")
    town.tt("wait", "--all")
