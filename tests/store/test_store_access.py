"""Connections to the store, and who may do what through them, on a real server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import redis.asyncio
from redis.exceptions import NoPermissionError, RedisError

from tests.store.far_end import Connect, serve
from tinytownd.domain.errors import Unavailable
from tinytownd.home import Endpoint, Home
from tinytownd.store.acl import agent_acl, client_acl
from tinytownd.store.binary import find_binary
from tinytownd.store.client import ensure_supported, external
from tinytownd.store.server import EmbeddedServer


@pytest.fixture
async def server(home: Home) -> AsyncIterator[EmbeddedServer]:
    server = EmbeddedServer(home, find_binary(os.environ))
    await server.start()
    yield server
    await server.stop()


STREAM, OTHERS = "tt:{town}:commands:dev", "tt:{town}:commands:tester"
Attempt = Callable[[redis.asyncio.Redis], Awaitable[object]]


def tries(*words: str) -> Attempt:
    return lambda client: client.execute_command(*words)


CLIENT_MAY = [
    tries("PING"),
    tries("XADD", "tt:{town}:commands", "*", "a", "b"),
    tries("GET", "tt:{town}:done:1-x"),
    tries("XREAD", "STREAMS", "tt:{town}:events", "0"),
    tries("XRANGE", "tt:{town}:events", "-", "+"),
    tries("XREVRANGE", "tt:{town}:events", "+", "-"),
]
CLIENT_MAY_NOT = [
    tries("XADD", STREAM, "*", "a", "b"),
    tries("XADD", "tt:{town}:events", "*", "a", "b"),
    tries("XRANGE", "tt:{town}:commands", "-", "+"),
    tries("GET", "tt:{town}:town"),
    tries("SET", "tt:{town}:done:1-x", "1"),
    tries("PUBLISH", "tt:{town}:reply:1-x", "1"),
    tries("SUBSCRIBE", "tt:{town}:wake:dev"),
]
AGENT_MAY = [
    tries("PING"),
    tries("XADD", STREAM, "*", "a", "b"),
    tries("GET", "tt:{town}:done:dev:1-x"),
]
AGENT_MAY_NOT = [
    tries("XADD", OTHERS, "*", "a", "b"),
    tries("XADD", "tt:{town}:commands", "*", "a", "b"),
    tries("XADD", "tt:{other}:commands:dev", "*", "a", "b"),
    tries("GET", "tt:{town}:done:1-x"),
    tries("GET", "tt:{town}:done:tester:1-x"),
    tries("XRANGE", STREAM, "-", "+"),
    tries("SUBSCRIBE", "tt:{town}:reply:tester:1-x"),
]
NOBODY_MAY = [
    tries("EVAL", "return 1", "0"),
    tries("FLUSHALL"),
    tries("KEYS", "*"),
    tries("CONFIG", "GET", "*"),
    tries("DEL", STREAM),
    tries("ACL", "LIST"),
]


@pytest.mark.parametrize("who", ["client", "agent"])
async def test_users_may_do_their_own_and_nothing_else(
    server: EmbeddedServer, connected: Connect, who: str
) -> None:
    daemon = connected(server.endpoint("daemon"))
    if who == "client":
        endpoint = server.endpoint("client")
        acl = client_acl(endpoint.user, endpoint.password)
        may, may_not, channel = CLIENT_MAY, CLIENT_MAY_NOT, "tt:{town}:reply:1-x"
    else:
        endpoint = Endpoint(server.endpoint("daemon").socket, user="a-dev", password="secret")
        acl = agent_acl("a-dev", "secret", "town", "dev")
        may, may_not, channel = AGENT_MAY, AGENT_MAY_NOT, "tt:{town}:reply:dev:1-x"
    for _ in range(2):  # at every connect, again
        assert await daemon.execute_command(*acl) == "OK"
    user = connected(endpoint)
    for attempt in may:
        await attempt(user)
    for attempt in (*may_not, *NOBODY_MAY):
        with pytest.raises(NoPermissionError):
            await attempt(user)
    async with user.pubsub() as pubsub:
        await pubsub.subscribe(channel)
        assert await pubsub.get_message(timeout=5)
        await daemon.publish(channel, "reply")
        message = await pubsub.get_message(timeout=5)
        assert message
        assert message["data"] == "reply"


@pytest.mark.parametrize("bad", ["", "*", "a:b", "a}", "A", "a b", "a\n", "?"])
def test_ids_that_could_be_patterns_are_refused(bad: str) -> None:
    for town, agent in (("town", bad), (bad, "dev")):
        with pytest.raises(ValueError, match="not generated ids"):
            agent_acl("user", "password", town, agent)


async def test_text_that_is_not_utf8_stops_nobody(
    server: EmbeddedServer, connected: Connect
) -> None:
    client = connected(server.endpoint("daemon"))
    await client.set("key", b"\xff\xfe ok")
    assert await client.get("key") == "\ufffd\ufffd ok"


async def test_a_burst_waits_for_the_pool(server: EmbeddedServer, connected: Connect) -> None:
    client = connected(server.endpoint("daemon"))
    assert await asyncio.gather(*(client.incr("n") for _ in range(300)))
    assert await client.get("n") == "300"
    assert len(await client.client_list()) <= 8


async def test_a_lost_reply_is_not_sent_again(home: Home, connected: Connect) -> None:
    adds = 0

    def answer(command: bytes) -> bytes:
        nonlocal adds
        if command == b"XADD":
            adds += 1
            return b""
        return b"%1\r\n+proto\r\n:3\r\n" if command == b"HELLO" else b"+OK\r\n"

    async with await serve(home.socket, answer):
        client = connected(Endpoint(str(home.socket), user="u", password="p"))
        with pytest.raises((RedisError, OSError)):
            await client.xadd("stream", {"a": "b"})
        await client.aclose()
    assert adds == 1


@pytest.mark.parametrize(
    ("version", "good"),
    [("7.0.0", True), ("10.1", True), ("7.2.4", True), ("6.2.14", False), ("x", False)],
)
async def test_old_servers_are_refused(
    home: Home, connected: Connect, version: str, good: bool
) -> None:
    def answer(command: bytes) -> bytes:
        info = f"# Server\r\nredis_version:{version}\r\n"
        if command == b"INFO":
            return f"${len(info)}\r\n{info}\r\n".encode()
        return b"%1\r\n+proto\r\n:3\r\n" if command == b"HELLO" else b"+OK\r\n"

    async with await serve(home.socket, answer):
        client = connected(Endpoint(str(home.socket)))
        if good:
            assert await ensure_supported(client) == version
        else:
            with pytest.raises(Unavailable, match=f"{version} is too old") as caught:
                await ensure_supported(client)
            assert caught.value.hint
        await client.aclose()


def test_external_url_gives_up_its_password() -> None:
    assert external("redis://me:p%40ss@host:1234/2?x=1") == Endpoint(
        url="redis://host:1234/2?x=1", user="me", password="p@ss"
    )
    assert external("redis://host") == Endpoint(url="redis://host")
    assert external("unix:///run/s?password=p%40ss&db=2&username=me") == Endpoint(
        url="unix:/run/s?db=2", user="me", password="p@ss"
    )
