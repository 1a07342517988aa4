"""`tt` loses its connection, or its life, in the middle of a command: it happens once all the same.

The real program, the real daemon and server, and a wire between them that is cut.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from tests.kills.daemons import BIN, Home, home_in, until
from tests.kills.picture import file_picture, home_picture, is_quiet, plain, store_picture
from tests.kills.wire import Moment, Wire
from tinytownd import wire

MOMENTS: tuple[Moment, ...] = ("before", "after", "reply")
COMMANDS = (
    ("spawn", "b"),
    ("assign", "a", "Build it"),
    ("send", "a", "Hello"),
    ("backlog", "add", "Some day"),
    ("config", "town.max_agents", "3"),
    ("init", "--name", "other"),
    ("towns", "--forget", "."),
    ("list",),
)
numbers = itertools.count()
#: What commands come to when nothing is cut, by how they are sent.
known: dict[tuple[str, tuple[str, ...]], Any] = {}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with home_in(tmp_path_factory.mktemp("cut") / "k") as home:
        home.ask(wire.HOME, "daemon.status")
        until((home.path / "endpoint.json").exists, "the daemon")
        yield home


class Town:
    """A town of its own with one agent that rests; `tt init` finds a directory without one."""

    def __init__(self, home: Home, words: tuple[str, ...]) -> None:
        self.home, self.words = home, words
        self.directory = home.base / f"{next(numbers):04}" / "shop"
        self.directory.mkdir(parents=True)
        self.id = ""
        self._clear()
        if words[0] == "init":
            return
        made = home.ask(wire.HOME, "town.init", dir=str(self.directory), name="shop")
        self.id = made["data"]["town"]["id"]
        home.ask(self.id, "agent.spawn", name="a")
        home.ask(self.id, "agent.interrupt", name="a")
        self._rest()
        self._drop_records()

    async def tt(self) -> asyncio.subprocess.Process:
        """Starts the program on its command."""
        return await asyncio.create_subprocess_exec(
            *(str(BIN / "tt"), *self.words, "--json"),
            cwd=self.directory,
            env=self.home.env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    def outcome(self, *said: object) -> Any:
        """What was said, and what is left in the store and on the disk."""
        self._rest()
        names = [(str(self.directory), "<dir>"), (str(self.home.path), "<home>")]
        file = self.directory / ".tt" / "town"
        names += [(file.read_text().strip(), "<this town>")] if file.exists() else []
        files = file_picture(self.directory) | home_picture(self.home, self.directory)
        return plain([said, store_picture(self.home.redis), files], *names)

    def _clear(self) -> None:
        """Takes away what the town before left, however it ended."""
        for town in self.home.ask(wire.HOME, "town.list")["data"]["towns"]:
            self.home.ask(wire.HOME, "town.forget", dir=town["dir"])
        self._drop_records()

    def _drop_records(self) -> None:
        for key in self.home.redis.scan_iter(match="tt:{*}:done:*"):
            self.home.redis.delete(key)

    def _rest(self) -> None:
        until(lambda: is_quiet(self.home.redis, self.id), "rest")


async def undisturbed(home: Home, words: tuple[str, ...]) -> Any:
    """What the command comes to on a whole wire."""
    town = Town(home, words)
    async with Wire(home, None) as whole:
        running = await town.tt()
        said = await running.communicate()
        assert running.returncode == 0, said
        assert len(whole.sent) == 1
    return town.outcome(said[0].decode())


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
async def test_a_client_that_is_cut_off_gets_the_first_answer(
    home: Home, words: tuple[str, ...], moment: Moment
) -> None:
    if ("tt", words) not in known:
        known["tt", words] = await undisturbed(home, words)
    town = Town(home, words)
    async with Wire(home, moment) as cut:
        running = await town.tt()
        said = await running.communicate()
        assert running.returncode == 0, said
    assert cut.cuts == 1
    assert len(cut.sent) > 1
    assert len({one["id"] for one in cut.sent}) == 1
    assert town.outcome(said[0].decode()) == known["tt", words]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
async def test_the_command_of_a_client_that_was_killed_is_sent_again_by_hand(
    home: Home, words: tuple[str, ...], moment: Moment
) -> None:
    if ("by hand", words) not in known:
        known["by hand", words] = await by_hand(home, words, None)
    assert await by_hand(home, words, moment) == known["by hand", words]


async def by_hand(home: Home, words: tuple[str, ...], moment: Moment | None) -> Any:
    """The outcome with `tt` killed at that moment, and its entry then written by hand."""
    town = Town(home, words)
    async with Wire(home, moment) as cut:
        running = await town.tt()
        if moment is not None:
            await asyncio.wait_for(cut.happened.wait(), 60)
            running.kill()
        await running.communicate()
    fields = dict(cut.sent[0])
    stream = fields.pop("stream")
    where = stream.removeprefix("tt:{").partition("}")[0]
    home.post(where, fields)
    return town.outcome(home.reply(where, fields["id"]))
