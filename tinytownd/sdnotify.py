"""What a service manager is told, by the protocol of sd_notify(3), and how the journal is written.

Without a service manager all of it does nothing.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

#: What systemd and launchd set for the daemon alone; agents, or what they start, must not answer
#: for it (systemd.exec(5), "Environment Variables Set or Propagated by the Service Manager").
FROM_MANAGER = frozenset(
    {
        *("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "INVOCATION_ID", "JOURNAL_STREAM"),
        *("SYSTEMD_EXEC_PID", "MANAGERPID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"),
        *("MEMORY_PRESSURE_WATCH", "MEMORY_PRESSURE_WRITE", "XPC_SERVICE_NAME", "XPC_FLAGS"),
    }
)
#: A manager that takes no message for so long is gone, in seconds.
SEND_SECONDS = 1.0
#: sd-daemon(3): the syslog priority before a line.
_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}


class Manager:
    """The service manager that started this process, if one did and wants to be told."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._address = address(env.get("NOTIFY_SOCKET", ""))
        #: How long it waits for WATCHDOG=1, in seconds; 0: it does not.
        self.watchdog_seconds = watchdog_seconds(env, os.getpid())

    @property
    def listens(self) -> bool:
        """Whether there is anybody to tell."""
        return bool(self._address)

    def tell(self, **variables: str | int) -> None:
        """Sends one message; nobody there is no fault of ours."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
                line.settimeout(SEND_SECONDS)
                line.sendto(message(variables), self._address)
        except OSError:
            return


def address(name: str) -> str:
    """The socket's address; "" for none that we can reach. `@` stands for an abstract one's NUL."""
    if name.startswith("@"):
        return "\0" + name[1:]
    return name if name.startswith("/") else ""


def message(variables: Mapping[str, str | int]) -> bytes:
    """`NAME=value`, one a line."""
    lines = (f"{name}={' '.join(str(value).split())}" for name, value in variables.items())
    return "\n".join(lines).encode(errors="replace")


def watchdog_seconds(env: Mapping[str, str], pid: int) -> float:
    """How long the manager waits for a sign of life of this process (sd_watchdog_enabled(3))."""
    try:
        if int(env.get("WATCHDOG_PID") or pid) != pid:
            return 0.0
        return max(0, int(env.get("WATCHDOG_USEC") or 0)) / 1_000_000
    except ValueError:
        return 0.0


def is_journal(env: Mapping[str, str], descriptor: int) -> bool:
    """Whether what is written there goes to the journal: systemd names its device and inode."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    return env.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def priority(level: object) -> str:
    """What the journal takes from a line's beginning as its priority: `<6>`."""
    return f"<{_PRIORITIES.get(str(level), 6)}>"
