"""The rows of the table: a module each, whose `measure(short)` gives its figures."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

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


@contextlib.contextmanager
def scratch() -> Iterator[None]:
    """Has what rows leave removed when all are through, and not before.

    On an ext4 without a journal, creating a file takes several times as long for minutes after
    thousands were removed: it gives out no inode anew that was freed in the last one to five.
    """
    with (
        tempfile.TemporaryDirectory(prefix="benchmarks-") as made,
        mock.patch.dict(os.environ, TMPDIR=made),
    ):
        yield


def run(
    row: str, *, short: bool, python: str = sys.executable, cwd: Path | None = None
) -> list[Figure]:
    """A row's figures, measured by a process of its own; raises `CalledProcessError`.

    Within `scratch`: what the row makes, it leaves.
    `python` is that of the environment that is measured, `cwd` the tree that it is installed from.
    """
    argv = [python, "-m", "tests.benchmarks.rows", row, *(["--short"] if short else [])]
    done = subprocess.run(argv, cwd=cwd, stdout=subprocess.PIPE, check=True, timeout=MOST_SECONDS)
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
