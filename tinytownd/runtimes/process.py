"""One round's process: started so that it outlives the daemon, watched, stopped, found again.

A fixed `sh` wrapper in its own session takes `pid`, runs the CLI with files for its streams, and
writes `exit`. Whoever creates `pid` first owns the start: a daemon that comes back and finds none
creates it, and a wrapper that is late exits. Nothing of this needs the daemon to live.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
import shutil
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tinytownd.files import open_in
from tinytownd.runtimes.alive import (
    TOKEN_VARIABLE,
    Watch,
    age,
    session_leader,
    survivors,
    watch_child,
    watch_if_of_round,
)
from tinytownd.runtimes.catalogue import Invocation
from tinytownd.runtimes.roundfiles import RoundFiles, start_of

# `trap :` and not `trap ''`: the CLI starts with default signals, and the wrapper survives a TERM
# to the group to write the exit code. $0 is the round's directory, $1 the CLI's own, and $2 the
# user's umask, which is the CLI's: variables could reach it. `set -C`: what stands in a file's
# place is not written through.
_WRAPPER = """trap : TERM INT HUP QUIT
umask 077; set -C; echo $$ >"$0/pid" || exit 125; set +C
cd "$1" || exit 125
unset OLDPWD; umask "$2"; shift 2
"$@"
set -- $?; umask 077; set -C; echo "$1" >"$0/exit"
"""

# Seconds that what the CLI left behind has between TERM and KILL, and after which we give up.
LEFTOVER_GRACE = 1.0
_GIVE_UP = 5.0
_POLL = 0.02

_TAKEN = b"taken\n"
_BY_FD = Path("/proc/self/fd")
_PID = re.compile(rb"([1-9]\d{0,6})\n")  # Linux: at most 2^22


class Descriptors(NamedTuple):
    """A round's directory, the lock that its processes inherit, and where its CLI writes."""

    files: RoundFiles
    directory: int
    lock: int
    stdout: int
    stderr: int


class RoundProcess:
    """A round that was started, now or by an earlier daemon; it may be over already."""

    def __init__(self, files: RoundFiles, token: str, watch: Watch | None) -> None:
        self.files = files
        self.token = token
        # What could not be ended, after `wait`; normally nothing.
        self.survivors: frozenset[int] = frozenset()
        self._watch = watch
        self._grace = LEFTOVER_GRACE
        self._detached = False
        self._clearing = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """The wrapper's pid, which is also its group's; None when the round is over."""
        return self._watch.pid if self._watch else None

    @property
    def age(self) -> float:
        """Seconds since it was started; 0.0 when it is over or that is not known."""
        return age(self._watch.pid) if self._watch else 0.0

    async def wait(self) -> int | None:
        """Wait for the end, clear away what the CLI left, and give its exit code (None: unknown).

        Any number of tasks may wait, and be cancelled.
        """
        if self._watch:
            await self._watch.ended()
        async with self._clearing:
            if not self._detached:
                await self._clear()
        return self.files.exit_code()

    async def stop(self, grace: float) -> None:
        """TERM to the whole group, KILL after `grace` seconds, then whatever escaped it."""
        self._grace = min(grace, LEFTOVER_GRACE)
        if watch := self._watch:
            watch.signal_group(signal.SIGTERM)
            try:
                async with asyncio.timeout(grace):
                    await watch.ended()
            except TimeoutError:
                watch.signal_group(signal.SIGKILL)
        await self.wait()

    def detach(self) -> None:
        """Let it run on and forget it, as a daemon does that goes away. Cancel who waits first."""
        self._detached = True
        if self._watch:
            self._watch.close()
            self._watch = None

    async def _clear(self) -> None:
        loop = asyncio.get_running_loop()
        started, told = loop.time(), frozenset[int]()
        while left := frozenset(await survivors(self.token, self.files.lock)):
            spent = loop.time() - started
            if spent > _GIVE_UP:
                break
            if spent < self._grace:
                _send(left - told, signal.SIGTERM)
            else:
                _send(left, signal.SIGKILL)
            told |= left
            await asyncio.sleep(_POLL)
        self.survivors = left
        watch, self._watch = self._watch, None
        if watch:
            # A child's pid is still held by its zombie: the group is surely the round's own.
            if watch.child:
                watch.signal_group(signal.SIGKILL)
            watch.close(reap=True)


