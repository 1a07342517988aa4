"""Inside a daemon under test: every step of a command is seen, and at one of them somebody dies.

A step is a request to Redis, a reply from it, a wake that was heard, or a change to a file. It is
named by what it is and, from the second one of the kind on, by its number: supervisors and the
reader do their parts at the same time, and a place in one common order would not be the same twice.
"""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

Victim = Literal["daemon", "server", "nobody"]
#: What a connection says when it is made: how many are made is the pool's business.
GREETINGS = {
    "HELLO",
    "AUTH",
    "CLIENT SETINFO",
    "CLIENT MAINT_NOTIFICATIONS",
    "SELECT",
    "PSUBSCRIBE",
}
#: Done again and again until something happens: how often is chance, so only the first counts.
POLLS = {
    *("asks XREADGROUP", "asks CLIENT UNBLOCK", "hears CLIENT UNBLOCK", "asks XLEN", "hears XLEN"),
    "open server.lock",
}
#: Verbs of Redis whose second word belongs to the name.
DOUBLE = {"CLIENT", "XGROUP", "XINFO", "ACL", "SCRIPT"}
#: The home's own server is the one that dies, by its socket's name.
SOCKET = "redis.sock"
#: The first step of every command.
FIRST = "hears the command"
TEMPORARY = re.compile(r"^\.(.+)\.[0-9a-f]{8}\.new$")  # what `files` writes first
RANDOM = re.compile(r"[0-9a-f]{10,}")


@dataclass(frozen=True)
class Trap:
    """Who dies at which step; nobody at none: the steps are only written down."""

    victim: Victim = "nobody"
    step: str = ""


class Trace:
    """Writes down the steps of the commands that are watched, and springs their traps.

    A line of the file is the command's id, `step` or `died`, and the step's name.
    """

    def __init__(self, file: Path, below: Path, traps: dict[str, Trap]) -> None:
        self._fd = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC)
        self._below = os.fspath(below)
        self._traps = traps
        self._watched = ""
        self._seen: Counter[str] = Counter()
        self._peer: socket.socket | None = None

    @property
    def kills_server(self) -> bool:
        """Whether the trap that is set is the server's."""
        return bool(self._watched) and self._traps[self._watched].victim == "server"

    def begin(self, heard: object) -> bool:
        """A reading of the streams: does it hold a watched command? Whether the server died."""
        text = str(heard)
        for command in self._traps:
            if command in text:
                self._watched, self._seen = command, Counter()
                return self.step(FIRST)
        return False

    def step(self, name: str) -> bool:
        """One step; whether the server died at it. The daemon that dies does not return."""
        if not self._watched:
            return False
        self._seen[name] += 1
        if self._seen[name] > 1:
            if name in POLLS:
                return False
            name = f"{name} #{self._seen[name]}"
        command, trap = self._watched, self._traps[self._watched]
        self._write(command, "step", name)
        if name != trap.step:
            return False
        self._watched = ""
        del self._traps[command]
        self._write(command, "died", name)
        if trap.victim == "daemon":
            os.kill(os.getpid(), signal.SIGKILL)
        self._kill_server()
        return True

    def connected(self, connection: Any) -> None:
        """Remembers a connection: its far end is the server."""
        if getattr(connection, "path", "").endswith(SOCKET):
            self._peer = connection._writer.get_extra_info("socket")

    def audit(self, event: str, args: tuple[Any, ...]) -> None:
        """Python tells of every file that is changed before it is (sys.addaudithook)."""
        if not self._watched or not self._changes(event, args):
            return
        path = args[1] if event == "os.rename" else args[0]
        if isinstance(path, Path):
            path = str(path)
        # A relative path is one by a descriptor of its directory.
        if isinstance(path, str) and (path.startswith(self._below) or "/" not in path):
            name = RANDOM.sub("*", TEMPORARY.sub(r"\1 (temporary)", Path(path).name))
            self.step(f"{event.removeprefix('os.')} {name}")

    @staticmethod
    def _changes(event: str, args: tuple[Any, ...]) -> bool:
        if event == "open":
            return bool(args[2] & (os.O_WRONLY | os.O_RDWR))
        return event in ("os.rename", "os.mkdir", "os.remove", "os.rmdir")

    def _write(self, *words: str) -> None:
        os.write(self._fd, ("\t".join(words) + "\n").encode())

    def _kill_server(self) -> None:
        assert self._peer is not None
        size = 12  # struct ucred, unix(7): pid, uid, gid
        told = self._peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        handle = os.pidfd_open(int.from_bytes(told[:4], sys.byteorder))
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        select.select([handle], [], [])  # it is over, or would still answer
        os.close(handle)


def install(trace: Trace) -> None:
    """Has all connections to Redis and all changes to files go by the trace. There is no way back.

    A server dies before a request reaches it, or when it has carried it out and the reply is lost.
    A daemon dies when its request is on its way, or when it has heard the reply.
    """
    sys.addaudithook(trace.audit)
    watch_requests(trace)
    watch_replies(trace)


def watch_requests(trace: Trace) -> None:
    """Has every request be a step."""
    send = AbstractConnection.send_packed_command

    async def sending(self: Any, command: Any, check_health: bool = True) -> None:
        asked = requests(command)
        name = named(asked)
        self.asked, self.unheard = name, len(asked)
        if trace.kills_server and name:
            trace.step(f"asks {name}")
            await send(self, command, check_health)
            return
        await send(self, command, check_health)
        trace.connected(self)
        if name:
            trace.step(f"asks {name}")

    AbstractConnection.send_packed_command = sending  # type: ignore[method-assign]


def watch_replies(trace: Trace) -> None:
    """Has every reply be a step: of what is asked in one write, the last one."""
    hear = AbstractConnection.read_response

    async def hearing(self: Any, *args: Any, **options: Any) -> Any:
        failure, reply = None, None
        try:
            reply = await hear(self, *args, **options)
        except ResponseError as error:
            failure = error
        if heard(self, reply, wakes=bool(options.get("push_request"))):
            await self.disconnect(nowait=True)
            raise RedisConnectionError("the server died before it could answer")
        if failure is not None:
            raise failure
        return reply

    def heard(connection: Any, reply: Any, *, wakes: bool) -> bool:
        if wakes:
            return reply is not None and trace.step("hears a wake")
        connection.unheard -= 1
        if connection.asked == "XREADGROUP":
            return trace.begin(reply)
        done = connection.unheard == 0 and connection.asked
        return bool(done) and trace.step(f"hears {connection.asked}")

    AbstractConnection.read_response = hearing  # type: ignore[method-assign]


def requests(packed: Any) -> list[list[bytes]]:
    """The commands that are sent in one write."""
    reader = hiredis.Reader()
    for part in [packed] if isinstance(packed, bytes) else packed:
        reader.feed(bytes(part))
    found = []
    while isinstance(one := reader.gets(), list):
        found.append(one)
    return found


def named(asked: list[list[bytes]]) -> str:
    """What is asked for, as a name of a step; "" for what is no step of a command."""
    names = []
    for words in asked:
        name = words[0].decode().upper()
        if name in DOUBLE:
            name += " " + words[1].decode().upper()
        if name in GREETINGS:
            return ""
        if name == "EVALSHA" and words[2] != b"1":  # commit.lua: two keys, and two for a command
            name = "a commit" if words[2] == b"2" else "the commit"
        names.append(name)
    return " ".join(names)
