"""What a round may use: of the machine before it starts, and of time and output while it runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.town import Home, TownUnderTest, alive, until
from tinytownd.resources import free_memory

Make = Callable[..., Home]
#: More MiB of memory than the setting has.
MUCH = 99_000


def test_a_round_waits_for_free_memory_and_says_why(town: TownUnderTest) -> None:
    if (free_memory() or 0) >= MUCH:
        pytest.skip("this machine has more free memory than the setting can ask for")
    town.team("a")
    town.tt("config", "limits.min_memory_mb", str(MUCH))
    task = town.assign("a")
    hold = until(lambda: town.agent("a")["hold"], "the hold")
    assert "MiB of memory are free" in hold["reason"]
    assert town.agent("a")["rounds"] == 0
    assert "a has to wait: only" in town.tt("history").out
    town.tt("config", "limits.min_memory_mb", "1")
    town.wait("--task", task)
    assert (town.task(task)["attempts"], len(town.rounds())) == (1, 1)
    held = [event for event in town.see("history") if event["event"] == "agent.held"]
    assert len(held) == 1, "it is said once, however often it is looked at"


def test_a_round_that_prints_without_end_is_ended(town: TownUnderTest) -> None:
    town.team("a")
    town.tt("config", "limits.output_mb", "2")
    task = town.assign("a", "megabytes 3", "wait never")
    town.wait("--task", task, code=1)
    assert town.task(task)["error"] == "it printed more than 2 MiB"


def test_an_agent_has_limits_of_its_own(town: TownUnderTest) -> None:
    town.quick("spawn", "quiet", "--silence", "1")
    town.quick("spawn", "slow", "--wall", "1")
    silent, long = town.assign("quiet", "wait never"), town.assign("slow", "wait never")
    town.wait("--task", silent, code=1)
    town.wait("--task", long, code=1)
    assert town.task(silent)["error"] == "it was silent for 1 s"
    assert town.task(long)["error"] == "it ran longer than 1 s"
    assert town.agent("quiet")["silence_seconds"] == 1


def test_the_wall_limit_counts_from_the_start_also_for_the_next_daemon(
    make_home: Make, tmp_path: Path
) -> None:
    home = make_home()
    town = home.town(tmp_path / "town")
    town.team("a")
    task = town.assign("a", "wait never")
    (first,) = town.rounds(1)
    until(lambda: town.task(task)["rounds"][0]["seconds"] > 2, "two seconds of work")
    town.tt("config", "limits.wall_seconds", "30")
    town.tt("daemon", "restart")
    assert alive(first["pid"]), "the round runs on"
    town.tt("config", "limits.wall_seconds", "2")
    town.wait("--task", task, code=1)
    shown = town.task(task)
    assert shown["error"] == "it ran longer than 2 s"
    assert len(shown["rounds"]) == 1