@contextlib.contextmanager
def open_files(files: RoundFiles, texts: Mapping[Path, str] | None = None) -> Iterator[Descriptors]:
    """The files of a round that is about to start, and what some of them hold, as UTF-8.

    Raises OSError for a full disk or the round's lock held by another, BadInput when a link stands
    in a file's place.
    """
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(files.entered())
        for file, text in (texts or {}).items():
            fd = open_in(directory, file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            with os.fdopen(fd, "wb") as stream:
                stream.write(text.encode("utf-8", "replace"))

        def opened(file: Path, flags: int) -> int:
            fd = open_in(directory, file, flags | os.O_CREAT)
            stack.callback(os.close, fd)
            return fd

        # Inherited by all that the round starts; our own copy goes with the stack.
        lock = opened(files.lock, os.O_RDWR)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        append = os.O_WRONLY | os.O_APPEND
        yield Descriptors(
            files, directory, lock, opened(files.stdout, append), opened(files.stderr, append)
        )


def spawn(
    opened: Descriptors, invocation: Invocation, *, cwd: Path, env: Mapping[str, str]
) -> RoundProcess:
    """Start a round. `env` is the CLI's whole environment (sh adds PWD); it must hold the token.

    Raises OSError when it cannot start: no such directory, or an argument that is too long. A
    missing CLI is no error here: it exits 127.
    """
    cwd.stat()  # the wrapper could only exit
    place = (_path_of(opened.files, opened.directory), str(cwd.absolute()), _umask())
    argv = ["/bin/sh", "-c", _WRAPPER, *place, *_found(invocation, env)]
    stdin = os.open(invocation.stdin or os.devnull, os.O_RDONLY)
    try:
        streams = (stdin, opened.stdout, opened.stderr)
        pid = _started(argv, env, streams, (opened.lock, opened.directory))
    finally:
        os.close(stdin)
    return RoundProcess(opened.files, env[TOKEN_VARIABLE], watch_child(pid))


def _started(
    argv: list[str],
    env: Mapping[str, str],
    streams: tuple[int, ...],
    inherited: tuple[int, ...],
) -> int:
    """The pid of a program in a session of its own; half the time that `subprocess` takes.

    It inherits nothing else: what Python opens is not inheritable. Nobody starts another one so
    meanwhile. Of the signals that Python ignores, it has none ignored.
    """
    for fd in inherited:
        os.set_inheritable(fd, True)
    return os.posix_spawn(
        argv[0],
        argv,
        env,
        file_actions=[(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(streams)],
        setsid=True,
        setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),
    )


def adopt(files: RoundFiles, token: str) -> RoundProcess | None:
    """The round that an earlier daemon meant to start; None when it never ran, and never will.

    One that is over already has its exit code at once; `wait` clears away what it left.
    """
    try:
        fd = files.open(files.pid, os.O_WRONLY | os.O_CREAT | os.O_EXCL, make=False)
    except FileNotFoundError:
        return None
    except FileExistsError:
        written = start_of(files.pid)
    else:
        with os.fdopen(fd, "wb") as stream:
            stream.write(_TAKEN)
        return None
    if written == _TAKEN:
        return None
    match = _PID.fullmatch(written)
    # Without a number the wrapper is just about to write it, or the disk was full.
    pid = int(match[1]) if match else session_leader(token)
    return RoundProcess(
        files, token, watch_if_of_round(pid, token, files.lock) if pid is not None else None
    )


def _path_of(files: RoundFiles, directory: int) -> str:
    """The directory, by a descriptor where there is /proc.

    By its path, it might be another one by the time that the CLI has ended.
    """
    return f"/proc/self/fd/{directory}" if _BY_FD.exists() else str(files.directory.absolute())


def _umask() -> str:
    umask = os.umask(0o077)  # nobody can only look
    os.umask(umask)
    return f"{umask:04o}"


def _found(invocation: Invocation, env: Mapping[str, str]) -> tuple[str, ...]:
    """The argv with its program's full path, so that `sh` cannot take it for a builtin."""
    program, *arguments = invocation.argv
    if "/" not in program:
        program = shutil.which(program, path=env.get("PATH", os.defpath)) or program
    return (program, *arguments)


def _send(pids: frozenset[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
