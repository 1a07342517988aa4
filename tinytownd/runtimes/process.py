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
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tinytownd.files import directory_inside, open_in, open_inside
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

# `trap :` and not `trap ''`: the CLI starts with default signals, and the wrapper survives a TERM
# to the group to write the exit code. $0 is the directory, and $1 the user's umask, which is the
# CLI's: variables could reach it. `set -C`: what stands in a file's place is not written through.
_WRAPPER = """trap : TERM INT HUP QUIT
umask 077; set -C; echo $$ >"$0/pid" || exit 125; set +C
umask "$1"; shift
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
_EXIT = re.compile(rb"(\d{1,3})\n")


@dataclass(frozen=True)
class RoundFiles:
    """The files of one round: 0600, in a directory that is 0700.

    Agents can write there, too: no link below `within` (by default the directory's own parent) is
    followed where one of them is written.
    """

    directory: Path
    within: Path | None = None

    @classmethod
    def of(cls, town: Path, agent: str, number: str) -> RoundFiles:
        """Those of a round of the town in that directory."""
        return cls(town / ".tt" / "rounds" / agent / number, within=town)

    @property
    def prompt(self) -> Path:
        return self.directory / "prompt.md"

    @property
    def stdout(self) -> Path:
        return self.directory / "stdout"

    @property
    def stderr(self) -> Path:
        return self.directory / "stderr"

    @property
    def pid(self) -> Path:
        return self.directory / "pid"

    @property
    def exit(self) -> Path:
        return self.directory / "exit"

    @property
    def lock(self) -> Path:
        return self.directory / "lock"

    @property
    def credentials(self) -> Path:
        return self.directory / "credentials"

    def create(self) -> None:
        """Make the directory; it may be there already. Raises OSError, BadInput for a link."""
        with self.entered():
            pass

    def entered(self, *, make: bool = True) -> contextlib.AbstractContextManager[int]:
        """A descriptor of the directory. Raises OSError, BadInput for a link."""
        return directory_inside(self._root, self.directory, make=make)

    def open(self, file: Path, flags: int, *, make: bool = True) -> int:
        """A descriptor of one of the files. Raises OSError, BadInput for a link."""
        return open_inside(self._root, file, flags, make=make)

    @property
    def _root(self) -> Path:
        return self.within or self.directory.parent

    def write(self, file: Path, text: str) -> None:
        """Write one of the files; what cannot be UTF-8 becomes `?`. Raises OSError, BadInput."""
        fd = self.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        with os.fdopen(fd, "wb") as stream:
            stream.write(text.encode("utf-8", "replace"))

    def exit_code(self) -> int | None:
        """The CLI's exit code, 128 + n for signal n; None while it runs or when it is not known."""
        match = _EXIT.fullmatch(_start_of(self.exit))
        return int(match[1]) if match else None

    def stderr_tail(self, limit: int = 4096) -> str:
        """The last `limit` bytes of stderr; "" when there is none."""
        try:
            with self.stderr.open("rb") as stream:
                stream.seek(max(0, os.fstat(stream.fileno()).st_size - limit))
                return stream.read(limit).decode("utf-8", "replace")
        except FileNotFoundError:
            return ""


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


def spawn(
    files: RoundFiles, invocation: Invocation, *, cwd: Path, env: Mapping[str, str]
) -> RoundProcess:
    """Start a round. `env` is the CLI's whole environment (sh adds PWD); it must hold the token.

    Raises OSError when it cannot start: no such directory, a full disk, an argument that is too
    long, or the round's lock held by another; BadInput when a link stands in a file's place. A
    missing CLI is no error here: it exits 127.
    """
    token = env[TOKEN_VARIABLE]
    with contextlib.ExitStack() as stack:

        def closing(fd: int) -> int:
            stack.callback(os.close, fd)
            return fd

        append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        directory = stack.enter_context(files.entered())
        # Inherited by all that the round starts; our own copy goes with the stack.
        lock = closing(open_in(directory, files.lock, os.O_RDWR | os.O_CREAT))
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        process = subprocess.Popen(
            ["/bin/sh", "-c", _WRAPPER, *_place(files, directory), *_found(invocation, env)],
            stdin=closing(os.open(invocation.stdin or os.devnull, os.O_RDONLY)),
            stdout=closing(open_in(directory, files.stdout, append)),
            stderr=closing(open_in(directory, files.stderr, append)),
            cwd=cwd,
            env=env,
            start_new_session=True,
            pass_fds=(lock, directory),
        )
    # Reaped by its pidfd: Popen must neither wait for it nor warn that it did not.
    process.returncode = 0
    return RoundProcess(files, token, watch_child(process.pid))


def adopt(files: RoundFiles, token: str) -> RoundProcess | None:
    """The round that an earlier daemon meant to start; None when it never ran, and never will.

    One that is over already has its exit code at once; `wait` clears away what it left.
    """
    try:
        fd = files.open(files.pid, os.O_WRONLY | os.O_CREAT | os.O_EXCL, make=False)
    except FileNotFoundError:
        return None
    except FileExistsError:
        written = _start_of(files.pid)
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


def _place(files: RoundFiles, directory: int) -> tuple[str, str]:
    """$0 and $1 of the wrapper: its directory, by a descriptor where there is /proc, and a umask.

    By its path, the directory might be another one by the time that the CLI has ended.
    """
    umask = os.umask(0o077)  # nobody can only look
    os.umask(umask)
    path = f"/proc/self/fd/{directory}" if _BY_FD.exists() else str(files.directory.absolute())
    return path, f"{umask:04o}"


def _found(invocation: Invocation, env: Mapping[str, str]) -> tuple[str, ...]:
    """The argv with its program's full path, so that `sh` cannot take it for a builtin."""
    program, *arguments = invocation.argv
    if "/" not in program:
        program = shutil.which(program, path=env.get("PATH", os.defpath)) or program
    return (program, *arguments)


def _start_of(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(64)
    except FileNotFoundError:
        return b""


def _send(pids: frozenset[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
