"""The tutorial's pipeline with the real claude and the real codex, through tinytownd and tt."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from tests.real.conversation import WORD
from tests.real.desk import CliName
from tests.real.model_api import ModelApi, Request
from tests.real.sse import INPUT_TOKENS, OUTPUT_TOKENS
from tests.real.town import WAIT_LIMIT_S, RealTown
from tinytownd.runtimes.catalogue import PRESETS

pytestmark = pytest.mark.real
both = pytest.mark.parametrize("cli", ["claude", "codex"])

# The page's team, but for the developer's auggie, which needs an account.
TEAM = {"architect": "claude", "developer": "codex", "tester": "codex-mini", "reviewer": "claude"}
# The page's plan, and a task for the page's reviewer.
PLAN = """\
[meta]
description = "Auth API Pipeline"

[[tasks]]
id = "design"
description = "Design a REST API for user authentication with JWT tokens"
agent = "architect"
status = "pending"

[[tasks]]
id = "implement"
description = "Implement the auth API from the architect's design"
agent = "developer"
status = "pending"
parent = "design"

[[tasks]]
id = "test"
description = "Write comprehensive tests for the auth API"
agent = "tester"
status = "pending"
parent = "implement"

[[tasks]]
id = "review"
description = "Review everything"
agent = "reviewer"
parent = "test"
"""
PIPELINE = ("design", "implement", "test", "review")
# A task that nobody works on now is with its agent, or still to be handed out.
WAITING = ("pending", "assigned")
# Enough for a CLI that asks again by itself, whatever it was told about retries.
ANY_RETRIES = 100


def push(town: RealTown, tasks: int = len(PIPELINE)) -> None:
    """Write `tasks.toml`, up to so many of the plan's tasks, and hand it to the town."""
    parts = PLAN.split("[[tasks]]")
    (town.directory / "tasks.toml").write_text("[[tasks]]".join(parts[: tasks + 1]))
    town.tt("sync", "push")


def asked_for(api: ModelApi, task: str) -> list[Request]:
    """The model requests of the rounds on one task, in order."""
    head = f"# Your task: {task}\n"
    return [request for request in api.model_requests if head in request.prompt]


def said(request: Request, kind: str) -> str:
    """All turns of one kind in a request, in one text."""
    return "\n".join(turn.text for turn in request.turns if turn.kind == kind)


def made(result: str | None) -> str:
    """The random word that the author of a result added to it; fails where there is none."""
    found = re.search(r"\b[Mm]ade (word-[0-9a-f]{8})$", result or "")
    assert found, f"no word in {result!r}"
    return found[1]


def check_pipeline(town: RealTown, api: ModelApi) -> None:
    """Every task was done once, by a tool call, on its parent's word."""
    tasks = {task["id"]: task for task in town.ask("task", "list")}
    events = Counter((event["event"], event.get("task")) for event in town.ask("history"))
    for task in PIPELINE:
        assert (tasks[task]["state"], tasks[task]["attempts"]) == ("completed", 1)
        assert events["task.started", task] == events["task.completed", task] == 1
        assert len(asked_for(api, task)) == 2
        asked, went_on = asked_for(api, task)
        assert not said(asked, "call")
        assert f"tt task complete {task} --result" in said(went_on, "call")
        assert made(tasks[task]["result"]) in said(went_on, "call")
        assert "completed" in said(went_on, "tool_result")
    for parent, child in pairwise(PIPELINE):
        word = made(tasks[parent]["result"])
        assert word in asked_for(api, child)[0].prompt
        assert tasks[child]["result"].startswith(f"Built on {word}; made ")
    assert len(set(WORD.findall(" ".join(tasks[task]["result"] for task in PIPELINE)))) == 4


