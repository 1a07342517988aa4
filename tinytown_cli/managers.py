"""The service managers that `tt` knows: systemd's of the user, and launchd.

What a manager is told is made here as plain data, files and commands, and carried out by `call`;
`tt service … --dry-run` prints the same data.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Protocol

from tinytownd.domain.errors import BadInput, Unavailable

Command = list[str]
#: A manager that does not answer is given up after so long, in seconds.
PATIENCE = 30.0
#: The units give a daemon up to 60 s to start and 45 to stop.
CHANGE_PATIENCE = 90.0
UNIT = "tinytownd.service"
LABEL = "io.tinytown.tinytownd"
#: Of the environment at the installation, what the daemon must have there, too.
KEPT = ("TINYTOWN_HOME", "TINYTOWN_REDIS_SERVER")
#: Lets the user's services run on without a login.
LINGER: Command = ["loginctl", "enable-linger"]


class Manager(Protocol):
    """What `tt` needs of a service manager. Commands are argument lists."""

    name: str
    file: Path

    def text(self, program: Path, environment: dict[str, str]) -> str:
        """The service file for that program. Raises `BadInput`, `Unavailable`."""

    def home(self) -> Path | None:
        """Which home the installed service serves; None: none is installed, or it is not ours."""

    def reach(self) -> Command:
        """Succeeds where the manager can be reached."""

    def install(self) -> list[Command]:
        """Once the file is there: has it read, and the service started now and at each login."""

    def uninstall(self) -> tuple[list[Command], list[Command]]:
        """Before the file goes, and after."""

    def start(self) -> Command:
        """Starts the daemon."""

    def stop(self) -> Command | None:
        """Makes sure that a daemon that ended is not started again; None: it never is."""

    def logs(self, lines: int, follow: bool) -> Command:
        """Shows what the manager and the daemon said last."""

    def state(self) -> dict[str, str]:
        """`state`, `pid`, `status` and `at_login`, as far as they are known."""


def here() -> Manager:
    """The manager of this machine. Raises `Unavailable`."""
    manager: Manager
    if sys.platform == "darwin":
        from tinytown_cli.launchd import Launchd  # noqa: PLC0415  # plistlib is slow, and macOS's

        manager, program = Launchd(), "launchctl"
    else:
        from tinytown_cli.systemd import Systemd  # noqa: PLC0415  # only one of the two is needed

        manager, program = Systemd(), "systemctl"
    if shutil.which(program) is None:
        raise Unavailable(
            f"there is no {program} on this machine",
            hint="no service is needed: tt starts the daemon by itself",
        )
    return manager


def installed(home: Path) -> Manager | None:
    """The manager with a service for that home, if there is one: a look at a file."""
    try:
        manager = here()
    except Unavailable:
        return None
    served = manager.home()
    return manager if served is not None and served == home else None


def call(command: Command, seconds: float = PATIENCE) -> str:
    """What a manager's command printed. Raises `Unavailable` with what it said against it."""
    told = shlex.join(command)
    try:
        done = subprocess.run(
            command,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{told}: no answer within {seconds:.0f} s") from None
    except OSError as error:
        raise Unavailable(f"{told}: {error.strerror}") from None
    if done.returncode:
        said = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[0]
        if "connect to bus" in said:
            raise Unavailable(
                f"your service manager cannot be reached: {said}",
                hint="log in as yourself, not by su; without it, tt starts the daemon by itself",
            )
        raise Unavailable(f"{told}: {said.rstrip('.')}", hint="tt service logs says more")
    return done.stdout


def _environment() -> dict[str, str]:
    """Ours, with where the user's bus is: cron and `su` do not say."""
    runtime = f"/run/user/{os.getuid()}"
    known = {"XDG_RUNTIME_DIR": runtime} if Path(runtime).is_dir() else {}
    return {**known, **os.environ, "LC_ALL": "C.UTF-8"}


def program() -> Path:
    """This installation's `tinytownd`. Raises `Unavailable`."""
    found = Path(sys.executable).absolute().parent / "tinytownd"
    if not os.access(found, os.X_OK):
        raise Unavailable(f"{found} is not there", hint="install tinytown anew")
    return found


def template(name: str) -> str:
    """A service file as it comes with this installation. Raises `Unavailable`."""
    for found in _places(name):
        if found.is_file():
            return found.read_text(encoding="utf-8")
    raise Unavailable(f"this installation has no {name}", hint="install tinytown anew")


def _places(name: str) -> list[Path]:
    from importlib import metadata  # noqa: PLC0415  # takes as long as the rest of `tt`

    places = [Path(__file__).parents[1] / "systemd" / name]  # a checkout, whose files may be newer
    try:
        files = metadata.files("tinytown") or []
    except metadata.PackageNotFoundError:
        files = []
    # Where pip put it: below a prefix, a user's base or a target directory.
    places += [Path(str(file.locate())) for file in files if file.name == name]
    return [*places, Path(sys.prefix) / "share" / "tinytown" / name]


def kept_environment(home: Path) -> dict[str, str]:
    """What the service's environment must say for it to serve that home."""
    kept = {name: os.environ[name] for name in KEPT if os.environ.get(name)}
    if home == Path("~/.tt").expanduser():
        kept.pop("TINYTOWN_HOME", None)
    else:
        kept["TINYTOWN_HOME"] = str(home)
    return kept


def printable(text: str, what: str) -> str:
    """The text, if a service file can hold it. Raises `BadInput`."""
    if any(char in "\"'\\" or not char.isprintable() for char in text):
        raise BadInput(
            f"{what} has a character that no service file takes: {text!r}",
            hint="quotes, backslashes and control characters cannot be in it",
        )
    return text


def lingers() -> bool | None:
    """Whether the user's services run on without a login; None: that cannot be told."""
    try:
        told = call(["loginctl", "show-user", str(os.getuid()), "--property=Linger", "--value"])
    except Unavailable:
        return None
    return told.strip() == "yes"
