"""Agent CLIs that misbehave: the verdict is right, one line says why, nothing is left running."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest

from tests.e2e.town import TownUnderTest, alive, lines, until


def waits_for_an_answer(pid: int) -> bool:
    """Whether it is a `tt wait` with a connection to Redis."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        sockets = [
            one for one in Path(f"/proc/{pid}/fd").iterdir() if "socket:" in str(one.readlink())
        ]
    except OSError:
        return False
    return b"wait" in words and bool(sockets)


def run(town: TownUnderTest, *script: str, cli: str = "scripted", code: int | None = 1) -> str:
    """One task of one agent, to its end; the task's id."""
    town.quick("spawn", "a", "--cli", cli)
    task = town.assign("a", *script)
    town.wait("--task", task, code=code)
    return task


@pytest.mark.parametrize(
    ("cli", "script", "why"),
    [
        ("scripted", "exit 3", "exit code 3"),
        ("talking", "say words", "it ended without a word"),
        ("talking", "garbage", "it ended without a word"),
        (
            "talking",
            'say {"type": "result", "is_error": true, "result": "no luck", "session_id": "s"}',
            "no luck",
        ),
    ],
    ids=["exit 3", "nothing but words", "broken JSON", "a final record of failure"],
)
def test_failures(town: TownUnderTest, cli: str, script: str, why: str) -> None:
    shown = town.task(run(town, script, cli=cli))
    assert why in shown["error"]
    assert shown["state"] == "failed"
    assert shown["rounds"][0]["outcome"] == "failed"


def test_success_by_exit_code_and_by_final_record(town: TownUnderTest) -> None:
    assert town.task(run(town, "say all", "say done", code=0))["result"] == "all\ndone"
    town.quick("spawn", "b", "--cli", "talking")
    record = {
        "type": "result",
        "is_error": False,
        "result": "spoken",
        "session_id": "s-9",
        "total_cost_usd": 0.25,
        "usage": {"input_tokens": 7, "output_tokens": 5},
    }
    task = town.assign("b", f"say {json.dumps(record)}", "exit 1")
    town.wait("b")
    shown = town.task(task)
    (one,) = shown["rounds"]
    assert (shown["result"], one["cost_usd"]) == ("spoken", 0.25)
    assert (one["input_tokens"], one["output_tokens"]) == (7, 5)


def test_megabytes_and_bytes_that_are_no_text(town: TownUnderTest) -> None:
    task = run(town, "megabytes 3", "garbage", "say the end", code=0)
    assert str(town.task(task)["result"]).endswith("the end")
    assert "\N{REPLACEMENT CHARACTER}" in town.task(task)["result"]


def test_a_rate_limit_holds_the_agent_and_is_no_failure(town: TownUnderTest) -> None:
    reset = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    limited = {
        "type": "rate_limit_event",
        "rate_limit_info": {"status": "rejected", "resetsAt": int(reset.timestamp())},
    }
    final = {"type": "result", "is_error": True, "result": "limit", "api_error_status": 429}
    town.quick("spawn", "a", "--cli", "talking")
    task = town.assign("a", f"say {json.dumps(limited)}", f"say {json.dumps(final)}", "exit 1")
    hold = until(lambda: town.agent("a")["hold"], "the hold")
    until_ = datetime.datetime.fromisoformat(hold["until"])
    assert datetime.timedelta() <= until_ - reset <= datetime.timedelta(minutes=6, seconds=2)
    assert "rate limit" in hold["reason"]
    assert (town.task(task)["attempts"], town.states()[task]) == (0, "assigned")
    town.tt("send", "a", "--urgent", "Hurry")
    assert town.agent("a")["state"] == "idle", "urgent messages never override a hold"
    town.tt("task", "edit", task, "--text", 'do: say {"type": "result", "result": "now"}')
    town.tt("resume", "a")
    town.wait("--task", task)
    assert town.task(task)["result"] == "now"


def test_what_a_round_leaves_behind_is_ended(town: TownUnderTest) -> None:
    run(town, "child group", "child setsid", "child bare", code=0)
    left = [one["pid"] for one in lines(town.directory / "children.jsonl")]
    town.wait("a")
    assert len(left) == 3
    assert [pid for pid in left if alive(pid)] == []


