"""The files of a round: prompt, output, pid, exit code, lock and credentials."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import structlog

from tinytownd.domain.errors import BadInput
from tinytownd.files import directory_inside, open_inside

log = structlog.get_logger(__name__)
_EXIT = re.compile(rb"(\d{1,3})\n")


@dataclass(frozen=True)
class RoundFiles:
    """The files of one round: 0600, in a directory that is 0700.

    Agents can write there, too: no link below `within` (by default the directory's own parent) is
    followed where one of them is written.
    """

    directory: Path
    within: Path | None = None

    @classmethod
    def of(cls, town: Path, agent: str, number: str) -> RoundFiles:
        """Those of a round of the town in that directory."""
        return cls(town / ".tt" / "rounds" / agent / number, within=town)

    @property
    def prompt(self) -> Path:
        return self.directory / "prompt.md"

    @property
    def stdout(self) -> Path:
        return self.directory / "stdout"

    @property
    def stderr(self) -> Path:
        return self.directory / "stderr"

    @property
    def pid(self) -> Path:
        return self.directory / "pid"

    @property
    def exit(self) -> Path:
        return self.directory / "exit"

    @property
    def lock(self) -> Path:
        """What the round's processes hold: `credentials`, or what earlier versions made for it."""
        old = self.directory / "lock"
        return old if old.exists() else self.credentials

    @property
    def credentials(self) -> Path:
        return self.directory / "credentials"

    def entered(self) -> contextlib.AbstractContextManager[int]:
        """A descriptor of the directory, which is made. Raises OSError, BadInput for a link."""
        return directory_inside(self._root, self.directory)

    def open(self, file: Path, flags: int, *, make: bool = True) -> int:
        """A descriptor of one of the files. Raises OSError, BadInput for a link."""
        return open_inside(self._root, file, flags, make=make)

    @property
    def _root(self) -> Path:
        return self.within or self.directory.parent

    def never_ran(self) -> bool:
        """Whether they are what is made ready before a round is written down, and nothing more."""
        found = {one.name for one in self.directory.iterdir()}
        ready = {one.name for one in (self.prompt, self.credentials, self.stdout, self.stderr)}
        return found <= ready and not start_of(self.stdout)

    def exit_code(self) -> int | None:
        """The CLI's exit code, 128 + n for signal n; None while it runs or when it is not known."""
        match = _EXIT.fullmatch(start_of(self.exit))
        return int(match[1]) if match else None

    def stderr_tail(self, limit: int = 4096) -> str:
        """The last `limit` bytes of stderr; "" when there is none."""
        try:
            with self.stderr.open("rb") as stream:
                stream.seek(max(0, os.fstat(stream.fileno()).st_size - limit))
                return stream.read(limit).decode("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def remove(self) -> None:
        """Remove the directory, and the agent's with its last one; what stays is logged."""
        agent = self.directory.parent
        try:
            with directory_inside(self._root, agent, make=False) as inside:
                shutil.rmtree(self.directory.name, dir_fd=inside)
            with directory_inside(self._root, agent.parent, make=False) as inside:
                os.rmdir(agent.name, dir_fd=inside)
        except FileNotFoundError:
            pass
        except (OSError, BadInput) as error:
            if not isinstance(error, OSError) or error.errno != errno.ENOTEMPTY:
                log.warning("round.files_stay", directory=str(self.directory), error=str(error))


def start_of(file: Path) -> bytes:
    """The first bytes of one of the files; b"" when it is not there."""
    try:
        with file.open("rb") as stream:
            return stream.read(64)
    except FileNotFoundError:
        return b""
