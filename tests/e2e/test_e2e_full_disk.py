"""A disk that is full, for real: a home on a small file system that is filled up."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.town import BIN, CONFIG, Home, until


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


def fill(ballast: Path) -> None:
    """Uses up what is left."""
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while file.write(b"x" * size) == size:
                    pass


@pytest.mark.parametrize("durability", ["second", "always"])
def test_a_full_disk_loses_nothing(small_disk: Path, tmp_path: Path, durability: str) -> None:
    """With `always` the server ends itself, and is started again when there is room."""
    config = CONFIG.replace("[limits]", "[limits]\nmin_disk_mb = 0")
    config += f'[redis]\ndurability = "{durability}"\n'
    home, ballast = Home(small_disk / "home", config), small_disk / "ballast"
    try:
        town = home.town(tmp_path / "town")
        town.team("a")
        town.quick("interrupt", "a")
        kept = town.assign("a")
        fill(ballast)
        waiting = subprocess.Popen(
            [BIN / "tt", "assign", "a", "x" * 100_000, "--json"],
            cwd=town.directory,
            env=home.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        until(lambda: '"warning"' in home.log() or waiting.poll() is not None, "a full disk")
        ballast.unlink()
        _, err = waiting.communicate(timeout=35)
        assert err.count("\n") <= 1, err
        town.quick("resume", "a")
        town.wait("--all")
        done = town.states()
        assert done.pop(kept) == "completed"
        assert list(done.values()) in (["completed"], []), "once, or not at all"
        assert waiting.returncode in (0, 3), err
        assert done or waiting.returncode
    finally:
        ballast.unlink(missing_ok=True)
        home.end()


def test_a_home_on_a_disk_that_is_full_already(small_disk: Path, tmp_path: Path) -> None:
    home, ballast = Home(small_disk / "home"), small_disk / "ballast"
    fill(ballast)
    try:
        done = home.tt("towns", cwd=tmp_path, code=None)
        assert done.code in (2, 3), done
        assert (done.out, done.err.count("\n")) == ("", 1)
    finally:
        ballast.unlink()
        home.end()
