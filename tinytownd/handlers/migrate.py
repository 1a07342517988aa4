"""Bringing a town of the Rust tinytown over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinytownd.domain.errors import Ambiguous, BadInput, NotFound, TownError, Unavailable
from tinytownd.domain.migration import Migration
from tinytownd.domain.names import shown
from tinytownd.domain.rust import Found
from tinytownd.files import parse_toml, read_text
from tinytownd.handlers.registry import Answer, Context, Decision, verb
from tinytownd.home import Endpoint
from tinytownd.store.client import external
from tinytownd.store.foreign import Foreign, foreign
from tinytownd.store.formats import FORMAT

#: Where it keeps a town's socket: since 0.5, and before.
_SOCKETS = (".tt/redis.sock", "redis.sock")
#: Its one Redis for all towns listens there; the password is in its `config.toml`.
_CENTRAL = {"host": "127.0.0.1", "port": 16379}
_SCHEMES = ("redis://", "rediss://", "unix://")


@dataclass(frozen=True)
class Source:
    """A Redis that may hold a town: how to reach it, how to call it, and the town's name there."""

    endpoint: Endpoint
    where: str
    name: str | None = None


@verb("town.migrate", "prepare")
async def migrate(
    ctx: Context, *, source: str | None = None, name: str | None = None, dry_run: bool = False
) -> Decision:
    """Brings over what a town of the Rust tinytown holds; again, only what is new there."""
    ctx.people_only()
    ours = ctx.town.meta.name
    sources = usual(ctx.host.place.directory) if source is None else [named(source)]
    must = source is not None or name is not None
    where, found = await first(list(sources), name, ours, must=must)

    def decide(ctx: Context) -> Answer:
        migration = Migration(ctx.town, found, ctx.speaker.name)
        counts = [f"{len(rows)} {noun}" for noun, rows in migration.came.items() if rows]
        if dry_run:
            ctx.town.rollback()
        elif counts:
            about = f"{', '.join(counts)} of {shown(found.name)} at {where}"
            ctx.town.event("town.migrated", ctx.speaker.name, text=about)
        told = {"format": FORMAT, "source": where, "name": found.name, "dry_run": dry_run}
        result = {"came": migration.came, "there": migration.there, "left": migration.left}
        return lambda: told | result

    return decide


async def first(
    sources: list[Source], name: str | None, ours: str, *, must: bool
) -> tuple[str | None, Found]:
    """The first town that is there, and where; without `must`, none is no mistake."""
    why: TownError | None = None
    for source in sources:
        try:
            async with foreign(source.endpoint, source.where) as there:
                return source.where, await chosen(there, source, name, ours)
        except (Unavailable, NotFound) as error:
            why = error if why is None or isinstance(error, Unavailable) else why
    if must or isinstance(why, Unavailable):
        raise why or NotFound("no Redis of the Rust tinytown is here", hint="--from says where")
    return None, Found("")


def named(source: str) -> Source:
    """What a person named: a URL, a socket, its `tinytown.toml` or the directory of that."""
    if source.startswith(_SCHEMES):
        endpoint = external(source)
        return Source(endpoint, endpoint.url or "")
    path = Path(source)
    if path.is_socket():
        return Source(Endpoint(socket=str(path)), str(path))
    return configured(path / "tinytown.toml" if path.is_dir() else path)


def configured(path: Path) -> Source:
    """The Redis that a `tinytown.toml` of the Rust tinytown names. Raises `TownError`."""
    document: Mapping[str, Any] = parse_toml(read_text(path), path)
    table = document.get("redis", {})
    if not isinstance(table, dict) or not isinstance(document.get("name"), str):
        raise BadInput(
            f"{path} is no tinytown.toml of the Rust tinytown",
            hint="or name its Redis: a socket, or redis://HOST:PORT",
        )
    name = str(document["name"])
    if isinstance(table.get("url"), str):
        endpoint = external(table["url"])
        return Source(endpoint, endpoint.url or "", name)
    if table.get("use_socket", True):
        socket = str(path.parent / str(table.get("socket_path", _SOCKETS[0])))
        return Source(Endpoint(socket=socket), socket, name)
    return Source(*over_tcp(table), name)


def over_tcp(table: Mapping[str, Any]) -> tuple[Endpoint, str]:
    """The endpoint that host, port and password of a table name, and what to call it."""
    host, port = table.get("host", _CENTRAL["host"]), table.get("port", 6379)
    scheme = "rediss" if table.get("tls_enabled") else "redis"
    url = f"{scheme}://{host}:{port}"
    return Endpoint(url=url, password=str(table.get("password") or "")), url


def usual(directory: Path) -> Iterator[Source]:
    """Where the Rust tinytown keeps a town by default: in its directory, or in its home."""
    for socket in _SOCKETS:
        if (directory / socket).is_socket():
            yield Source(Endpoint(socket=str(directory / socket)), str(directory / socket))
    home = Path.home() / ".tt" / "config.toml"
    try:
        table = parse_toml(read_text(home), home).get("redis")
    except TownError:
        return
    if isinstance(table, dict) and {"host", "port", "password"} & table.keys():
        yield Source(*over_tcp(_CENTRAL | table))


async def chosen(there: Foreign, source: Source, name: str | None, ours: str) -> Found:
    """The town of a Redis: the one that is named, else called as ours is, else the only one.

    Raises `NotFound` or `Ambiguous`.
    """
    towns = await there.towns()
    known = ", ".join(shown(one) for one in sorted(towns)[:5])
    if name is not None and name not in towns:
        raise NotFound(
            f"{source.where} holds no town {shown(name)}", hint=known and f"it has {known}"
        )
    for wanted in (name, source.name, ours, *([*towns] if len(towns) == 1 else [])):
        if wanted is not None and wanted in towns:
            return await there.read(wanted, towns[wanted])
    if not towns:
        raise NotFound(
            f"{source.where} holds no town of the Rust tinytown",
            hint="its keys begin with tt:<town>:agent:",
        )
    raise Ambiguous(f"{source.where} holds {len(towns)} towns: {known}", hint="say which: --name")
