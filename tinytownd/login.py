"""The environment of the user's login shell: a service manager's has neither their PATH nor keys.

It is asked for once, at the daemon's start and with each reload. It is kept in memory, given to
agents, and never written anywhere; the log has the names of its variables and no value.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import IO

import structlog

log = structlog.get_logger(__name__)
#: Set to 1 by our service files.
WANTED = "TINYTOWN_LOGIN_ENVIRONMENT"
#: Set for the shell that is asked, so that what it reads can leave out what takes long.
ASKING = "TINYTOWN_RESOLVING_ENVIRONMENT"
#: How long a login shell may take, in seconds; editors wait as long.
LOGIN_SECONDS = 10.0
_MARK = b"--tinytown-environment--"
# What a shell says of itself.
_OF_THE_SHELL = frozenset({"_", "SHLVL", "PWD", "OLDPWD", ASKING})
# `env -0` is not everywhere, and may be an alias.
_TELL = (
    "import os, sys; "
    "told = [name + b'=' + value for name, value in os.environb.items()]; "
    f"sys.stdout.buffer.write(b'\\0'.join([b'', {_MARK!r}, *told, {_MARK!r}, b'']))"
)


async def login_environment(env: Mapping[str, str]) -> dict[str, str] | None:
    """What the user's login shell would have; None, and one warning, when it does not tell."""
    shell = env.get("SHELL") or _shell()
    try:
        async with asyncio.timeout(LOGIN_SECONDS):
            told = await _ask(shell, {**env, ASKING: "1"})
    except TimeoutError:
        told, why = None, f"it took longer than {LOGIN_SECONDS:.0f} s"
    except OSError as error:
        told, why = None, str(error)
    else:
        why = "it told nothing"
    if not told:
        log.warning("environment.login_failed", shell=shell, error=why)
        return None
    log.info(
        "environment.login",
        shell=shell,
        names=sorted(name for name, value in told.items() if env.get(name) != value),
    )
    return told


def _shell() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_shell or "/bin/sh"
    except KeyError:
        return "/bin/sh"


async def _ask(shell: str, env: Mapping[str, str]) -> dict[str, str]:
    # `exec`: what a shell does at its end (.bash_logout) is not for us.
    command = f"exec {shlex.quote(sys.executable)} -I -S -c {shlex.quote(_TELL)}"
    # Not asyncio's own way, which waits for whoever holds the pipe, also in the background.
    process = subprocess.Popen(  # noqa: ASYNC220 -- it starts in milliseconds
        [shell, "-l", "-i", "-c", command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=env,
        start_new_session=True,
    )
    told: dict[str, str] = {}
    try:
        told = parse(await _until_told(process.stdout))
    finally:
        # What it started in the background is the user's own, unless it was what took so long.
        with contextlib.suppress(ProcessLookupError):
            process.kill() if told else os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return told


async def _until_told(pipe: IO[bytes] | None) -> bytes:
    """What is printed up to the second mark."""
    reader, printed = asyncio.StreamReader(), b""
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, pipe)
    try:
        while printed.count(b"\0" + _MARK + b"\0") < 2 and (more := await reader.read(65_536)):
            printed += more
    finally:
        transport.close()
    return printed


def parse(printed: bytes) -> dict[str, str]:
    """The variables between the marks; {} without both. What else was printed is noise."""
    parts = printed.split(b"\0" + _MARK + b"\0")
    if len(parts) != 3:
        return {}
    lines = (os.fsdecode(one).partition("=") for one in parts[1].split(b"\0"))
    return {name: value for name, _, value in lines if name and name not in _OF_THE_SHELL}
