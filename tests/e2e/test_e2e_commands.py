"""Every command with its options: exit codes, and the shapes that `--json` prints."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e.town import TIME, Data, Home, TownUnderTest

Make = Callable[..., Home]
PROTOCOL = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
#: Each shape's fields, as the protocol's table lists them.
SHAPES = {
    name: set(re.sub(r"[` ]", "", fields).split(","))
    for name, fields in re.findall(r"^\| (\w+) \| (`[\w, `]+`) \|$", PROTOCOL, re.MULTILINE)
}
SHAPES["event"] = {"id", "at", "event", "actor"}
#: What the first issue promises; the protocol may have more, never less.
PROMISED = {
    "task": "id description state agent result depends_on tags priority attempts created_at "
    "started_at finished_at",
    "agent": "name state cli role nickname task rounds session since",
    "message": "id from to kind priority text state sent_at",
}


def fits(shape: str, *found: Data) -> None:
    """Each object has the shape's fields, and its times are times."""
    assert found
    for one in found:
        assert SHAPES[shape] <= one.keys(), shape
        for key, value in one.items():
            if key.endswith("_at") or key in ("at", "since"):
                assert value is None or TIME.fullmatch(value), (key, value)


def test_the_protocol_keeps_the_promised_fields() -> None:
    for name, fields in PROMISED.items():
        assert set(fields.split()) <= SHAPES[name]


def test_init_and_towns(make_home: Make, tmp_path: Path) -> None:
    home = make_home()
    directory = tmp_path / "shop"
    directory.mkdir()
    home.run("git", "init", "-q", "-b", "trunk", ".", cwd=directory)
    town = TownUnderTest(home, directory)
    first = town.data("init")
    assert first["created"] is True
    assert first["name"] == "shop-trunk"
    assert "tinytown.toml" in home.run("git", "status", "--short", cwd=directory).out
    assert ".tt" not in home.run("git", "status", "--short", cwd=directory).out
    config = (directory / "tinytown.toml").read_bytes()
    again = town.data("init")
    assert again == {**first, "created": False}
    assert (directory / "tinytown.toml").read_bytes() == config
    (known,) = town.data("towns")
    assert known == {
        **{key: first[key] for key in ("id", "name", "dir")},
        "state": "open",
        "agents": 0,
        "open_tasks": 0,
    }
    town.tt("towns", "--forget", str(directory))
    assert town.data("towns") == []
    named = home.town(tmp_path / "named")
    assert named.data("init", "--name", "named")["created"] is False


def test_spawn_and_list(town: TownUnderTest) -> None:
    town.write("role.md", "Be kind.")
    town.data("spawn", "lead")
    options = ["--cli", "talking", "--model", "big", "--role", "dev", "--nickname", "Dee"]
    options += ["--instructions", "@role.md", "--parent", "lead", "--max-rounds", "3"]
    agent = town.data("spawn", "dev", *options)
    fits("agent", agent)
    assert agent["created"] is True
    assert [agent[k] for k in ("cli", "model", "role", "nickname", "parent", "max_rounds")] == [
        *("talking", "big", "dev", "Dee", "lead", 3)
    ]
    assert town.data("spawn", "dev", *options)["created"] is False
    assert town.data("spawn", "DEV")["created"] is False
    refused = town.tt("spawn", "dev", "--role", "other", code=2)
    assert "role is dev" in refused.err
    refused = town.tt("spawn", "x", "--cli", "gemini", code=2)
    assert "npm" in refused.err
    agents = town.data("list")
    fits("agent", *agents)
    assert [one["name"] for one in agents] == ["lead", "dev"]
    assert "dev" in town.tt("list").out


