"""What agents said and did, as text: `tt logs AGENT` and `tt task log`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.cli.scripted import FakeDaemon, Tt
from tests.cli.shapes import ROUND, task
from tinytownd.domain.errors import Conflict, NotFound

RECORDED = Path(__file__).parents[1] / "runtimes" / "transcripts"


def round_(number: int, **changes: Any) -> dict[str, Any]:
    return {**ROUND, "round": number, **changes}


def rounds(daemon: FakeDaemon, *told: dict[str, Any]) -> None:
    daemon.replies["agent.rounds"] = {"agent": "developer", "rounds": list(told)}


def printed(town: Path, number: int, stdout: bytes = b"", stderr: bytes = b"") -> None:
    directory = town / ".tt" / "rounds" / "developer" / str(number)
    directory.mkdir(parents=True)
    (directory / "stdout").write_bytes(stdout)
    (directory / "stderr").write_bytes(stderr)


def recorded(name: str) -> bytes:
    return (RECORDED / name).read_bytes()


def test_a_round_of_claude(daemon: FakeDaemon, town: Path, tt: Tt) -> None:
    rounds(daemon, round_(3))
    printed(town, 3, recorded("claude-success.jsonl"))
    out, err = tt("logs", "Developer")
    assert daemon.sent[-1].args == {"name": "Developer", "limit": 3}
    head, *body = out.splitlines()
    assert head.startswith("── round 3 · task 7 · developer · claude · 2026-11-22 ")
    assert body == [
        '> Bash  tt task complete implement --result "Built on word-0badcafe; made word-5e018dc4"',
        "The command ended. It printed: task completed",
        "── completed after 1.5 s · 10 tokens in, 20 out · $0.0100 ──",
    ]
    assert err == ""


def test_rounds_are_told_apart_and_say_why_they_failed(
    daemon: FakeDaemon, town: Path, tt: Tt
) -> None:
    nothing = {"input_tokens": None, "output_tokens": None, "cost_usd": None}
    failed = {
        "cli": "codex",
        "outcome": "failed",
        "seconds": 75,
        "error": "429\nToo many",
        **nothing,
    }
    rounds(daemon, round_(3, **failed), round_(4, task=None, outcome=None, **nothing))
    printed(town, 3, recorded("codex-429.jsonl"), b"warning: old \x1b[31m\n")
    printed(town, 4, recorded("codex-success.jsonl")[:-30])
    first, second = tt("logs", "developer", "-n", "2")[0].split("\n\n", 1)
    assert first.splitlines()[1:] == [
        "error: exceeded retry limit, last status: 429 Too Many Requests",
        "stderr: warning: old \ufffd[31m",
        "── failed after 1 min: 429: Too many ──",
    ]
    assert " · messages · developer · " in second
    assert second.splitlines()[-1] == "── runs for 1.5 s · -f follows it ──"


def test_a_shell_is_shown_as_it_printed(daemon: FakeDaemon, town: Path, tt: Tt) -> None:
    rounds(daemon, round_(3, cli="shell"))
    text = b'{"type": "result", "session_id": "s", "result": "no agent said so"}\n\nend, no newline'
    printed(town, 3, text)
    out, _ = tt("logs", "developer")
    assert out.splitlines()[1:-1] == text.decode().splitlines()


def test_what_is_of_no_known_format_is_shown_cut(daemon: FakeDaemon, town: Path, tt: Tt) -> None:
    rounds(daemon, round_(3, cli="mine"))
    printed(town, 3, json.dumps({"type": "?", "x": "y" * 1000}).encode() + b"\nplain " + b"z" * 900)
    unknown, plain = tt("logs", "developer")[0].splitlines()[1:-1]
    assert unknown.startswith('{"type": "?", "x": "yyy')
    assert unknown.endswith("… (1,022 characters; --raw shows all)")
    assert plain == "plain " + "z" * 900
    assert "y" * 1000 in tt("logs", "developer", "--raw")[0]


def test_as_json_there_is_an_object_an_entry(daemon: FakeDaemon, town: Path, tt: Tt) -> None:
    rounds(daemon, round_(3))
    printed(town, 3, recorded("claude-success.jsonl"), b"oops\n")
    told = [json.loads(one) for one in tt("logs", "developer", "--json")[0].splitlines()]
    assert told[0] == {"kind": "round", **round_(3)}
    assert told[-1] == {"kind": "end", **round_(3), "kept": True}
    assert [(one["round"], one["kind"], one.get("tool")) for one in told[1:-1]] == [
        (3, "tool", "Bash"),
        (3, "said", None),
        (3, "stderr", None),
    ]


def test_raw_is_what_was_printed_but_for_control_characters(
    daemon: FakeDaemon, town: Path, tt: Tt
) -> None:
    rounds(daemon, round_(9), round_(10))
    for number in (9, 10):
        printed(town, number, f"from {number} \x1b[2J".encode() + b"\xff\n", b"oops\n")
    out, _ = tt("logs", "developer", "--raw")
    assert out.split("\n── ") == [
        "── round 9, stdout ──\nfrom 9 \ufffd[2J\ufffd",
        "round 9, stderr ──\noops",
        "round 10, stdout ──\nfrom 10 \ufffd[2J\ufffd",
        "round 10, stderr ──\noops\n",
    ]


def test_rounds_whose_files_are_gone_say_so(daemon: FakeDaemon, town: Path, tt: Tt) -> None:
    rounds(daemon, round_(3))
    out, _ = tt("logs", "developer")
    assert "(its files are gone: " in out.splitlines()[1]
    assert out.splitlines()[2].startswith("── completed after")


def test_an_agent_without_rounds_and_one_that_is_not_there(
    daemon: FakeDaemon, town: Path, tt: Tt
) -> None:
    rounds(daemon)
    assert tt("logs", "developer") == ("", "developer has had no round yet\n")
    daemon.replies["agent.rounds"] = NotFound("there is no agent 'x' in this town", hint="tt list")
    assert tt("logs", "x", code=2)[1] == "tt: there is no agent 'x' in this town (tt list)\n"


def test_a_task_shows_all_its_rounds(daemon: FakeDaemon, town: Path, tt: Tt) -> None:
    told = [round_(3), round_(4, task="7.check", cli="shell")]
    daemon.replies["task.rounds"] = {"task": task(state="failed"), "rounds": told}
    printed(town, 3, recorded("claude-success.jsonl"))
    printed(town, 4, b"no tests\n")
    out, _ = tt("task", "log", "7")
    assert [one.split(" · ")[1] for one in out.splitlines() if one.startswith("── round")] == [
        "task 7",
        "task 7.check",
    ]
    assert tt("task", "log", "7", "-f")[0] == out, "it is over"
    daemon.replies["task.rounds"] = {"task": task(), "rounds": []}
    assert tt("task", "log", "7") == ("", "No round has worked on it\n")


def test_a_task_is_followed_to_its_end(daemon: FakeDaemon, town: Path, tt: Tt) -> None:
    """It goes on with the file, begins the next round after the first is over, and ends."""
    printed(town, 3, b"one\n")
    asked = 0

    def reply(_: dict[str, Any]) -> dict[str, Any]:
        nonlocal asked
        asked += 1
        # Completed by its agent, whose round goes on; then sent back.
        state, told = "completed", [round_(3, cli="mine", outcome=None)]
        if asked >= 3:
            state, told = "running", [round_(3, cli="mine")]
        if asked == 4:
            printed(town, 4, b"three\n")
        if asked >= 4:
            told = [*told, round_(4, cli="mine")]
            state = "completed"
        if asked < 4:
            with (town / ".tt" / "rounds" / "developer" / "3" / "stdout").open("a") as file:
                file.write(f"asked {asked}\n")
            daemon.event("round.ended", task="7")
        return {"task": task(state=state), "rounds": told}

    daemon.replies["task.rounds"] = reply
    out, _ = tt("task", "log", "7", "-f")
    first, second = out.split("\n\n")
    assert first.splitlines()[1:-1] == ["one", "asked 1", "asked 2", "asked 3"]
    assert second.splitlines()[1:-1] == ["three"]


def test_an_agent_is_followed_from_its_last_round_on(
    daemon: FakeDaemon, town: Path, tt: Tt
) -> None:
    """Asked again, the daemon tells of all rounds: the earlier ones are not meant."""
    printed(town, 9, b"hello\n")

    def reply(args: dict[str, Any]) -> dict[str, Any]:
        if "limit" in args:
            return {"agent": "developer", "rounds": [round_(9, outcome=None)]}
        daemon.replies["agent.rounds"] = Conflict("that is enough")
        daemon.event("round.ended", agent="developer")
        return {"agent": "developer", "rounds": [round_(3), round_(9)]}

    daemon.replies["agent.rounds"] = reply
    out, err = tt("logs", "developer", "-n", "1", "-f", code=2)
    assert "that is enough" in err
    head, *rest = out.splitlines()
    assert head.startswith("── round 9 ")
    assert rest == ["hello", "── completed after 1.5 s · 10 tokens in, 20 out · $0.0100 ──"]
