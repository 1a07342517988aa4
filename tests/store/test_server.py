"""The embedded server, for real: started, found again, guarded; and who may do what in it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis.asyncio
from redis.exceptions import ConnectionError as RedisConnectionError

from tests import waiting
from tests.store.far_end import Connect, serve
from tinytownd.domain.errors import Unavailable
from tinytownd.home import Endpoint, Home, connect_path
from tinytownd.settings import RedisSettings
from tinytownd.store import process as process_module
from tinytownd.store import server as server_module
from tinytownd.store.acl import digest
from tinytownd.store.binary import find_binary, recent
from tinytownd.store.client import connect, ensure_supported
from tinytownd.store.process import ServerProcess
from tinytownd.store.server import EmbeddedServer, ExternalServer, find_server

BINARY = find_binary(os.environ)

# A daemon that starts the server and dies at once.
DAEMON = """
import asyncio, os, signal, sys
from pathlib import Path
from tinytownd.home import Home
from tinytownd.store.server import EmbeddedServer
asyncio.run(EmbeddedServer(Home(Path(sys.argv[1])), Path(sys.argv[2])).start())
os.kill(os.getpid(), signal.SIGKILL)
"""

# A daemon that is killed as soon as the server's process is there.
KILLED = """
import os, signal, subprocess, sys
from pathlib import Path
from tinytownd.home import Home
from tinytownd.store.process import ServerProcess
spawn = subprocess.Popen.__init__
def spawn_and_die(*args, **options):
    spawn(*args, **options)
    os.kill(os.getpid(), signal.SIGKILL)
