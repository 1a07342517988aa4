"""The real claude and the real codex against the loopback server, with a `tt` that records."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.real.desk import CliName, Desk, Done
from tests.real.model_api import Request
from tinytownd.runtimes.catalogue import PRESETS

pytestmark = pytest.mark.real
both = pytest.mark.parametrize("cli", ["claude", "codex"])

PARENT_WORD = "word-0badcafe"
TERMINATED = {-15, 143}
# Enough for a CLI that asks again by itself, whatever it was told about retries.
ANY_RETRIES = 10
USAGE_LIMIT_ENDS = 1_900_000_000


def prompt(task: str, builds_on: str = "") -> str:
    """A prompt in the daemon's form."""
    results = f"# Results it builds on\n## design, by architect\n{builds_on}\n" if builds_on else ""
    return f"""You are developer, who writes the code.
Team: architect (design), tester

# Your task: {task}
Build the auth API

{results}
# When you are done
    tt task complete {task} --result "what you did"
    tt task fail {task} --reason "why"
    tt send NAME "text"
"""


def failure(cli: CliName, done: Done) -> str:
    """The text of the failure in a transcript's final record; fails when it tells of none."""
    final = done.records[-1]
    if cli == "claude":
        assert final["type"] == "result"
        assert final["is_error"]
        return f"{final['api_error_status']} {final['result']}"
    assert final["type"] == "turn.failed"
    return str(final["error"]["message"])


def final_text(cli: CliName, done: Done) -> str:
    """What the agent said last; fails when the transcript tells of a failure."""
    final = done.records[-1]
    if cli == "claude":
        assert final["type"] == "result"
        assert not final["is_error"]
        return str(final["result"])
    assert final["type"] == "turn.completed"
    items = [record["item"] for record in done.records if record["type"] == "item.completed"]
    return "".join(item["text"] for item in items[-1:] if item["type"] == "agent_message")


def said_in(request: Request, kind: str) -> str:
    """All turns of one kind in a request, in one text."""
    return "\n".join(turn.text for turn in request.turns if turn.kind == kind)


@both
def test_agent_completes_its_task_with_the_parents_word(desk: Desk, cli: CliName) -> None:
    done = desk.run(cli, prompt("plan/build.1", f"Designed it; made {PARENT_WORD}"))

    assert done.exit_code == 0
    assert "task completed" in final_text(cli, done)
    [call] = desk.tt_calls
    assert call[:4] == ["task", "complete", "plan/build.1", "--result"]
    assert re.fullmatch(rf"Built on {PARENT_WORD}; made word-[0-9a-f]{{8}}", call[4])
    asked, went_on = desk.api.model_requests
    assert PARENT_WORD in asked.prompt
    assert not said_in(asked, "tool_result")
    assert "task completed" in said_in(went_on, "tool_result")


@both
def test_prompt_without_the_command_leads_to_no_call(desk: Desk, cli: CliName) -> None:
    text = re.sub(r"^ +tt task complete .*\n", "", prompt("build"), flags=re.MULTILINE)

    done = desk.run(cli, text)

    assert "I do not know what to do" in final_text(cli, done)
    assert desk.tt_calls == []
    assert len(desk.api.model_requests) == 1


@both
def test_rate_limit_ends_the_round(desk: Desk, cli: CliName) -> None:
    desk.api.fail_next(429, ANY_RETRIES, retry_after_s=30)

    done = desk.run(cli, prompt("build"))

    assert done.exit_code == 1
    assert "429" in failure(cli, done)
    assert desk.tt_calls == []


def test_codex_names_the_time_when_a_usage_limit_ends(desk: Desk) -> None:
    desk.api.fail_next(429, resets_at=USAGE_LIMIT_ENDS)

    done = desk.run("codex", prompt("build"))

    assert re.search(r"hit your usage limit.* try again at .*2030", failure("codex", done))


@both
@pytest.mark.parametrize("status", [400, 529])
def test_failed_run(desk: Desk, cli: CliName, status: int) -> None:
    desk.api.fail_next(status, ANY_RETRIES)

    done = desk.run(cli, prompt("build"))

    assert done.exit_code == 1
    assert failure(cli, done)
    assert desk.tt_calls == []


def test_trouble_meets_only_the_prompt_that_it_is_for(desk: Desk) -> None:
    desk.api.fail_next(500, containing="# Your task: other")

    assert desk.run("codex", prompt("build")).exit_code == 0
    assert desk.run("codex", prompt("other")).exit_code == 1

    assert [call[2] for call in desk.tt_calls] == ["build"]


@both
def test_resumed_session_carries_the_earlier_conversation(desk: Desk, cli: CliName) -> None:
    first = desk.run(cli, prompt("first"))
    second = desk.run(cli, prompt("second"), resume=first.session)

    assert second.session == first.session
    assert sorted(call[2] for call in desk.tt_calls) == ["first", "second"]
    resumed = desk.api.model_requests[2]
    assert "# Your task: first" in said_in(resumed, "prompt")
    assert "tt task complete first" in said_in(resumed, "call")
    assert "# Your task: second" in resumed.prompt


@both
def test_interrupted_round_can_be_resumed(desk: Desk, cli: CliName) -> None:
    stopped = desk.interrupt(cli, prompt("build"))

    assert stopped.exit_code in TERMINATED
    assert desk.tt_calls == []

    done = desk.run(cli, prompt("build"), resume=stopped.session)

    assert final_text(cli, done)
    assert [call[2] for call in desk.tt_calls] == ["build"]


@pytest.fixture
def auggie(cli_bins: list[Path]) -> str:
    """The path of the real auggie, which can do nothing without an account."""
    path = shutil.which("auggie", path=str(cli_bins[-1]))
    assert path
    return path


def run_auggie(auggie: str, home: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run auggie in an empty home."""
    env = {"HOME": str(home), "PATH": "/usr/local/bin:/usr/bin:/bin"}
    return subprocess.run(
        [auggie, *args],
        env=env,
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_auggie_knows_the_flags_of_its_argv(auggie: str, tmp_path: Path) -> None:
    argv = PRESETS["auggie"].invocation(tmp_path / "prompt", "", session="s", model="m").argv
    flags = [word for word in argv if word.startswith("--")]
    text = run_auggie(auggie, tmp_path, "--help").stdout

    assert flags
    assert [flag for flag in flags if not re.search(rf"{flag}\b", text)] == []


def test_auggie_without_an_account_fails_after_reading_its_argv(
    auggie: str, tmp_path: Path
) -> None:
    prompt_file = tmp_path / "prompt"
    prompt_file.write_text("hello")

    argv = PRESETS["auggie"].invocation(prompt_file, "hello").argv
    done = run_auggie(auggie, tmp_path, *argv[1:])

    assert done.returncode == 1
    assert "log in" in done.stderr
