"""Verbs of the home: towns, the daemon, settings."""

from __future__ import annotations

from tinytownd.config import AgentClis, Config, load, load_home
from tinytownd.config_edit import set_value
from tinytownd.domain.errors import NotFound
from tinytownd.handlers.registry import Context, verb
from tinytownd.handlers.services import Host
from tinytownd.home import RegisteredTown, read_towns
from tinytownd.place import place
from tinytownd.runtimes.catalogue import PRESETS
from tinytownd.runtimes.tables import from_table, no_such_cli
from tinytownd.settings import full_name, suggestion

#: Settings whose value is the name of a CLI.
NAMES_A_CLI = frozenset({"town.default_cli", "town.rehearse_cli", "town.conductor_cli"})


def told(town: Host | RegisteredTown) -> dict[str, object]:
    """A town as verbs of the home show it."""
    directory = town.dir if isinstance(town, RegisteredTown) else town.place.directory
    return {"id": town.id, "name": town.name, "dir": str(directory)}


@verb("town.init", "query", home=True)
async def init(ctx: Context, *, dir: str, name: str | None = None) -> dict[str, object]:
    """Makes a town of a directory; a directory that is one already is left as it is."""
    host, created = await ctx.daemon.towns.init(dir, name, ctx.command)
    return {"town": told(host), "created": created}


@verb("town.open", "query", home=True)
async def open_(ctx: Context, *, dir: str) -> dict[str, object]:
    """Opens a town that the daemon does not know yet, or says why it cannot."""
    return {"town": told(await ctx.daemon.towns.open_place(place(dir)))}


@verb("town.list", "query", home=True)
async def list_(ctx: Context) -> dict[str, object]:
    """Every registered town, with what is going on in those that are open."""
    towns = []
    for town in read_towns(ctx.daemon.home):
        host = ctx.daemon.towns.open.get(town.id)
        counts: dict[str, object] = {"state": "offline", "agents": None, "open_tasks": None}
        if host is not None and town.dir.is_dir():
            counts = await host.store.read(
                lambda t: {
                    "state": "open",
                    "agents": len(t.agents),
                    "open_tasks": len(t.tasks) - len(t.index.finished),
                }
            )
        towns.append({"id": town.id, "name": town.name, "dir": str(town.dir), **counts})
    return {"towns": towns}


@verb("town.forget", "query", home=True)
async def forget(ctx: Context, *, dir: str) -> dict[str, object]:
    """Takes a town out of the registry and the store; the files in its directory stay."""
    return {"town": told(await ctx.daemon.towns.forget(dir, ctx.command))}


@verb("town.rehearse", "query", home=True)
async def rehearse(ctx: Context, *, dir: str, plan: str) -> dict[str, object]:
    """A scratch copy of a town in which every CLI is played, with the plan pushed."""
    host, pushed = await ctx.daemon.towns.rehearse(dir, plan, ctx.command)
    return {"town": told(host), "pushed": pushed}


@verb("daemon.status", "query", home=True)
async def status(ctx: Context) -> dict[str, object]:
    """The daemon: pid, version, since when, its server, how much it does."""
    return await ctx.daemon.status()


@verb("daemon.stop", "query", home=True)
async def stop(ctx: Context, *, kill: bool = False) -> dict[str, object]:
    """Stops the daemon after this answer; rounds run on, or are ended first with `kill`."""
    rounds = await ctx.daemon.stop(kill=kill)
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
    path = ctx.daemon.home.config
    if dir is not None:
        path = place(dir).config
    elif not path.exists():
        path.touch(mode=0o600)
    if full_name(key) in NAMES_A_CLI and value:
        require_cli(value, config_of(ctx, dir))
    set_value(path, key, value, "home" if dir is None else "town", check_clis)
    # What a town's agents may do now may be more than before.
    for town in list(ctx.daemon.towns.open.values()):
        await town.wake_all()
    return {"settings": settings(config_of(ctx, dir), key)}


def require_cli(name: str, config: Config) -> None:
    """Raises `BadInput` for a CLI that neither the catalogue nor the settings describe."""
    known = {*PRESETS, *config.agent_clis}
    if name not in known:
        raise no_such_cli(name, known)


def check_clis(tables: AgentClis) -> None:
    """Raises `BadInput` for `[agent_clis]` tables that no runtime could be made of."""
    for name, table in tables.items():
        from_table(name, table)


def config_of(ctx: Context, directory: str | None) -> Config:
    """The settings of a town's directory, or the home's own."""
    home = ctx.daemon.home.config
    return load_home(home) if directory is None else load(home, place(directory).config)


def settings(config: Config, key: str | None) -> list[dict[str, object]]:
    """The rows of `tt config`; raises `NotFound` for a key that is not set anywhere."""
    rows = config.listing()
    if key is None:
        return rows
    found = [row for row in rows if row["key"] == full_name(key)]
    if not found:
        raise NotFound(
            f"there is no setting '{key}'", hint=suggestion(key) or "tt config lists them all"
        )
    return found
