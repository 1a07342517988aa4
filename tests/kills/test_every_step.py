"""Every verb, with the daemon or the server killed at every step of it.

The command is sent again with the same id, as a client does that heard no answer: reply, store and
files are those of a run in which nobody died.
"""

from __future__ import annotations

import contextlib
import difflib
import itertools
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.kills.daemons import Home, home_in
from tests.kills.old import old_town
from tests.kills.runs import Outcome, Run
from tests.kills.scenarios import SCENARIOS
from tests.kills.trap import FIRST, Trap, Victim
from tinytownd import handlers
from tinytownd.handlers.registry import VERBS

assert handlers.__all__  # importing them fills the table of verbs
VICTIMS: tuple[Victim, ...] = ("daemon", "server")


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_a_kill_at_any_step_changes_nothing(verb: str, tmp_path: Path) -> None:
    assert verb in SCENARIOS, f"tests/kills/scenarios.py does not say how {verb} is tried"
    with trial(tmp_path / "nobody", verb) as (home, a_run):
        steps, expected = undisturbed(home, a_run())
    assert steps[0] == FIRST

    # Most of the time is waiting: for the one victim beside the other it is half as long. By
    # processes: a daemon that is forked off beside a thread may find its locks taken for ever.
    with ProcessPoolExecutor(len(VICTIMS), get_context("fork")) as pool:
        tried = [
            pool.submit(with_victim, tmp_path / victim, verb, victim, steps, expected)
            for victim in VICTIMS
        ]
        wrong = [line for one in tried for line in one.result()]
    assert not wrong, "\n".join(wrong)


def with_victim(
    base: Path, verb: str, victim: Victim, steps: list[str], expected: Outcome
) -> list[str]:
    """What comes out otherwise when the victim dies, at any of the steps."""
    with trial(base, verb) as (home, a_run):
        return disturbed(home, victim, {step: a_run() for step in steps}, expected)


@contextlib.contextmanager
def trial(base: Path, verb: str) -> Iterator[tuple[Home, Callable[[], Run]]]:
    """A home, and fresh runs of the verb on it. The names of bases are of one length: it shows."""
    numbers, scenario = itertools.count(), SCENARIOS[verb]
    with home_in(base) as home, old_town(home, wanted=scenario.old):
        yield home, lambda: Run(home, verb, scenario, next(numbers))


def undisturbed(home: Home, run: Run) -> tuple[list[str], Outcome]:
    """The steps of a verb and what it comes to."""
    home.restart({run.command: Trap()})
    return run.undisturbed()


def disturbed(home: Home, victim: Victim, runs: dict[str, Run], expected: Outcome) -> list[str]:
    """What came out otherwise where somebody died, a line or more for each step."""
    home.restart({run.command: Trap(victim, step) for step, run in runs.items()})
    wrong = []
    for step, run in runs.items():
        outcome = run.disturbed()
        if outcome != expected:
            wrong.append(f"{run.verb}, the {victim} killed at '{step}':")
            wrong += difference(expected, outcome)
    return wrong


def difference(expected: Outcome, outcome: Outcome) -> list[str]:
    """The lines in which two outcomes differ."""
    old, new = (json.dumps(asdict(one), indent=1).splitlines() for one in (expected, outcome))
    return [f"  {line}" for line in difflib.unified_diff(old, new, n=2, lineterm="")][2:]
