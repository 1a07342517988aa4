"""The home: privacy, the daemon's lock, endpoint and registry."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tinytownd import wire
from tinytownd.domain.errors import BadInput, TownError, Unavailable
from tinytownd.home import (
    DaemonLock,
    Endpoint,
    Home,
    RegisteredTown,
    connect_path,
    read_registry,
    read_towns,
    write_towns,
)

# A daemon as far as the lock goes: takes it, says whether it did, and stays until stdin closes.
HOLDER = """
import sys
from pathlib import Path
from tinytownd.home import DaemonLock, Home
lock = DaemonLock(Home(Path(sys.argv[1])))
print(lock.acquire(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    return home


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_home_is_named_by_the_environment_or_is_the_users() -> None:
    assert Home.from_env({"TINYTOWN_HOME": "/srv/tt"}).path == Path("/srv/tt")
    assert Home.from_env({"TINYTOWN_HOME": ""}).path == Path("~/.tt").expanduser()
    assert Home.from_env({"TINYTOWN_HOME": "here"}).path == Path.cwd() / "here"


def test_home_and_what_is_in_it_is_private(tmp_path: Path) -> None:
    home = Home(tmp_path / "a" / "b")
    home.create()
    home.create()
    assert {mode(path) for path in (home.path, home.data, home.logs, home.bin)} == {0o700}


def test_open_home_of_ours_is_closed(tmp_path: Path) -> None:
    (tmp_path / "config.toml").touch()
    tmp_path.chmod(0o755)
    Home(tmp_path).create()
    assert mode(tmp_path) == 0o700


def test_open_home_that_was_used_is_closed_whatever_is_in_it(home: Home) -> None:
    for name in ("rehearsals", "towns.toml", "endpoint.json", "credentials.json", "daemon.lock"):
        (home.path / name).touch()
    home.path.chmod(0o755)
    home.create()
    assert mode(home.path) == 0o700


def test_open_directory_with_other_things_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    tmp_path.chmod(0o755)
    with pytest.raises(BadInput, match="open to other users"):
        Home(tmp_path).create()
    assert mode(tmp_path) == 0o755
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_folders_of_the_home_are_closed_whatever_is_in_them(home: Home) -> None:
    (home.logs / "start.log").touch()
    home.logs.chmod(0o755)
    home.create()
    assert mode(home.logs) == 0o700


def test_full_disk_changes_nothing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    Endpoint(socket="/old").write(home.endpoint)
    before = sorted(home.path.iterdir())

    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unavailable, match=r"endpoint\.json cannot be written: No space left"):
        Endpoint(socket="/new").write(home.endpoint)
    assert Endpoint.read(home.endpoint) == Endpoint(socket="/old")
    assert sorted(home.path.iterdir()) == before


def test_home_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "home", Path("/proc/tinytown")):
        with pytest.raises(TownError) as caught:
            Home(path).create()
        assert str(path) in caught.value.message
        assert "\n" not in caught.value.message


def test_connect_path_is_short_however_long_the_home_is(tmp_path: Path) -> None:
    assert connect_path(tmp_path / "redis.sock") == str(tmp_path / "redis.sock")
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    (deep / "redis.sock").write_text("it")
    short = connect_path(deep / "redis.sock")
    assert len(short) <= 107
    assert Path(short).read_text() == "it"
    assert connect_path(deep / "redis.sock") == short
    with pytest.raises(BadInput):
        connect_path(tmp_path / ("e" * 120) / "redis.sock")


def hold(home: Home) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", HOLDER, str(home.path)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def said(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout
    return process.stdout.readline()


def test_lock_has_one_holder_and_names_it(home: Home) -> None:
    asked = DaemonLock(home)
    assert asked.holder() is None
    assert not home.lock.exists()  # asking makes nothing
    with hold(home) as first:
        assert said(first) == b"True\n"
        assert asked.holder() == first.pid
        with hold(home) as second:
            assert said(second) == b"False\n"
        assert asked.acquire() is False
        assert asked.holder() == first.pid
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert asked.holder() is None
    assert asked.acquire() is True
    assert DaemonLock(home).holder() == os.getpid()
    assert DaemonLock(home).acquire() is False  # in one process, too
    asked.release()
    assert DaemonLock(home).holder() is None


def test_lock_is_not_inherited(home: Home) -> None:
    lock = DaemonLock(home)
    assert lock.acquire()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False) as child:
        lock.release()
        assert child.poll() is None
        assert DaemonLock(home).holder() is None


def test_asking_never_makes_a_starting_daemon_lose(home: Home) -> None:
    home.lock.touch()
    asked, started = DaemonLock(home), DaemonLock(home)
    real = os.close

    def start_now(fd: int) -> None:  # the moment at which a test by taking would hold the lock
        os.close = real
        assert started.acquire()
        real(fd)

    os.close = start_now
    try:
        assert asked.holder() is None
    finally:
        os.close = real
    assert asked.holder() == os.getpid()
    started.release()


def test_endpoint_comes_back_as_it_was_written(home: Home) -> None:
    endpoint = Endpoint(socket="/s", user="client", password="p", pid=7, generation="g")
    assert Endpoint.read(home.endpoint) is None
    endpoint.write(home.endpoint)
    assert Endpoint.read(home.endpoint) == endpoint
    assert mode(home.endpoint) == 0o600
    Endpoint.remove(home.endpoint)
    Endpoint.remove(home.endpoint)
    assert Endpoint.read(home.endpoint) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"v": 2}', '{"v": 1, "other": 1}', "\udcff"])
def test_endpoint_that_is_not_one_is_none(home: Home, text: str) -> None:
    home.endpoint.write_bytes(text.encode(errors="surrogateescape"))
    assert Endpoint.read(home.endpoint) is None


def test_registry_comes_back_as_it_was_written(home: Home, tmp_path: Path) -> None:
    assert read_towns(home) == []
    towns = [
        RegisteredTown("a-1", "first", tmp_path / 'quo"ted \\ dir'),
        RegisteredTown("b-2", "zweite", tmp_path / "zwölf"),
    ]
    write_towns(home, towns)
    assert read_towns(home) == towns
    write_towns(home, towns[1:])
    assert read_towns(home) == towns[1:]
    write_towns(home, [])
    assert read_towns(home) == []
    assert {path.name for path in home.path.iterdir()} == {"towns.toml", "data", "logs", "bin"}


def test_a_forgotten_town_stays_for_a_day_with_the_command_that_wanted_it(
    home: Home, tmp_path: Path
) -> None:
    command = wire.command_id()
    old = f"{wire.now_ms() - wire.DONE_SECONDS * 1000 - 1:012x}-{'0' * 16}"
    kept, gone, long_gone, broken = (
        RegisteredTown(f"a-{number}", "x", tmp_path, forgotten)
        for number, forgotten in enumerate(("", command, old, "no id"))
    )
    write_towns(home, [kept, gone, long_gone, broken])
    assert read_towns(home) == [kept]
    assert read_registry(home) == [kept, gone]


@pytest.mark.parametrize(
    "text", ["[[towns]]\nid = 'a'\n", "[towns]\nid = 'a'", "towns = [1]", "towns =", "\xff"]
)
def test_broken_registry_is_named(home: Home, text: str) -> None:
    home.towns.write_bytes(text.encode("latin-1"))
    with pytest.raises(BadInput, match=r"towns\.toml"):
        read_towns(home)
