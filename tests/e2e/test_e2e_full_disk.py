"""A disk that is full, for real: a home on a small file system that is filled up."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.town import Home


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB; skipped where none can be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no small file system to fill: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path) -> Path:
    """Uses up what is left."""
    file = disk / "ballast"
    with file.open("wb", buffering=0) as ballast:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while ballast.write(b"x" * size) == size:
                    pass
            except OSError:
                continue
    return file


def test_a_full_disk_loses_nothing(small_disk: Path, tmp_path: Path) -> None:
    home = Home(small_disk / "home")
    try:
        town = home.town(tmp_path / "town")
        town.team("a")
        town.quick("interrupt", "a")
        kept = town.assign("a")
        ballast = fill(small_disk)
        for _ in range(3):
            done = town.tt("assign", "a", "x" * 100_000, code=None)
            assert done.code in (1, 3), done
            assert done.out == ""
            assert done.err.count("\n") == 1, done.err
        assert town.states() == {kept: "assigned"}
        ballast.unlink()
        later = town.assign("a")
        town.quick("resume", "a")
        town.wait("--all")
        assert town.states() == {kept: "completed", later: "completed"}
        home.tt("daemon", "restart", cwd=tmp_path)
        assert town.states() == {kept: "completed", later: "completed"}
    finally:
        home.end()


def test_a_home_on_a_disk_that_is_full_already(small_disk: Path, tmp_path: Path) -> None:
    home = Home(small_disk / "home")
    fill(small_disk)
    try:
        done = home.tt("towns", cwd=tmp_path, code=None)
        assert done.code in (2, 3), done
        assert (done.out, done.err.count("\n")) == ("", 1)
    finally:
        (small_disk / "ballast").unlink()
        home.end()
    assert shutil.disk_usage(small_disk).free > 0