def test_assign_and_the_task_commands(town: TownUnderTest) -> None:
    town.team("a", "b")
    first = town.data("assign", "a", "Work\ndo: wait go", "--tag", "ui", "--priority", "high")
    fits("task", first)
    assert (first["tags"], first["priority"], first["state"]) == (["ui"], "high", "assigned")
    second = json.loads(town.tt("assign", "b", "-", "--after", "t1", "--json", stdin="Later\n").out)
    assert second["description"] == "Later"
    assert (second["state"], second["depends_on"], second["waits_for"]) == (
        *("pending", ["t1"]),
        ["t1"],
    )
    town.rounds(1)
    fits("task", *town.data("task", "list"))
    assert [t["id"] for t in town.data("task", "list", "--state", "running")] == ["t1"]
    assert [t["id"] for t in town.data("task", "list", "--agent", "b")] == ["t2"]
    assert [t["id"] for t in town.data("task", "list", "--tag", "ui")] == ["t1"]
    assert town.data("task", "current", "a")["id"] == "t1"
    assert town.data("task", "current", "b") is None
    edited = town.data("task", "edit", "t2", "--text", "Soon", "--priority", "urgent")
    assert (edited["description"], edited["priority"]) == ("Soon", "urgent")
    assert town.data("task", "edit", "t2", "--agent", "a", "--tag", "x")["agent"] == "a"
    assert town.data("task", "move", "t2", "b")["agent"] == "b"
    assert "cannot be edited" in town.tt("task", "edit", "t1", "--text", "no", code=2).err
    assert town.data("task", "complete", "t2", "--result", "by hand")["result"] == "by hand"
    assert town.data("task", "fail", "t1", "--reason", "no time")["error"] == "no time"
    assert town.data("task", "retry", "t1")["state"] in ("pending", "assigned")
    assert [t["id"] for t in town.data("task", "cancel", "t1")] == ["t1"]
    town.wait("a", code=None)
    shown = town.task("t1")
    fits("round", *shown["rounds"])
    assert shown["rounds"][0]["outcome"] == "interrupted"


def test_send_and_inbox(town: TownUnderTest) -> None:
    town.team("a", "b")
    (info,) = town.data("send", "a", "Noted", "--info")
    fits("message", info)
    assert (info["from"], info["kind"], info["state"]) == ("person", "info", "waiting")
    (ack,) = town.data("send", "a", "Yes", "--ack", "--reply-to", info["id"], "--from", "boss")
    assert (ack["reply_to"], ack["from"], ack["claimed_sender"]) == (info["id"], "person", "boss")
    everyone = town.data("send", "--all", "--info", "Freeze")
    assert [one["to"] for one in everyone] == ["a", "b"]
    for name in ("conductor", "supervisor", "Supervisor"):
        town.tt("send", name, f"Dear {name}")
    waiting = [one["text"] for one in town.data("inbox", "conductor")]
    assert waiting == ["Dear conductor", "Dear supervisor", "Dear Supervisor"]
    assert town.data("inbox", "supervisor") == town.data("inbox", "conductor")
    assert [one["id"] for one in town.data("inbox", "a")] == [info["id"], ack["id"], "m3"]
    assert len(town.data("inbox", "--all")) == 7
    assert town.data("inbox", "a")[0]["state"] == "waiting"
    assert town.agent("a")["rounds"] == 0, "info and ack start no round"
    town.tt("send", "a", "What now?", "--query")
    town.wait("a")
    (only,) = town.rounds(1)
    assert all(text in only["prompt"] for text in ("Noted", "Freeze", "(as boss)", "What now?"))
    assert town.data("inbox", "a") == []
    assert "not both" in town.tt("send", "a", "x", "--info", "--query", code=2).err


def test_backlog(town: TownUnderTest) -> None:
    town.tt("spawn", "a")
    low = town.data("backlog", "add", "Tidy", "--tag", "chore", "--priority", "low")
    fits("task", low)
    assert low["agent"] is None
    town.tt("backlog", "add", "Fix", "--priority", "urgent")
    town.tt("backlog", "add", "After", "--after", "t1")
    town.tt("backlog", "add", "Never")
    assert [t["id"] for t in town.data("backlog", "list")] == ["t2", "t3", "t4", "t1"]
    assert town.data("backlog", "remove", "t4")["state"] == "cancelled"
    assert "tt backlog claim" in town.tt("backlog", "claim", "t2", code=2).err
    assert town.data("backlog", "claim", "t2", "a")["agent"] == "a"
    assert "not in the backlog" in town.tt("backlog", "claim", "t2", "a", code=2).err
    assert {t["id"] for t in town.data("backlog", "assign-all", "a")} == {"t1", "t3"}
    town.wait("--all")
    assert [one["task"] for one in town.rounds(3)] == ["t2", "t1", "t3"]


