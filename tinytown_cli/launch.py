"""Starts the daemon when none runs, and waits until it is ready."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tinytown_cli import output, places, transport
from tinytownd.domain.errors import BAD_INPUT, BadInput, TownError, Unavailable

if TYPE_CHECKING:
    from tinytown_cli.managers import Manager

START_SECONDS = 60.0
STOP_SECONDS = 30.0
#: How long after a daemon's end another one may come: `tt daemon restart` takes a second or two.
RESTART_SECONDS = 10.0
_LOOK_SECONDS = 0.02
_GIVE_WAY_SECONDS = 10.0
_APPEAR_SECONDS = 1.0
_START_LOG_BYTES = 1024 * 1024
# What an agent's process knows of its round must not reach a daemon started from it.
_PRIVATE = (
    *("TINYTOWN_TOWN", "TINYTOWN_AGENT", "TINYTOWN_TASK"),
    *("TINYTOWN_ROUND", "TINYTOWN_CREDENTIALS"),
    # Another service's, where we run in one: our daemon must not answer for it.
    *("NOTIFY_SOCKET", "WATCHDOG_"),
)


def ensure(tell: Callable[[str], None] = output.note) -> places.Endpoint:
    """The endpoint of a daemon that runs; starts one if need be, and says so.

    Raises `Unavailable`, `BadInput`.
    """
    return places.ready_endpoint() or _start(tell)


def rejoin() -> places.Endpoint:
    """The endpoint for a command that had one before: it starts a daemon only where one died.

    One that is stopped takes its endpoint away first; one that is restarted is there again soon.
    Raises `Unavailable`, `BadInput`.
    """
    absence = Absence()
    while not (ready := places.ready_endpoint()):
        if absence.is_death():
            return ensure()
        time.sleep(_LOOK_SECONDS)
    return ready


class Absence:
    """A time without a daemon, for one who had one before: why there is none, look by look."""

    def __init__(self) -> None:
        began = time.monotonic()
        self._latest = began + START_SECONDS
        self._deadline = began + RESTART_SECONDS

    def is_death(self) -> bool:
        """Whether it died, and is to be brought back; else it may be on its way.

        Raises `Unavailable` for one that was stopped.
        """
        if places.endpoint_file().exists():
            return True
        now = time.monotonic()
        if places.daemon_pid():  # it is not gone yet, or the next one is about to be ready
            self._deadline = min(now + RESTART_SECONDS, self._latest)
        if now > self._deadline:
            raise Unavailable("the daemon was stopped", hint="any command that needs it starts it")
        return False


def _start(tell: Callable[[str], None]) -> places.Endpoint:
    """Of two that start a daemon at once, one daemon gives way: both wait for the other."""
    from tinytown_cli import managers  # noqa: PLC0415  # only who has no daemon asks for one

    deadline = time.monotonic() + START_SECONDS
    child: subprocess.Popen[bytes] | None = None
    offset, killed = 0, False
    service, by = managers.installed(places.home()), ""
    while time.monotonic() < deadline:
        endpoint = places.ready_endpoint()
        if endpoint and _answers(endpoint):
            if by or (child and endpoint.pid == child.pid):
                tell(f"started tinytownd (pid {endpoint.pid}{by})")
            if child:
                _let_go(child, endpoint.pid, deadline)
            return endpoint
        if child is None and not places.daemon_pid():
            if service is not None:
                by, service = _start_by(service, tell), None
            else:
                offset, child = _spawn()
        elif child and (code := child.poll()):
            if code > 0 or killed:
                raise _failure(code, offset)
            child, killed = None, True  # by somebody, once: the next one may live
        elif child and child.returncode == 0 and not places.daemon_pid():
            child = None
        time.sleep(_LOOK_SECONDS)
    raise Unavailable(
        f"tinytownd was not ready within {START_SECONDS:.0f} s", hint=f"see {_start_log()}"
    )


def _start_by(service: Manager, tell: Callable[[str], None]) -> str:
    """Has the service manager start the daemon; by whom, or "" and a note."""
    from tinytown_cli import managers  # noqa: PLC0415  # as above

    deadline = time.monotonic() + RESTART_SECONDS
    try:
        while time.monotonic() < deadline:
            # Again, since one that is about to end counts as started.
            managers.call(service.start(), START_SECONDS)
            look_until = time.monotonic() + _APPEAR_SECONDS
            while time.monotonic() < look_until:
                if places.daemon_pid():
                    return f", by {service.name}"
                time.sleep(_LOOK_SECONDS)
        why = f"{service.name} started nothing"
    except Unavailable as error:
        why = error.message
    tell(f"{why.rstrip('.')}; starting tinytownd without the service")
    return ""


def _let_go(child: subprocess.Popen[bytes], ready: int, deadline: float) -> None:
    """Waits for our daemon's end if another was first: late, it could outlive a `stop`."""
    if child.pid == ready:
        child.returncode = 0  # it outlives us; Python would warn of it
        return
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(max(0.0, min(_GIVE_WAY_SECONDS, deadline - time.monotonic())))


