"""`town.notify`: a question and the end of a plan reach a person who is not looking, once each."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.e2e.town import BIN, TownUnderTest, lines, until

PLAN = '[[tasks]]\nid = "one"\ndescription = "Work"\nagent = "ann"\napprove = true\n'


def set_notify(town: TownUnderTest, command: str) -> None:
    town.quick("config", "town.notify", command)


def test_people_are_told_of_questions_and_of_the_end(town: TownUnderTest) -> None:
    set_notify(town, "cat >>told.jsonl")
    town.team("ann")
    town.plan(PLAN)
    told = town.directory / "told.jsonl"
    conductor = subprocess.Popen(
        [BIN / "tt", "conductor"], cwd=town.directory, env=town.home.env, stdout=subprocess.PIPE
    )
    until(lambda: lines(told), "the question")
    town.quick("approve", "one")
    shown, _ = conductor.communicate(timeout=40)
    assert (conductor.returncode, b"asks a person: May ann start one?" in shown) == (0, True)
    until(lambda: len(lines(told)) == 2, "the end of the plan")
    town.quick("assign", "ann", "More")
    town.wait("--all")
    asked, ended = lines(told)
    assert (asked["event"], asked["task"]) == ("question.asked", "one")
    assert asked["text"] == "May ann start one? Work"
    assert (ended["event"], ended["plan"]) == ("plan.completed", "main")
    assert asked["town"] == {"name": "town", "dir": str(town.directory)}


def test_it_finds_tt_and_its_town(town: TownUnderTest) -> None:
    set_notify(town, "tt inbox conductor --json >inbox.json")
    town.team("ann")
    town.quick("assign", "ann", "Work", "--approve")
    file = town.directory / "inbox.json"
    until(lambda: file.exists() and "approve:t1" in file.read_text(), "the inbox")


def test_one_that_fails_or_hangs_holds_nothing_up(town: TownUnderTest, tmp_path: Path) -> None:
    for command in ("exit 7", "echo $$ >>../hung; sleep 20"):
        set_notify(town, command)
        town.team("ann")
        ref = town.see("assign", "ann", "Work", "--approve")["id"]
        town.quick("approve", ref)
        town.wait("--task", ref)
    until(lambda: "exit code 7" in town.home.log(), "the line in the log")
    until((tmp_path / "hung").exists, "the one that hangs")