def test_the_pipeline(town: RealTown, api: ModelApi) -> None:
    for agent, cli in TEAM.items():
        town.tt("spawn", agent, "--cli", cli)
    push(town)

    town.tt("conductor")
    # The last round's process says its last words after its task is completed.
    town.tt("wait", "--all")

    check_pipeline(town, api)
    assert [asked_for(api, task)[0].api for task in PIPELINE] == [
        *("messages", "responses", "responses", "messages")
    ]
    assert asked_for(api, "test")[0].body["model"] == PRESETS["codex-mini"].default_model
    rounds = town.rounds()
    assert [one["task"] for one in rounds] == list(PIPELINE)
    assert {one["outcome"] for one in rounds} == {"completed"}
    tokens = {(one["input_tokens"], one["output_tokens"]) for one in rounds}
    assert tokens == {(2 * INPUT_TOKENS, 2 * OUTPUT_TOKENS)}


def test_prompts_without_the_instructions_fail(town: RealTown, api: ModelApi) -> None:
    for cli in set(TEAM.values()):
        strip = "sed '/tt task complete/d' | exec \"$@\""
        command = ["/bin/sh", "-c", strip, "strip", *PRESETS[cli].argv]
        town.configure(f"[agent_clis.{cli}]\ncommand = {json.dumps(command)}\n")
    for agent, cli in TEAM.items():
        town.tt("spawn", agent, "--cli", cli)
    push(town)

    town.tt("conductor")

    with pytest.raises(AssertionError):
        check_pipeline(town, api)
    assert len(api.model_requests) == len(PIPELINE)
    assert not any(said(request, "call") for request in api.model_requests)
    results = [town.task(task)["result"] for task in PIPELINE]
    assert not WORD.search(" ".join(results))


@both
def test_next_task_resumes_the_session(town: RealTown, api: ModelApi, cli: CliName) -> None:
    town.tt("spawn", "developer", "--cli", cli)
    first = town.ask("assign", "developer", "Build the login")["id"]
    second = town.ask("assign", "developer", "Build the logout")["id"]

    town.tt("wait", "--all")

    resumed = asked_for(api, second)[0]
    assert f"# Your task: {first}" in said(resumed, "prompt")
    assert f"tt task complete {first}" in said(resumed, "call")
    assert made(town.task(first)["result"]) in said(resumed, "call")
    assert made(town.task(second)["result"])
    # codex counts the whole session's tokens again.
    tokens = [(one["input_tokens"], one["output_tokens"]) for one in town.rounds()]
    assert tokens == [(2 * INPUT_TOKENS, 2 * OUTPUT_TOKENS)] * 2


@both
def test_lost_session_begins_afresh(town: RealTown, api: ModelApi, cli: CliName) -> None:
    town.tt("spawn", "developer", "--cli", cli)
    first = town.ask("assign", "developer", "Build the login")["id"]
    town.tt("wait", "--all")
    home = Path(town.env["HOME"])
    shutil.rmtree(home / (".claude/projects" if cli == "claude" else ".codex/sessions"))

    second = town.ask("assign", "developer", "Build the logout")["id"]
    town.tt("wait", "--all")

    assert made(town.task(second)["result"])
    assert town.task(second)["attempts"] == 1
    assert f"# Your task: {first}" not in said(asked_for(api, second)[0], "prompt")


@both
def test_rate_limit_holds_the_agent_until_it_is_resumed(
    town: RealTown, api: ModelApi, cli: CliName
) -> None:
    api.fail_next(429, ANY_RETRIES, retry_after_s=30)
    town.tt("spawn", "developer", "--cli", cli)
    task = town.ask("assign", "developer", "Build the login")["id"]

    town.wait_for(lambda: town.agent("developer")["hold"] is not None)

    assert "429" in town.agent("developer")["hold"]["reason"]
    assert town.task(task)["state"] in WAITING
    api.be_well()
    town.tt("resume", "developer")
    town.tt("wait", "--all")
    assert made(town.task(task)["result"])
    assert town.task(task)["attempts"] == 1
    assert [one["outcome"] for one in town.rounds()] == ["limited", "completed"]


