"""One server and one scripted daemon for all these tests; a town on disk for each."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.scripted import TOWN, FakeDaemon, Tt, server_binary, wait_until


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeDaemon]:
    home = tmp_path_factory.mktemp("home")
    process = subprocess.Popen(
        [server_binary(), "--port", "0", "--unixsocket", "redis.sock", "--save", ""],
        cwd=home,
        stdout=subprocess.DEVNULL,
    )
    wait_until((home / "redis.sock").exists)
    daemon = FakeDaemon(home)
    daemon.start()
    yield daemon
    daemon.stop()
    process.kill()
    process.wait()


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TINYTOWN_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def daemon(
    serving: FakeDaemon, clean_environment: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakeDaemon]:
    monkeypatch.setenv("TINYTOWN_HOME", str(serving.home))
    serving.reset()
    yield serving
    serving.reset()


@pytest.fixture
def empty_home(tmp_path: Path, clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TINYTOWN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def town(tmp_path: Path, clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    town = tmp_path / "town"
    (town / ".tt").mkdir(parents=True)
    (town / ".tt" / "town").write_text(f"{TOWN}\n")
    (town / "tinytown.toml").write_text("")
    monkeypatch.chdir(town)
    return town


@pytest.fixture
def tt(capfd: pytest.CaptureFixture[str]) -> Tt:
    return Tt(capfd)
