"""What goes on: the conductor followed, the live picture, events, logs and transcripts."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.scripted import TOWN, FakeDaemon, Tt, wait_until
from tests.cli.shapes import ROUND, agent, conducting, listed, plan, task
from tinytown_cli import client, events, live, output, screen, transcripts, wording

ROOT = Path(__file__).parents[2]
DESIGN = task("design", "completed", agent="architect", result="Wrote api.md\nin full")


def test_the_conductor_is_followed_to_the_end(daemon: FakeDaemon, town: Path, tt: Tt) -> None:
    daemon.event("task.created", task="of-yesterday")

    def start(_: dict[str, Any]) -> dict[str, Any]:
        daemon.event("conductor.started")
        daemon.event("round.started", agent="architect", task="design")
        daemon.event("task.started", agent="architect", task="design")
        daemon.event("task.completed", agent="architect", task="design", text="Wrote api.md")
        last = daemon.event("plan.completed", text="1 of 1 tasks completed")
        daemon.replies["conductor.status"] = conducting("completed", [DESIGN], event=last)
        return {"conductor": {"on": True, "plan": plan("running")}, "spawned": [], "missing": []}

    daemon.replies["conductor.start"] = start
    out, err = tt("conductor", "--spawn")
    assert daemon.sent[0].args == {"spawn": True}
    assert re.sub(r"(?m)^\d\d:\d\d:\d\d ", "", out).splitlines() == [
        "the conductor is on",
        "architect started design",
        "architect completed design: Wrote api.md",
        "the plan is completed: 1 of 1 tasks completed",
        " ✓ design  architect       Wrote api.md",
        "Plan completed: 2 of 2 done",
    ]
    assert not err


@pytest.mark.parametrize(
    ("status", "code", "line"),
    [
        (
            conducting("failed", [task("design", "failed", error="no idea\nat all")]),
            1,
            "tt: design failed: no idea (tt task retry design)\n",
        ),
        (
            conducting(
                "stalled",
                [task(state="pending")],
                missing=[
                    {"name": "tester", "tasks": ["7"], "state": None},
                    {"name": "ann", "tasks": ["8"], "state": "cold"},
                ],
            ),
            1,
            "tt: tester is not on the team to do 7 (tt conductor --spawn)\n"
            "tt: ann is cold and cannot do 8 (tt restart ann)\n",
        ),
        (
            conducting("stalled", [task(state="pending", agent=None)]),
            1,
            "tt: 7 has no agent (tt backlog claim 7 AGENT)\n",
        ),
        (conducting("none", []), 2, "tt: there is no plan to conduct (tt sync push)\n"),
        (
            conducting("running", [], conductor={"on": False, "plan": plan("running")}),
            1,
            "tt: the conductor was switched off (tt conductor)\n",
        ),
    ],
    ids=["failed", "missing", "backlog", "none", "off"],
)
def test_how_a_plan_ends_sets_the_exit_code(
    status: dict[str, Any], code: int, line: str, daemon: FakeDaemon, town: Path, tt: Tt
) -> None:
    daemon.replies["conductor.status"] = status
    assert tt("conductor", code=code)[1] == line


def test_agents_that_are_missing_are_reported(daemon: FakeDaemon, town: Path, tt: Tt) -> None:
    daemon.replies["conductor.start"] = {
        "conductor": {"on": True, "plan": plan("running")},
        "spawned": [{"name": "tester"}],
        "missing": [{"name": "reviewer", "tasks": ["a", "b"], "state": None}],
    }
    out, err = tt("conductor", "--json")
    assert json.loads(out)["conductor"]["plan"]["state"] == "completed"
    assert err.splitlines() == [
        "spawned tester",
        "tt: reviewer is not on the team to do a, b (tt conductor --spawn)",
    ]


def test_a_rehearsal_leaves_no_town_behind(daemon: FakeDaemon, town: Path, tt: Tt) -> None:
    (town / "tasks.toml").write_text("# a plan\n")
    tt("conductor", "--rehearse")
    told = [(sent.verb, sent.args) for sent in daemon.sent]
    assert told == [
        ("town.rehearse", {"dir": str(town), "plan": "# a plan\n"}),
        ("conductor.start", {"spawn": True}),
        ("conductor.status", {"plan": "main"}),
        ("town.forget", {"dir": "/demo"}),
    ]
    daemon.replies["conductor.status"] = conducting("failed", [task(state="failed")])
    tt("conductor", "--rehearse", code=1)
    assert daemon.sent[-1].verb == "town.forget"


def test_ctrl_c_leaves_the_view_on_a_terminal(daemon: FakeDaemon, town: Path) -> None:
    status = conducting("running", [DESIGN, task("implement", "running")])
    daemon.replies["conductor.status"] = status
    seeing, shown = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tinytown_cli", "conductor"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "NO_COLOR": "1"},
        stdout=shown,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(shown)
    wait_until(lambda: len(daemon.sent) >= 2)
    picture = b""
    while b"implement" not in picture:
        picture += os.read(seeing, 65536)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=10)
    os.close(seeing)
    assert process.returncode == 0
    assert said == "the conductor goes on; tt conductor stop ends it\n"
    assert "2 of 2 done" in picture.decode()
    assert "\x1b[3" not in picture.decode()  # no colour


def test_the_picture_keeps_within_its_height() -> None:
    tasks = [task(f"t{n}", "pending", waits_for=["a"]) for n in range(50)]
    status = conducting("running", [*tasks, task("now", "running", started_at="2026-11-22T00:00Z")])
    status["agents"] = [agent(f"worker-{n}", "working") for n in range(20)]
    happened: list[events.Event] = [{"event": "task.started", "agent": "a", "task": "now"}]
    lines = live.frame(status, happened, 24)
    assert len(lines) <= 24
    assert lines[2].startswith(" ● now")
    assert any("more" in line for line in lines)
    assert lines[-1] == "--:--:-- a started now"


def test_the_screen_is_drawn_over_itself(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(output, "on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "10")
    monkeypatch.setenv("LINES", "4")
    block = screen.Screen()
    block.show(["one", "\x1b[31mtwo and more\x1b[0m", "three", "four"])
    block.show(["one"])
    first, second = capfd.readouterr().out.split("\x1b[J")[:2]
    assert first == "\x1b[2Kone\n\x1b[2K\x1b[31mtwo and …\x1b[0m\n\x1b[2Kthree\n"
    assert second == "\x1b[3A\r\x1b[2Kone\n"


def test_every_event_has_a_sentence() -> None:
    about = {"actor": "person", "agent": "d", "task": "7", "message": "m", "round": 1}
    for name in wording.SENTENCES:
        told = wording.told({"event": name, **about, "text": "why\nnot"})
        assert "{" not in told
        assert told.endswith(": why")
    assert wording.told({"event": "task.failed", "task": "epic"}) == "epic failed"
    assert wording.told({"event": "new.thing", "actor": "a", "task": "7"}) == (
        "new.thing actor=a task=7"
    )


def test_events_are_printed_raw(daemon: FakeDaemon, town: Path, tt: Tt) -> None:
    before = events.last_id(client.Target(TOWN))
    daemon.event("task.created", task="7", text="Zażółć")
    lines = [json.loads(line) for line in tt("events")[0].splitlines()]
    assert lines[-1]["task"] == "7"
    assert lines[-1]["text"] == "Zażółć"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", lines[-1]["at"])
    assert json.loads(tt("events", "--json")[0]) == lines
    with events.Stream(client.Target(TOWN), before) as stream:
        assert stream.read(1.0) == lines[-1:]
        daemon.redis.execute_command("CLIENT", "KILL", "USER", "client")
        daemon.event("task.started", task="7")
        assert [event["event"] for event in stream.read(5.0)] == ["task.started"]


def test_a_file_that_grows_and_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "stdout"
    tail = transcripts.Tail(file)
    assert tail.read() == ""
    file.write_bytes("Grü".encode()[:-1])
    assert tail.read() == "Gr"
    with file.open("ab") as more:
        more.write("ü".encode()[1:] + b"n\n")
    assert tail.read() == "ün\n"
    with file.open("ab") as more:
        more.write(b"last\n")
    file.rename(tmp_path / "aside")
    file.write_text("new\n")
    assert [tail.read(), tail.read(), tail.read()] == ["last\n", "new\n", ""]
    file.write_text("cut\n"[:3])
    assert tail.read() == "cut"
    tail.close()


def test_a_spawn_in_the_foreground_ends_with_its_agent(
    daemon: FakeDaemon, town: Path, tt: Tt
) -> None:
    def spawned(_: dict[str, Any]) -> dict[str, Any]:
        stdout = town / ".tt" / "rounds" / "developer" / "4" / "stdout"
        stdout.parent.mkdir(parents=True)
        stdout.write_text("hello\n")
        daemon.replies["agent.rounds"]["rounds"].append({**ROUND, "round": 4})
        return {"agent": agent(), "created": True}

    def team(_: dict[str, Any]) -> dict[str, Any]:
        gone = [sent.verb for sent in daemon.sent].count("agent.list") > 1
        if not gone:
            daemon.event("agent.stopped", agent="developer")
        return listed("agents", [agent(state="stopped" if gone else "working")])

    daemon.replies |= {"agent.spawn": spawned, "agent.list": team}
    daemon.replies["agent.rounds"] = {"agent": "developer", "rounds": [ROUND]}
    out, _ = tt("spawn", "developer", "--foreground")
    told = out.splitlines()
    assert told[1].startswith("── round 4 · task 7 · developer")
    assert told[2:] == ["hello", "── completed after 1.5 s · 10 tokens in, 20 out · $0.0100 ──"]


def test_tables_are_aligned_and_empty_ones_say_what_to_do(
    daemon: FakeDaemon, town: Path, tt: Tt
) -> None:
    team = [agent("ä漢"), agent("developer", role="dev")]
    daemon.replies["agent.list"] = listed("agents", team)
    first, *rows = tt("list")[0].splitlines()
    assert first.split() == ["name", "state", "cli", "role", "rounds", "since", "task"]
    assert rows[0].startswith("ä漢        idle")
    assert rows[1].startswith("developer  idle")
    daemon.replies["agent.list"] = listed("agents", [])
    assert tt("list")[0] == "No agents yet. Try: tt spawn developer\n"


@pytest.mark.usefixtures("town")
def test_history_shows_as_many_lines_as_it_was_asked_for(daemon: FakeDaemon, tt: Tt) -> None:
    detail = {"event": "message.acknowledged", "agent": "a", "message": "m1"}
    told = [{"event": "task.started", "agent": "a", "task": f"t{n}"} for n in range(4)]
    daemon.replies["town.history"] = {"events": [one for step in told for one in (step, detail)]}
    out, _ = tt("history", "--limit", "3")
    assert [line.split()[-1] for line in out.splitlines()] == ["t1", "t2", "t3"]
