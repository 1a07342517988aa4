"""Stands in for `systemctl --user` and `loginctl`, which need a systemd that runs the machine.

It notes each call, starts what a unit's ExecStart= names as systemd would (a bare environment, a
socket for READY=1), and stops it by SIGTERM. Arguments: a directory for its state, its name, and
what it was called with.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

SECONDS = 30.0


class Manager:
    """One user's manager; its state is in files."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.pid_file = state / "pid"
        base = os.environ.get("XDG_CONFIG_HOME") or f"{os.environ['HOME']}/.config"
        self.unit = Path(base) / "systemd/user/tinytownd.service"

    def pid(self) -> int:
        """The service's process, while it lives."""
        try:
            pid = int(self.pid_file.read_text())
            status = Path(f"/proc/{pid}/stat").read_text()
        except (OSError, ValueError):
            return 0
        return 0 if status.rpartition(")")[2].split()[0] == "Z" else pid

    def start(self) -> int:
        """Returns when the daemon is ready, or has failed."""
        if self.pid():
            return 0
        place = self.state / "notify"
        place.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(place))
            notify.settimeout(0.05)
            process = self._spawn(place)
            self.pid_file.write_text(str(process.pid))
            deadline = time.monotonic() + SECONDS
            while process.poll() is None and time.monotonic() < deadline:
                with contextlib.suppress(TimeoutError):
                    if b"READY=1" in notify.recv(4096).splitlines():
                        process.returncode = 0  # it outlives us
                        return 0
        print("Job for tinytownd.service failed.", file=sys.stderr)
        return 1

    def _spawn(self, notify: Path) -> subprocess.Popen[bytes]:
        unit = self.unit.read_text()
        found = re.search("^ExecStart=(.*)$", unit, flags=re.MULTILINE)
        assert found is not None
        settings = re.findall("^Environment=(.*)$", unit, flags=re.MULTILINE)
        own = dict(shlex.split(one)[0].replace("%%", "%").split("=", 1) for one in settings)
        bare = {
            **{name: os.environ[name] for name in ("HOME", "SHELL") if name in os.environ},
            "PATH": "/usr/bin:/bin",
            "NOTIFY_SOCKET": str(notify),
            "INVOCATION_ID": "0123",
        }
        with (self.state / "journal").open("ab") as journal:
            return subprocess.Popen(
                [shlex.split(found[1])[0].replace("%%", "%")],
                env={**bare, **own},
                cwd=os.environ["HOME"],
                stdin=subprocess.DEVNULL,
                stdout=journal,
                stderr=journal,
                start_new_session=True,
            )

    def stop(self) -> int:
        """Returns when the daemon has ended, or does not."""
        deadline = time.monotonic() + SECONDS
        while (pid := self.pid()) and time.monotonic() < deadline:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            time.sleep(0.05)
        return 1 if self.pid() else 0

    def show(self) -> int:
        """The properties that `tt` asks for."""
        pid = self.pid()
        print(f"MainPID={pid}\nStatusText=0 towns\nUnitFileState=enabled")
        print("ActiveState=active\nSubState=running" if pid else "ActiveState=inactive")
        return 0


def main() -> int:
    state, name, *words = Path(sys.argv[1]), *sys.argv[2:]
    with (state / "calls").open("a") as calls:
        calls.write(json.dumps([name, *words]) + "\n")
    if (state / "unreachable").exists():
        print("Failed to connect to bus: No medium found", file=sys.stderr)
        return 1
    manager = Manager(state)
    match [word for word in words if not word.startswith("--")]:
        case ["start" | "enable", _]:
            return manager.start()
        case ["stop" | "disable", _]:
            return manager.stop()
        case ["show", _]:
            return manager.show()
        case ["show-user", _]:
            print("yes" if (state / "lingers").exists() else "no")
        case ["enable-linger"]:
            (state / "lingers").touch()
    return 0


if __name__ == "__main__":
    sys.exit(main())
