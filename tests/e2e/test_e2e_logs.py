"""Logs and transcripts of a town at work: who reads them while it works misses nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.town import BIN, TownUnderTest, until


class Reading:
    """A `tt` that goes on, and what it has printed so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(iter(line.rstrip("\n") for line in self.process.stdout))

    def until(self, word: str) -> None:
        until(lambda: any(word in line for line in [*self.lines]), word)

    def end(self, *, interrupt: bool) -> int:
        if interrupt:
            self.process.send_signal(signal.SIGINT)
        code = self.process.wait(20)
        self._thread.join()
        return code


@contextmanager
def reading(town: TownUnderTest, *words: str) -> Iterator[Reading]:
    process = subprocess.Popen(
        [str(BIN / "tt"), *words],
        cwd=town.directory,
        env={**town.home.env, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Reading(process)
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def test_a_task_is_followed_over_its_rounds_and_its_check(town: TownUnderTest) -> None:
    town.team("a")
    check = "test -f second || { echo no tests yet; touch second; exit 3; }"
    task = town.assign("a", "tt task complete --result done", "wait go", options=("--check", check))
    with reading(town, "task", "log", task, "-f") as followed:
        followed.until("── round ")
        town.go("go")
        assert followed.end(interrupt=False) == 0
    heads = [line.split(" · ")[1] for line in followed.lines if line.startswith("── round")]
    assert heads == [f"task {task}", f"task {task}.check", f"task {task}", f"task {task}.check-2"]
    assert "no tests yet" in followed.lines
    ends = [line.split()[1] for line in followed.lines if " after " in line]
    assert ends == ["completed", "failed", "completed", "completed"]
    assert town.tt("task", "log", task).out.splitlines() == followed.lines


def test_the_log_is_followed(town: TownUnderTest) -> None:
    town.team("a", "b")
    with reading(town, "logs", "-f", "--json", "--agent", "A") as followed:
        town.assign("b")
        task = town.assign("a", "exit 3")
        followed.until("round.ended")
        assert followed.end(interrupt=True) == 130
    told = [json.loads(line) for line in followed.lines]
    assert [(one["event"], one["agent"], one["task"]) for one in told] == [
        ("round.started", "a", task),
        ("round.ended", "a", task),
    ]
    assert {one["town"] for one in told} == {(town.directory / ".tt" / "town").read_text().strip()}


def test_all_that_works_for_a_town_names_it_in_the_log(town: TownUnderTest) -> None:
    town.quick("config", "town.notify", "echo no bell; exit 7")
    town.plan('[[tasks]]\nid = "one"\ndescription = "First"\nrun = "true"\n')
    town.quick("conductor")

    def failed() -> list[str]:
        out = town.quick("logs", "--level", "warning", "--json").out
        return [line for line in out.splitlines() if '"notify.failed"' in line]

    (line,) = until(failed, "a warning")
    told = json.loads(line)
    assert told["town"] == (town.directory / ".tt" / "town").read_text().strip()
    assert (told["told"], told["output"]) == ("plan.completed", "no bell\n")