def wait_until_stopped(pid: int) -> None:
    """Waits until that daemon has let go of the home. Raises `Unavailable`."""
    deadline = time.monotonic() + STOP_SECONDS
    while places.daemon_pid() == pid:
        if time.monotonic() > deadline:
            raise Unavailable(f"tinytownd (pid {pid}) does not stop", hint="tt logs")
        time.sleep(_LOOK_SECONDS)


def _start_log() -> Path:
    return places.home() / "logs" / "start.log"


def _spawn() -> tuple[int, subprocess.Popen[bytes]]:
    """Starts a daemon that outlives us; also tells where its own lines begin in the log."""
    log = _start_log()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(_PRIVATE)}
    environment["TINYTOWN_AUTOSTART"] = "1"  # its stderr is this log: for why it does not start
    try:
        places.home().mkdir(mode=0o700, parents=True, exist_ok=True)
        log.parent.mkdir(mode=0o700, exist_ok=True)
        log.touch(mode=0o600)
        with log.open("ab") as errors:
            os.fchmod(errors.fileno(), 0o600)  # one of an earlier version may be open to others
            if errors.tell() > _START_LOG_BYTES:
                errors.truncate(0)
            offset = errors.tell()
            child = subprocess.Popen(
                # -P and cwd: a project's own redis.py must not stand in for the daemon's.
                [sys.executable, "-P", "-m", "tinytownd.daemon"],
                cwd=places.home(),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )
    except OSError as error:
        raise BadInput(
            f"{error.filename or log} cannot be used as the home: {_reason(error)}",
            hint="set TINYTOWN_HOME to a directory of yours",
        ) from None
    return offset, child


def _reason(error: OSError) -> str:
    return "it is no directory" if isinstance(error, FileExistsError) else str(error.strerror)


def _answers(endpoint: places.Endpoint) -> bool:
    try:
        with transport.Link(endpoint.address) as link:
            return link.ask("PING") == "PONG"
    except transport.Lost:
        return False


def _failure(code: int, offset: int) -> TownError:
    """What the daemon said last before it gave up."""
    with _start_log().open("rb") as log:
        log.seek(offset)
        said = log.read(_START_LOG_BYTES).decode(errors="replace").strip().splitlines()
    if code < 0:  # whatever another one said there
        reason = f"it was killed by signal {-code}"
    else:
        reason = said[-1].removeprefix("tinytownd: ") if said else f"exit code {code}"
    if code == BAD_INPUT:
        return BadInput(f"tinytownd does not start: {reason}")
    hint = "" if reason.endswith(")") else f"see {_start_log()}"  # it has one of its own
    return Unavailable(f"tinytownd does not start: {reason}", hint=hint)
