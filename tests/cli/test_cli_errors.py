"""Bad input and refusals: one line on standard error, the exit code, and nothing sent."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli import shapes
from tests.cli.scripted import FakeDaemon, Tt
from tinytownd.domain import errors, names
from tinytownd.wire import MAX_TEXT_BYTES

NOT_UTF8 = os.fsdecode(b"caf\xe9")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["assign", "d", ""], "the text is empty"),
        (["assign", "d", "  \n"], "the text is empty"),
        (["assign", "d", NOT_UTF8], "the text is not UTF-8"),
        (["assign", NOT_UTF8, "x"], "an argument is not UTF-8"),
        (["send", "d", "x" * (MAX_TEXT_BYTES + 1)], "the message is longer than 1 MiB"),
        (["send", "d"], 'a message needs one receiver and one text (tt send NAME "TEXT")'),
        (["send", "d", "a", "b"], "one receiver and one text"),
        (["send", "--all", "d", "a"], 'tt send --all "TEXT"'),
        (["send", "d", "a", "--info", "--ack"], "--info and --ack, not both"),
        (["spawn", "d", "--instructions", "@none.md"], "none.md cannot be read: No such file"),
        (["task", "complete", "--result", ""], "the result is empty"),
        (["nonsense"], "there is no command 'nonsense' (tt --help)"),
        (["statsu"], "did you mean status?"),
        (["assign", "d"], "TEXT is missing (tt assign AGENT TEXT)"),
        (["assign", "d", "x", "--priority", "soon"], "--priority is one of low, normal"),
        (["spawn", "d", "--max-rounds", "0"], "--max-rounds"),
        (["conductor", "--spawn", "status"], "takes no such option"),
        (["plan"], "there is no tasks.toml in this town (tt plan --init)"),
        (["sync", "push"], "tt plan --init"),
        (["-t", "/nowhere", "list"], "there is no town in /nowhere (tt init)"),
        (["-t", "/nowhere", "config"], "there is no town in /nowhere (tt init)"),
        (["-t", "/nowhere", "init"], "/nowhere is not a directory"),
    ],
    ids=lambda value: " ".join(value)[:30].encode("ascii", "replace").decode(),
)
def test_bad_input_is_one_line(
    arguments: list[str], said: str, daemon: FakeDaemon, town: Path, tt: Tt
) -> None:
    out, err = tt(*arguments, code=errors.BAD_INPUT)
    assert said in err
    assert err.startswith("tt: ")
    assert err.count("\n") == 1
    assert not out
    assert {sent.verb for sent in daemon.sent} <= {"agent.list"}


def test_a_nul_from_standard_input(
    daemon: FakeDaemon, town: Path, tt: Tt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\0b")))
    assert "NUL" in tt("send", "d", "-", code=2)[1]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x" * (MAX_TEXT_BYTES + 1))))
    assert "1 MiB" in tt("send", "d", "-", code=2)[1]
    assert not daemon.sent


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (
            errors.NotFound("no agent called 'devloper'", hint="did you mean developer?"),
            2,
            "tt: no agent called 'devloper' (did you mean developer?)\n",
        ),
        (errors.Unavailable("Redis is away"), 3, "tt: Redis is away\n"),
        (errors.TimedOut("too late"), 4, "tt: too late\n"),
        (
            errors.Internal("two\nlines \x1b[31m"),
            1,
            "tt: two lines \\x1b[31m\n",
        ),
    ],
)
def test_a_refusal_sets_the_exit_code(
    error: errors.TownError, code: int, line: str, daemon: FakeDaemon, town: Path, tt: Tt
) -> None:
    daemon.replies["agent.list"] = error
    assert tt("list", code=code) == ("", line)


def test_problems_of_a_plan_name_their_lines(daemon: FakeDaemon, town: Path, tt: Tt) -> None:
    (town / "tasks.toml").write_text("x")
    problems: list[dict[str, object]] = [
        {"line": 12, "message": "unknown key 'agnet'", "hint": "did you mean agent?"},
        {"line": 20, "message": "there is no task 'desing'", "hint": ""},
    ]
    daemon.replies["plan.push"] = errors.PlanError(problems)
    assert tt("sync", "push", code=2)[1].splitlines() == [
        "tasks.toml:12: unknown key 'agnet' (did you mean agent?)",
        "tasks.toml:20: there is no task 'desing'",
        "tt: the plan has 2 problems",
    ]


def test_client_and_daemon_agree_on_how_long_a_text_may_be() -> None:
    assert MAX_TEXT_BYTES == names.MAX_TEXT_BYTES


def test_no_town_anywhere(
    daemon: FakeDaemon, tmp_path: Path, tt: Tt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "(tt init)" in tt("list", code=2)[1]
    tt("config")
    assert [(sent.verb, sent.args) for sent in daemon.sent] == [("config.list", {})]


def test_waiting_tells_how_it_ended(daemon: FakeDaemon, town: Path, tt: Tt) -> None:
    failed = [
        {"id": "7", "state": "failed", "error": "no compiler\nat all"},
        {"id": "8", "state": "cancelled", "error": None},
        {"id": "9", "state": "pending", "waits_for": ["7", "8"]},
    ]
    daemon.replies["town.wait"] = {"failed": failed, "failed_left": 3, "questions": []}
    out, err = tt("wait", code=1)
    assert "3 more are there: tt task list --state failed" in err
    assert out.splitlines() == [
        "7 failed: no compiler",
        "8 was cancelled",
        "9 is held back: it waits for 7, 8",
    ]
    daemon.mute.add("town.wait")
    assert "still not over after 0.2 s" in tt("wait", "--timeout", "0.2", code=4)[1]
    assert daemon.sent[-1].life_ms <= 200


def test_waiting_says_once_what_waits_for_a_person(daemon: FakeDaemon, town: Path, tt: Tt) -> None:
    """Each question is told; then the daemon is asked again, for what is not told yet."""
    asked = [
        shapes.question(id="m1", about="approve:t2", task="t2"),
        shapes.question(id="m2", about="budget:day", task=None, text="More?"),
    ]

    def waited(args: dict[str, Any]) -> dict[str, object]:
        new = [one for one in asked if one["id"] not in args["told"]][:1]
        return {"failed": [], "failed_left": 0, "questions": new}

    daemon.replies["town.wait"] = waited
    out, err = tt("wait", "--all")
    assert out == "Done\n"
    assert err.splitlines() == [
        't2 waits for you: tt approve t2, or tt reject t2 "why"',
        "this waits for you: More? (tt answer m2 yes, or tt answer m2 no)",
    ]
    assert [sent.args["told"] for sent in daemon.sent] == [[], ["m1"], ["m1", "m2"]]


def test_a_plan_that_changed_meanwhile_is_left(daemon: FakeDaemon, town: Path, tt: Tt) -> None:
    plan = town / "tasks.toml"
    plan.write_text("# mine\n")
    plan.chmod(0o640)
    tt("sync", "pull")
    assert plan.read_text() == "# mine\n# pulled\n"
    assert plan.stat().st_mode & 0o777 == 0o640

    def meanwhile(args: dict[str, object]) -> dict[str, object]:
        plan.write_text("# newer\n")
        return {"text": "# pulled\n", "changed": []}

    daemon.replies["plan.pull"] = meanwhile
    assert "was changed meanwhile" in tt("sync", "pull", code=2)[1]
    assert plan.read_text() == "# newer\n"
    assert sorted(path.name for path in town.iterdir()) == [".tt", "tasks.toml", "tinytown.toml"]


def test_an_example_plan_is_written_once(daemon: FakeDaemon, town: Path, tt: Tt) -> None:
    tt("plan", "--init")
    assert "[[tasks]]" in (town / "tasks.toml").read_text()
    assert "is there already" in tt("plan", "--init", code=2)[1]


def test_a_reader_that_goes_away_is_no_error(daemon: FakeDaemon, town: Path) -> None:
    for _ in range(3000):
        daemon.event("task.created", task="1", text="x" * 100)
    command = f"{sys.executable} -m tinytown_cli events | head -n 1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1
