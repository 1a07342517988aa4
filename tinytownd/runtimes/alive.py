"""Which processes of a round are alive, and when one ends. All that is Linux's own is here.

Linux has pidfds and /proc. Elsewhere processes are polled, and only the round's lock tells whether
something lives: what closed it and left the process group is not found there.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import re
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar
from weakref import WeakKeyDictionary

# Every process of a round has its round's token in this variable.
TOKEN_VARIABLE = "TINYTOWN_ROUND_TOKEN"  # noqa: S105 - a name, not a secret

_PROC = Path("/proc")
_TOKEN = re.compile(rf"\0{TOKEN_VARIABLE}=([^\0]+)\0".encode())
_POLL = 0.05
# Scans until one is sure, and seconds between them.
_SCANS = 10
_BETWEEN_SCANS = 0.001
# Processes that are looked at without a pause, in about half a millisecond.
_SLICE = 50
# How long it is known of a process that it is of no round, in seconds: a pid is not given anew
# before all others have been.
_STRANGE_SECONDS = 1.0
# Bytes of an environment that are read at once.
_ENVIRON = 1 << 16


def held(lock: Path) -> bool:
    """Whether any process still has the round's lock, inherited from its first one."""
    try:
        fd = os.open(lock, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def carries(pid: int, token: str) -> bool:
    """Whether that process was started with that token. Of a zombie that cannot be said: False."""
    return _entry(token) in (_environ(pid) or b"")


async def survivors(token: str, lock: Path) -> set[int]:
    """The processes of the round that live; see `Scans` for what that costs.

    The token finds what left the group (`setsid`), the lock what dropped its environment as well.
    Node closes the lock in its children, so neither is enough alone.
    """
    for _ in range(_SCANS):
        carriers, sure = await Scans.here().next()
        if found := carriers.get(token.encode()):
            return found
        if sure:
            break
        await asyncio.sleep(_BETWEEN_SCANS)
    return {pid for pid in _pids() if _has_open(pid, lock)} if held(lock) else set()


#: Token → the processes that have it; and whether none can have been overlooked.
Carriers = tuple[dict[bytes, set[int]], bool]


class Scans:
    """Looks at all processes, one look at a time: what asks before one begins shares it.

    A look costs 5-10 µs for each process of the machine that it does not know as a stranger. It is
    taken in slices in the event loop: a thread would wait for the interpreter's lock after each of
    its three system calls a process.
    """

    _known: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, Scans]] = WeakKeyDictionary()

    def __init__(self) -> None:
        self._one_at_a_time = asyncio.Lock()
        self._coming: asyncio.Task[Carriers] | None = None
        #: Processes that are of no round, and until when that is believed.
        self._strangers: set[int] = set()
        self._believed = 0.0

    @classmethod
    def here(cls) -> Scans:
        """Those of the running loop."""
        return cls._known.setdefault(asyncio.get_running_loop(), cls())

    async def next(self) -> Carriers:
        """What the next look finds that has not begun yet."""
        if self._coming is None:
            self._coming = asyncio.create_task(self._look())
        return await asyncio.shield(self._coming)

    async def _look(self) -> Carriers:
        async with self._one_at_a_time:
            self._coming = None
            found: dict[bytes, set[int]] = {}
            sure = True
            self._doubt()
            unknown = [pid for pid in _pids() if pid not in self._strangers]
            for count, pid in enumerate(unknown, 1):
                environ = _environ(pid)
                if environ is None or (not environ and _amid_exec(pid)):
                    sure = False  # one that forks and ends, or executes a program, just now hides
                elif token := _TOKEN.search(environ):
                    found.setdefault(token[1], set()).add(pid)
                else:
                    self._strangers.add(pid)
                if count % _SLICE == 0:
                    await asyncio.sleep(0)
            return found, sure

    def _doubt(self) -> None:
        now = asyncio.get_running_loop().time()
        if now > self._believed:
            self._strangers.clear()
            self._believed = now + _STRANGE_SECONDS


def marked(variables: Mapping[str, str]) -> dict[str, set[int]]:
    """Round token → the processes with it that have these environment variables, too.

    Blocks as `survivors` does; finds none where there is no /proc.
    """
    wanted = [f"\0{name}={value}\0".encode() for name, value in variables.items()]
    found: dict[str, set[int]] = {}
    for pid in _pids():
        environ = _environ(pid) or b""
        token = _TOKEN.search(environ)
        if token and all(entry in environ for entry in wanted):
            found.setdefault(os.fsdecode(token[1]), set()).add(pid)
    return found


def session_leader(token: str) -> int | None:
    """The round's first process, found by its token, or None."""
    for pid in _pids():
        with contextlib.suppress(ProcessLookupError):
            if carries(pid, token) and os.getsid(pid) == pid:
                return pid
    return None


def age(pid: int) -> float:
    """Seconds since the process was started, a suspended machine's included; 0.0: not known.

    By /proc/PID/stat, field 22: clock ticks from the boot to the start.
    """
    try:
        fields = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
        started = int(fields[22 - 3]) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return 0.0
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started)


