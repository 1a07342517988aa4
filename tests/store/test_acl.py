"""Every command that the server knows, tried by every user; every key, by those that may."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
from redis.exceptions import NoPermissionError, ResponseError

from tests.store.far_end import Connect
from tinytownd.home import Endpoint, Home
from tinytownd.store import keys
from tinytownd.store.acl import agent_acl, client_acl, daemon_acl
from tinytownd.store.binary import find_binary
from tinytownd.store.client import Client, end
from tinytownd.store.server import EmbeddedServer
from tinytownd.store.wakes import listen

#: What anybody may say who has a connection, whoever they are.
UNASKED = {"auth", "hello", "quit", "reset"}
WORDS = {
    "client": {"xadd", "xread", "xrange", "xrevrange", "get", "subscribe", "ping", "select"},
    "agent": {"xadd", "get", "subscribe", "ping", "select"},
}
#: Everything that is in the store, of the agent `dev` of a town, and of others.
KEYS = [
    *(keys.town_key("town"), keys.town_key("other"), "anything", ""),
    *(keys.records_key("town", kind) for kind in keys.RECORD_KINDS),
    *(keys.events_key("town"), keys.events_key("other")),
    *(keys.commands_key("town"), keys.commands_key("home"), keys.commands_key("other")),
    *(keys.commands_key("town", "dev"), keys.commands_key("town", "tester")),
    *(keys.commands_key("other", "dev"), keys.commands_key("town", "dev2")),
    *(keys.done_key("town", "1-x"), keys.done_key("town", "1-x", "dev")),
    *(keys.done_key("town", "1-x", "tester"), keys.done_key("other", "1-x", "dev")),
]
CHANNELS = [
    *(keys.reply_channel("town", "1-x"), keys.reply_channel("home", "1-x")),
    *(keys.reply_channel("town", "1-x", "dev"), keys.reply_channel("town", "1-x", "tester")),
    *(keys.reply_channel("other", "1-x", "dev"), keys.wake_channel("town", "dev"), "anything"),
]
COMMANDS = {
    "xadd": "XADD {} * a b",
    "get": "GET {}",
    "xread": "XREAD STREAMS {} 0",
    "xrange": "XRANGE {} - +",
    "xrevrange": "XREVRANGE {} + -",
    "subscribe": "SUBSCRIBE {}",
}
HOMES = [key for key in KEYS if key.endswith("}:commands")]
# The server's rules know no types: what is no stream answers XREAD with WRONGTYPE.
READABLE = [key for key in KEYS if ":done:" in key or key.endswith(":events")]
MAY = {
    "client": {
        "xadd": HOMES,
        **dict.fromkeys(("get", "xread", "xrange", "xrevrange"), READABLE),
        "subscribe": [channel for channel in CHANNELS if ":reply:" in channel],
    },
    "agent": {
        "xadd": [keys.commands_key("town", "dev")],
        "get": [keys.done_key("town", "1-x", "dev")],
        "subscribe": [keys.reply_channel("town", "1-x", "dev")],
    },
}


class Command(NamedTuple):
    """One of the server's: its words, how many there are at least, and its flags."""

    words: list[str]
    length: int
    flags: set[str]


@pytest.fixture
async def daemon(home: Home, connected: Connect) -> AsyncIterator[Client]:
    """The daemon's connection to a server of this test's own: what is tried may end it."""
    server = EmbeddedServer(home, find_binary(os.environ))
    await server.start()
    daemon = connected(server.endpoint("daemon"))
    await daemon.execute_command(*client_acl("client", "secret"))
    await daemon.execute_command(*agent_acl("agent", "secret", "town", "dev"))
    yield daemon
    await server.stop()


async def every_command(client: Client) -> list[Command]:
    """All that the server knows, with subcommands in place of what contains them."""
    names = await client.execute_command("COMMAND LIST")
    infos: list[Any] = await client.execute_command("COMMAND INFO", *names)
    return [
        Command(str(info[0]).split("|"), abs(int(info[1])), set(info[2]))
        for info in infos
        if info and not info[9]
    ]


