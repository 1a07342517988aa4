"""The report of `tinytownd.doctor`, in groups, and what the daemon says of itself.

Apart from the command `doctor`, because the front door calls it, too, and has no parser.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

from tinytown_cli import client, output, places
from tinytownd import __version__
from tinytownd.domain.errors import OK, WORK_FAILED, TownError, Unavailable
from tinytownd.wire import HOME

#: Seconds for the daemon to say its version.
_DAEMON_SECONDS = 3.0
_MACHINE = ("python", "disk", "git")


def run() -> int:
    """Prints it; returns the exit code. Raises `Unavailable`."""
    try:
        # The one module of the daemon that the client may know: it looks at the installation.
        from tinytownd.doctor import checks  # noqa: PLC0415  # told below when it is not whole
    except ImportError as error:
        hint = f"install it again: {sys.executable} -m pip install --force-reinstall tinytown"
        raise Unavailable(f"this installation is not whole: {error}", hint=hint) from None
    report = [_daemon(one) if one["check"] == "daemon" else one for one in checks(os.environ)]
    output.show(report, _page(report))
    failed = any(not one["ok"] and one["required"] for one in report)
    return WORK_FAILED if failed else OK


def _daemon(told: client.Data) -> client.Data:
    """The line of the daemon; of one that runs, with its version beside ours."""
    pid = places.daemon_pid()
    if not pid or places.credentials():  # an agent may not ask
        return told
    if not places.ready_endpoint():
        return {**told, "detail": f"starts or stops, pid {pid}"}
    try:
        whole = client.send(client.Target(HOME), "daemon.status", {}, seconds=_DAEMON_SECONDS)
        running = whole["version"]
    except TownError as error:
        detail = f"runs, pid {pid}, and does not answer: {error.message}"
        return {**told, "ok": False, "detail": detail, "fix": "tt daemon restart"}
    if running == __version__:
        return {**told, "detail": f"runs, pid {pid}, version {running}"}
    detail = f"runs, pid {pid}, version {running}, and this tt is {__version__}"
    return {**told, "ok": False, "required": False, "detail": detail, "fix": "tt daemon restart"}


def _page(report: list[client.Data]) -> Iterator[str]:
    """The lines for people, in three groups; CLIs that are not here come last."""
    clis = [one for one in report if str(one["check"]).startswith("cli ")]
    machine = [one for one in report if one["check"] in _MACHINE]
    rest = [one for one in report if one not in clis and one not in machine]
    here = [one for one in clis if not _is_absent(one)]
    absent = [one for one in clis if _is_absent(one)]
    for title, group in (("Machine", machine), ("Tinytown", rest), ("Agent CLIs", here + absent)):
        yield output.paint(title, "bold")
        yield from map(_line, group)
    yield ""
    yield _verdict(report, here)


def _is_absent(one: client.Data) -> bool:
    """Whether it is a CLI that somebody might install."""
    return not one["ok"] and not one["required"] and one["detail"] == "not found"


def _line(one: client.Data) -> str:
    absent = str(one["check"]).startswith("cli ") and _is_absent(one)
    mark, style = ("ok", "green") if one["ok"] else ("look", "yellow")
    if not one["ok"] and one["required"]:
        mark, style = "missing", "red"
    if absent:
        mark, style = "-", "dim"
    fix = f" ({one['fix']})" if one["fix"] and not one["ok"] else ""
    name = str(one["check"]).removeprefix("cli ")
    told = output.clean(f"{name}: {one['detail']}{fix}")
    return f"  {output.paint(f'{mark:<8}', style)}{told}"


def _verdict(report: list[client.Data], clis: list[client.Data]) -> str:
    missing = [one for one in report if not one["ok"] and one["required"]]
    if missing:
        return f"{output.plural(len(missing), 'thing')} to mend before tinytown works here"
    if not clis:
        return (
            "All that is needed is here; no agent CLI is: rehearse, tt spawn NAME --cli rehearsal"
        )
    return "All that is needed is here"