def test_hold_lasts_as_long_as_codex_says(town: RealTown, api: ModelApi) -> None:
    ends = datetime.now(UTC) + timedelta(hours=5)
    api.fail_next(429, ANY_RETRIES, resets_at=int(ends.timestamp()))
    town.tt("spawn", "developer", "--cli", "codex")
    town.tt("assign", "developer", "Build the login")

    town.wait_for(lambda: town.agent("developer")["hold"] is not None)

    until = datetime.fromisoformat(town.agent("developer")["hold"]["until"])
    # codex leaves out the seconds; the daemon adds up to a tenth, so that not all come at once.
    assert timedelta(minutes=-1) <= until - ends <= timedelta(minutes=31)


@both
def test_failed_run_is_tried_again_and_then_fails(
    town: RealTown, api: ModelApi, cli: CliName
) -> None:
    town.configure("[limits]\nattempts = 2\nbackoff_seconds = 0.2\n")
    api.fail_next(400, ANY_RETRIES)
    town.tt("spawn", "architect", "--cli", cli)
    town.tt("spawn", "developer", "--cli", cli)
    push(town, 2)

    told = town.tt("conductor", expect=1)

    assert "tt task retry design" in told
    failed = town.task("design")
    assert (failed["state"], failed["attempts"]) == ("failed", 2)
    assert "invalid_request_error" in failed["error"]
    assert (town.task("implement")["state"], asked_for(api, "implement")) == ("pending", [])
    asked = asked_for(api, "design")
    assert asked[-1].at - asked[0].at > 0.2
    assert [one["outcome"] for one in town.rounds()] == ["failed", "failed"]

    api.be_well()
    town.tt("task", "retry", "design")
    town.tt("conductor")

    assert made(town.task("design")["result"]) in town.task("implement")["result"]


@both
def test_interrupted_round_goes_on_in_the_same_session(
    town: RealTown, api: ModelApi, cli: CliName
) -> None:
    api.hang_next()
    town.tt("spawn", "developer", "--cli", cli)
    task = town.ask("assign", "developer", "Build the login")["id"]
    api.wait_until(lambda api: bool(api.model_requests), WAIT_LIMIT_S)

    town.tt("interrupt", "developer")
    town.wait_for(lambda: town.agent("developer")["state"] == "paused")

    session = town.agent("developer")["session"]
    assert session
    assert town.task(task)["state"] in WAITING
    town.tt("resume", "developer")
    town.tt("wait", "--all")
    assert made(town.task(task)["result"])
    assert town.agent("developer")["session"] == session
    assert said(asked_for(api, task)[1], "prompt").count(f"# Your task: {task}\n") == 2
    assert [one["outcome"] for one in town.rounds()] == ["interrupted", "completed"]


@both
def test_round_outlives_the_daemon(town: RealTown, api: ModelApi, cli: CliName) -> None:
    api.hang_next()
    town.tt("spawn", "developer", "--cli", cli)
    task = town.ask("assign", "developer", "Build the login")["id"]
    api.wait_until(lambda api: bool(api.model_requests), WAIT_LIMIT_S)

    town.tt("daemon", "restart")
    api.be_well()

    town.tt("wait", "--all")
    assert made(town.task(task)["result"])
    [only] = town.rounds()
    assert (only["outcome"], only["input_tokens"]) == ("completed", 2 * INPUT_TOKENS)


def test_agents_write_to_each_other(town: RealTown, api: ModelApi) -> None:
    """A message alone starts a round of the real CLI, which ends without any command."""
    town.tt("spawn", "reviewer", "--cli", "claude")
    town.tt("send", "reviewer", "Auth API implementation complete. Ready for review.")

    town.tt("wait", "--all")

    [asked] = api.model_requests
    assert "Ready for review." in asked.prompt
    assert [one["state"] for one in town.ask("inbox", "--all")] == ["acknowledged"]
