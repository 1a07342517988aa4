"""A town on disk: its directory, its id, and the files that `tt init` makes."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tinytownd.config_edit import template
from tinytownd.domain.errors import BadInput, Conflict, NotFound
from tinytownd.domain.names import check_name
from tinytownd.files import directory_inside, read_text, refusal, write_atomic

CONFIG = "tinytown.toml"
ID = re.compile(r"[a-z0-9-]{1,40}")
#: How long git may take to name a branch, in seconds.
GIT_SECONDS = 5


@dataclass(frozen=True)
class Place:
    """A town's directory, absolute, and the files in it that the daemon knows."""

    directory: Path

    @property
    def config(self) -> Path:
        """Its settings."""
        return self.directory / CONFIG

    @property
    def private(self) -> Path:
        """What git does not see: the id, the rounds."""
        return self.directory / ".tt"

    @property
    def town_id(self) -> str | None:
        """The immutable id, or None where there is none yet; raises `BadInput` for a broken one."""
        file = self.private / "town"
        if not file.exists():
            return None
        found = read_text(file).strip()
        if not ID.fullmatch(found):
            raise BadInput(f"{file} holds no town's id", hint="delete it, then: tt init")
        return found

    def make(self, name: str, default_cli: str, permissions: str = "bypass") -> None:
        """Writes the commented `tinytown.toml` of a new town, and an id where there is none."""
        text = template(name, default_cli, permissions)
        write_atomic(self.config, text, mode=0o644, within=self.directory)
        self.give_id()

    def give_id(self) -> bool:
        """Writes a fresh id into `.tt/town` where there is none; whether it did."""
        if self.town_id is not None:
            return False
        try:
            with directory_inside(self.directory, self.private) as directory:
                os.fchmod(directory, 0o700)  # whoever made it
        except OSError as error:
            raise refusal("made", self.private, error) from error
        write_atomic(self.private / ".gitignore", "*\n", within=self.directory)
        write_atomic(self.private / "town", secrets.token_hex(5) + "\n", within=self.directory)
        return True

    def hold(self) -> int | None:
        """A descriptor that keeps daemons of other homes out of the town for as long as it is open.

        None where there is nothing to hold. Raises `Conflict`.
        """
        try:
            fd = os.open(self.private, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            raise Conflict(
                f"the daemon of another home has the town in {self.directory} open",
                hint="use that home (TINYTOWN_HOME), or end its daemon: tt daemon stop",
            ) from None
        return fd


def place(directory: str) -> Place:
    """The place of that directory; raises `NotFound` or `BadInput`."""
    path = Path(directory)
    if "\0" in directory or not path.is_absolute():
        raise BadInput("a town's directory is an absolute path")
    if not os.path.isdir(directory):  # noqa: PTH112 -- Path.is_dir raises where a name is too long
        raise NotFound(f"there is no directory {directory}")
    return Place(path.resolve())


def default_name(directory: Path) -> str:
    """A town's name: its git repository and branch, else its directory."""
    top = _git(directory, "rev-parse", "--show-toplevel")
    branch = _git(directory, "symbolic-ref", "--short", "HEAD") if top else ""
    words = [Path(top).name, branch] if top and branch else [directory.name]
    plain = re.sub(r"[^A-Za-z0-9._-]+|\.{2,}", "-", "-".join(words)).strip("-._")[:64]
    try:
        return check_name(plain, "name of the town")
    except BadInput:
        return "town"


def _git(directory: Path, *words: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(directory), *words],  # noqa: S607 -- the user's own git
            capture_output=True,
            text=True,
            timeout=GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
