"""What can be known of an agent CLI without a call to anybody: version, and whether signed in.

No secret is read: only whether a variable is set, and a file there.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tinytownd.domain.clis import KEYCHAIN_SYSTEM, Cli

if TYPE_CHECKING:
    import subprocess

#: Seconds for all `--version` together; a CLI that takes longer has one that is not known.
VERSION_SECONDS = 3.0
_VERSION = re.compile(r"\d+\.\d+(\.\d+)?[\w.+-]*")
# How far a program lies below its package: PACKAGE/dist/bin/cli.js, at most.
_LEVELS = 4
_QUIET = {"DISABLE_AUTOUPDATER": "1", "NO_UPDATE_NOTIFIER": "1", "CI": "1"}


def versions(programs: Iterable[Path], env: Mapping[str, str]) -> dict[Path, str]:
    """The versions of these programs, "" where one is not told. Starts only what must be asked."""
    found = {program: _written(program) for program in programs}
    found |= _asked([program for program, version in found.items() if not version], env)
    return found


def _written(program: Path) -> str:
    """The version that the program's place tells: a package of npm's, or a name like `2.1.3`."""
    whole = program.resolve()
    if _VERSION.fullmatch(whole.name):
        return whole.name
    for directory in list(whole.parents)[:_LEVELS]:
        try:
            told = json.loads((directory / "package.json").read_bytes())
        except (OSError, ValueError):
            continue
        if isinstance(told, dict) and isinstance(told.get("version"), str):
            return str(told["version"])
    return ""


def _asked(programs: list[Path], env: Mapping[str, str]) -> dict[Path, str]:
    """What they answer to `--version`, all at once; whoever is late is ended."""
    import subprocess  # noqa: PLC0415  # as dear as all the rest here, and seldom needed

    running = {program: process for program in programs if (process := _start(program, env))}
    deadline = time.monotonic() + VERSION_SECONDS
    told = dict.fromkeys(programs, "")
    for program, process in running.items():
        with contextlib.suppress(subprocess.TimeoutExpired):  # what it says fits into the pipe
            process.wait(max(deadline - time.monotonic(), 0))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        version = _VERSION.search(_said(process).decode(errors="replace"))
        told[program] = version[0] if version else ""
    return told


def _said(process: subprocess.Popen[bytes]) -> bytes:
    """What lies in its pipe: the pipe's end may be held by what it left in the background."""
    with process:
        if process.stdout is None:
            return b""
        os.set_blocking(process.stdout.fileno(), False)
        return process.stdout.read() or b""


def _start(program: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes] | None:
    import subprocess  # noqa: PLC0415  # as above

    try:
        return subprocess.Popen(
            [program, "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**env, **_QUIET},
            start_new_session=True,
        )
    except OSError:
        return None


def signed_in(cli: Cli, env: Mapping[str, str], system: str = sys.platform) -> tuple[bool, str]:
    """Whether somebody is signed in, as far as can be seen, and that in words.

    Where it cannot be seen, nothing is wrong.
    """
    variable = next((name for name in cli.variables if env.get(name)), "")
    if variable:
        return True, f"signed in ({variable})"
    if cli.file and os.access(_file(cli, env), os.F_OK):
        return True, f"signed in ({_short(_file(cli, env), env)})"
    if cli.elsewhere or system == KEYCHAIN_SYSTEM:
        return True, "whether it is signed in cannot be seen"
    return False, "not signed in"


def _file(cli: Cli, env: Mapping[str, str]) -> Path:
    first, _, rest = cli.file.partition("/")
    moved = env.get(cli.moved_by, "")
    return Path(moved) / rest if moved else Path(env.get("HOME") or Path.home()) / first / rest


def _short(path: Path, env: Mapping[str, str]) -> str:
    home = env.get("HOME")
    return f"~/{path.relative_to(home)}" if home and path.is_relative_to(home) else str(path)
