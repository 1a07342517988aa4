"""Nothing is in the store that the table of keys does not name, and nobody sees what is not his."""

from __future__ import annotations

import re

import pytest
from redis.exceptions import NoPermissionError

from tests.store.steps import entry_in, post, running
from tests.store.test_random_town import play
from tinytownd import wire
from tinytownd.domain.agent import Agent
from tinytownd.domain.task import Task
from tinytownd.home import Endpoint
from tinytownd.store import keys
from tinytownd.store.acl import agent_acl, client_acl
from tinytownd.store.client import Client, connect, set_user
from tinytownd.store.replies import answer
from tinytownd.store.town import TownStore


def patterns() -> dict[str, tuple[str, bool]]:
    """The table in `keys`: a pattern of each key, its type, and whether it has a lifetime."""
    found = {}
    for row in re.findall(
        r"^\| `(tt:.*)` \| (hash|stream|string|the same)\b.*\| (.*) \|$", DOC, re.MULTILINE
    ):
        names, kind, life = row
        for name in names.split("`, `"):
            full = name if name.startswith("tt:") else "tt:{id}" + name
            optional = full.replace("[<agent id>:]", "(?:a[0-9]+:)?")
            pattern = optional.replace("<agent id>", "a[0-9]+").replace(
                "<command id>", "[0-9a-f-]{29}"
            )
            found[pattern] = ("stream" if kind == "the same" else kind, life.startswith("a day"))
    return found


DOC = keys.__doc__ or ""


def test_the_table_of_keys_can_be_read() -> None:
    assert len(patterns()) == 12


async def test_a_busy_town_leaves_only_keys_of_the_table(
    client: Client, blocking: Client, store: TownStore, town_id: str
) -> None:
    await play(client, store, seed=5)
    await store.transact(lambda town: town.archive(Task(id="old", description="Build it", seq=0)))
    async with running(blocking, client) as reader:
        await reader.follow(keys.commands_key(town_id))
        for agent in await store.read(lambda town: list(town.agents)):
            await reader.follow(keys.commands_key(town_id, agent))
            await post(client, keys.commands_key(town_id, agent))
            await reader.got(1)
            await answer(client, reader.collector.commands.pop().entry, "{}")
    used = set()
    async for key in client.scan_iter(f"*{town_id}*"):
        plain = key.replace(town_id, "id")
        fits = [pattern for pattern in patterns() if matches(pattern, plain)]
        assert len(fits) == 1, key
        kind, ends = patterns()[fits[0]]
        assert await client.type(key) == kind, key
        assert (await client.ttl(key) > 0) is ends, key
        used.add(fits[0])
    assert used == set(patterns())


def matches(pattern: str, key: str) -> bool:
    return re.fullmatch(pattern.replace("{id}", r"\{id\}"), key) is not None


async def test_an_agent_that_is_gone_leaves_no_stream(
    client: Client, store: TownStore, town_id: str
) -> None:
    agent = Agent(id="a1", name="x", cli="y")
    await store.transact(lambda town: town.put(agent))
    await client.xgroup_create(keys.commands_key(town_id, "a1"), keys.GROUP, mkstream=True)
    await store.transact(lambda town: town.drop(agent))
    assert not await client.exists(keys.commands_key(town_id, "a1"))


# Who may do what, in what the store really writes


@pytest.fixture
async def users(server: Endpoint, client: Client, town_id: str) -> dict[str, Endpoint]:
    """The people's user of this town's daemon, and the users of two of its agents."""
    found = {}
    for name in ("people", "a1", "a2"):
        user = f"{town_id}-{name}"
        made = client_acl(user, "pw") if name == "people" else agent_acl(user, "pw", town_id, name)
        assert await set_user(client, made)
        found[name] = Endpoint(server.socket, url=server.url, user=user, password="pw")
    return found


@pytest.mark.parametrize("who", ["people", "a1"])
async def test_a_user_s_command_goes_its_whole_way(
    client: Client, blocking: Client, users: dict[str, Endpoint], town_id: str, who: str
) -> None:
    agent = "" if who == "people" else who
    user, hearing = connect(users[who]), connect(users[who], blocking=True)
    async with running(blocking, client) as reader, hearing.pubsub() as heard:
        await reader.follow(keys.commands_key(town_id, agent))
        command = wire.command_id()
        await heard.subscribe(wire.reply_channel(town_id, command, agent))
        await heard.get_message(timeout=5)
        await post(user, wire.commands_key(town_id, agent), command=command)
        await reader.got(1)
        await answer(client, reader.collector.commands[0].entry, "the reply")
        message = await heard.get_message(ignore_subscribe_messages=True, timeout=5)
        assert message is not None
        assert message["data"] == "the reply"
        assert await user.get(wire.done_key(town_id, command, agent)) == "the reply"
    await user.aclose()
    await hearing.aclose()


async def test_what_is_not_his_nobody_reads_or_writes(
    client: Client, users: dict[str, Endpoint], store: TownStore, town_id: str
) -> None:
    entry = await entry_in(client, town_id)
    await answer(client, entry, "the people's")
    done_of_a1 = keys.done_key(town_id, wire.command_id(), "a1")
    await client.set(done_of_a1, "his own")
    agent, other, people = (connect(users[name]) for name in ("a1", "a2", "people"))
    assert await agent.get(done_of_a1) == "his own"
    own, town = keys.commands_key(town_id, "a1"), keys.town_key(town_id)
    for user, words in [
        (agent, ("GET", entry.done_key)),
        (other, ("GET", done_of_a1)),
        (other, ("XADD", own, "*", "a", "b")),
        (agent, ("XADD", keys.commands_key(town_id), "*", "a", "b")),
        (agent, ("XREADGROUP", "GROUP", keys.GROUP, "x", "STREAMS", own, ">")),
        (agent, ("XRANGE", keys.events_key(town_id), "-", "+")),
        (agent, ("SUBSCRIBE", keys.reply_channel(town_id, "1", "a2"))),
        (agent, ("PSUBSCRIBE", keys.WAKE_PATTERN)),
        (people, ("XADD", own, "*", "a", "b")),
        (people, ("XADD", keys.events_key(town_id), "*", "a", "b")),
        (people, ("XRANGE", keys.commands_key(town_id), "-", "+")),
        (people, ("HSET", town, "revision", "7")),
        (people, ("HGETALL", keys.records_key(town_id, "agents"))),
        (people, ("PUBLISH", keys.wake_channel(town_id, "a1"), "1")),
        (people, ("DEL", entry.done_key)),
    ]:
        with pytest.raises(NoPermissionError):
            await user.execute_command(*words)
    for user in (agent, other, people):
        await user.aclose()


async def test_an_agent_can_harm_no_stream_but_its_own(
    client: Client, users: dict[str, Endpoint], blocking: Client, town_id: str
) -> None:
    agent = connect(users["a1"])
    own, others = keys.commands_key(town_id, "a1"), keys.commands_key(town_id, "a2")
    async with running(blocking, client) as reader:
        await reader.follow(own)
        await reader.follow(others)
        maximum = "18446744073709551615-18446744073709551615"
        await agent.execute_command("XADD", own, "MAXLEN", "0", maximum, "poison", "x")
        good = await post(client, others)
        assert await reader.got(1) == [good]
    await agent.aclose()
