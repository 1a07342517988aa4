"""Reviews, approvals, budgets, limits and the conductor with real CLIs on the loopback model.

It shows that they are started, told and heard at the right moments, and how many calls that takes;
not how well a model judges.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.real.conversation import CONDUCTOR, ONCE_MORE, REWORKED
from tests.real.desk import CliName
from tests.real.model_api import ModelApi
from tests.real.sse import INPUT_TOKENS, OUTPUT_TOKENS
from tests.real.test_pipeline import asked_for, made, said
from tests.real.town import WAIT_LIMIT_S, RealTown

pytestmark = pytest.mark.real
both = pytest.mark.parametrize("cli", ["claude", "codex"])
#: A round of these models is two calls: a command, and a last word.
CALLS_A_ROUND = 2
TOKENS_A_ROUND = CALLS_A_ROUND * (INPUT_TOKENS + OUTPUT_TOKENS)


def check_prompts(town: RealTown, api: ModelApi) -> None:
    """Every prompt has reached its model byte for byte, and no model was told anything else."""
    files = Counter(
        file.read_text().strip()
        for file in (town.directory / ".tt" / "rounds").glob("*/*/prompt.md")
    )
    assert Counter(request.prompt.strip() for request in api.model_requests) == Counter(
        {prompt: count * CALLS_A_ROUND for prompt, count in files.items()}
    )


def questions(town: RealTown) -> list[dict[str, Any]]:
    return [one for one in town.ask("inbox", "conductor") if one["kind"] == "question"]


@pytest.mark.parametrize(("owner", "reviewer"), [("claude", "codex"), ("codex", "claude")])
def test_a_review_with_one_rework(
    town: RealTown, api: ModelApi, owner: CliName, reviewer: CliName
) -> None:
    town.tt("spawn", "developer", "--cli", owner)
    town.tt("spawn", "rita", "--cli", reviewer, "--role", "reviewer")
    work = f"Build the login. {ONCE_MORE}."
    task = town.ask("assign", "developer", work, "--review", "role:reviewer")["id"]

    town.tt("wait", "--all")

    done = town.task(task)
    assert (done["state"], done["reworks"]) == ("completed", 1)
    assert done["result"].startswith(REWORKED)
    assert len(api.model_requests) == 4 * CALLS_A_ROUND
    check_prompts(town, api)
    again = asked_for(api, task)[CALLS_A_ROUND]
    assert f"rita sent your work back:\n\n{ONCE_MORE}" in again.prompt
    assert f"tt task complete {task}" in said(again, "call"), "the same session"
    calls = [said(asked_for(api, gate)[-1], "call") for gate in (f"{task}.review",)]
    assert all("tt reject" in call for call in calls)


@both
def test_nothing_is_called_before_a_person_approves(
    town: RealTown, api: ModelApi, cli: CliName
) -> None:
    town.tt("spawn", "developer", "--cli", cli)
    task = town.ask("assign", "developer", "Deploy it", "--approve")["id"]
    town.wait_for(lambda: town.task(task)["state"] == "blocked")
    assert api.model_requests == []

    town.tt("approve", task)
    town.tt("wait", "--all")

    assert made(town.task(task)["result"])
    assert len(api.model_requests) == CALLS_A_ROUND
    check_prompts(town, api)


@both
def test_a_budget_stops_the_agent_until_a_person_says_yes(
    town: RealTown, api: ModelApi, cli: CliName
) -> None:
    town.configure(f"[budgets]\nagent_tokens = {TOKENS_A_ROUND}\n")
    town.tt("spawn", "developer", "--cli", cli)
    tasks = [town.ask("assign", "developer", f"Build part {n}")["id"] for n in (1, 2)]
    town.wait_for(lambda: bool(questions(town)))
    assert len(api.model_requests) == CALLS_A_ROUND
    assert [town.task(task)["state"] for task in tasks] == ["completed", "assigned"]

    town.tt("answer", questions(town)[0]["id"], "yes")
    town.tt("wait", "--all")

    assert town.agent("developer")["tokens"] == 2 * TOKENS_A_ROUND
    assert len(api.model_requests) == 2 * CALLS_A_ROUND
    check_prompts(town, api)


@pytest.mark.parametrize(("own", "other"), [("claude", "codex"), ("codex", "claude")])
def test_another_cli_takes_over_at_a_rate_limit(
    town: RealTown, api: ModelApi, own: CliName, other: CliName
) -> None:
    # The developer's own CLI asks once, is refused, and is not tried again before the reset.
    api.fail_next(429, 1, retry_after_s=300)
    town.tt("spawn", "developer", "--cli", own, "--fallback", other)
    task = town.ask("assign", "developer", "Build the login")["id"]

    town.tt("wait", "--task", task)
    town.tt("wait", "developer")

    assert made(town.task(task)["result"])
    rounds = [(one["cli"], one["outcome"]) for one in town.rounds()]
    assert rounds == [(own, "limited"), (other, "completed")]
    limited, *others = api.model_requests
    assert len(others) == CALLS_A_ROUND
    assert limited.api != others[0].api
    assert limited.prompt == others[0].prompt


@both
def test_an_urgent_message_comes_first_in_the_same_session(
    town: RealTown, api: ModelApi, cli: CliName
) -> None:
    api.hang_next()
    town.tt("spawn", "developer", "--cli", cli)
    task = town.ask("assign", "developer", "Build the login")["id"]
    api.wait_until(lambda api: bool(api.model_requests), WAIT_LIMIT_S)
    town.tt("send", "developer", "--urgent", "--interrupt", "Use PyJWT")
    town.tt("wait", "--all")

    assert made(town.task(task)["result"])
    first, again = asked_for(api, task)[:2]
    told, ours = again.prompt.index("Use PyJWT"), again.prompt.index(f"# Your task: {task}")
    assert told < ours
    assert first.prompt in said(again, "prompt"), "the same session"
    assert [one["outcome"] for one in town.rounds()] == ["interrupted", "completed"]


@both
def test_the_conductors_agent_mends_a_stalled_plan(
    town: RealTown, api: ModelApi, cli: CliName
) -> None:
    settings = f'[town]\nconductor_cli = "{cli}"\ndefault_cli = "codex"\n'
    (town.directory / "tinytown.toml").write_text(f"{settings}[conductor]\nenabled = true\n")
    plan = '[[tasks]]\nid = "till"\ndescription = "Build the till"\nagent = "bob"\n'
    (town.directory / "tasks.toml").write_text(plan)
    town.tt("sync", "push")
    town.tt("conductor")
    town.tt("wait", "--all")

    assert made(town.task("till")["result"])
    asked = [request for request in api.model_requests if request.prompt.startswith(CONDUCTOR)]
    assert len(asked) == CALLS_A_ROUND
    assert "tt spawn bob" in said(asked[-1], "call")
    assert len(api.model_requests) == 2 * CALLS_A_ROUND
    check_prompts(town, api)


def test_a_town_at_rest_calls_nobody(town: RealTown, api: ModelApi) -> None:
    (town.directory / "tinytown.toml").write_text("[conductor]\nenabled = true\n")
    town.tt("spawn", "developer", "--cli", "claude")
    task = town.ask("assign", "developer", "Build the login")["id"]
    town.tt("wait", "--all")
    calls = len(api.model_requests)
    for words in (("send", "developer", "--info", "Nice"), ("send", "conductor", "--info", "Done")):
        town.tt(*words)
    town.tt("status")
    town.tt("daemon", "restart")
    town.tt("wait", "--all")

    assert made(town.task(task)["result"])
    assert len(api.model_requests) == calls == CALLS_A_ROUND
    assert len(town.rounds()) == 1
