"""The daemon and the machine: `daemon …` and `doctor`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from tinytown_cli import client, launch, output, places
from tinytown_cli.command import group, verb
from tinytownd.domain.errors import OK, WORK_FAILED, TimedOut, Unavailable

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
    if not pid:
        return output.show({"rounds": []}, ["No daemon runs"])
    rounds = _stop(pid, kill=kill)
    return output.show({"rounds": rounds}, _stopped(pid, rounds, kill))


@verb("restart", of=daemon, example="tt daemon restart")
def restart() -> None:
    """Stop the daemon and start it again; rounds that run go on."""
    client.for_people()
    pid = places.daemon_pid()
    rounds = _stop(pid, kill=False) if pid else []
    new = launch.ensure().pid
    output.show({"pid": new, "rounds": rounds}, [f"tinytownd runs anew (pid {new})"])


def _stop(pid: int, *, kill: bool) -> list[client.Data]:
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


@verb("doctor", example="tt doctor")
def doctor() -> None:
    """Say what is missing on this machine, and how to get it."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tinytownd.doctor", "--json"],
        stdout=subprocess.PIPE,
        check=False,
    )
    try:
        checks = json.loads(done.stdout)
    except ValueError:
        raise Unavailable(f"the doctor said nothing (exit code {done.returncode})") from None
    output.show(checks, _checks(checks))
    failed = any(not check["ok"] and check.get("required", True) for check in checks)
    raise typer.Exit(WORK_FAILED if failed else OK)


def _checks(checks: list[client.Data]) -> Iterator[str]:
    for check in checks:
        required = check.get("required", True)
        mark = "ok" if check["ok"] else "missing" if required else "optional"
        style = "green" if check["ok"] else "red" if required else "yellow"
        fix = f" ({check['fix']})" if check["fix"] and not check["ok"] else ""
        told = output.clean(f"{check['check']}: {check['detail']}{fix}")
        yield f"{output.paint(f'{mark:<9}', style)}{told}"
