"""launchd's agents of the user, on macOS."""

from __future__ import annotations

import os
import plistlib
import re
from pathlib import Path
from xml.parsers.expat import ExpatError

from tinytown_cli.managers import LABEL, Command, call, template


class Launchd:
    """`launchctl` in the user's graphical domain; see `managers.Manager`."""

    name = "launchd"

    def __init__(self) -> None:
        self.file = Path("~/Library/LaunchAgents").expanduser() / f"{LABEL}.plist"
        self._domain = f"gui/{os.getuid()}"
        self._target = f"{self._domain}/{LABEL}"

    def text(self, program: Path, environment: dict[str, str]) -> str:
        """The agent of the installation with this program's path, and a file for its stderr."""
        agent = plistlib.loads(template(f"{LABEL}.plist").encode())
        agent["ProgramArguments"] = [str(program)]
        agent["EnvironmentVariables"] |= environment
        home = Path(environment.get("TINYTOWN_HOME") or Path("~/.tt").expanduser())
        agent["StandardErrorPath"] = str(home / "logs" / "start.log")
        return plistlib.dumps(agent, sort_keys=False).decode()

    def home(self) -> Path | None:
        """What the agent sets, or `~/.tt`."""
        agent = self._agent()
        if agent is None:
            return None
        environment = agent.get("EnvironmentVariables")
        named = environment.get("TINYTOWN_HOME") if isinstance(environment, dict) else None
        return Path(str(named or "~/.tt")).expanduser()

    def _agent(self) -> dict[str, object] | None:
        try:
            agent = plistlib.loads(self.file.read_bytes())
        except (OSError, ValueError, ExpatError):
            return None
        return agent if isinstance(agent, dict) else None

    def reach(self) -> Command:
        return ["launchctl", "print", self._domain]

    def install(self) -> list[Command]:
        return [
            ["launchctl", "bootstrap", self._domain, str(self.file)],
            ["launchctl", "kickstart", self._target],
        ]

    def uninstall(self) -> tuple[list[Command], list[Command]]:
        return [["launchctl", "bootout", self._target]], []

    def start(self) -> Command:
        return ["launchctl", "kickstart", self._target]

    def stop(self) -> None:
        """KeepAlive starts it again after a failure only, and `tt` ends it in good order."""

    def logs(self, lines: int, follow: bool) -> Command:
        log = (self._agent() or {}).get("StandardErrorPath", "")
        return ["tail", "-n", str(lines), *(["-F"] if follow else []), str(log)]

    def state(self) -> dict[str, str]:
        told = call(["launchctl", "print", self._target])
        found = dict(re.findall(r"^\t(state|pid) = (.*)$", told, flags=re.MULTILINE))
        return {
            "state": found.get("state", "unknown"),
            "pid": found.get("pid", ""),
            "status": "",
            "at_login": "enabled",
        }