subprocess.Popen.__init__ = spawn_and_die
ServerProcess(Home(Path(sys.argv[1])), Path(sys.argv[2])).start()
"""


@pytest.fixture
async def server(home: Home) -> AsyncIterator[EmbeddedServer]:
    """Not started; stopped at the end, whatever was done to it."""
    server = EmbeddedServer(home, BINARY)
    yield server
    await server.stop()


async def pid_of(client: redis.asyncio.Redis) -> int:
    return int((await client.info("server"))["process_id"])


async def kill(server: EmbeddedServer) -> None:
    client = connect(server.endpoint("daemon"))
    pidfd = os.pidfd_open(await pid_of(client))
    await client.aclose()
    gone = asyncio.Event()
    asyncio.get_running_loop().add_reader(pidfd, gone.set)
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    await asyncio.wait_for(gone.wait(), 5)
    asyncio.get_running_loop().remove_reader(pidfd)
    os.close(pidfd)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_server_has_its_whole_configuration_whenever_its_daemon_dies(
    home: Home, tmp_path: Path
) -> None:
    """Without one it would listen on TCP, let everybody in, and hold the data directory."""
    binary = tmp_path / "server"
    binary.write_text("#!/bin/sh\ncat >configuration\n")
    binary.chmod(0o700)
    argv = [sys.executable, "-c", KILLED, str(home.path), str(binary)]
    assert subprocess.run(argv, check=False).returncode == -signal.SIGKILL
    lock = waiting.until(ServerProcess(home, binary).lock, "the end of the server")
    os.close(lock)
    told = (home.path / "configuration").read_text()
    assert told.startswith("port 0\n")
    assert told.endswith("+@all\n")


async def test_server_is_private_durable_and_silent_on_tcp(
    home: Home, server: EmbeddedServer, connected: Connect
) -> None:
    await server.start()
    client = connected(server.endpoint("daemon"))
    assert mode(home.socket) == 0o700
    assert mode(home.credentials) == 0o600
    settings = await client.config_get("port", "appendonly", "aof-use-rdb-preamble", "save", "dir")
    assert settings == {
        "port": "0",
        "appendonly": "yes",
        "aof-use-rdb-preamble": "no",
        "save": "",
        "dir": str(home.data),
    }
    secrets = [server.endpoint(role).password for role in ("daemon", "client")]
    arguments = Path(f"/proc/{await pid_of(client)}/cmdline").read_text()
    assert not [
        word for secret in secrets for word in (secret, digest(secret)) if word in arguments
    ]
    assert os.getsid(await pid_of(client)) == await pid_of(client)
    assert recent(await ensure_supported(client))


async def test_nobody_gets_in_without_the_password(
    home: Home, server: EmbeddedServer, connected: Connect
) -> None:
    await server.start()
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(connect_path(home.socket))
        raw.sendall(b"PING\r\n")
        assert raw.recv(100).startswith(b"-NOAUTH")
    for user, password in (("daemon", "wrong"), ("default", ""), ("client", "early")):
        with pytest.raises(RedisConnectionError, match="invalid username-password"):
            await connected(Endpoint(str(home.socket), user=user, password=password)).ping()


async def test_answered_writes_survive_a_kill(server: EmbeddedServer, connected: Connect) -> None:
    await server.start()
    client = connected(server.endpoint("daemon"))
    for number in range(100):
        await client.rpush("numbers", number)
    await kill(server)
    await server.start()
    client = connected(server.endpoint("daemon"))
    assert await client.lrange("numbers", 0, -1) == [str(number) for number in range(100)]


async def test_server_survives_its_daemon_and_is_found_again(
    home: Home, server: EmbeddedServer, connected: Connect
) -> None:
    command = [sys.executable, "-c", DAEMON, str(home.path), str(BINARY)]
    daemon = await asyncio.create_subprocess_exec(*command)
    assert await daemon.wait() == -signal.SIGKILL
    client = connected(server.endpoint("daemon"))
    before = await pid_of(client)
    await server.start()
    assert await pid_of(client) == before
    await server.stop()
    assert not home.socket.exists()
    await server.stop()  # once more is no error


async def test_a_server_that_was_begun_is_taken_over(home: Home, connected: Connect) -> None:
    begun = ServerProcess(home, BINARY)
    assert begun.start()
    assert not ServerProcess(home, BINARY).start()
    server = EmbeddedServer(home, BINARY, begun=begun)
    await server.start()
    assert begun.ended is None
    await server.stop()


async def test_one_that_was_begun_and_ended_is_looked_into(home: Home) -> None:
    binary = short_lived(home, 2)
    begun = ServerProcess(home, binary)
    assert begun.start()
    await asyncio.to_thread(waiting.until, lambda: begun.ended is not None, "its end")
    with pytest.raises(Unavailable, match="the server ended"):
        await EmbeddedServer(home, binary, begun=begun).start()


async def test_many_starts_at_once_make_one_server(home: Home, connected: Connect) -> None:
    servers = [EmbeddedServer(home, BINARY) for _ in range(5)]
    try:
        await asyncio.gather(*(server.start() for server in servers))
        pids = {await pid_of(connected(server.endpoint("daemon"))) for server in servers}
        assert len(pids) == 1
    finally:
        for server in servers:
            await server.stop()


async def test_no_second_server_on_one_data_directory(
    home: Home, server: EmbeddedServer, connected: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    await server.start()
    client = connected(server.endpoint("daemon"))
    before = await pid_of(client)
    hidden = home.socket.rename(home.path / "hidden")
    monkeypatch.setattr(server_module, "START_SECONDS", 0.1)
    with pytest.raises(Unavailable, match=r"holds .* but does not answer"):
        await EmbeddedServer(home, BINARY).start()
    hidden.rename(home.socket)
    assert await pid_of(connected(server.endpoint("daemon"))) == before


async def test_lost_data_is_not_an_empty_town(home: Home, server: EmbeddedServer) -> None:
    await server.start()
    await server.stop()
    aof = home.data / "appendonlydir"
    kept = aof.rename(home.data / "elsewhere")
    with pytest.raises(Unavailable, match="data is gone") as caught:
        await server.start()
    assert str(aof) in caught.value.hint
    assert not aof.exists()
    kept.rename(aof)
    await server.start()


async def test_durability_is_what_the_settings_say_now(home: Home, connected: Connect) -> None:
    kinds = ("always", "second", "always")  # each finds the server that the first has started
    servers = [EmbeddedServer(home, BINARY, kind) for kind in kinds]
    found = []
    for server in servers:
        await server.start()
        client = connected(server.endpoint("daemon"))
        found.append((await client.config_get("appendfsync"))["appendfsync"])
    for server in servers:
        await server.stop()
    assert found == ["always", "no", "always"]


async def test_a_server_that_ends_on_a_full_disk_waits_for_room(
    home: Home, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_module, "LEAST_DISK", 1 << 60)
    with pytest.raises(Unavailable, match="is full"):
        await EmbeddedServer(home, BINARY, "always").start()
    assert not home.socket.exists()
    await server.start()  # the other kind refuses commands instead


async def test_home_deeper_than_a_socket_address(tmp_path: Path, connected: Connect) -> None:
    home = Home(tmp_path / ("deep" * 20) / ("deeper" * 20))
    home.create()
    assert len(str(home.socket)) > 200
    server = EmbeddedServer(home, BINARY)
    try:
        await server.start()
        assert await connected(server.endpoint("daemon")).ping()
        with socket.socket(socket.AF_UNIX) as raw:
            raw.connect(connect_path(home.socket))
        assert home.socket.is_socket()
    finally:
        await server.stop()


async def test_loading_is_waited_for(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    pings = 0

    def answer(command: bytes) -> bytes:
        nonlocal pings
        if command != b"PING":
            return b"%1\r\n+proto\r\n:3\r\n" if command == b"HELLO" else b"+OK\r\n"
        pings += 1
        return b"+PONG\r\n" if pings > 3 else b"-LOADING Redis is loading the dataset\r\n"

    monkeypatch.setattr(server_module, "START_SECONDS", 0.5)
    async with await serve(home.socket, answer):
        await EmbeddedServer(home, Path("/bin/false")).start()
    assert pings == 4


#: Kills itself instead of being a server, so many times.
SHORT_LIVED = """#!/bin/sh
mkdir "{home}/1" 2>/dev/null || mkdir "{home}/{times}" 2>/dev/null || exec "{binary}" "$@"
kill -9 $$
"""


def short_lived(home: Home, times: int) -> Path:
    program = home.path / "server"
    text = SHORT_LIVED.format(home=home.path, times=times, binary=BINARY)
    program.write_text(text)
    program.chmod(0o700)
    return program


async def test_a_server_that_was_killed_at_its_start_is_started_again(
    home: Home, connected: Connect
) -> None:
    server = EmbeddedServer(home, short_lived(home, 1))
    await server.start()
    assert await connected(server.endpoint("daemon")).ping()
    await server.stop()


async def test_a_server_that_is_killed_each_time_is_told(home: Home) -> None:
    with pytest.raises(Unavailable, match="the server ended: killed by signal 9"):
        await EmbeddedServer(home, short_lived(home, 2)).start()


async def test_server_that_ends_at_once_is_told(home: Home) -> None:
    with pytest.raises(Unavailable, match="the server ended: it said nothing"):
        await EmbeddedServer(home, Path("/bin/false")).start()
    with pytest.raises(Unavailable, match="nothing cannot be started: No such file"):
        await EmbeddedServer(home, home.path / "nothing").start()


async def test_lost_credentials_are_told(home: Home, server: EmbeddedServer) -> None:
    await server.start()
    home.credentials.unlink()
    with pytest.raises(Unavailable, match="does not know this daemon"):
        await EmbeddedServer(home, BINARY).start()
    home.credentials.write_text("{}")
    with pytest.raises(Unavailable, match="is broken"):
        EmbeddedServer(home, BINARY)


async def test_external_server(home: Home, server: EmbeddedServer, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"does not answer: No such file or directory$"):
        await ExternalServer(home, f"unix://{tmp_path}/nothing.sock").start()
    await server.start()
    inside = server.endpoint("daemon")
    other = Home(tmp_path / "other")
    other.create()
    (tmp_path / "s").symlink_to(home.socket)
    found = find_server(
        other, RedisSettings(url=f"unix://daemon:{inside.password}@{tmp_path}/s"), {}
    )
    await found.start()
    assert found.endpoint("daemon").password == inside.password
    assert inside.password not in (found.endpoint("daemon").url or "")
    people = found.endpoint("client")
    assert people.user.startswith("tt-")
    assert people.password != inside.password
    await found.stop()
    await server.start()  # it was not ours to stop
