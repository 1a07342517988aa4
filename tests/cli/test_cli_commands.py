"""Every command of the table: what is typed, and which verb with which arguments is sent."""

from __future__ import annotations

import inspect
import io
import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

from tests.cli import shapes
from tests.cli.scripted import TOWN, FakeDaemon, Tt
from tinytown_cli import app, command
from tinytownd import wire

PLAN = '[[tasks]]\nid = "design"\n'
COMMANDS: list[tuple[str, str, dict[str, Any]]] = [
    ("spawn developer", "agent.spawn", {"name": "developer"}),
    (
        "spawn d --cli claude --model m --role r --instructions 'be kind' --nickname n --parent a"
        " --max-rounds 3",
        "agent.spawn",
        {
            "name": "d",
            "cli": "claude",
            "model": "m",
            "role": "r",
            "nickname": "n",
            "instructions": "be kind",
            "parent": "a",
            "max_rounds": 3,
        },
    ),
    ("spawn d --permissions read", "agent.spawn", {"name": "d", "permissions": "read"}),
    ("spawn d --instructions @role.md", "agent.spawn", {"name": "d", "instructions": "A role\n"}),
    ("list", "agent.list", {}),
    ("list --limit 5", "agent.list", {"limit": 5}),
    ("list --all", "agent.list", {"after": ""}),
    ("task list --tag ui --limit 5", "task.list", {"tag": "ui", "limit": 5}),
    ("task list --state failed --all", "task.list", {"state": "failed", "after": ""}),
    ("task list --archived --limit 5", "task.archived", {"limit": 5, "after": ""}),
    ("inbox a --limit 5", "message.inbox", {"agent": "a", "limit": 5}),
    ("backlog list --limit 5", "backlog.list", {"limit": 5}),
    ("status", "town.status", {}),
    ("status --all", "town.status", {"all": True}),
    ("status --deep", "town.status", {}),
    ("assign developer 'Build it'", "task.assign", {"agent": "developer", "text": "Build it"}),
    (
        "assign d x --after 1 --after 2 --tag a --tag b --priority high",
        "task.assign",
        {"agent": "d", "text": "x", "after": ["1", "2"], "tags": ["a", "b"], "priority": "high"},
    ),
    (
        "assign d x --approve --check 'make test' --review role:reviewer",
        "task.assign",
        {
            "agent": "d",
            "text": "x",
            "approve": True,
            "check": "make test",
            "review": "role:reviewer",
        },
    ),
    (
        "backlog add x --approve --check true --review d",
        "backlog.add",
        {"text": "x", "approve": True, "check": "true", "review": "d"},
    ),
    ("approve 7", "task.approve", {"task": "7"}),
    ("reject 7 'too long'", "task.reject", {"task": "7", "reason": "too long"}),
    ("ask 'Which port?'", "task.ask", {"text": "Which port?"}),
    ("ask 'Which port?' --task 7", "task.ask", {"text": "Which port?", "task": "7"}),
    ("answer m3 8080", "question.answer", {"question": "m3", "text": "8080"}),
    ("task show 7", "task.show", {"task": "7"}),
    ("task list", "task.list", {}),
    (
        "task list --state running --agent d --tag t",
        "task.list",
        {"state": "running", "agent": "d", "tag": "t"},
    ),
    ("task current", "task.current", {}),
    ("task current d", "task.current", {"agent": "d"}),
    ("task complete", "task.complete", {}),
    ("task complete 7 --result done", "task.complete", {"task": "7", "result": "done"}),
    ("task fail 7 --reason why", "task.fail", {"task": "7", "reason": "why"}),
    ("task cancel 7 --cascade", "task.cancel", {"task": "7", "cascade": True}),
    ("task retry 7", "task.retry", {"task": "7"}),
    (
        "task edit 7 --text new --priority low --agent d --tag t",
        "task.edit",
        {"task": "7", "text": "new", "priority": "low", "agent": "d", "tags": ["t"]},
    ),
    ("task move 7 d", "task.move", {"task": "7", "agent": "d"}),
    ("send d hello", "message.send", {"to": "d", "text": "hello"}),
    (
        "send reviewer --urgent 'Critical bug'",
        "message.send",
        {"to": "reviewer", "text": "Critical bug", "priority": "urgent"},
    ),
    (
        "send d hello --query --reply-to m1 --from me",
        "message.send",
        {"to": "d", "text": "hello", "kind": "query", "reply_to": "m1", "sender": "me"},
    ),
    ("send --all --info hello", "message.send", {"all": True, "text": "hello", "kind": "info"}),
    ("send d ok --ack", "message.send", {"to": "d", "text": "ok", "kind": "ack"}),
    ("inbox", "message.inbox", {}),
    ("inbox d", "message.inbox", {"agent": "d"}),
    ("inbox --all", "message.inbox", {"all": True, "after": ""}),
    ("inbox --agent d", "message.inbox", {"agent": "d"}),
    ("inbox --agent d --read", "message.read", {"agent": "d"}),
    ("inbox d --read", "message.read", {"agent": "d"}),
    ("thread m1", "message.thread", {"message": "m1"}),
    ("send role:dev hello", "message.send", {"to": "role:dev", "text": "hello"}),
    (
        "send group:web hello --urgent --interrupt",
        "message.send",
        {"to": "group:web", "text": "hello", "priority": "urgent", "interrupt": True},
    ),
    (
        "backlog add x --tag t --priority low --after 1",
        "backlog.add",
        {"text": "x", "tags": ["t"], "priority": "low", "after": ["1"]},
    ),
    (
        "assign role:dev x --after 1 --after 2 --join any --failures count",
        "task.assign",
        {"agent": "role:dev", "text": "x", "after": ["1", "2"], "join": "any", "failures": "count"},
    ),
    (
        "backlog add x --after 1 --join 1 --failures hold",
        "backlog.add",
        {"text": "x", "after": ["1"], "join": "1", "failures": "hold"},
    ),
    ("spawn d --tag ui --tag api", "agent.spawn", {"name": "d", "tags": ["ui", "api"]}),
    ("backlog list", "backlog.list", {}),
    ("backlog claim 7", "backlog.claim", {"task": "7"}),
    ("backlog claim 7 d", "backlog.claim", {"task": "7", "agent": "d"}),
    ("backlog claim 7 --agent d", "backlog.claim", {"task": "7", "agent": "d"}),
    ("backlog assign-all d", "backlog.assign_all", {"agent": "d"}),
    ("backlog remove 7", "backlog.remove", {"task": "7"}),
    ("plan", "plan.check", {"text": PLAN}),
    ("plan --check", "plan.check", {"text": PLAN}),
    ("sync push", "plan.push", {"text": PLAN}),
    (
        "sync push --prune --adopt-status",
        "plan.push",
        {"text": PLAN, "prune": True, "adopt_status": True},
    ),
    ("sync pull", "plan.pull", {"text": PLAN}),
    ("sync pull --all", "plan.pull", {"text": PLAN, "all": True}),
    ("plan --file more.toml", "plan.check", {"text": PLAN}),
    ("sync push more.toml --plan b", "plan.push", {"text": PLAN, "plan": "b"}),
    ("sync push --plan b --propose", "plan.push", {"text": PLAN, "plan": "b", "propose": True}),
    ("sync pull --plan b", "plan.pull", {"text": PLAN, "plan": "b"}),
    ("plan list", "plan.list", {"after": ""}),
    ("plan status", "plan.status", {}),
    ("plan status b", "plan.status", {"name": "b"}),
    *(
        (f"plan {w} b", f"plan.{w}", {"name": "b"})
        for w in ("pause", "resume", "cancel", "approve")
    ),
    ("plan reject b no", "plan.reject", {"name": "b", "reason": "no"}),
    ("report", "town.report", {"since": 43_200}),
    ("report --since 2d", "town.report", {"since": 172_800}),
    ("conductor status --plan b", "conductor.status", {"plan": "b"}),
    (
        "assign d x --plan b",
        "task.assign",
        {"agent": "d", "text": "x", "plan": "b"},
    ),
    ("backlog add x --plan b", "backlog.add", {"text": "x", "plan": "b"}),
    ("conductor status", "conductor.status", {}),
    ("conductor stop", "conductor.stop", {}),
    ("conductor --context", "conductor.context", {}),
    ("wait", "town.wait", {"told": []}),
    ("wait a b --all", "town.wait", {"agents": ["a", "b"], "all": True, "told": []}),
    ("wait --task 7 --timeout 5", "town.wait", {"task": "7", "told": []}),
    *((f"{w} d", f"agent.{w}", {"name": "d"}) for w in ("kill", "close", "interrupt", "resume")),
    ("restart d", "agent.restart", {"name": "d"}),
    ("recover", "town.recover", {}),
    ("reclaim", "task.reclaim", {}),
    ("reclaim --to d --from t", "task.reclaim", {"to": "d", "source": "t"}),
    ("reclaim --to-backlog", "task.reclaim", {"to": "backlog"}),
    ("prune", "agent.prune", {}),
    ("prune --all", "agent.prune", {"all": True}),
    ("stop", "town.stop", {"now": False}),
    ("stop --now", "town.stop", {"now": True}),
    ("start", "town.start", {}),
    ("history", "town.history", {}),
    (
        "history --agent d --task 7 --limit 3 --json",
        "town.history",
        {"agent": "d", "task": "7", "limit": 3},
    ),
    ("history --limit 3", "town.history", {"limit": 9}),
    ("history --limit 20000", "town.history", {"limit": 20000}),
]
HOME_COMMANDS: list[tuple[str, str, dict[str, Any]]] = [
    ("init", "town.init", {"dir": "DIR"}),
    ("init --name shop", "town.init", {"dir": "DIR", "name": "shop"}),
    ("towns", "town.list", {}),
    ("towns --forget old", "town.forget", {"dir": "DIR/old"}),
    ("config", "config.list", {"dir": "DIR"}),
    ("config agent.cli", "config.list", {"dir": "DIR", "key": "agent.cli"}),
    ("config agent.cli codex", "config.set", {"dir": "DIR", "key": "agent.cli", "value": "codex"}),
]


