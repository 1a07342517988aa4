"""The rows of the table: a module each, whose `measure(short)` gives its figures."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable

from tests.benchmarks.figures import Figure

ROWS = (
    "wake",
    "verbs",
    "rate",
    "message",
    "handover",
    "plan",
    "memory",
    "idle",
    "views",
    "start",
    "growth",
    "decisions",
)
#: What one row may take, in seconds.
MOST_SECONDS = 900


def run(row: str, *, short: bool, cwd: str | None = None) -> list[Figure]:
    """A row's figures, measured by a process of its own; raises `CalledProcessError`.

    `cwd` is the root of the tree to measure, whose code is imported before any that is installed.
    """
    argv = [sys.executable, "-m", "tests.benchmarks.rows", row, *(["--short"] if short else [])]
    env = {**os.environ, "PYTHONPATH": cwd} if cwd is not None else None
    done = subprocess.run(
        argv, cwd=cwd, env=env, stdout=subprocess.PIPE, check=True, timeout=MOST_SECONDS
    )
    return [Figure.from_json(one) for one in json.loads(done.stdout.splitlines()[-1])]


def main() -> None:
    """Measures the row that is named, and prints its figures as one line of JSON."""
    row, *options = sys.argv[1:]
    module = importlib.import_module(f"tests.benchmarks.{row}")
    measure: Callable[[bool], list[Figure]] = module.measure
    figures = measure("--short" in options)
    print(json.dumps([figure.to_json() for figure in figures]))


if __name__ == "__main__":
    main()
