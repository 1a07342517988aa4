"""`service …`: the daemon under the machine's service manager, for this user."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from tinytown_cli import client, daemon, managers, output, places
from tinytown_cli.command import group, verb
from tinytown_cli.managers import Command, Manager
from tinytownd.domain.errors import OK, UNAVAILABLE, BadInput, Conflict, Unavailable

service = group(
    "service",
    "Have the machine's service manager run the daemon.",
    "tt service install\ntt service status",
)
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the files and commands, and do nothing.")
]


@verb("install", of=service, example="tt service install --linger")
def install(
    linger: Annotated[
        bool, typer.Option("--linger", help="Run on while you are logged out, too.")
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Install the daemon as a service of yours and start it, or update it."""
    client.for_people()
    home = places.home()
    manager = managers.here()
    if linger and manager.name != "systemd":
        raise BadInput("--linger is for systemd", hint="launchd runs it while you are logged in")
    text = manager.text(managers.program(), managers.kept_environment(home))
    commands = manager.install() + ([managers.LINGER] if linger else [])
    if dry_run:
        _would(manager, text, commands)
        return
    _refuse_another(manager, home)
    managers.call(manager.reach())
    before = _current(manager)
    if before != text or not _runs_it(manager):
        _put_in_place(manager, home, text, again=before is not None)
    if linger:
        managers.call(managers.LINGER)
    done = "installed" if before is None else "updated" if before != text else "unchanged"
    output.show(_told(manager) | {"done": done}, _installed(manager, done))


def _refuse_another(manager: Manager, home: Path) -> None:
    other = manager.home()
    if other is not None and other != home:
        raise Conflict(
            f"the service is installed for another home: {other}",
            hint=f"TINYTOWN_HOME={shlex.quote(str(other))} tt service uninstall",
        )


def _current(manager: Manager) -> str | None:
    """The installed file's text, if there is one."""
    try:
        return manager.file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _runs_it(manager: Manager) -> bool:
    """Whether the daemon that runs is the service's."""
    pid = places.daemon_pid()
    with contextlib.suppress(Unavailable):
        return pid > 0 and manager.state()["pid"] == str(pid)
    return False


def _put_in_place(manager: Manager, home: Path, text: str, *, again: bool) -> None:
    """A daemon that runs is stopped first, so that the service's can have the home."""
    if again:
        for command in manager.uninstall()[0]:
            with contextlib.suppress(Unavailable):  # it may not be loaded
                managers.call(command, managers.CHANGE_PATIENCE)
    if pid := places.daemon_pid():
        daemon.end(pid, kill=False)
    for directory in (home, home / "logs"):  # where launchd is to write
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    manager.file.parent.mkdir(parents=True, exist_ok=True)
    new = manager.file.with_name(f".{manager.file.name}.{os.getpid()}")
    new.write_text(text, encoding="utf-8")
    new.replace(manager.file)
    for command in manager.install():
        managers.call(command, managers.CHANGE_PATIENCE)


def _would(manager: Manager, text: str | None, commands: list[Command]) -> None:
    """What would be written (None: removed) and run."""
    data = {"file": str(manager.file), "text": text, "commands": commands}

    def lines() -> Iterator[str]:
        yield f"Would {'remove' if text is None else 'write'} {manager.file}"
        if text is not None:
            yield from ("", *text.splitlines(), "")
        yield "Would run"
        yield from (f"  {shlex.join(command)}" for command in commands)

    output.show(data, lines())


def _installed(manager: Manager, done: str) -> Iterator[str]:
    how = {
        "installed": "Installed the service",
        "updated": "Brought the service up to date",
        "unchanged": "The service is installed already",
    }
    yield f"{how[done]} ({manager.file})"
    yield from _page(_told(manager))


@verb("uninstall", of=service, example="tt service uninstall")
def uninstall(dry_run: DryRun = False) -> None:
    """Stop the service and remove it; rounds that run go on."""
    client.for_people()
    manager = managers.here()
    before, after = manager.uninstall()
    if dry_run:
        _would(manager, None, before + after)
        return
    if _current(manager) is None:
        output.show({"done": "nothing"}, ["No service is installed"])
        return
    _refuse_another(manager, places.home())
    managers.call(manager.reach())
    for command in before:
        managers.call(command, managers.CHANGE_PATIENCE)
    manager.file.unlink()
    for command in after:
        managers.call(command, managers.CHANGE_PATIENCE)
    output.show(
        {"done": "removed", "file": str(manager.file)},
        [f"Removed the service ({manager.file}); from now on tt starts the daemon by itself"],
    )


@verb("status", of=service, example="tt service status --json")
def status() -> None:
    """Show the service. Exit code 3 when it does not run."""
    manager = _here()
    told = _told(manager)
    output.show(told, _page(told))
    raise typer.Exit(OK if told["pid"] else UNAVAILABLE)


@verb("logs", of=service, example="tt service logs -f")
def logs(
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what comes.")] = False,
    lines: Annotated[
        int, typer.Option("-n", "--lines", metavar="N", min=1, help="So many lines (default: 50).")
    ] = 50,
) -> None:
    """Show what the service manager and the daemon said last."""
    command = _here().logs(lines, follow)
    output.flush()
    try:
        os.execvp(command[0], command)  # noqa: S606  # it prints, pages and follows by itself
    except OSError as error:
        raise Unavailable(f"{command[0]}: {error.strerror}", hint="tt logs") from None


def _here() -> Manager:
    """The manager that has our service. Raises `Unavailable`."""
    manager = managers.here()
    if manager.home() is None:
        raise Unavailable("no service is installed", hint="tt service install")
    _refuse_another(manager, places.home())
    return manager


def _told(manager: Manager) -> client.Data:
    """The shape of `--json`."""
    state = manager.state()
    return {
        "manager": manager.name,
        "file": str(manager.file),
        "state": state["state"],
        "pid": int(state["pid"]) if state["pid"].isdigit() else None,
        "status": state["status"],
        "at_login": state["at_login"],
        "linger": managers.lingers() if manager.name == "systemd" else None,
    }


def _page(told: client.Data) -> Iterator[str]:
    pid = f", pid {told['pid']}" if told["pid"] else ""
    yield f"service   {told['file']} ({told['manager']})"
    yield f"state     {told['state']}{pid}"
    if told["status"]:
        yield f"says      {told['status']}"
    yield f"at login  {told['at_login'] or 'unknown'}"
    if told["linger"] is not None:
        yield f"linger    {_LINGER[told['linger']]}"


_LINGER = {
    True: "yes: it runs on while you are logged out, and starts with the machine",
    False: "no: it ends when you log out (tt service install --linger)",
}
