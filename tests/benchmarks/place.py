"""A home with its daemon and one town, for benchmarks: real programs in a temporary directory."""

from __future__ import annotations

import compileall
import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import tinytown_cli
import tinytownd
from tests.e2e.town import CONFIG, Home, TownUnderTest
from tinytown_cli import client


class Bench:
    """A town under measurement; `send` is a command of a person's, without a process of its own."""

    def __init__(self, home: Home, town: TownUnderTest) -> None:
        self.home = home
        self.town = town
        self.id = (town.directory / ".tt" / "town").read_text().strip()
        self.target = client.Target(self.id, "", town.directory)

    def send(self, verb: str, **args: object) -> client.Data:
        """A command's reply. Raises `TownError`."""
        return client.send(self.target, verb, args)

    def spawn(self, count: int, cli: str, prefix: str = "a") -> list[str]:
        """So many agents; their names."""
        names = [f"{prefix}{number}" for number in range(count)]
        for name in names:
            self.send("agent.spawn", name=name, cli=cli)
        return names


@contextlib.contextmanager
def bench(config: str = CONFIG, *, base: Path | None = None) -> Iterator[Bench]:
    """A fresh home and town with this process in the home's environment; ended afterwards.

    The files stay, see `rows.scratch`. The packages are compiled, as an installation has them: an
    environment may forbid it to Python.
    """
    for package in (tinytownd, tinytown_cli):
        compileall.compile_dir(Path(package.__file__ or "").parent, quiet=1)
    path = Path(tempfile.mkdtemp(prefix="bench-", dir=base)).resolve()
    home = Home(path / "home", config)
    # Of which tree the daemon is: that of another revision, where two are compared.
    home.env |= {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    before = dict(os.environ)
    os.environ.update(home.env)
    try:
        yield Bench(home, home.town(path / "town"))
    finally:
        os.environ.clear()
        os.environ.update(before)
        home.end()