class Watch(ABC):
    """Waits for the end of one process, ours or not. Used from one event loop."""

    def __init__(self, pid: int, *, child: bool) -> None:
        self.pid = pid
        self.child = child

    @abstractmethod
    async def ended(self) -> None:
        """Return when the process has ended. A child is still to be reaped then, on Linux."""

    @abstractmethod
    def close(self, *, reap: bool = False) -> None:
        """Stop watching; with `reap`, of a child that has ended, free its pid."""

    def signal_group(self, number: signal.Signals) -> None:
        """Signal the whole process group that the process leads."""
        # macOS refuses to signal a group of zombies.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


class PidfdWatch(Watch):
    """Costs one file descriptor, no thread; the pid cannot be confused with a later one."""

    def __init__(self, pid: int, *, child: bool) -> None:
        super().__init__(pid, child=child)
        self._fd = os.pidfd_open(pid)
        self._over: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def ended(self) -> None:
        if self._over is None:
            self._over = asyncio.Event()
            if self._fd < 0:
                self._over.set()
            else:
                self._loop = asyncio.get_running_loop()
                self._loop.add_reader(self._fd, self._on_end)
        await self._over.wait()

    def close(self, *, reap: bool = False) -> None:
        self._unwatch()
        if self._fd < 0:
            return
        if reap and self.child:
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PIDFD, self._fd, os.WEXITED | os.WNOHANG)
        os.close(self._fd)
        self._fd = -1

    def _on_end(self) -> None:
        self._unwatch()
        if self._over is not None:
            self._over.set()

    def _unwatch(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._fd)
        self._loop = None


class PollWatch(Watch):
    """For systems without pidfds."""

    async def ended(self) -> None:
        while self._lives():  # noqa: ASYNC110 - there is nothing that could be waited for
            await asyncio.sleep(_POLL)

    def close(self, *, reap: bool = False) -> None:
        """Nothing is held, and `ended` has reaped already."""

    def _lives(self) -> bool:
        try:
            if self.child:
                return os.waitpid(self.pid, os.WNOHANG) == (0, 0)
            os.kill(self.pid, 0)
        except (ChildProcessError, ProcessLookupError):
            return False
        return True


_HAS_PIDFDS = hasattr(os, "pidfd_open") and _PROC.joinpath("self", "environ").exists()
_watch: Callable[..., Watch] = PidfdWatch if _HAS_PIDFDS else PollWatch


def watch_child(pid: int) -> Watch:
    """Watch a process that we have just started and that nobody else reaps."""
    return _watch(pid, child=True)


def watch_if_of_round(pid: int, token: str, lock: Path) -> Watch | None:
    """Watch a process that somebody else started, if it lives and belongs to the round.

    The token tells: it is random, so neither another process that got the pid since nor one from
    before a reboot has it, and it needs nothing to be recorded at the start.
    """
    try:
        watch = _watch(pid, child=False)
    except OSError as error:
        # Gone, or now the id of a mere thread.
        if error.errno in (errno.ESRCH, errno.EINVAL, errno.ENOENT):
            return None
        raise
    # Opened first, asked then: what answers is what the pidfd stands for.
    if carries(pid, token) if _HAS_PIDFDS else held(lock):
        return watch
    watch.close()
    return None


def _pids() -> list[int]:
    """All processes but this one; none where there is no /proc."""
    if not _HAS_PIDFDS:
        return []
    own = str(os.getpid())
    names = os.listdir(_PROC)  # noqa: PTH208 - this is what a scan spends its time on
    return [int(name) for name in names if name.isdigit() and name != own]


def _entry(token: str) -> bytes:
    return f"\0{TOKEN_VARIABLE}={token}\0".encode()


def _environ(pid: int) -> bytes | None:
    """NUL, then each variable and a NUL; b"" if it has or shows none, None if it is gone."""
    try:
        # Files of Python's own would double the time of a scan.
        fd = os.open(f"/proc/{pid}/environ", os.O_RDONLY)
    except FileNotFoundError:
        return None
    except OSError:
        return b""  # another user's; or, from Linux 6.16 on, a kernel thread or a zombie
    try:
        environ = more = os.read(fd, _ENVIRON)
        while len(more) == _ENVIRON:
            environ += (more := os.read(fd, _ENVIRON))
    except ProcessLookupError:
        return None
    except OSError:
        return b""
    finally:
        os.close(fd)
    return b"\0" + environ + b"\0" if environ else b""


def _amid_exec(pid: int) -> bool:
    """Whether a process that showed no environment was just executing a program.

    Then it has a program, which kernel threads and zombies have not, and by /proc/PID/stat (fields
    50 and 51, `env_start` and `env_end`) its environment is not there yet, or is there by now.
    """
    try:
        os.readlink(f"/proc/{pid}/exe")  # noqa: PTH115 - asked of every kernel thread
        fields = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return False
    start, end = fields[50 - 3 : 52 - 3]
    return end == b"0" or start != end


def _has_open(pid: int, file: Path) -> bool:
    try:
        wanted = file.stat()
        for fd in (_PROC / str(pid) / "fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(fd.stat(), wanted):
                    return True
    except OSError:
        pass
    return False
