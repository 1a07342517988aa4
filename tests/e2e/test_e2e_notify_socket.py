"""The daemon under a service manager: a real notify socket, watchdog, journal and login shell."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.town import BIN, CONFIG, Home, alive, until
from tinytownd.home import Home as DaemonsHome
from tinytownd.store.binary import find_binary
from tinytownd.store.client import connect
from tinytownd.store.server import EmbeddedServer

#: The daemon speaks at half of this, in seconds.
WATCHDOG = 0.6


class Supervised:
    """A daemon, and what it has said to its manager."""

    def __init__(self, home: Home, place: Path, **environment: str) -> None:
        self.home, self.heard = home, list[str]()
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        # An abstract address, which systemd writes with an @.
        self._notify.bind(f"\0{place}")
        self._notify.setblocking(False)
        self.journal = place / "journal"
        with self.journal.open("wb") as journal:
            status = os.fstat(journal.fileno())
            told = {
                "NOTIFY_SOCKET": f"@{place}",
                "WATCHDOG_USEC": str(int(WATCHDOG * 1e6)),
                "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}",
            }
            self.process = subprocess.Popen(
                [BIN / "tinytownd"], env={**home.env, **told, **environment}, stderr=journal
            )

    def listen(self) -> list[str]:
        """All lines so far."""
        while True:
            try:
                self.heard += self._notify.recv(65_536).decode().splitlines()
            except BlockingIOError:
                return self.heard

    def hears(self, line: str, *, after: int = 0) -> int:
        """Waits for a line that begins so; how many lines there are then."""
        until(lambda: any(one.startswith(line) for one in self.listen()[after:]), line)
        return len(self.heard)

    def end(self) -> None:
        """Nothing of it stays."""
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        self.process.wait(20)
        self._notify.close()
        self.home.end()


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervised]:
    made = Supervised(Home(tmp_path / "home", CONFIG), tmp_path)
    yield made
    made.end()


def logged(home: Home, event: str) -> list[dict[str, object]]:
    lines = (home.path / "logs/tinytownd.jsonl").read_text().splitlines()
    return [line for line in map(json.loads, lines) if line["event"] == event]


def test_the_manager_is_told_what_goes_on(supervised: Supervised, tmp_path: Path) -> None:
    supervised.hears("EXTEND_TIMEOUT_USEC=")
    supervised.hears("READY=1")
    assert supervised.home.pid == supervised.process.pid
    supervised.hears("STATUS=0 towns, 0 rounds")
    supervised.home.town(tmp_path / "town")
    count = supervised.hears("STATUS=1 town, 0 rounds")

    config = supervised.home.path / "config.toml"
    before = config.read_text()
    config.write_text(before.replace("attempts = 1", "attempts = 4"))
    supervised.process.send_signal(signal.SIGHUP)
    count = supervised.hears("READY=1", after=count)
    assert "RELOADING=1" in supervised.heard[:count]
    monotonic = next(one for one in supervised.heard if one.startswith("MONOTONIC_USEC="))
    assert 0 <= time.monotonic_ns() // 1000 - int(monotonic.partition("=")[2]) < 60_000_000
    (told,) = logged(supervised.home, "config.reloaded")
    assert told["changed"] == [{"setting": "limits.attempts", "old": 1, "new": 4}]

    config.write_text("[town")
    supervised.process.send_signal(signal.SIGHUP)
    supervised.hears("READY=1", after=count)
    (broken,) = logged(supervised.home, "config.broken")
    assert "config.toml:1" in str(broken["error"])
    assert len(logged(supervised.home, "config.reloaded")) == 1
    config.write_text(before)

    supervised.process.terminate()
    supervised.hears("STOPPING=1")
    assert supervised.process.wait(20) == 0
    journal = supervised.journal.read_text().splitlines()
    levels = {line[:3]: json.loads(line[3:])["level"] for line in journal}
    assert levels == {"<6>": "info", "<4>": "warning"}


def heeds(process: subprocess.Popen[bytes], number: int) -> bool:
    """Whether the process has a handler for the signal (proc(5), SigCgt)."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


