"""The daemon: `daemon …`."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Annotated

import typer

from tinytown_cli import client, launch, managers, output, places
from tinytown_cli.command import group, verb
from tinytownd.domain.errors import TimedOut, Unavailable

daemon = group(
    "daemon", "Look at the daemon, stop it, restart it.", "tt daemon status\ntt daemon restart"
)


@verb("status", of=daemon, example="tt daemon status --json")
def status() -> None:
    """Show the daemon. Exit code 3 when none runs; this starts none."""
    if not places.daemon_pid():
        raise Unavailable("no daemon runs", hint="any command that needs it starts it")
    now = client.home("daemon.status")
    output.show(now, _page(now))


def _page(now: client.Data) -> Iterator[str]:
    redis = now["redis"]
    kind = "embedded" if redis["embedded"] else "external"
    yield f"tinytownd {now['version']}, pid {now['pid']}, up {output.age(now['started_at'])}"
    yield f"home      {now['home']}"
    yield f"redis     {redis['server']} {redis['version']} ({kind})"
    yield f"towns     {now['towns']}"
    yield f"rounds    {now['rounds']} running"
    yield f"log       {now['log']}"


@verb("stop", of=daemon, example="tt daemon stop --kill")
def stop(
    kill: Annotated[bool, typer.Option("--kill", help="End the rounds that run, too.")] = False,
) -> None:
    """Stop the daemon; rounds that run go on, and are found again."""
    client.for_people()
    pid = places.daemon_pid()
    if kill and not pid and (places.home() / "daemon.lock").exists():
        # Rounds and the server outlive a daemon that died: another one knows how to end them.
        pid = launch.ensure().pid
    rounds = end(pid, kill=kill) if pid else []
    _stop_service()
    if not pid:
        return output.show({"rounds": []}, ["No daemon runs"])
    return output.show({"rounds": rounds}, _stopped(pid, rounds, kill))


@verb("restart", of=daemon, example="tt daemon restart")
def restart() -> None:
    """Stop the daemon and start it again; rounds that run go on."""
    client.for_people()
    pid = places.daemon_pid()
    rounds = end(pid, kill=False) if pid else []
    _stop_service()
    new = launch.ensure().pid
    output.show({"pid": new, "rounds": rounds}, [f"tinytownd runs anew (pid {new})"])


def _stop_service() -> None:
    """Makes sure that the service manager does not bring back what was stopped."""
    service = managers.installed(places.home())
    command = service.stop() if service else None
    if command is None:
        return
    try:
        managers.call(command, managers.CHANGE_PATIENCE)
    except Unavailable as error:
        output.note(f"{error.message}: the service may start the daemon again")


def end(pid: int, *, kill: bool) -> list[client.Data]:
    """Stops the daemon; the rounds that go on, or were ended with `kill`."""
    rounds: list[client.Data] = []
    try:
        rounds = client.home("daemon.stop", kill=kill)["rounds"]
    except (Unavailable, TimedOut):
        if kill:
            raise
        # A store that takes no commands, on a full disk for one: the daemon knows signals, too.
        os.kill(pid, signal.SIGTERM)
    launch.wait_until_stopped(pid)
    return rounds


def _stopped(pid: int, rounds: list[client.Data], kill: bool) -> Iterator[str]:
    yield f"Stopped tinytownd (pid {pid})"
    for one in rounds:
        what = "was ended" if kill else f"goes on (pid {one['pid']})"
        yield f"  round {one['round']} of {one['agent']} in {one['town']} {what}"
