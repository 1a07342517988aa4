"""What a person does for a town beside its work: mend it, tidy it, keep it in a file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from tinytown_cli.api.records import Record, TaskInfo, read
from tinytown_cli.api.session import Deadline, Session

#: How long a town of 10,000 tasks may take to be written or read, in seconds; measured: three.
_PATIENCE = 300.0


@dataclass(frozen=True)
class Finding(Record):
    """What was not as it should be, what was done about it, and what else may be ("": nothing)."""

    what: str
    done: str
    hint: str


@dataclass(frozen=True)
class Skipped(Record):
    """A task that stays where it is, and why."""

    id: str
    why: str


@dataclass(frozen=True)
class Reclaimed(Record):
    """The tasks that were taken, and those that were not."""

    tasks: tuple[TaskInfo, ...]
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True)
class Removed(Record):
    """An agent that is gone: how many tasks of it are in the backlog, messages the conductor's."""

    name: str
    tasks: int
    messages: int


@dataclass(frozen=True)
class Kept(Record):
    """An agent that stays, and why."""

    name: str
    why: str


@dataclass(frozen=True)
class Pruned(Record):
    """Who was removed, and who of those that have stopped was not."""

    removed: tuple[Removed, ...]
    kept: tuple[Kept, ...]


@dataclass(frozen=True)
class Archived(Record):
    """How many tasks and rounds were put away, and how many tasks something still needs."""

    tasks: int
    rounds: int
    kept: int
    dry_run: bool


@dataclass(frozen=True)
class Saved(Record):
    """A file with the whole town: what it holds, by kind, its size and its checksum."""

    path: str
    counts: dict[str, int]
    bytes: int
    sha256: str


class Upkeep:
    """This part of a town. Nothing of it is for agents: they are refused with `BadInput`."""

    _session: Session

    async def recover(self) -> list[Finding]:
        """Mends what can be mended; what was found."""
        reply = await self._session.ask("town.recover")
        return [read(Finding, one) for one in reply["findings"]]

    async def reclaim(self, *, to: str | None = None, source: str | None = None) -> Reclaimed:
        """Gives open tasks that their agents will not do, or all of `source`'s, to somebody else.

        `to` is an agent's name, `role:R` or `backlog`; without it they are only told.
        """
        return read(Reclaimed, await self._session.ask("task.reclaim", to=to, source=source))

    async def prune(self, *, everyone: bool = False) -> Pruned:
        """Removes agents that have stopped; with `everyone`, also those with work, and in error."""
        return read(Pruned, await self._session.ask("agent.prune", all=everyone))

    async def archive(self, older: timedelta, *, dry_run: bool = False) -> Archived:
        """Puts away what ended so long ago, as `tt prune --older`; `dry_run` only counts it."""
        told = {"older": int(older.total_seconds()), "dry_run": dry_run}
        return read(Archived, await self._session.ask("town.archive", **told))

    async def reset(self, *, agents_only: bool = False) -> dict[str, int]:
        """Ends all rounds and empties the town, as `tt reset --force`; counts of what is gone."""
        await self._session.ask("town.stop", now=True)
        await self._session.wait("rounds still run", Deadline(None))
        gone: dict[str, int] = await self._session.ask("town.reset", agents_only=agents_only)
        return gone

    async def save(self, path: str | os.PathLike[str], *, force: bool = False) -> Saved:
        """Writes the whole town into a file while it works; `force` replaces one that is there."""
        told = {"path": _absolute(path), "force": force}
        return read(Saved, await self._session.ask("town.save", seconds=_PATIENCE, **told))

    async def restore(self, path: str | os.PathLike[str]) -> dict[str, int]:
        """Brings a saved town into this one, which must be empty; what came, by kind.

        Its agents are closed until `start()`. Raises `Conflict` for one that is not empty.
        """
        told = {"path": _absolute(path)}
        reply = await self._session.ask("town.restore", seconds=_PATIENCE, **told)
        counts: dict[str, int] = reply["counts"]
        return counts


def _absolute(path: str | os.PathLike[str]) -> str:
    """The file as the daemon must be told, which works in another directory."""
    file = Path(path).expanduser().absolute()
    return str(file.parent.resolve() / file.name)
