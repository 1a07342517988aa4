"""An AI CLI in the person's terminal: run with it, waited for, and the terminal as it was."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator

from tinytown_cli import client, output, places
from tinytownd.domain.errors import OK, WORK_FAILED, BadInput

#: Keys of the terminal that are the CLI's while it runs.
_ITS_OWN = (signal.SIGINT, signal.SIGQUIT)


def require(command: str) -> None:
    """Raises `BadInput` where there is no terminal to open anything in."""
    streams = (sys.stdin, sys.stdout)
    if not all(stream is not None and stream.isatty() for stream in streams):
        raise BadInput(f"{command} works on a terminal only", hint="run it in one, without pipes")


def run(told: client.Data) -> int:
    """Runs what the daemon told of until it ends; our exit code.

    Raises `BadInput` where its program is not found.
    """
    _tell_withheld(told)
    argv = told["argv"]
    try:
        with _lent():
            code = subprocess.call(argv, cwd=told["cwd"], env=_environment(told))
    except FileNotFoundError as error:
        if error.filename == told["cwd"]:
            raise
        raise BadInput(f"{argv[0]} is not on your PATH", hint="tt doctor") from None
    if code:
        output.note(f"{argv[0]} ended with exit code {code}")
    return WORK_FAILED if code else OK


def _environment(told: client.Data) -> dict[str, str]:
    """The person's own, with what the town's settings add; `tt` in it speaks as the person."""
    path = os.pathsep.join((str(places.home() / "bin"), os.environ.get("PATH", os.defpath)))
    town = {"TINYTOWN_TOWN_DIR": told["cwd"]}
    return {**os.environ, **told["env"], "PATH": path, **town}


def _tell_withheld(told: client.Data) -> None:
    missing = [name for name in told["withheld"] if name not in os.environ]
    file = [f"what is in {told['env_file']}"] if told["env_file"] else []
    if missing or file:
        what = ", ".join([*missing, *file])
        output.note(f"secrets stay with the daemon; set yourself what is needed of: {what}")


@contextlib.contextmanager
def _lent() -> Iterator[None]:
    """The terminal is somebody else's meanwhile, and comes back as it was."""
    fd = sys.stdin.fileno()
    modes = termios.tcgetattr(fd)
    # A handler, not SIG_IGN: the program would inherit that.
    before = {number: signal.signal(number, lambda *_: None) for number in _ITS_OWN}
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(fd, termios.TCSADRAIN, modes)
        for number, handler in before.items():
            signal.signal(number, handler)
