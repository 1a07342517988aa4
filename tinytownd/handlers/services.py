"""What verbs may ask of the daemon around them: of an open town, and of the daemon itself.

Only what they need: `host.TownHost`, `towns.Towns` and `daemon.Daemon` have more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from tinytownd.config import Config
from tinytownd.home import Home, RegisteredTown
from tinytownd.place import Place
from tinytownd.recovery import Finding
from tinytownd.runtimes.catalogue import Runtime
from tinytownd.store.town import TownStore


class Host(Protocol):
    """An open town."""

    name: str
    place: Place
    store: TownStore

    @property
    def id(self) -> str:
        """The town's id."""

    @property
    def config(self) -> Config:
        """The town's settings as the files have them now; raises `TownError`."""

    async def wake_all(self) -> None:
        """Every agent is looked at."""

    async def mend(self) -> list[Finding]:
        """Looks at what no record tells, mends what is wrong, and says what it found."""

    def runtime(self, cli: str) -> Runtime:
        """How that CLI is run; raises `TownError`."""

    def installed_cli(self, cli: str | None, permissions: str | None) -> str:
        """The CLI itself, or the town's default one.

        Raises `BadInput` when it is not there, or cannot be held to the permissions (None: those of
        the town's settings).
        """


class Towns(Protocol):
    """All towns of a home. Every method raises `TownError`.

    `command` is the id of the command that asks: asked again, it gets the same answer.
    """

    @property
    def open(self) -> Mapping[str, Host]:
        """Those that are open, by id."""

    async def init(self, directory: str, name: str | None, command: str) -> tuple[Host, bool]:
        """The town of a directory, and whether this command made it."""

    async def open_place(self, where: Place) -> Host:
        """The open town of a place."""

    async def rehearse(
        self, directory: str, plan: str, command: str
    ) -> tuple[Host, dict[str, object]]:
        """A scratch copy of a town, and what pushing the plan into it answered."""

    async def forget(self, directory: str, command: str) -> Host | RegisteredTown:
        """The town that was forgotten."""


class Daemon(Protocol):
    """The daemon of a home."""

    home: Home

    @property
    def towns(self) -> Towns:
        """Its towns."""

    async def status(self) -> dict[str, object]:
        """What `tt daemon status` shows."""

    async def stop(self, *, kill: bool) -> list[dict[str, object]]:
        """Stops it soon; the rounds that run on, or were ended with `kill`."""
