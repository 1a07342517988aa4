"""The tutorial's three workers and their reviewer, explicit and automatic, with real CLIs.

Asserted are the number of model calls, and that every prompt reaches the model byte for byte.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.real.conversation import WORD
from tests.real.model_api import ModelApi
from tests.real.test_pipeline import asked_for, made, said
from tests.real.town import COMMAND_LIMIT_S, RealTown

pytestmark = pytest.mark.real

TEAM = {"worker-1": "claude", "worker-2": "codex", "worker-3": "claude", "reviewer": "codex"}
MODULES = {"worker-1": "A", "worker-2": "B", "worker-3": "C"}
REVIEW = "Review modules A, B, and C for consistency"
PLAN = "\n".join(
    f"""\
[[tasks]]
id = "module-{letter}"
description = "Implement module {letter}"
agent = "{worker}"
"""
    for worker, letter in MODULES.items()
) + (
    f"""
[[tasks]]
id = "review"
description = "{REVIEW}"
agent = "reviewer"
depends_on = ["module-A", "module-B", "module-C"]
"""
)
PROGRAM = f"""\
import anyio
from tinytown_cli.api import Town


async def main() -> None:
    async with Town.connect(".") as town:
        team = {{name: await town.spawn(name, cli=cli) for name, cli in {TEAM!r}.items()}}
        parts = {{}}

        async def build(worker: str, letter: str) -> None:
            task = await team[worker].assign(f"Implement module {{letter}}")
            parts[letter] = await task.result()

        async with anyio.create_task_group() as group:
            for worker, letter in {MODULES!r}.items():
                group.start_soon(build, worker, letter)
        told = "\\n".join(f"{{letter}}: {{parts[letter]}}" for letter in sorted(parts))
        review = await team["reviewer"].assign("{REVIEW}\\n\\n" + told)
        print(await review.result())
        await town.wait_until_done()


anyio.run(main)
"""
#: A round of these models is two calls: the command that completes the task, and a last word.
CALLS_A_ROUND = 2


def check(town: RealTown, api: ModelApi, review: str) -> None:
    """Four rounds, eight calls, nothing lost on the way to the models."""
    tasks = {task["id"]: task for task in town.ask("task", "list")}
    assert {task["state"] for task in tasks.values()} == {"completed"}
    assert len(api.model_requests) == len(TEAM) * CALLS_A_ROUND
    files = Counter(
        file.read_text().strip()
        for file in (town.directory / ".tt" / "rounds").glob("*/*/prompt.md")
    )
    asked = [asked_for(api, task) for task in tasks]
    assert [len(requests) for requests in asked] == [CALLS_A_ROUND] * len(TEAM)
    assert Counter(first.prompt.strip() for first, _ in asked) == files
    words = [made(task["result"]) for name, task in tasks.items() if name != review]
    assert len(set(words)) == len(MODULES)
    (first, last) = asked_for(api, review)
    assert all(word in first.prompt for word in words)
    assert f"tt task complete {review} --result" in said(last, "call")
    assert WORD.search(tasks[review]["result"])


def test_automatic(town: RealTown, api: ModelApi) -> None:
    for agent, cli in TEAM.items():
        town.tt("spawn", agent, "--cli", cli)
    (town.directory / "tasks.toml").write_text(PLAN)
    town.tt("sync", "push")
    town.tt("conductor")
    town.tt("wait", "--all")
    check(town, api, "review")


def test_explicit(town: RealTown, api: ModelApi) -> None:
    file = Path(town.directory, "fan_out.py")
    file.write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "-W", "error", str(file)],
        cwd=town.directory,
        env=town.env,
        capture_output=True,
        text=True,
        timeout=COMMAND_LIMIT_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    check(town, api, "t4")
    assert WORD.search(done.stdout)
