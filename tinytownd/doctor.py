"""`tt doctor`: what this machine has, what is missing, and how to get it. Needs no daemon."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping

from tinytownd.config import AgentClis, load_home
from tinytownd.domain.errors import BadInput, TownError
from tinytownd.home import DaemonLock, Home
from tinytownd.resources import free_disk
from tinytownd.runtimes.catalogue import PRESETS
from tinytownd.runtimes.tables import from_table
from tinytownd.store.access import USER, Access, examine, line
from tinytownd.store.server import find_server

#: Free space, in MiB, below which rounds and the store soon fail.
LEAST_DISK = 100


def check(
    name: str, ok: bool, detail: str, fix: str = "", *, required: bool = True
) -> dict[str, object]:
    """One line of the report."""
    return {"check": name, "ok": ok, "required": required, "detail": detail, "fix": fix}


def checks(env: Mapping[str, str]) -> Iterator[dict[str, object]]:
    """Every check, one after the other; none changes anything that stays but making the home."""
    version = platform.python_version()
    yield check("python", sys.version_info >= (3, 11), version, "install Python 3.11 or newer")
    home = Home.from_env(env)
    try:
        home.create()
        yield check("home", True, str(home.path))
        settings = load_home(home.config)
        server = find_server(home, settings.redis, env)
        kind = type(server).__name__.removesuffix("Server").lower()
        access = asyncio.run(examine(server.endpoint("daemon"))) if settings.redis.url else None
        yield check("redis", True, kind)
    except TownError as error:
        yield check("home or redis", False, error.message, error.hint)
        return
    if access is not None:
        yield from external_server(access)
    free = free_disk(home.path)
    told = "not known" if free is None else f"{free:,} MiB free"
    yield check("disk", free is None or free >= LEAST_DISK, told, "free some space")
    pid = DaemonLock(home).holder()
    yield check("daemon", True, f"runs, pid {pid}" if pid else "not running: tt starts it")
    git = shutil.which("git", path=env.get("PATH"))
    yield check("git", git is not None, git or "not found", "apt install git", required=False)
    yield from agent_clis(env, settings.agent_clis)


def external_server(access: Access) -> Iterator[dict[str, object]]:
    """Whether the daemon has the rights on somebody else's server that it needs, and no more."""
    how = f"in redis-cli: {line()} , then redis.url = redis://{USER}:PASSWORD@HOST:PORT"
    told = f"the daemon is {access.user}"
    if access.everything:
        told += ", who may do everything there"
    yield check("redis user", not access.everything, told, how, required=False)
    may = "lets the daemon make users: each agent speaks as itself"
    may_not = "does not let the daemon make users: every agent has all of its rights"
    detail = may if access.makes_users else may_not
    yield check("redis users", access.makes_users, f"the server {detail}", how, required=False)
    if access.forgets:
        yield check(
            "redis restart",
            False,
            "Redis 7.0 reads its data back as the user 'default', who may not do everything there: "
            "all of the town would be lost with a restart of the server",
            "in redis-cli: ACL SETUSER default resetpass off ~* &* +@all (nobody can be him then), "
            "or upgrade the server to 7.2",
        )


def agent_clis(env: Mapping[str, str], tables: AgentClis) -> Iterator[dict[str, object]]:
    """Which CLIs of the catalogue and of the home are on PATH; none of them is required.

    A table that no CLI can be made of is: the agents on it cannot start.
    """
    known = {name: one for name, one in PRESETS.items() if one.install}
    for name, table in tables.items():
        try:
            known[name] = from_table(name, table)
        except BadInput as error:
            yield check(f"cli {name}", False, error.message, error.hint)
    for runtime in known.values():
        found = shutil.which(runtime.argv[0], path=env.get("PATH"))
        yield check(
            f"cli {runtime.name}",
            found is not None,
            found or "not found",
            runtime.install,
            required=False,
        )


def main() -> None:
    """Prints the report as JSON; exit code 1 when something required is missing."""
    report = list(checks(dict(os.environ)))
    sys.stdout.write(json.dumps(report) + "\n")
    sys.exit(any(one["required"] and not one["ok"] for one in report))


if __name__ == "__main__":
    main()
