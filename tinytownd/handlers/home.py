"""Verbs of the home: towns, the daemon, settings. Their `services` is the daemon itself."""

from __future__ import annotations

from pathlib import Path

from tinytownd.config import Config, load, load_home
from tinytownd.config_edit import set_value
from tinytownd.domain.errors import NotFound
from tinytownd.handlers.registry import Context, verb
from tinytownd.home import read_towns
from tinytownd.place import place
from tinytownd.runtimes.tables import from_table
from tinytownd.settings import KEYS, full_name


def told(host: object) -> dict[str, object]:
    """A town as verbs of the home show it."""
    where = getattr(host, "place", None)
    directory = where.directory if where is not None else getattr(host, "dir", "")
    return {
        "id": getattr(host, "id", ""),
        "name": getattr(host, "name", ""),
        "dir": str(directory),
    }


@verb("town.init", "query", home=True)
async def init(ctx: Context, *, dir: str, name: str | None = None) -> dict[str, object]:
    """Makes a town of a directory; a directory that is one already is left as it is."""
    host, created = await ctx.services.towns.init(dir, name)
    return {"town": told(host), "created": created}


@verb("town.open", "query", home=True)
async def open_(ctx: Context, *, dir: str) -> dict[str, object]:
    """Opens a town that the daemon does not know yet, or says why it cannot."""
    return {"town": told(await ctx.services.towns.open_place(place(dir)))}


@verb("town.list", "query", home=True)
async def list_(ctx: Context) -> dict[str, object]:
    """Every registered town, with what is going on in those that are open."""
    towns = []
    for town in read_towns(ctx.services.home):
        host = ctx.services.towns.open.get(town.id)
        counts: dict[str, object] = {"state": "offline", "agents": None, "open_tasks": None}
        if host is not None:
            counts = await host.store.read(
                lambda t: {
                    "state": "open",
                    "agents": len(t.agents),
                    "open_tasks": sum(1 for task in t.tasks.values() if not task.finished),
                }
            )
        towns.append({"id": town.id, "name": town.name, "dir": str(town.dir), **counts})
    return {"towns": towns}


@verb("town.forget", "query", home=True)
async def forget(ctx: Context, *, dir: str) -> dict[str, object]:
    """Takes a town out of the registry and the store; the files in its directory stay."""
    return {"town": told(await ctx.services.towns.forget(dir))}


@verb("town.rehearse", "query", home=True)
async def rehearse(ctx: Context, *, dir: str, plan: str) -> dict[str, object]:
    """A scratch copy of a town in which every CLI is played, with the plan pushed."""
    host, pushed = await ctx.services.towns.rehearse(dir, plan)
    return {"town": told(host), "pushed": pushed}


@verb("daemon.status", "query", home=True)
async def status(ctx: Context) -> dict[str, object]:
    """The daemon: pid, version, since when, its server, how much it does."""
    found: dict[str, object] = await ctx.services.status()
    return found


@verb("daemon.stop", "query", home=True)
async def stop(ctx: Context, *, kill: bool = False) -> dict[str, object]:
    """Stops the daemon after this answer; rounds run on, or are ended first with `kill`."""
    rounds = await ctx.services.stop(kill=kill)
    return {"rounds": rounds}


@verb("config.list", "query", home=True)
async def config_list(
    ctx: Context,
    *,
    dir: str | None = None,
    key: str | None = None,
) -> dict[str, object]:
    """The settings that hold for a town, or without one; each with where it comes from."""
    return {"settings": settings(config_of(ctx, dir), key)}


@verb("config.set", "query", home=True)
async def config_set(
    ctx: Context,
    *,
    key: str,
    value: str,
    dir: str | None = None,
) -> dict[str, object]:
    """Writes one setting into the town's file, or into the home's without a town."""
    path: Path = ctx.services.home.config
    if dir is not None:
        path = place(dir).config
    elif not path.exists():
        path.touch(mode=0o600)
    set_value(path, key, value, "home" if dir is None else "town", check_clis)
    return {"settings": settings(config_of(ctx, dir), key)}


def check_clis(tables: object) -> None:
    """Raises `BadInput` for `[agent_clis]` tables that no runtime could be made of."""
    for name, table in dict(tables).items():  # type: ignore[call-overload]
        from_table(name, table)


def config_of(ctx: Context, directory: str | None) -> Config:
    """The settings of a town's directory, or the home's own."""
    home: Path = ctx.services.home.config
    return load_home(home) if directory is None else load(home, place(directory).config)


def settings(config: Config, key: str | None) -> list[dict[str, object]]:
    """The rows of `tt config`; raises `NotFound` for a key that is not set anywhere."""
    rows = [
        {**row, "doc": KEYS[str(row["key"])].doc if row["key"] in KEYS else ""}
        for row in config.listing()
    ]
    if key is None:
        return rows
    found = [row for row in rows if row["key"] == full_name(key)]
    if not found:
        raise NotFound(f"there is no setting '{key}'", hint="tt config lists them all")
    return found