def test_status_history_events_and_logs(town: TownUnderTest) -> None:
    town.tt("spawn", "a")
    task = town.assign("a", "say hello there")
    town.wait("--task", task)
    town.wait("a")
    status = town.data("status", "--tasks", "--deep")
    assert {"town", "conductor", "agents", "tasks", "messages", "backlog", "rounds"} <= set(status)
    fits("agent", *status["agents"])
    fits("round", *status["rounds"])
    assert "completed" in town.tt("status", "--deep", "--tasks").out
    history = town.data("history")
    fits("event", *history)
    wanted = ["task.created", "task.assigned", "task.started", "task.completed"]
    told = [e["event"] for e in town.data("history", "--task", task)]
    assert [name for name in told if name in wanted] == wanted
    assert town.data("history", "--agent", "a", "--limit", "1") == history[-1:]
    events = town.data("events")
    assert [one["id"] for one in events] == [one["id"] for one in history]
    assert len(town.tt("events").out.splitlines()) == len(events)
    assert "hello there" in town.tt("logs", "a").out
    log = [json.loads(line) for line in town.tt("logs", "--json").out.splitlines()]
    ended = next(line for line in log if line["event"] == "round.ended")
    assert (ended["agent"], ended["task"]) == ("a", task)


def test_config_and_its_origins(make_home: Make, tmp_path: Path) -> None:
    town = make_home().town(tmp_path / "town")

    def value(key: str) -> Any:
        (row,) = town.data("config", key)
        return row["value"], row["origin"]

    assert value("limits.attempts") == (1, "home")
    town.tt("config", "limits.attempts", "7")
    assert value("limits.attempts") == (7, "town")
    assert value("town.max_agents") == (16, "default")
    assert {"key", "value", "origin", "doc"} <= town.data("config")[0].keys()
    text = (town.directory / "tinytown.toml").read_text()
    assert "# Settings of this town" in text
    assert "1 to 100" in town.tt("config", "limits.attempts", "none", code=2).err
    assert (town.directory / "tinytown.toml").read_text() == text
    town.home.tt("config", "limits.max_rounds", "2", cwd=tmp_path)
    assert "max_rounds = 2" in (town.home.path / "config.toml").read_text()


def test_daemon_doctor_and_help(make_home: Make, tmp_path: Path) -> None:
    home = make_home()
    assert "no daemon" in home.tt("daemon", "status", cwd=tmp_path, code=3).err
    assert "No daemon" in home.tt("daemon", "stop", cwd=tmp_path).out
    assert "started tinytownd" in home.tt("towns", cwd=tmp_path).err
    status = home.tt("daemon", "status", "--json", cwd=tmp_path).data
    assert status["pid"] == home.pid
    assert status["redis"]["embedded"] is True
    assert TIME.fullmatch(status["started_at"])
    checks = home.tt("doctor", "--json", cwd=tmp_path, code=None).data
    assert {"check", "ok", "detail"} <= checks[0].keys()
    assert "Example:" in home.tt("task", "edit", "--help", cwd=tmp_path).out
    assert "0 done, 1 the work failed" in home.tt("--help", cwd=tmp_path).out


def test_wait_says_how_it_ended(town: TownUnderTest) -> None:
    town.team("a", "b")
    assert town.tt("wait", "--all").out == "Done\n"
    held = town.assign("a", "wait go")
    bad = town.assign("b", "exit 3")
    assert "still not over" in town.tt("wait", "a", "--timeout", "0.2", code=4).err
    assert town.tt("wait", "--task", held, "--timeout", "0.2", code=4).out == ""
    (failed,) = json.loads(town.tt("wait", "--task", bad, "--json", code=1).out)["failed"]
    assert "exit code 3" in failed["error"]
    town.wait("b", code=1)
    town.go("go")
    town.wait("a")
    town.wait("--all", code=1)