@pytest.fixture
def files(town: Path) -> Path:
    (town / "plans").mkdir()
    for name in ("tasks.toml", "more.toml", "plans/b.toml"):
        (town / name).write_text(PLAN)
    (town / "role.md").write_text("A role\n")
    return town


@pytest.mark.parametrize(("line", "verb", "args"), COMMANDS, ids=lambda value: str(value)[:40])
def test_a_command_becomes_a_verb(
    line: str, verb: str, args: dict[str, Any], daemon: FakeDaemon, files: Path, tt: Tt
) -> None:
    out, err = tt(*shlex.split(line))
    assert [(sent.stream, sent.verb, sent.args) for sent in daemon.sent] == [
        (wire.commands_key(TOWN), verb, args)
    ]
    assert out.strip()
    assert not err


@pytest.mark.parametrize(("line", "verb", "args"), HOME_COMMANDS, ids=lambda value: str(value)[:40])
def test_a_command_of_the_home(
    line: str, verb: str, args: dict[str, Any], daemon: FakeDaemon, town: Path, tt: Tt
) -> None:
    out, _ = tt(*shlex.split(line))
    placed = json.loads(json.dumps(args).replace("DIR", str(town)))
    assert [(sent.stream, sent.verb, sent.args) for sent in daemon.sent] == [
        (wire.commands_key(wire.HOME), verb, placed)
    ]
    assert out.strip()


