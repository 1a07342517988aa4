"""What this machine has, what is missing, and the command that mends it.

Needs no daemon, starts no server and changes nothing. `tt doctor` runs it in its own process: it is
the one part of the client that looks at the installation itself.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from tinytownd.config import Config, load_home
from tinytownd.domain.clis import CLIS
from tinytownd.domain.errors import BadInput, TownError
from tinytownd.home import LINUX, SOCKET_PATH_LIMIT, DaemonLock, Home
from tinytownd.resources import free_disk
from tinytownd.runtimes.catalogue import PRESETS, Runtime, executable
from tinytownd.runtimes.installed import signed_in, versions

#: Free space, in MiB, below which rounds and the store soon fail.
LEAST_DISK = 100
SERVICE = "tinytownd.service"
#: Where the system's administrator enables units (systemd.unit(5)).
SYSTEM_UNITS = Path("/etc/systemd/system")

Check = dict[str, object]


def check(name: str, ok: bool, detail: str, fix: str = "", *, required: bool = True) -> Check:
    """One line of the report."""
    return {"check": name, "ok": ok, "required": required, "detail": detail, "fix": fix}


def checks(env: Mapping[str, str]) -> Iterator[Check]:
    """Every check, one after the other."""
    home = Home.from_env(env)
    yield from _machine(home, env)
    yield from _home(home)
    settings: Config | None = None
    try:
        settings = load_home(home.config)
        yield check("config", True, str(home.config) if _there(home.config) else "all defaults")
    except TownError as error:
        yield check("config", False, error.message, error.hint)
    pid = DaemonLock(home).holder()
    if settings is not None:
        yield from _server(settings, env, running=pid is not None)
    yield _socket(home)
    yield check("daemon", True, f"runs, pid {pid}" if pid else "not running: tt starts it")
    yield _service(env)
    yield from _agent_clis(settings or Config(), env)


def _machine(home: Home, env: Mapping[str, str]) -> Iterator[Check]:
    version = sys.version.split()[0]
    yield check("python", sys.version_info >= (3, 11), version, "install Python 3.11 or newer")
    free = free_disk(_nearest(home.path))
    told = "not known" if free is None else f"{free:,} MiB free"
    enough = free is None or free >= LEAST_DISK
    yield check("disk", enough, told, f"free some space for {home.path}")
    git = shutil.which("git", path=env.get("PATH"))
    how = "apt install git" if LINUX else "xcode-select --install"
    yield check("git", git is not None, git or "not found", how, required=False)


def _nearest(path: Path) -> Path:
    """The path, or the directory above it that there is."""
    return next(one for one in (path, *path.parents) if _there(one))


def _there(path: Path) -> bool:
    """Whether it is there; not, where a directory above it is closed to us."""
    return os.access(path, os.F_OK)


def _home(home: Home) -> Iterator[Check]:
    """Whether the home can be used, and by nobody else."""
    there, path = _there(home.path), home.path
    near = _nearest(path)
    usable = near.is_dir() and os.access(near, os.R_OK | os.W_OK | os.X_OK)
    told = str(path) if there else f"{path} is made when it is needed"
    if not usable:
        told = f"{near} is {'not yours to write' if near.is_dir() else 'not a directory'}"
    yield check("home", usable, told, "set TINYTOWN_HOME to a directory of yours")
    if there and usable:
        problem, fix = _open_to_others(home)
        yield check("permissions", not problem, problem or "yours alone", fix)


def _open_to_others(home: Home) -> tuple[str, str]:
    """What in the home is not its user's alone, and the command that mends it."""
    files = [home.path, *_files(home.path), *_files(home.data), *_files(home.logs)]
    foreign = [file for file in files if (found := _status(file)) and found.st_uid != os.geteuid()]
    if foreign:
        named = shlex.quote(str(home.path))
        return f"{foreign[0]} is another user's", f'sudo chown -R "$(id -un)" {named}'
    for file, mode in ((home.path, 700), (home.credentials, 600), (home.endpoint, 600)):
        if (found := _status(file, of_link=False)) and found.st_mode & 0o077:
            return f"{file} is open to other users", f"chmod {mode} {shlex.quote(str(file))}"
    return "", ""


def _status(file: Path, *, of_link: bool = True) -> os.stat_result | None:
    """None for one that is gone: a daemon at work puts files in each other's place."""
    try:
        return file.stat(follow_symlinks=not of_link)
    except OSError:
        return None


