"""`python -m tests.patterns`: carries out every pattern, and writes what its rounds were told.

Prints the table of docs/patterns.md.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.e2e.town import CONFIG, Home
from tests.patterns.all import CASES, prompts, told
from tests.patterns.overhead import PROMPTS, file_of, table


def main() -> None:
    """All of them, or those that are named."""
    PROMPTS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        for name in sys.argv[1:] or CASES:
            case = CASES[name]
            home = Home(Path(scratch) / file_of(name).stem, CONFIG + case.settings)
            try:
                town = home.town(home.path / "work" / "town")
                case.drive(town)
                found = prompts(town)
                assert len(found) == case.rounds, f"{name}: {len(found)} rounds"
                file_of(name).write_text(told(found))
            finally:
                home.end()
    print(table(), end="")


if __name__ == "__main__":
    main()
