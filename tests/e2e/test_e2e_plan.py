"""The plan file and the conductor: push, pull, switching on and off, and settings that change."""

from __future__ import annotations

import json
import re

from tests.e2e.town import TownUnderTest

PLAN = """\
# The plan of the spring.
[meta]
description = "Two steps"

[[tasks]]
id = "one"        # the first
description = "First"
agent = "a"
status = "pending"

[[tasks]]
id = "two"
description = "Second"
agent = "b"
depends_on = ["one"]
"""


def ids(rows: list[dict[str, str]]) -> list[str]:
    return [row["id"] for row in rows]


def test_push_twice_changes_nothing(town: TownUnderTest) -> None:
    first = town.plan(PLAN).data
    assert ids(first["added"]) == ["one", "two"]
    before = town.see("events"), town.see("task", "list")
    again = town.plan(PLAN).data
    assert (ids(again["unchanged"]), again["added"], again["updated"]) == (["one", "two"], [], [])
    assert (town.see("events"), town.see("task", "list")) == before


def test_push_of_a_changed_plan(town: TownUnderTest) -> None:
    town.plan(PLAN)
    town.tt("task", "complete", "one")
    changed = PLAN.replace('"First"', '"Other"').replace('"Second"', '"Later"')
    changed += '[[tasks]]\nid = "three"\ndescription = "Third"\nstatus = "completed"\n'
    done = town.plan(changed).data
    assert (ids(done["kept"]), ids(done["updated"]), ids(done["added"])) == (
        ["one"],
        ["two"],
        ["three"],
    )
    assert town.states()["three"] == "pending", "a file's status does not count"
    done = town.plan(changed, "--adopt-status").data
    assert town.states()["three"] == "completed"
    done = town.plan(PLAN, "--prune").data
    assert ids(done["removed"]) == ["three"]
    without_two = PLAN[: PLAN.rindex("[[tasks]]")]
    assert town.plan(without_two).data["removed"][0]["state"] == "pending"
    town.plan(without_two, "--prune")
    assert town.states()["two"] == "cancelled"


def test_pull_keeps_comments_and_order(town: TownUnderTest) -> None:
    town.team("a", "b")
    town.plan(PLAN)
    town.tt("conductor")
    extra = town.see("assign", "a", "Something else")["id"]
    town.wait("--all")
    assert ids(town.see("sync", "pull")["changed"]) == ["one", "two"]
    text = (town.directory / "tasks.toml").read_text()
    assert text.startswith("# The plan of the spring.\n[meta]\n")
    assert '"one"        # the first' in text
    assert text.count('status = "completed"') == 2
    assert extra not in text
    assert town.see("sync", "pull")["changed"] == []
    town.tt("sync", "pull", "--all")
    assert "Something else" in (town.directory / "tasks.toml").read_text()
    town.tt("plan", "--check")


def test_plan_shows_waves_and_makes_an_example(town: TownUnderTest) -> None:
    assert "tt plan --init" in town.tt("plan", code=2).err
    town.tt("plan", "--init")
    assert "is there already" in town.tt("plan", "--init", code=2).err
    assert [ids(wave) for wave in town.see("plan")["waves"]] == [["design"], ["implement"]]
    assert "2 waves" in town.tt("plan", "--check").out


def test_the_conductor_is_switched_off_and_on(town: TownUnderTest) -> None:
    town.team("a", "b")
    assert "no plan to conduct" in town.tt("conductor", code=2).err
    town.plan(PLAN)
    status = town.see("conductor", "status")
    assert status["conductor"]["on"] is False
    assert status["conductor"]["plan"]["state"] == "waiting"
    assert town.states() == {"one": "pending", "two": "pending"}, "off: nothing goes out"
    assert "Plan completed: 2 of 2 done" in town.tt("conductor").out
    status = town.see("conductor", "status")
    assert status["conductor"]["on"] is True
    assert status["conductor"]["plan"]["completed"] == 2
    assert town.see("conductor", "stop")["on"] is False


def test_stopping_the_conductor_lets_what_runs_go_on(town: TownUnderTest) -> None:
    town.team("a", "b")
    town.plan(PLAN.replace("First", "First\\ndo: tt conductor stop"))
    done = town.tt("conductor", code=1)
    assert "switched off (tt conductor)" in done.err
    town.wait("--task", "one")
    assert town.states() == {"one": "completed", "two": "pending"}
    assert "Plan completed: 2 of 2 done" in town.tt("conductor").out


def test_spawn_of_agents_that_the_plan_names(town: TownUnderTest) -> None:
    town.plan(PLAN)
    done = town.tt("conductor", code=1)
    assert "a is not on the team to do one (tt conductor --spawn)" in done.err
    done = town.tt("conductor", "--spawn")
    assert "spawned a" in done.err
    assert [one["cli"] for one in town.see("list")] == ["scripted", "scripted"]
    assert done.out.index("a completed one") < done.out.index("b started two")


def test_tasks_without_an_agent_go_to_the_backlog(town: TownUnderTest) -> None:
    town.team("a")
    town.plan('[[tasks]]\nid = "free"\ndescription = "Anybody"\n')
    assert ids(town.see("backlog", "list")) == ["free"]
    assert "tt backlog claim free" in town.tt("conductor", code=1).err
    town.tt("backlog", "claim", "free", "a")
    assert "Plan completed" in town.tt("conductor").out


def test_a_plan_of_many_tasks(town: TownUnderTest) -> None:
    """A wide fan-out and fan-in: nobody gets two rounds for one task, the last waits for all."""
    wide = [f'[[tasks]]\nid = "w{i}"\ndescription = "W"\nagent = "a{i % 4}"\n' for i in range(12)]
    needs = json.dumps([f"w{i}" for i in range(12)])
    last = f'[[tasks]]\nid = "end"\ndescription = "E"\nagent = "a0"\ndepends_on = {needs}\n'
    town.plan("".join(wide) + last)
    assert "13 of 13 done" in town.tt("conductor", "--spawn").out
    rounds = town.rounds()
    assert sorted(one["task"] for one in rounds) == sorted([f"w{i}" for i in range(12)] + ["end"])
    assert rounds[-1]["task"] == "end"


def test_changed_settings_count_from_the_next_command(town: TownUnderTest) -> None:
    config = town.directory / "tinytown.toml"
    text = config.read_text()
    assert "there is no CLI 'fresh'" in town.quick("spawn", "a", "--cli", "fresh", code=2).err
    config.write_text(text + '\n[agent_clis.fresh]\ncommand = "echo freshly made"\n')
    town.quick("spawn", "a", "--cli", "fresh")
    task = town.see("assign", "a", "Work")["id"]
    town.wait("--task", task)
    assert town.task(task)["result"] == "freshly made"
    config.write_text(text + "\n[limits\n")
    refused = town.quick("spawn", "b", code=2)
    assert re.search(r"tinytown\.toml:\d+", refused.err)
    config.write_text(text)
    town.team("b")
