"""The storm by itself: `python -m tests.fuzz [--entries N] [--seed N]`; prints its report."""

from __future__ import annotations

import argparse
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

from tests.fuzz.storm import Storm


def main() -> int:
    """1 if the daemon came to harm."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    directory = Path(tempfile.mkdtemp(prefix="tt-fuzz-"))
    try:
        with Storm(directory, given.seed) as storm:
            report = storm.rage(given.entries)
    except BaseException:
        print(f"kept: {directory}", flush=True)
        raise
    print(report)
    if report.problems:
        print(f"seed {given.seed}, kept: {directory}")
        return 1
    shutil.rmtree(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
