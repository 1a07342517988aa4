"""systemd's manager of the user's own services."""

from __future__ import annotations

import os
import re
from pathlib import Path

from tinytown_cli.managers import UNIT, Command, call, printable, template

_PROPERTIES = ("ActiveState", "SubState", "MainPID", "StatusText", "UnitFileState")


class Systemd:
    """`systemctl --user`; see `managers.Manager`."""

    name = "systemd"

    def __init__(self) -> None:
        base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
        self.file = Path(base).expanduser() / "systemd" / "user" / UNIT

    def text(self, program: Path, environment: dict[str, str]) -> str:
        """The unit of the installation with this program's path."""
        lines = [f"ExecStart={_quoted(str(program), 'the path of tinytownd')}"]
        lines += [
            f"Environment={_quoted(f'{name}={value}', name)}" for name, value in environment.items()
        ]
        unit = template(UNIT)
        return re.sub(r"^ExecStart=.*$", lambda _: "\n".join(lines), unit, flags=re.MULTILINE)

    def home(self) -> Path | None:
        """What the unit sets, or `~/.tt`."""
        try:
            unit = self.file.read_text(encoding="utf-8")
        except (OSError, ValueError):
            return None
        named = re.search(r'^Environment="?TINYTOWN_HOME=([^"\n]*)"?$', unit, flags=re.MULTILINE)
        if named is None:
            return Path("~/.tt").expanduser()
        known = {"%": "%", "h": str(Path("~").expanduser())}
        return Path(re.sub(r"%(.)", lambda one: known.get(one[1], one[0]), named[1])).expanduser()

    def reach(self) -> Command:
        return _systemctl("show", "--property=Version", "--value")

    def install(self) -> list[Command]:
        return [_systemctl("daemon-reload"), _systemctl("enable", "--now", UNIT)]

    def uninstall(self) -> tuple[list[Command], list[Command]]:
        return [_systemctl("disable", "--now", UNIT)], [_systemctl("daemon-reload")]

    def start(self) -> Command:
        return _systemctl("start", UNIT)

    def stop(self) -> Command:
        return _systemctl("stop", UNIT)

    def logs(self, lines: int, follow: bool) -> Command:
        more = ["--follow"] if follow else ["--no-pager"]
        return ["journalctl", "--user", f"--unit={UNIT}", f"--lines={lines}", *more]

    def state(self) -> dict[str, str]:
        told = call(_systemctl("show", UNIT, f"--property={','.join(_PROPERTIES)}"))
        found = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
        pid = found.get("MainPID", "0")
        return {
            "state": f"{found.get('ActiveState', 'unknown')} ({found.get('SubState', 'unknown')})",
            "pid": "" if pid == "0" else pid,
            "status": found.get("StatusText", ""),
            "at_login": found.get("UnitFileState", ""),
        }


def _systemctl(*words: str) -> Command:
    return ["systemctl", "--user", *words]


def _quoted(text: str, what: str) -> str:
    """As systemd.syntax(7) and systemd.unit(5), "Specifiers", want it."""
    return '"' + printable(text, what).replace("%", "%%") + '"'