def test_a_daemon_that_starts_heeds_signals_and_is_not_ready_for_them(tmp_path: Path) -> None:
    shell, go_on, asked = (tmp_path / name for name in ("shell", "go_on", "asked"))
    script = f'echo $$ >> {asked}\nuntil test -e {go_on}; do sleep 0.05; done\nexec sh -c "$4"\n'
    shell.write_text(f"#!/bin/sh\n{script}")
    shell.chmod(0o755)
    asks = {"TINYTOWN_LOGIN_ENVIRONMENT": "1", "SHELL": str(shell)}
    starting = Supervised(Home(tmp_path / "home", CONFIG), tmp_path, **asks)

    def wait(condition: Callable[[], bool], what: str) -> None:
        until(lambda: starting.listen() is not None and condition(), what)

    try:
        wait(lambda: heeds(starting.process, signal.SIGHUP), "it heeds signals")
        assert "READY=1" not in starting.heard
        starting.process.send_signal(signal.SIGHUP)
        wait(lambda: len(asked.read_text().split()) == 2, "the shell is asked anew")
        starting.process.send_signal(signal.SIGTERM)
        wait(lambda: len(logged(starting.home, "daemon.signal")) == 2, "both are heard")
        go_on.touch()
        starting.hears("STOPPING=1")
        assert starting.process.wait(20) == 0
        told = ("READY=1", "RELOADING=1", "STOPPING=1")
        assert [line for line in starting.listen() if line in told] == ["READY=1", "STOPPING=1"]
        assert not [pid for pid in asked.read_text().split() if alive(int(pid))]
    finally:
        starting.end()


def test_a_daemon_that_hangs_gives_no_sign_of_life(supervised: Supervised) -> None:
    count = supervised.hears("READY=1")
    supervised.hears("WATCHDOG=1", after=count)
    supervised.process.send_signal(signal.SIGSTOP)
    until(
        lambda: "T" in Path(f"/proc/{supervised.process.pid}/stat").read_text().split()[2],
        "it stands still",
    )
    count = len(supervised.listen())
    time.sleep(2 * WATCHDOG)
    assert "WATCHDOG=1" not in supervised.listen()[count:]
    supervised.process.send_signal(signal.SIGCONT)
    supervised.hears("WATCHDOG=1", after=count)


def hang_up(home: Home) -> None:
    """Ends all connections to the embedded server."""

    async def ask() -> None:
        server = EmbeddedServer(DaemonsHome(home.path), find_binary(os.environ))
        client = connect(server.endpoint("daemon"))
        try:
            await client.execute_command("CLIENT KILL", "TYPE", "normal", "SKIPME", "yes")
        finally:
            await client.aclose()

    asyncio.run(ask())


def test_a_store_that_is_away_is_told_and_ridden_out(supervised: Supervised) -> None:
    supervised.hears("READY=1")
    server = supervised.home.server_pid()
    hang_up(supervised.home)  # else it would be noticed by a time-out of ten seconds
    os.kill(server, signal.SIGSTOP)
    try:
        count = supervised.hears("STATUS=0 towns, 0 rounds; Redis away since ")
        supervised.hears("WATCHDOG=1", after=count)
        supervised.hears("WATCHDOG=1", after=count)
    finally:
        os.kill(server, signal.SIGCONT)
    supervised.hears("STATUS=0 towns, 0 rounds", after=count)


def test_where_it_hung_is_said_when_it_is_ended_for_it(supervised: Supervised) -> None:
    supervised.hears("READY=1")
    supervised.process.send_signal(signal.SIGABRT)  # systemd's WatchdogSignal=
    assert supervised.process.wait(20) == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in supervised.journal.read_text()


def test_on_a_terminal_it_ends_with_the_terminal(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", CONFIG)
    ours, its = os.openpty()
    with subprocess.Popen([BIN / "tinytownd"], env=home.env, stderr=its) as process:
        try:
            until(lambda: home.pid, "it is ready")
            process.send_signal(signal.SIGHUP)
            assert process.wait(20) == 0
        finally:
            process.kill()
            os.close(its)
            os.close(ours)
            home.end()
