"""What `tt` is inside an agent's process: the agent, whatever it says, and of its own task only."""

from __future__ import annotations

import json

from tests.e2e.town import TownUnderTest


def finished(town: TownUnderTest, *names: str) -> None:
    """Waits until these agents are idle; how it went is looked at elsewhere."""
    town.wait(*names, code=None)


def test_the_sender_is_the_agent(town: TownUnderTest) -> None:
    town.team("a", "b")
    town.assign("a", "tt send b --info --from boss 'as somebody else'", "tt send b --info plain")
    finished(town, "a")
    told = town.see("inbox", "b")
    assert [(one["from"], one["claimed_sender"]) for one in told] == [("a", None), ("a", None)]


def test_tt_task_current_and_complete(town: TownUnderTest) -> None:
    town.team("a")
    task = town.assign(
        "a",
        "tt task current --json",
        "tt inbox --json",
        "tt list --json",
        "tt task complete --result 'my own words'",
        "tt task complete --result 'once more'",
        "say this is not the result",
    )
    finished(town, "a")
    current, inbox, team, first, again = town.said()
    assert json.loads(current["out"])["id"] == task
    assert json.loads(inbox["out"]) == []
    assert json.loads(team["out"])[0]["state"] == "working"
    assert first["code"] == 0
    assert again["code"] == 2
    shown = town.task(task)
    assert (shown["state"], shown["result"]) == ("completed", "my own words")
    assert shown["rounds"][0]["outcome"] == "completed"


def test_a_task_of_somebody_else_is_refused(town: TownUnderTest) -> None:
    town.team("a", "b")
    others = town.assign("b", "wait go")
    town.rounds(1)
    waiting = town.assign("b", "say later")
    own = town.assign("a", f"tt task complete {others}", f"tt task fail {waiting}", "say mine")
    finished(town, "a")
    complete, fail = town.said()
    assert (complete["code"], fail["code"]) == (2, 2)
    assert "is not held by this round of a" in complete["err"]
    assert town.states() == {others: "running", waiting: "assigned", own: "completed"}
    town.go("go")


def test_the_commands_of_people_are_refused(town: TownUnderTest) -> None:
    town.team("a")
    town.assign("a", "tt daemon stop --kill", "tt towns", "tt init", "tt -t / list")
    finished(town, "a")
    assert [one["code"] for one in town.said()] == [2, 2, 2, 2]
    assert town.home.tt("daemon", "status", cwd=town.directory).code == 0


def test_the_credentials_of_a_round_end_with_it(town: TownUnderTest) -> None:
    town.team("a")
    town.assign("a")
    finished(town, "a")
    file = town.directory / ".tt" / "rounds" / "a" / "1" / "credentials"
    assert file.stat().st_mode & 0o777 == 0o600
    late = town.home.run(
        *("timeout", "1", "tt", "task", "list"), cwd=town.directory, TINYTOWN_CREDENTIALS=str(file)
    )
    assert late.code != 0
    assert late.out == ""


def test_agents_give_work_to_one_another(town: TownUnderTest) -> None:
    """An agent makes a task, claims from the backlog, and asks a question that is answered."""
    town.team("a", "b")
    idea = town.see("backlog", "add", "An idea")["id"]
    first = town.assign("a", "tt assign b 'Continue'", f"tt backlog claim {idea}", "say done")
    town.wait("--all")
    tasks = {task["id"]: task for task in town.see("task", "list")}
    assert {task["state"] for task in tasks.values()} == {"completed"}
    assert tasks[idea]["agent"] == "a"
    (made,) = [task for ref, task in tasks.items() if ref not in (first, idea)]
    assert made["agent"] == "b"
    (created,) = [e for e in town.see("history", "--task", made["id"]) if "created" in e["event"]]
    assert created["actor"] == "a"


def test_environment_and_path(town: TownUnderTest) -> None:
    """Agents get the settings' variables, and a `tt` that is not the daemon's whole venv."""
    config = (town.directory / "tinytown.toml").read_text()
    town.write("more.env", "FROM_FILE='yes'\n")
    town.write(
        "tinytown.toml",
        'env_file = "more.env"\n' + config.replace("[env]", '[env]\nFROM_TABLE = "so"'),
    )
    town.plan(
        '[[tasks]]\nid = "env"\ndescription = "look"\nagent = "a"\n'
        "run = 'echo $FROM_FILE $FROM_TABLE $TINYTOWN_AGENT_NAME $TINYTOWN_TASK_ID; "
        "command -v tt'\n"
    )
    town.tt("conductor", "--spawn")
    variables, tt = str(town.task("env")["result"]).split("\n")
    assert variables == "yes so a env"
    assert tt == str(town.home.path / "bin" / "tt")
