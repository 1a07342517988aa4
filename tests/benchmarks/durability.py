"""What `redis.durability` costs: answered commands a second, beside the floors of the same minute.

Prints a table for docs/configuration.md. Homes, daemons and servers are real; a command goes the
way that `tt` goes, without the start of its process. Modes take turns, and medians are told, since
machines are not quiet.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.e2e.town import CONFIG, Home
from tinytown_cli import client, places
from tinytown_cli.transport import Link

MODES = ("second", "always")
CLIENTS = (1, 8)
SECONDS = 2.0
TURNS = 5
#: About what one command appends to the server's file, in bytes.
WRITTEN = 2048


def rate(once: Callable[[], object], clients: int = 1) -> float:
    """How often a second it can be done, by so many threads at once."""
    done = [0] * clients
    deadline = time.perf_counter() + SECONDS

    def work(number: int) -> None:
        while time.perf_counter() < deadline:
            once()
            done[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.perf_counter() - started)


class Running:
    """A home with its daemon, a town in it, and what can be asked of both."""

    def __init__(self, base: Path, mode: str) -> None:
        self.home = Home(base / mode, CONFIG + f'\n[redis]\ndurability = "{mode}"\n')
        town = self.home.town(base / f"{mode}-town")
        self._directory = town.directory
        self._id = (town.directory / ".tt" / "town").read_text().strip()

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """With this home's environment, which `tt`'s own code reads."""
        before = dict(os.environ)
        os.environ.update(self.home.env)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    def command(self) -> None:
        """One that writes: a task in the backlog."""
        target = client.Target(self._id, "", self._directory)
        client.send(target, "backlog.add", {"text": "x" * 200})

    def ping(self) -> None:
        """A connection, and the least that can be asked on it."""
        endpoint = places.ready_endpoint()
        assert endpoint is not None
        with Link(endpoint.address) as link:
            link.ask("PING")


def synced_write(file: int) -> Callable[[], None]:
    """An append that is on the disk when it returns."""
    data = b"x" * WRITTEN

    def once() -> None:
        os.write(file, data)
        os.fdatasync(file)

    return once


def measure(base: Path, running: dict[str, Running]) -> dict[tuple[str, int], list[float]]:
    """(what, clients) → a rate for each turn."""
    found: dict[tuple[str, int], list[float]] = {}
    file = os.open(base / "floor", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for _ in range(TURNS):
        found.setdefault(("write and fdatasync", 1), []).append(rate(synced_write(file)))
        for clients in CLIENTS:
            with running["second"].inside():
                asked = rate(running["second"].ping, clients)
            found.setdefault(("connect and PING", clients), []).append(asked)
            for mode, one in running.items():
                with one.inside():
                    found.setdefault((mode, clients), []).append(rate(one.command, clients))
    os.close(file)
    return found


def table(found: dict[tuple[str, int], list[float]]) -> str:
    """Medians, and ratios of medians: to the floor, and of `always` to `second`."""
    medians = {what: statistics.median(rates) for what, rates in found.items()}
    lines = [
        "| | clients | a second | of connect and PING | of `second` |",
        "| --- | --- | --- | --- | --- |",
    ]
    for (what, clients), each in medians.items():
        floor = each / medians["connect and PING", clients]
        beside = f"{each / medians['second', clients]:.2f}" if what == "always" else ""
        named = f"`{what}`" if what in MODES else what
        lines.append(f"| {named} | {clients} | {each:,.0f} | {floor:.2f} | {beside} |")
    return "\n".join(lines)


def main() -> None:
    """Runs it all in a temporary directory on the disk of the working directory."""
    with tempfile.TemporaryDirectory(prefix="durability-", dir=".") as made:
        base = Path(made).resolve()
        running = {}
        try:
            for mode in MODES:
                running[mode] = Running(base, mode)
            print(table(measure(base, running)))
        finally:
            for one in running.values():
                one.home.end()


if __name__ == "__main__":
    main()
