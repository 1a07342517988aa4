"""What a round needs of the machine: enough of it, too little, and a machine that does not say."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from tinytownd import resources
from tinytownd.settings import Limits

MUCH = 1_000_000


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SimpleNamespace:
    """A machine of which tests say how much is free, in MiB."""
    free = SimpleNamespace(disk={}, memory=tmp_path / "meminfo")
    free.memory.write_text(f"MemTotal: 9 kB\nMemAvailable: {500 << 10} kB\n")

    def statvfs(path: Path) -> SimpleNamespace:
        if path not in free.disk:
            raise FileNotFoundError(path)
        return SimpleNamespace(f_bavail=free.disk[path] << 8, f_frsize=1 << 12)

    monkeypatch.setattr(os, "statvfs", statvfs)
    monkeypatch.setattr(resources, "_MEMORY", free.memory)
    return free


def test_enough_of_everything(machine: SimpleNamespace) -> None:
    town, home = Path("/town"), Path("/home")
    machine.disk = {town: 100, home: 5_000}
    assert resources.shortage(Limits(min_disk_mb=100, min_memory_mb=500), (town, home)) == ""


@pytest.mark.parametrize("short", ["/town", "/home"])
def test_too_little_disk_where_something_is_written(machine: SimpleNamespace, short: str) -> None:
    town, home = Path("/town"), Path("/home")
    machine.disk = {town: MUCH, home: MUCH} | {Path(short): 1_023}
    told = resources.shortage(Limits(min_disk_mb=1_024), (town, home))
    assert told == f"only 1,023 MiB of disk are free in {short} (limits.min_disk_mb is 1024)"


def test_too_little_memory(machine: SimpleNamespace) -> None:
    told = resources.shortage(Limits(min_memory_mb=501), ())
    assert told == "only 500 MiB of memory are free (limits.min_memory_mb is 501)"


def test_what_is_not_known_stops_nobody(machine: SimpleNamespace) -> None:
    machine.memory.unlink()
    assert resources.shortage(Limits(min_disk_mb=MUCH, min_memory_mb=MUCH), (Path("/x"),)) == ""


def test_this_machine_says_something() -> None:
    assert (resources.free_disk(Path("/")) or 0) > 0
    assert (resources.free_memory() or 0) > 0