def _files(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except OSError:
        return []


def _server(settings: Config, env: Mapping[str, str], *, running: bool) -> Iterator[Check]:
    """Whether there is a server to start, or the one that is configured answers.

    One of a daemon that runs has been started, and is not tried again.
    """
    try:
        if settings.redis.url:
            yield from _external_server(settings.redis.url)
        elif running:
            yield check("redis", True, "embedded, and runs")
        else:
            # Starting a program, to ask for its version, costs as much as half of the rest.
            from tinytownd.store.binary import find_binary  # noqa: PLC0415

            yield check("redis", True, f"embedded, {find_binary(env)}")
    except TownError as error:
        fix = error.hint
        if "tt doctor" in fix:  # that is us
            fix = "start that server, or take redis.url out of config.toml"
        yield check("redis", False, error.message, fix)


def _external_server(url: str) -> Iterator[Check]:
    """Whether the daemon has the rights on somebody else's server that it needs, and no more."""
    # redis and asyncio cost more than all the rest, and few need them.
    import asyncio  # noqa: PLC0415

    from tinytownd.store.access import USER, examine, line  # noqa: PLC0415
    from tinytownd.store.client import external  # noqa: PLC0415

    access = asyncio.run(examine(external(url)))
    yield check("redis", True, "external")
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


def _socket(home: Home) -> Check:
    """Whether the store's socket has a path that fits into an address, or a way around it."""
    size = len(os.fsencode(home.socket))
    told = f"{size} bytes of path, of {SOCKET_PATH_LIMIT}"
    fits = size <= SOCKET_PATH_LIMIT
    if not fits and LINUX and Path("/proc/self/fd").is_dir():
        return check("socket", True, f"{told}: reached by way of /proc/self/fd")
    return check("socket", fits, told, "set TINYTOWN_HOME to a directory with a shorter path")


def _service(env: Mapping[str, str]) -> Check:
    """Whether the daemon is kept there by the system; told by files, so that nothing is asked."""
    user = Path(env.get("HOME") or Path.home())
    if not LINUX:
        agent = user / "Library" / "LaunchAgents" / "io.tinytown.tinytownd.plist"
        return _no_service() if not _there(agent) else check("service", True, str(agent))
    name = env.get("USER") or env.get("LOGNAME") or user.name
    if (SYSTEM_UNITS / "multi-user.target.wants" / f"tinytownd@{name}.service").is_symlink():
        return check("service", True, f"enabled for all of the machine: tinytownd@{name}")
    units = Path(env.get("XDG_CONFIG_HOME") or user / ".config") / "systemd" / "user"
    if not _there(units / SERVICE):
        return _no_service()
    if not (units / "default.target.wants" / SERVICE).is_symlink():
        fix = f"systemctl --user enable {SERVICE}"
        return check("service", False, "installed, not enabled", fix, required=False)
    if not _there(Path("/var/lib/systemd/linger", name)):
        told = "enabled, and ends with your last login"
        return check("service", False, told, "loginctl enable-linger", required=False)
    return check("service", True, "enabled, also while you are not logged in")


def _no_service() -> Check:
    told = "not installed: tt starts the daemon (tt service install keeps it always there)"
    return check("service", True, told)


def _agent_clis(settings: Config, env: Mapping[str, str]) -> Iterator[Check]:
    """Which CLIs of the catalogue and of the home are on PATH; none of them is required.

    A table that no CLI can be made of is: the agents on it cannot start.
    """
    known = {name: one for name, one in PRESETS.items() if one.install}
    for name, table in settings.agent_clis.items():
        # The reader of tables brings all readers of transcripts along.
        from tinytownd.runtimes.tables import from_table  # noqa: PLC0415

        try:
            known[name] = from_table(name, table)
        except BadInput as error:
            yield check(f"cli {name}", False, error.message, error.hint)
    where = {name: executable(one, env.get("PATH", os.defpath)) for name, one in known.items()}
    said = versions({Path(found) for found in where.values() if found}, env)
    for name, runtime in known.items():
        found = where[name]
        if found is None:
            told = (False, "not found", runtime.install)
            yield check(f"cli {name}", *told, required=False)
        else:
            yield _found(runtime, f"{found} {said[Path(found)]}".rstrip(), settings, env)


def _found(runtime: Runtime, told: str, settings: Config, env: Mapping[str, str]) -> Check:
    """A CLI that is there: whether somebody is signed in, where that can be known."""
    cli = CLIS.get(runtime.name)
    if cli is None or cli.program != runtime.argv[0]:
        return check(f"cli {runtime.name}", True, told, required=False)
    table = settings.agent_clis.get(runtime.name, {}).get("env", {})
    own = table if isinstance(table, Mapping) else {}
    ok, words = signed_in(cli, {**env, **_env_file(settings), **settings.env, **own})
    fix = "" if ok else cli.login
    return check(f"cli {runtime.name}", ok, f"{told}, {words}", fix, required=False)


def _env_file(settings: Config) -> Mapping[str, str]:
    """What agents get from the file that the configuration names; nothing where it is unusable."""
    if settings.env_file is None:
        return {}
    from tinytownd.environment import read_env_file  # noqa: PLC0415  # few have one

    try:
        return read_env_file(settings.env_file)
    except TownError:
        return {}
