"""Settings: `config`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated

import typer

from tinytown_cli import client, output, places
from tinytown_cli.command import verb
from tinytown_cli.options import chosen
from tinytownd.domain.errors import NotFound


@verb("config", example="tt config\ntt config limits.attempts\ntt config town.default_cli claude")
def config(
    key: Annotated[str | None, typer.Argument(metavar="[KEY]", help="A setting.")] = None,
    value: Annotated[str | None, typer.Argument(metavar="[VALUE]", help="Its new value.")] = None,
) -> None:
    """Show settings with their origin, or change one.

    In a town they are the town's, elsewhere the home's.
    """
    directory = _directory()
    if value is None:
        settings = client.home("config.list", dir=directory, key=key)["settings"]
    else:
        settings = client.home("config.set", dir=directory, key=key, value=value)["settings"]
    output.show(settings, _lines(settings, one=key is not None and value is None), long=True)


def _directory() -> str | None:
    try:
        return str(places.town_directory())
    except NotFound:
        if chosen.town:
            raise
        return None


def _lines(settings: list[client.Data], *, one: bool) -> Iterator[str]:
    if one and len(settings) == 1:
        yield output.clean(_shown(settings[0]["value"]))
        return
    rows = [(s["key"], _shown(s["value"]), s["origin"], s["doc"]) for s in settings]
    yield from output.table(("key", "value", "from", "what it is"), rows)


def _shown(value: object) -> str:
    return value if isinstance(value, str) and value else json.dumps(value)
