"""Work that is held up: by a question, which `tt wait` tells of; by an agent that is gone."""

from __future__ import annotations

import subprocess

from tests.e2e.town import BIN, TownUnderTest, until


def test_waiting_tells_once_of_each_question_and_waits_on(town: TownUnderTest) -> None:
    town.team("ann")
    made = town.quick("assign", "ann", "First", "--approve").out
    assert made == "Task t1 is assigned to ann; it waits for an approval: tt approve t1\n"
    town.quick("assign", "ann", "Second", "--after", "t1")
    printed = town.directory / "printed"
    argv = [str(BIN / "tt"), "wait", "--task", "t2", "--timeout", "40"]
    with printed.open("w") as file:
        waiting = subprocess.Popen(
            argv, cwd=town.directory, env=town.home.env, stderr=file, stdout=subprocess.DEVNULL
        )
    try:
        first = 't1 waits for you: tt approve t1, or tt reject t1 "why"'
        until(lambda: first in printed.read_text(), "it is told")
        town.quick("task", "edit", "t1", "--text", "Changed")
        until(lambda: len(printed.read_text().splitlines()) == 2, "the new question is told, too")
        town.quick("approve", "t1")
        assert waiting.wait(40) == 0
    finally:
        waiting.kill()
        waiting.wait()
    assert printed.read_text().splitlines() == [first, first]


def test_what_an_agent_took_goes_on_with_another_when_it_is_killed(town: TownUnderTest) -> None:
    town.quick("spawn", "ann", "--tag", "ui")
    text = "Work\ndo: wait go"
    task = town.see("backlog", "add", text, "--tag", "ui")["id"]
    town.rounds(1)
    assert town.task(task)["agent"] == "ann"
    town.quick("kill", "ann")
    until(lambda: town.task(task)["agent"] is None, "it is the backlog's again")
    assert [one["id"] for one in town.see("backlog", "list")] == [task]
    town.go("go")
    town.quick("spawn", "bob", "--tag", "ui")
    town.wait("--task", task)
    assert (town.task(task)["agent"], town.task(task)["state"]) == ("bob", "completed")
