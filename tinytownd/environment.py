"""What agents find in their environment."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import structlog

from tinytownd.config import Config
from tinytownd.domain.errors import BadInput, TownError
from tinytownd.files import read_text, write_atomic
from tinytownd.redact import secret_values
from tinytownd.runtimes.catalogue import Runtime

log = structlog.get_logger(__name__)
#: Set by systemd and launchd for what they start: then no login shell has been through.
SERVICE_MARKS = ("INVOCATION_ID", "XPC_SERVICE_NAME")
#: How long a login shell may take, in seconds; editors wait as long.
LOGIN_SECONDS = 10.0
_MARK = "--tinytown-environment--"
_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)")


def scrubbed(env: Mapping[str, str]) -> dict[str, str]:
    """The environment without the marks of a round that it may have come from."""
    return {name: value for name, value in env.items() if not name.startswith("TINYTOWN_")}


async def users_environment(env: Mapping[str, str]) -> dict[str, str]:
    """What the user's login shell would have, when a service manager started us; else our own."""
    if not any(mark in env for mark in SERVICE_MARKS):
        return scrubbed(env)
    shell = env.get("SHELL") or "/bin/sh"
    try:
        process = await asyncio.create_subprocess_exec(
            *(shell, "-l", "-i", "-c", f"printf '%s\\0' '{_MARK}'; env -0"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=scrubbed(env),
            start_new_session=True,
        )
        async with asyncio.timeout(LOGIN_SECONDS):
            output, _ = await process.communicate()
    except (OSError, TimeoutError) as error:
        log.warning("environment.login_failed", shell=shell, error=str(error))
        return scrubbed(env)
    _, _, told = output.decode(errors="surrogateescape").partition(f"{_MARK}\0")
    pairs = (line.partition("=") for line in told.split("\0") if "=" in line)
    return scrubbed({name: value for name, _, value in pairs}) or scrubbed(env)


def read_env_file(path: Path) -> dict[str, str]:
    """`NAME=value` lines; `#` comments, `export` and quotes as in a shell. Raises `BadInput`."""
    found: dict[str, str] = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _LINE.fullmatch(text)
        if match is None:
            raise BadInput(f"{path}:{number}: not NAME=value")
        value = match[2].strip()
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
        found[match[1]] = value[1:-1] if quoted else value
    return found


def for_agent(
    base: Mapping[str, str], config: Config, runtime: Runtime | None, bin_dir: Path
) -> dict[str, str]:
    """The user's environment, what the CLI and the configuration add, and `tt` first on PATH.

    A preset's own variables are defaults; what the configuration says of the CLI is not.
    """
    env = {**(runtime.env if runtime else {}), **base}
    if runtime is not None:
        table = config.agent_clis.get(runtime.name, {})
        env |= dict(table.get("env", {}))  # type: ignore[call-overload]
    if config.env_file is not None:
        env |= read_env_file(config.env_file)
    env |= config.env
    env["PATH"] = os.pathsep.join((str(bin_dir), env.get("PATH", os.defpath)))
    return scrubbed(env)


def secrets_of(base: Mapping[str, str], config: Config) -> tuple[str, ...]:
    """The secrets that any of the town's agents finds in its environment, longest first."""
    tables = [table.get("env") for table in config.agent_clis.values()]
    environments = [base, config.env, *(env for env in tables if isinstance(env, Mapping))]
    if config.env_file is not None:
        with contextlib.suppress(TownError):  # the agents do not start then
            environments.append(read_env_file(config.env_file))
    found = {value for env in environments for value in secret_values(env)}
    return tuple(sorted(found, key=len, reverse=True))


def install_tt(bin_dir: Path) -> None:
    """A directory with nothing but `tt` in it: the one that belongs to this daemon.

    What a project sets for its own Python is not for this one; neither is its directory (-P).
    """
    bin_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    quoted = "'" + sys.executable.replace("'", "'\\''") + "'"
    # Not -m, whose own imports take half as long as Python's start.
    program = "'import sys; from tinytown_cli.quick import main; sys.exit(main())'"
    script = f'#!/bin/sh\nunset PYTHONPATH PYTHONHOME\nexec {quoted} -P -c {program} "$@"\n'
    write_atomic(bin_dir / "tt", script, mode=0o700)
