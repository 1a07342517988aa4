"""A town that worked for long: what is over is put away, and nothing of it is done again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.town import Home, TownUnderTest, until

MakeHome = Callable[..., Home]
TASKS = 260
#: Every task writes its name: what ran twice is there twice.
PLAN = "".join(
    f'[[tasks]]\nid = "step-{n}"\ndescription = "Step {n}"\nrun = "echo step-{n} >> ran.txt"\n'
    for n in range(TASKS)
)


@pytest.fixture
def worked(make_home: MakeHome, tmp_path: Path) -> TownUnderTest:
    """A town that has carried out its plan and put most of it away."""
    home = make_home("\n[history]\ntasks = 100\nrounds = 100\n")
    town = home.town(tmp_path / "old town")
    town.plan(PLAN)
    town.tt("conductor")
    until(lambda: len(town.see("task", "list")) < 200, "the archive")
    return town


def ran(town: TownUnderTest) -> list[str]:
    return (town.directory / "ran.txt").read_text().split()


def named_in_commands(town: TownUnderTest, task: str) -> None:
    """What commands say of a task of the archive."""
    listed = {one["id"] for one in town.see("task", "list", "--archived", "--all")}
    assert task in listed
    assert listed | town.states().keys() == {f"step-{n}" for n in range(TASKS)}
    assert len(town.see("task", "list", "--archived", "--limit", "3")) == 3
    told = town.see("report")
    assert told["counts"] == [{"plan": "main", "done": TASKS, "failed": 0}]
    assert (told["cost"]["rounds"], told["cost"]["whole"]) == (TASKS, True)
    town.wait("--task", task)
    assert {one["task"] for one in town.see("history", "--task", task)} == {task}
    refused = town.quick("task", "edit", task, "--text", "Else", code=2).err
    assert f"task {task} is in the archive: it is completed (tt task show {task})" in refused


def test_what_was_put_away_is_known_and_never_done_again(
    worked: TownUnderTest, make_home: MakeHome, tmp_path: Path
) -> None:
    town = worked
    assert sorted(ran(town)) == sorted(f"step-{n}" for n in range(TASKS))
    for _ in range(2):
        pushed = town.data("sync", "push")
        assert (len(pushed["unchanged"]), pushed["added"]) == (TASKS, [])
        plan = pushed["plan"]
        assert (plan["state"], plan["total"], plan["completed"]) == ("completed", TASKS, TASKS)
        town.quick("daemon", "restart")
    first = ran(town)[0]
    shown = town.task(first)
    assert (shown["state"], len(shown["rounds"])) == ("completed", 1)
    assert first not in town.states()
    named_in_commands(town, first)
    town.quick("sync", "pull")
    assert (town.directory / "tasks.toml").read_text().count('status = "completed"') == TASKS

    town.quick("save", str(tmp_path / "shop.save"))
    there = make_home().town(tmp_path / "moved")
    there.tt("restore", "../shop.save")
    assert there.task(first) == shown
    there.write("tasks.toml", PLAN)
    assert len(there.data("sync", "push")["unchanged"]) == TASKS
    there.quick("start")
    assert not (there.directory / "ran.txt").exists()
    there.quick("daemon", "stop")

    town.quick("reset", "--force")
    assert "no task" in town.quick("task", "show", first, code=None).err
    assert len(town.data("sync", "push")["added"]) == TASKS
    assert len(ran(town)) == TASKS
