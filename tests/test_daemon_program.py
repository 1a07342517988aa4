"""The program `tinytownd` itself: its arguments, and where it refuses to run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TINYTOWND = Path(sys.executable).parent / "tinytownd"


def tinytownd(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("TINYTOWN_")}
    return subprocess.run(
        [TINYTOWND, *arguments],
        env={**clean, "TINYTOWN_HOME": str(home), **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    ("argument", "code"), [("--help", 0), ("--version", 0), ("--bogus", 2), ("start", 2)]
)
def test_an_argument_starts_no_daemon(argument: str, code: int, tmp_path: Path) -> None:
    done = tinytownd(tmp_path / "home", argument)
    assert done.returncode == code
    assert "tinytown" in (done.stderr if code else done.stdout)
    assert not (tmp_path / "home").exists()


def test_an_agent_starts_no_daemon(tmp_path: Path) -> None:
    done = tinytownd(tmp_path / "home", TINYTOWN_CREDENTIALS=str(tmp_path / "credentials"))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "agent" in done.stderr
    assert not (tmp_path / "home").exists()


def test_the_server_is_begun_before_what_takes_long_is_imported() -> None:
    """What the program itself imports; the rest comes while the server loads its data."""
    heavy = ("asyncio", "redis", "structlog", "anyio", "tomlkit", "rich", "argparse")
    code = f"import sys, tinytownd.daemon; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == "[]\n"
