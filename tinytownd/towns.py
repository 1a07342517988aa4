"""The daemon's towns: opening those that are registered, making new ones, forgetting them."""

from __future__ import annotations

import dataclasses
import functools
import os
import shlex
import shutil
from pathlib import Path

import structlog

from tinytownd import planfile, wire
from tinytownd.config import load, load_home
from tinytownd.domain.errors import BadInput, NotFound, TownError, Unavailable
from tinytownd.domain.meta import Meta
from tinytownd.domain.names import check_name, did_you_mean
from tinytownd.domain.track import MAIN
from tinytownd.handlers.archive import Away
from tinytownd.handlers.plans import push
from tinytownd.handlers.registry import Context, Speaker
from tinytownd.home import RegisteredTown, read_registry, read_towns, write_towns
from tinytownd.host import Around, TownHost
from tinytownd.place import Place, default_name, place
from tinytownd.store import keys
from tinytownd.store.patience import patiently

log = structlog.get_logger(__name__)


class Towns:
    """All towns of a home: those that are open, and those that could not be opened."""

    def __init__(self, around: Around) -> None:
        self._around = around
        self.open: dict[str, TownHost] = {}

    # At the daemon's start and end

    async def open_registered(self) -> None:
        """Opens every town of the registry; one that cannot be opened stays offline."""
        await patiently(self._clear_rehearsals)
        for town in read_towns(self._around.home):
            await patiently(functools.partial(self._try_to_open, town), town=town.id)

    async def _try_to_open(self, town: RegisteredTown) -> None:
        try:
            await self._open(Place(town.dir), town.id)
        except TownError as error:
            log.warning("town.offline", town=town.id, dir=str(town.dir), error=error.message)

    async def close_all(self) -> None:
        """Closes all towns, the last opened first; rounds run on."""
        for host in reversed(list(self.open.values())):
            await host.close()
        self.open.clear()

    # For the verbs

    async def init(self, directory: str, name: str | None, command: str) -> tuple[TownHost, bool]:
        """Makes a town of a directory; again it changes nothing. Raises `TownError`."""
        where = place(directory)
        if name is not None:
            check_name(name, "name of the town")
        if not where.config.exists():
            told = load_home(self._around.home.config).town
            named = name or default_name(where.directory)
            where.make(named, told.default_cli, told.permissions)
        where.give_id()
        host = await self.open_place(where, name, command)
        created = await host.store.read(lambda town: town.meta.made_by) == command
        if name is not None and host.name != name and not created:
            raise BadInput(
                f"this directory is the town {host.name} already",
                hint=f"to rename it: tt config town.name {name}",
            )
        return host, created

    async def open_place(
        self, where: Place, name: str | None = None, command: str = ""
    ) -> TownHost:
        """The open town of a directory with `tinytown.toml`; registers it. Raises `TownError`."""
        if not where.config.exists():
            raise NotFound(f"{where.directory} is no town", hint="tt init")
        where.give_id()
        town_id = where.town_id or ""
        if town_id in self.open and self.open[town_id].place == where:
            return self.open[town_id]
        self._refuse_copy(where, town_id)
        if town_id in self.open:
            await self.open.pop(town_id).close()
        label = name or load(self._around.home.config, where.config).town.name
        host = await self._open(where, town_id, label, made_by=command)
        self._register(RegisteredTown(town_id, host.name, where.directory))
        return host

    async def rehearse(
        self, directory: str, plan: str, command: str
    ) -> tuple[TownHost, dict[str, object]]:
        """A scratch copy of a town with a plan pushed and every CLI played. Raises `TownError`."""
        original = await self.open_place(place(directory))
        scratch = Place(self._rehearsals / command)
        if scratch.directory.exists():  # the first try came to nothing
            await self.forget_rehearsal(scratch)
        scratch.directory.mkdir(parents=True, mode=0o700)
        shutil.copy(original.place.config, scratch.config)
        scratch.give_id()
        town_id = scratch.town_id or ""
        try:
            host = await self._open(scratch, town_id, f"{original.name} (rehearsal)", scratch=True)
            parsed = planfile.parse(plan)
            pushed = await host.store.transact(
                lambda town: push(Context(town, Speaker(), host), parsed, MAIN, Away())
            )
        except TownError:
            await self.forget_rehearsal(scratch)
            raise
        return host, pushed()

    async def forget(self, directory: str, command: str) -> TownHost | RegisteredTown:
        """Takes a town out of the registry and the store; its files stay. Raises `NotFound`."""
        where = Place(Path(os.path.realpath(directory)))  # Path.resolve raises for circular links
        if where.directory.parent == self._rehearsals:
            return await self.forget_rehearsal(where)
        known = read_registry(self._around.home)
        again = next((town for town in known if town.forgotten == command), None)
        if again is not None:
            return again
        here = (town for town in known if town.dir == where.directory and not town.forgotten)
        found = next(here, None)
        if found is None:
            towns = [str(town.dir) for town in known if not town.forgotten]
            hint = did_you_mean(str(where.directory), towns) or "tt towns"
            raise NotFound(f"no town is registered at {directory}", hint=hint)
        host = self.open.get(found.id)
        if host is not None:
            busy = await host.store.read(lambda t: [a.name for a in t.agents.values() if a.round])
            if busy:
                raise BadInput(f"{', '.join(busy)} still work there", hint="tt stop --now")
        await self._erase(host or TownHost(self._around, Place(found.dir), found.id))
        gone = dataclasses.replace(found, forgotten=command)
        write_towns(self._around.home, [gone if town is found else town for town in known])
        return found

    async def forget_rehearsal(self, where: Place) -> TownHost:
        """Ends a rehearsal: nothing of it stays."""
        town_id = where.town_id or ""
        host = self.open.get(town_id) or TownHost(self._around, where, town_id)
        await self._erase(host)
        shutil.rmtree(where.directory, ignore_errors=True)
        return host

    # Inside

    async def _erase(self, host: TownHost) -> None:
        """Ends what is left of a town in memory, then in the store; a town may be there no more."""
        self.open.pop(host.id, None)
        await host.close()
        await self._around.reader.let_go(keys.commands_key(host.id))
        try:
            # By a store without a memory: the first try's answer may have been lost.
            await TownHost(self._around, host.place, host.id).store.forget()
        except NotFound:
            log.info("town.empty", town=host.id)

    @property
    def _rehearsals(self) -> Path:
        return self._around.home.rehearsals.resolve()

    async def _clear_rehearsals(self) -> None:
        if self._rehearsals.is_dir():
            for directory in self._rehearsals.iterdir():
                await self.forget_rehearsal(Place(directory))

    async def _open(
        self,
        where: Place,
        town_id: str,
        name: str = "",
        *,
        made_by: str = "",
        scratch: bool = False,
    ) -> TownHost:
        if where.town_id != town_id:
            raise NotFound(f"{where.directory} is not there, or another town now")
        host = TownHost(self._around, where, town_id, rehearsal=scratch)
        meta = Meta(
            id=town_id,
            name=name,
            dir=str(where.directory),
            created_at=wire.now_ms(),
            scratch=scratch,
            made_by=made_by,
        )
        made_before = any(one.id == town_id for one in read_towns(self._around.home))
        if not made_before:
            await host.store.create(meta)
        self.open[town_id] = host  # before its streams are read: commands may wait in them
        try:
            town = await host.open()
        except BaseException as error:
            del self.open[town_id]
            if made_before and isinstance(error, NotFound):
                raise _lost(where) from error
            raise
        host.name = town.meta.name
        log.info("town.opened", town=town_id, name=host.name, dir=str(where.directory))
        return host

    def _refuse_copy(self, where: Place, town_id: str) -> None:
        for town in read_towns(self._around.home):
            there = Place(town.dir)
            if town.id == town_id and town.dir != where.directory and there.town_id == town_id:
                raise BadInput(
                    f"{where.directory} is a copy of the town at {town.dir}",
                    hint=f"to make it a town of its own: rm -r {where.private} && tt init",
                )

    def _register(self, town: RegisteredTown) -> None:
        known = read_registry(self._around.home)
        others = [one for one in known if one.forgotten or one.id != town.id]
        write_towns(self._around.home, [*others, town])


def _lost(where: Place) -> Unavailable:
    """The error for a town that was there once: it is not made anew unless somebody says so."""
    there = shlex.quote(str(where.directory))
    return Unavailable(
        f"Redis has lost the town at {where.directory}",
        hint=f"bring the data back; or, to start anew: tt towns --forget {there} && tt init",
    )