@pytest.mark.parametrize("line", [line for line, *_ in COMMANDS + HOME_COMMANDS])
def test_every_command_prints_json(line: str, daemon: FakeDaemon, files: Path, tt: Tt) -> None:
    out, _ = tt(*shlex.split(line), "--json")
    assert isinstance(json.loads(out), dict | list | None)


def test_shapes_of_json(daemon: FakeDaemon, files: Path, tt: Tt) -> None:
    def shown(line: str) -> Any:
        return json.loads(tt(*line.split(), "--json")[0])

    for line in ("list", "task list", "inbox", "backlog list", "towns", "history", "config"):
        assert isinstance(shown(line), list), line
    assert shown("task show 7")["rounds"][0]["round"] == 3
    assert shown("assign d x")["id"] == "7"
    assert shown("spawn d")["created"] is True
    assert shown("status --tasks")["task_list"][0]["id"] == "7"
    assert shown("sync pull") == {"changed": [{"id": "design"}]}


def test_options_may_stand_before_the_command(daemon: FakeDaemon, town: Path, tt: Tt) -> None:
    assert json.loads(tt("--json", "-t", str(town), "list")[0])[0]["name"] == "developer"
    assert json.loads(tt("task", "--json", "list")[0])[0]["id"] == "7"


def test_a_text_from_standard_input(
    daemon: FakeDaemon, town: Path, tt: Tt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("Grüße\n".encode())))
    tt("assign", "d", "-")
    assert daemon.sent[0].args["text"] == "Grüße"


def _all_commands() -> list[list[str]]:
    found: list[list[str]] = []
    for name in app.COMMANDS:
        one: Any = app.Root(name="tt").get_command(None, name)
        found += [[name], *([name, sub] for sub in getattr(one, "commands", {}))]
    return found


@pytest.mark.parametrize("words", _all_commands(), ids=" ".join)
def test_help_of_every_command_has_an_example(words: list[str], tt: Tt) -> None:
    out, _ = tt(*words, "--help")
    assert f"tt {' '.join(words)}" in out.split("Example:")[1]
    assert "--town" in out
    assert "--json" in out


def test_the_table_says_what_the_commands_say() -> None:
    for name, entry in app.COMMANDS.items():
        one: Any = app.Root(name="tt").get_command(None, name)
        assert inspect.cleandoc(one.help).splitlines()[0] == entry.about
    assert set(command.VERBS) == set(app.COMMANDS)
    assert typer.main.get_command(command.VERBS["task"]).name == "task"


def test_help_and_version(tt: Tt) -> None:
    out, _ = tt("--help")
    assert "4 timed out" in " ".join(out.split())
    assert all(name in out for name in app.COMMANDS)
    assert tt("task")[0] == tt("task", "--help")[0]


@pytest.mark.usefixtures("files")
def test_who_assigns_to_somebody_stopped_is_told(daemon: FakeDaemon, tt: Tt) -> None:
    stopped = shapes.agent(state="stopped", desired="stop")
    daemon.replies["task.assign"] = {"task": shapes.task(), "agent": stopped}
    _, err = tt("assign", "developer", "Build it")
    assert err == "developer is stopped: it starts after tt restart developer\n"


@pytest.mark.usefixtures("files")
def test_who_assigns_to_somebody_held_is_told_how_long_and_why(daemon: FakeDaemon, tt: Tt) -> None:
    held = shapes.agent(hold={"until": "2026-11-22T10:31:07.000Z", "reason": "rate limit"})
    daemon.replies["task.assign"] = {"task": shapes.task(), "agent": held}
    _, err = tt("assign", "developer", "Build it")
    assert err.startswith("developer is held until ")
    assert err.endswith(": rate limit (not to wait: tt resume developer)\n")
