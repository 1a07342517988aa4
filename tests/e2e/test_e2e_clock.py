"""The machine's clock jumps while agents work, wait and are held: nothing ends early or late."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.e2e.town import CONFIG, Home, TownUnderTest, until
from tinytownd import wire

ROOT = Path(__file__).parents[2]
HOUR_MS = 3_600_000
RETRIES = CONFIG.replace("attempts = 1", "attempts = 2").replace(
    "backoff_seconds = 0.05", "backoff_seconds = 3600\nbackoff_max_seconds = 3600"
)


class Clock:
    """The wall clock of the machine, so far as the daemon and its clients see it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._right = wire.now_ms
        self.jump(0)

    def now(self) -> int:
        """Milliseconds since the epoch, as the machine has it."""
        return self._right() + int(self._file.read_text())

    def jump(self, offset: int) -> None:
        """Sets it so many milliseconds off, in one step."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(str(offset))
        fresh.replace(self._file)


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that is right so far; clients have the same."""
    clock = Clock(tmp_path / "offset")
    monkeypatch.setattr(wire, "now_ms", clock.now)
    return clock


@pytest.fixture
def town(tmp_path: Path, clock: Clock) -> Iterator[TownUnderTest]:
    """A town whose daemon goes by that clock."""
    home = Home(tmp_path / "home", RETRIES)
    daemon = subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.shifted_daemon", str(tmp_path / "offset")],
        env={**home.env, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: home.pid == daemon.pid, "the daemon")
        yield home.town(tmp_path / "town")
    finally:
        print(home.log())
        clock.jump(0)
        home.end(tmp_path)
        daemon.wait(20)


def left(town: TownUnderTest, task: str) -> float:
    """Seconds until the task is tried again, by the machine's clock."""
    due = datetime.datetime.fromisoformat(town.task(task)["not_before"])
    return due.timestamp() - wire.now_ms() / 1000


def jumped(town: TownUnderTest, times: int) -> bool:
    events = [event["event"] for event in town.see("history")]
    return events.count("clock.jumped") == times


@pytest.mark.parametrize("jump", [26 * HOUR_MS, -26 * HOUR_MS])
def test_rounds_waits_and_pauses_do_not_notice(
    town: TownUnderTest, clock: Clock, jump: int
) -> None:
    town.team("a", "b")
    failing, working = town.assign("a", "exit 3"), town.assign("b", "wait go")
    until(lambda: town.task(failing)["not_before"], "the pause before the retry")
    until(lambda: town.states()[working] == "running", "the work")
    waiting = subprocess.Popen(
        [*("tt", "wait", "--task", working), "--timeout", "60"],
        cwd=town.directory,
        env=town.home.env,
        executable=Path(sys.executable).with_name("tt"),
        stdout=subprocess.DEVNULL,
    )
    until(lambda: commands(town) == 1, "the wait")
    town.quick("list")  # it came after the wait: that is with the daemon now
    clock.jump(jump)
    until(lambda: jumped(town, 1), "the daemon to notice")
    assert 3_000 < left(town, failing) <= 3_960, "an hour, its jitter, less what passed"
    assert town.states() == {failing: "pending", working: "running"}
    assert waiting.poll() is None, "its time is not up"
    town.go("go")
    assert waiting.wait(20) == 0
    clock.jump(0)
    until(lambda: jumped(town, 2), "the daemon to notice")
    assert 3_000 < left(town, failing) <= 3_960
    assert len(town.rounds()) == 2, "nobody started early"
    assert min(one["seconds"] for one in town.see("status")["rounds"]) >= 0


def commands(town: TownUnderTest) -> int:
    """How many commands of people have no answer yet."""
    password = json.loads((town.home.path / "credentials.json").read_text())["daemon"]
    path = str(town.home.path / "redis.sock")
    with redis.Redis(unix_socket_path=path, username="daemon", password=password) as client:
        town_id = (town.directory / ".tt" / "town").read_text().strip()
        return int(client.xlen(f"tt:{{{town_id}}}:commands"))