@pytest.mark.parametrize("who", ["client", "agent"])
async def test_every_other_command_is_refused(
    home: Home, daemon: Client, connected: Connect, who: str
) -> None:
    user = connected(Endpoint(str(home.socket), user=who, password="secret"))
    commands = await every_command(daemon)
    assert len(commands) > 200
    assert {one.words[0] for one in commands if "no_auth" in one.flags} == UNASKED
    left = [one for one in commands if one.words[0] not in UNASKED | WORDS[who]]
    assert len(commands) - len(left) == len(UNASKED | WORDS[who])
    for one in left:
        filled = [*one.words, *["0"] * (one.length - len(one.words))]
        try:
            answer = await user.execute_command(" ".join(one.words), *filled[len(one.words) :])
        except NoPermissionError as error:
            assert "no permissions to run" in str(error), filled  # noqa: PT017 -- not the key's
            continue
        except ResponseError as error:
            # DEBUG and MODULE are nobody's where the server's configuration says so.
            assert re.search("NOPERM|command not allowed", str(error)), filled  # noqa: PT017
            continue
        pytest.fail(f"{who} may say {filled}: {answer}")


@pytest.mark.parametrize("who", ["client", "agent"])
async def test_what_is_allowed_is_so_for_their_own_only(daemon: Client, who: str) -> None:
    async def may(command: str) -> bool:
        answer = await daemon.execute_command("ACL DRYRUN", who, *command.split(" "))
        return str(answer) == "OK"

    for word, text in COMMANDS.items():
        places = CHANNELS if word == "subscribe" else KEYS
        found = [place for place in places if await may(text.format(place))]
        assert found == MAY[who].get(word, []), word


async def test_no_user_may_read_what_it_writes(home: Home, daemon: Client) -> None:
    """XADD answers with an id alone; reading a command stream would tell others' arguments."""
    for who, key in (
        ("client", keys.commands_key("town")),
        ("agent", keys.commands_key("town", "dev")),
    ):
        for command in (["XREAD", "STREAMS", key, "0"], ["GET", key], ["XRANGE", key, "-", "+"]):
            answer = await daemon.execute_command("ACL DRYRUN", who, *command)
            assert "no permissions" in str(answer)


async def test_the_daemons_own_user_needs_no_more_than_it_has(daemon: Client) -> None:
    """What `tt doctor` prints works as it is, and makes the other users."""
    await daemon.execute_command(*daemon_acl("tinytown", "secret"))
    for command in (
        *("FLUSHALL", "CONFIG GET dir", "KEYS *", "SHUTDOWN", "MONITOR", "DEBUG SLEEP 0"),
        *("GET others", "SET others 1", "PUBLISH others 1", "FUNCTION FLUSH", "ACL LIST"),
    ):
        answer = await daemon.execute_command("ACL DRYRUN", "tinytown", *command.split())
        assert "no permissions" in str(answer), command


async def test_a_refused_subscription_is_tried_again(
    home: Home, daemon: Client, connected: Connect
) -> None:
    """The daemon goes on without wakes, and has them again when its user may hear them."""
    await daemon.execute_command(
        "ACL", "SETUSER", "plain", "on", ">secret", "+@all", "resetchannels"
    )
    plain = connected(Endpoint(str(home.socket), user="plain", password="secret"))
    heard = asyncio.Event()

    async def hear() -> None:
        heard.set()

    listening = asyncio.create_task(listen(plain, lambda *_: None, hear))
    try:
        while not await daemon.acl_log():
            assert not listening.done()
            await asyncio.sleep(0.01)
        await daemon.execute_command("ACL", "SETUSER", "plain", "allchannels")
        heard.clear()
        async with asyncio.timeout(20):
            await heard.wait()
    finally:
        await end([listening])
