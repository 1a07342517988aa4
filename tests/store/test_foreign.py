"""A town of the Rust tinytown is read as it is, in both of its shapes, and never written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.store.rust_town import agent, mail, message, task, team, uid, work, write_row, write_town
from tinytownd.domain.errors import BadInput, Unavailable
from tinytownd.domain.rust import Found, Mail
from tinytownd.home import Endpoint
from tinytownd.store.client import Client, external
from tinytownd.store.foreign import foreign


async def read(server: Endpoint, name: str) -> Found:
    async with foreign(server, "there") as there:
        towns = await there.towns()
        return await there.read(name, towns[name])


async def dump(client: Client, name: str) -> dict[str, Any]:
    """Every key of a town as the server would move it."""
    keys = [key async for key in client.scan_iter(f"tt:{name}:*")]
    return {key: (await client.object("encoding", key), await client.ttl(key)) for key in keys}


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row as a hash has it: texts only, nothing that is null."""
    texts = {k: json.dumps(v) if isinstance(v, list) else str(v) for k, v in row.items()}
    return {key: texts[key] for key, value in row.items() if value is not None}


@pytest.mark.parametrize("hashes", [False, True], ids=["JSON", "hashes"])
async def test_both_shapes_are_read(
    client: Client, server: Endpoint, town_id: str, hashes: bool
) -> None:
    await write_town(client, town_id, hashes=hashes)
    before = await dump(client, town_id)
    found = await read(server, town_id)
    shape = plain if hashes else dict
    assert found.agents == {row["id"]: shape(row) for row in team()}
    assert found.tasks == {row["id"]: shape(row) for row in work()}
    urgent = Mail(uid(2), message(6, uid(2), "task", description="Stop that"), urgent=True)
    assert found.mail == [*(Mail(uid(1), row) for row in mail()), urgent]
    assert (found.backlog, found.unreadable) == ([uid(104)], [])
    assert await dump(client, town_id) == before


async def test_a_town_from_before_names_were_in_keys(client: Client, server: Endpoint) -> None:
    await write_town(client, "", hashes=False)
    try:
        assert (await read(server, "")).agents.keys() == {row["id"] for row in team()}
    finally:
        for kind in ("agent", "task", "inbox", "urgent", "backlog", "events", "stop", "activity"):
            async for key in client.scan_iter(f"tt:{kind}*"):
                await client.delete(key)


async def test_our_own_towns_are_none_of_its(
    client: Client, server: Endpoint, town_id: str
) -> None:
    ours = f"tt:{{{town_id}}}"
    await client.hset(f"{ours}:agents", "a1", "{}")
    await client.set(f"{ours}:agent:{uid(1)}", "{}")
    async with foreign(server, "there") as there:
        assert not [name for name in await there.towns() if town_id in name]


@pytest.mark.parametrize("text", ["", "{", "7", "[" * 100_000, "\x00", '"x"', "null", "[1]"])
async def test_what_is_no_object_comes_as_it_is(
    client: Client, server: Endpoint, town_id: str, text: str
) -> None:
    await client.set(f"tt:{town_id}:agent:{uid(1)}", text)
    await client.rpush(f"tt:{town_id}:inbox:{uid(1)}", text)
    found = await read(server, town_id)
    assert not isinstance(found.agents[uid(1)], dict)
    assert found.mail[0].row == found.agents[uid(1)]


async def test_keys_of_another_type_are_told(
    client: Client, server: Endpoint, town_id: str
) -> None:
    await client.sadd(f"tt:{town_id}:agent:{uid(1)}", "x")
    await client.set(f"tt:{town_id}:backlog", "x")
    await client.hset(f"tt:{town_id}:inbox:{uid(1)}", "x", "y")
    await write_row(client, f"tt:{town_id}:task:{uid(1)}", task(1), hashes=True)
    found = await read(server, town_id)
    assert sorted(found.unreadable) == [
        (f"tt:{town_id}:agent:{uid(1)}", "it is a set, not a string or a hash"),
        (f"tt:{town_id}:backlog", "it is a string, not a list"),
        (f"tt:{town_id}:inbox:{uid(1)}", "it is a hash, not a list"),
    ]
    assert list(found.tasks) == [uid(1)]


async def test_a_large_town_is_read_whole(client: Client, server: Endpoint, town_id: str) -> None:
    pipe = client.pipeline(transaction=False)
    for number in range(1_700):
        row = agent(1, f"agent{number}", id=uid(number))
        pipe.set(f"tt:{town_id}:agent:{uid(number)}", json.dumps(row))
    await pipe.execute()
    assert len((await read(server, town_id)).agents) == 1_700


async def test_a_redis_that_does_not_answer_is_told_without_its_password(tmp_path: Path) -> None:
    endpoint = external("redis://user:hunter2@127.0.0.1:1/0")
    told = r"does not answer at redis://127\.0\.0\.1:1/0: Connection refused$"
    with pytest.raises(Unavailable, match=told) as error:
        async with foreign(endpoint, endpoint.url or "") as there:
            await there.towns()
    assert "hunter2" not in error.value.message + error.value.hint


async def test_a_wrong_password_is_told(server: Endpoint) -> None:
    wrong = Endpoint(socket=server.socket, url=server.url, user="nobody", password="hunter2")
    with pytest.raises(Unavailable) as error:
        async with foreign(wrong, "there") as there:
            await there.towns()
    assert "hunter2" not in error.value.message


@pytest.mark.parametrize("url", ["redis://127.0.0.1:99999", "redis://127.0.0.1:port", "http://x"])
async def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(BadInput, match="is no Redis URL"):
        async with foreign(external(url), url):
            pass
