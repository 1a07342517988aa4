"""The command that tells people: what it is given, and that nothing of it reaches the town."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog.testing

from tinytownd import notify
from tinytownd.domain.errors import BadInput
from tinytownd.notify import Hook, Notifier, tell
from tinytownd.store.client import end

AT = 1_790_000_000_123
ASKED: dict[str, object] = {
    "event": "question.asked",
    "at": AT,
    "actor": "ann",
    "task": "t1",
    "message": "m1",
    "text": "Which port?",
}


def hook(directory: Path, command: str) -> Hook:
    return Hook(command, "demo", directory, {"PATH": os.environ["PATH"], "MINE": "yes"})


async def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_the_event_and_its_environment(tmp_path: Path) -> None:
    command = "cat >event; env | grep -e TINYTOWN -e MINE | sort >env; pwd >where"
    await tell(hook(tmp_path, command), ASKED)
    assert json.loads((tmp_path / "event").read_text()) == {
        **ASKED,
        "at": "2026-09-21T14:13:20.123Z",
        "town": {"name": "demo", "dir": str(tmp_path)},
    }
    assert (tmp_path / "env").read_text().splitlines() == [
        "MINE=yes",
        "TINYTOWN_EVENT=question.asked",
        "TINYTOWN_TEXT=Which port?",
        f"TINYTOWN_TOWN_DIR={tmp_path}",
        "TINYTOWN_TOWN_NAME=demo",
    ]
    assert (tmp_path / "where").read_text().strip() == str(tmp_path)


@pytest.mark.parametrize("text", ["x" * 1_000_000, "$(touch gone) `touch gone`; touch gone"])
async def test_no_text_is_too_long_or_run(tmp_path: Path, text: str) -> None:
    await tell(hook(tmp_path, 'printf %s "$TINYTOWN_TEXT" >text'), {**ASKED, "text": text})
    assert (tmp_path / "text").read_text() == text[:1_000]
    assert not (tmp_path / "gone").exists()


async def test_a_failure_is_logged_with_its_last_words(tmp_path: Path) -> None:
    command = "echo token=hunter2hunter2; echo no such host >&2; exit 6"
    with structlog.testing.capture_logs() as logs:
        await tell(hook(tmp_path, command), ASKED)
    (line,) = logs
    assert (line["event"], line["error"]) == ("notify.failed", "exit code 6")
    assert "no such host" in line["output"]
    assert "hunter2" not in line["output"]


async def test_one_that_hangs_is_ended_with_all_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify, "PATIENCE", 0.5)
    with structlog.testing.capture_logs() as logs:
        await tell(hook(tmp_path, "sleep 300 & echo $! >pid; wait"), ASKED)
    assert [line["error"] for line in logs] == ["it ran longer than 0.5 s"]
    pid = int((tmp_path / "pid").read_text())
    await until(lambda: not _runs(pid))


async def test_one_that_is_let_go_of_is_over_by_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it is cancelled: a daemon that stops does so until nothing is left."""
    started = []

    async def begun(*argv: str, **options: Any) -> asyncio.subprocess.Process:
        started.append(await begin(*argv, **options))
        return started[0]

    begin = asyncio.create_subprocess_exec
    monkeypatch.setattr(asyncio, "create_subprocess_exec", begun)
    telling = asyncio.create_task(tell(hook(tmp_path, "touch told; sleep 300"), ASKED))
    await until(lambda: started and (tmp_path / "told").exists())
    for _ in range(3):
        telling.cancel()
        await asyncio.sleep(0)
    await asyncio.wait([telling])
    assert telling.cancelled()
    assert started[0].returncode == -9


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_what_it_leaves_in_the_background_is_not_waited_for(tmp_path: Path) -> None:
    started = time.monotonic()
    await tell(hook(tmp_path, "sleep 300 & echo $! >pid"), ASKED)
    os.kill(int((tmp_path / "pid").read_text()), 9)
    assert time.monotonic() - started < 20


async def test_only_what_people_should_know_and_each_once(tmp_path: Path) -> None:
    told = tmp_path / "told"
    notifier = Notifier(lambda: hook(tmp_path, 'echo "$TINYTOWN_EVENT" >>told'))
    running = asyncio.create_task(notifier.run())
    names = ("task.completed", "question.asked", "plan.pushed", "plan.completed", "plan.stalled")
    notifier.heard({"event": name, "at": AT} for name in names)
    notifier.heard([{"event": "plan.cancelled", "at": AT}, {"event": "plan.failed", "at": AT}])
    await until(lambda: told.exists() and "plan.failed" in told.read_text())
    await end([running])
    assert told.read_text().splitlines() == [
        "question.asked",
        "plan.completed",
        "plan.stalled",
        "plan.cancelled",
        "plan.failed",
    ]


async def test_settings_that_are_broken_or_empty_are_no_fault(tmp_path: Path) -> None:
    """The next event is told when they are mended."""
    hooks: list[Hook | None] = [None, hook(tmp_path, ""), hook(tmp_path, "touch told")]

    def next_hook() -> Hook:
        found = hooks.pop(0)
        if found is None:
            raise BadInput("tinytown.toml:3: broken")
        return found

    notifier = Notifier(next_hook)
    running = asyncio.create_task(notifier.run())
    with structlog.testing.capture_logs() as logs:
        notifier.heard([ASKED, ASKED, ASKED])
        await until((tmp_path / "told").exists)
    await end([running])
    assert [line["error"] for line in logs] == ["tinytown.toml:3: broken"]


async def test_more_than_can_wait_are_dropped_and_the_town_goes_on(tmp_path: Path) -> None:
    notifier = Notifier(lambda: hook(tmp_path, "true"))
    with structlog.testing.capture_logs() as logs:
        notifier.heard([ASKED] * (notify.MOST_WAITING + 2))
    assert [line["event"] for line in logs] == ["notify.dropped"] * 2