def test_limits_of_silence_and_of_time(town: TownUnderTest) -> None:
    town.tt("config", "limits.silence_seconds", "0.3")
    task = run(town, "wait never")
    assert "silent for 0.3 s" in town.task(task)["error"]
    town.tt("config", "limits.silence_seconds", "600")
    town.tt("config", "limits.wall_seconds", "0.3")
    task = town.assign("a", "ignore-term", "wait never")
    town.wait("--task", task, code=1)
    assert "longer than 0.3 s" in town.task(task)["error"]


def test_a_cli_that_cannot_be_executed_or_is_gone(town: TownUnderTest) -> None:
    program = town.write("prog", "#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    config = (town.directory / "tinytown.toml").read_text()
    town.write("tinytown.toml", f'{config}\n[agent_clis.mine]\ncommand = "{program}"\n')
    town.quick("spawn", "a", "--cli", "mine")
    until(lambda: town.agent("a")["state"] == "idle", "a is idle")
    program.chmod(0o644)
    refused = town.quick("spawn", "b", "--cli", "mine", code=2)
    assert "is not on PATH" in refused.err
    task = town.assign("a")
    town.wait("--task", task, code=1)
    assert "cannot be executed" in town.task(task)["error"]
    program.unlink()
    task = town.assign("a")
    town.wait("--task", task, code=1)
    assert "was not found" in town.task(task)["error"]


def test_messages_that_cannot_be_read_break_the_agent_in_the_end(town: TownUnderTest) -> None:
    town.tt("config", "limits.attempts", "2")
    town.team("a")
    town.tt("send", "a", "Read\ndo: exit 4")
    until(lambda: town.agent("a")["state"] == "error", "the error")
    assert "exit code 4" in town.agent("a")["error"]
    assert len(town.rounds(2)) == 2
    assert [m["state"] for m in town.see("inbox", "a")] == ["waiting"]


def test_a_prompt_beyond_an_argument(town: TownUnderTest) -> None:
    """128 KiB is the kernel's bound for one argument; the prompt then is a file to read."""
    config = (town.directory / "tinytown.toml").read_text()
    shell = 'command = ["sh", "-c", "printf %s \\"$1\\" | wc -c", "sh"]\nprompt = "argument"\n'
    town.write("tinytown.toml", f"{config}\n[agent_clis.arg]\n{shell}")
    town.quick("spawn", "a", "--cli", "arg")
    small = town.see("assign", "a", "x" * 1000)["id"]
    large = json.loads(town.tt("assign", "a", "-", "--json", stdin="y" * 200_000).out)["id"]
    town.wait("--all")
    assert int(town.task(small)["result"]) > 1000
    assert int(town.task(large)["result"]) < 1000


def test_a_mistake_in_the_settings_holds_an_agent_until_it_is_mended(town: TownUnderTest) -> None:
    town.quick("spawn", "a", "--cli", "scripted")
    settings = town.directory / "tinytown.toml"
    sound = settings.read_text()
    settings.write_text(sound + "[limitz]\n")
    task = town.assign("a", "say well")
    until(lambda: town.agent("a")["hold"], "the hold")
    assert "unknown key limitz" in town.agent("a")["hold"]["reason"]
    settings.write_text(sound)
    town.wait("--task", task)
    assert town.task(task)["attempts"] == 1
    held = [e for e in town.data("history") if e["event"] == "agent.held"]
    assert len(held) == 1


def test_an_agent_that_dies_while_it_waits_does_not_hold_up_its_next_task(
    town: TownUnderTest,
) -> None:
    town.team("b")
    town.quick("spawn", "a", "--cli", "scripted")
    town.assign("b", "wait go")
    town.assign("a", "tt wait b")
    until(lambda: any(map(waits_for_an_answer, town.home.processes())), "tt wait")
    town.quick("interrupt", "a")
    until(lambda: town.agent("a")["state"] == "paused", "the end of the round")
    assert '"round.not_drained"' not in town.home.log()
    town.go("go")
