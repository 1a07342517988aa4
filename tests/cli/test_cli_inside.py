"""`tt` in an agent's process leaves the daemon alone: it neither starts, stops nor replaces one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.scripted import FakeDaemon, Tt


@pytest.fixture
def round_is_open(tmp_path: Path, town: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "credentials"
    file.write_text(
        json.dumps({"town": "t", "agent": "a1", "dir": str(town), "socket": "/nowhere"})
    )
    monkeypatch.setenv("TINYTOWN_CREDENTIALS", str(file))
    return file


@pytest.mark.parametrize("verb", ["stop", "restart"])
def test_an_agent_starts_no_daemon(
    verb: str, empty_home: Path, round_is_open: Path, tt: Tt
) -> None:
    _, err = tt("daemon", verb, code=2)
    assert "an agent cannot use this command" in err
    assert not empty_home.exists()


@pytest.mark.parametrize("verb", ["stop", "restart"])
def test_what_is_left_of_a_round_stops_no_daemon(
    verb: str, daemon: FakeDaemon, round_is_open: Path, tt: Tt
) -> None:
    """The daemon here is this very process: a signal would end the tests."""
    round_is_open.unlink()
    _, err = tt("daemon", verb, code=3)
    assert "credentials cannot be read" in err
    assert not daemon.sent
