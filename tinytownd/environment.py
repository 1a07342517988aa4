"""What agents find in their environment."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from tinytownd.config import Config
from tinytownd.domain.errors import BadInput, TownError
from tinytownd.files import read_text, write_atomic
from tinytownd.login import WANTED, login_environment
from tinytownd.redact import secret_values
from tinytownd.runtimes.catalogue import Runtime
from tinytownd.sdnotify import FROM_MANAGER

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)")


def scrubbed(env: Mapping[str, str]) -> dict[str, str]:
    """The environment without the marks of a round, or of a service, that it may have come from."""
    return {
        name: value
        for name, value in env.items()
        if not name.startswith("TINYTOWN_") and name not in FROM_MANAGER
    }


async def users_environment(env: Mapping[str, str]) -> dict[str, str]:
    """What the user's login shell would have, where a service file asks for it; else our own."""
    own = scrubbed(env)
    if env.get(WANTED) != "1":
        return own
    return scrubbed(await login_environment(own) or own)


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
