"""`tinytownd`, the program: its arguments, the home's lock, and a head start for the server.

Only what that needs is imported here; the daemon itself (`root.py`) comes while the server loads.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from tinytownd import __version__
from tinytownd.config import load_home
from tinytownd.domain.errors import OK, BadInput, TownError
from tinytownd.home import DaemonLock, Home
from tinytownd.redact import redact
from tinytownd.store.binary import find_binary
from tinytownd.store.process import ServerProcess


@contextlib.contextmanager
def locked(home: Home) -> Iterator[bool]:
    """Holds the home's lock; False when another daemon has it."""
    lock = DaemonLock(home)
    # One try: a second daemon that waited would take over from one that is being stopped.
    held = lock.acquire()
    try:
        yield held
    finally:
        if held:
            lock.release()


def serve(env: Mapping[str, str]) -> int:
    """Runs the daemon of the home that the environment names; its exit code. Raises `TownError`."""
    if "TINYTOWN_CREDENTIALS" in env:
        # It would end with the round, and take the other agents' supervision with it.
        raise BadInput("an agent starts no daemon", hint="run it outside the agent's process")
    home = Home.from_env(env)
    home.create()
    with locked(home) as held:
        if not held:
            sys.stderr.write(f"tinytownd runs already for {home.path}\n")
            return OK
        server = head_start(home, env)
        # structlog would have `rich` show errors on a terminal: a tenth of our imports.
        sys.modules.setdefault("rich", None)  # type: ignore[arg-type]
        from tinytownd import root  # noqa: PLC0415 -- takes most of a start: the server loads meanwhile

        root.run(home, env, server)
    return OK


def head_start(home: Home, env: Mapping[str, str]) -> ServerProcess | None:
    """The embedded server's process, if we may start one: it loads its data while we import.

    What is wrong is not told here: the daemon meets it again, with its log open.
    """
    with contextlib.suppress(TownError):
        settings = load_home(home.config).redis
        if not settings.url:
            process = ServerProcess(home, find_binary(env), settings.durability)
            return process if process.start() else None
    return None


def read_arguments() -> None:
    """There is nothing to choose but help and the version; anything else ends with exit code 2."""
    if not sys.argv[1:]:
        return
    import argparse  # noqa: PLC0415 -- nearly always there is nothing to read

    parser = argparse.ArgumentParser(
        prog="tinytownd",
        description="The daemon of Tinytown, in the foreground; TINYTOWN_HOME names its home "
        "(default: ~/.tt). It needs no arguments: what can be set is in the home's config.toml.",
    )
    parser.add_argument("--version", action="version", version=f"tinytown {__version__}")
    parser.parse_args()


def tell_fault(*fault: Any) -> None:
    """Python's last words about a fault of ours, without secrets: they go into a log."""
    import traceback  # noqa: PLC0415 -- seldom needed

    sys.stderr.write(redact("".join(traceback.format_exception(*fault))))


def main() -> None:
    """The program `tinytownd`."""
    sys.excepthook = tell_fault
    read_arguments()
    try:
        code = serve(dict(os.environ))
    except TownError as error:
        hint = f" ({error.hint})" if error.hint else ""
        sys.stderr.write(redact(f"tinytownd: {error.message}{hint}\n"))
        code = error.exit_code
    except KeyboardInterrupt:
        code = OK
    sys.exit(code)


if __name__ == "__main__":
    main()
