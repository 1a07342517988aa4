"""What is written is what is read: texts, numbers and lists go through Lua and JSON unharmed."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.store.steps import answering, entry_in, loaded, reply_to, seen
from tinytownd.domain.agent import Agent
from tinytownd.domain.message import Message, Round
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town
from tinytownd.handlers.registry import Answer
from tinytownd.store import keys
from tinytownd.store.client import Client
from tinytownd.store.town import TownStore

TEXTS = {
    "plain": "Build it",
    "unicode": "Grüße, 你好, \N{ROCKET}, a\u0301, \u202eabc, \ufeff, \u2028",
    "controls": "".join(chr(code) for code in range(1, 32)) + "\x7f\x80\x9f",
    "nul": "before\0after",
    "quotes": "\\ \" ' \\u0041 \\n { } [ ] % %s $1 \r\n",
    "json": '{"a": [], "b": {}, "c": null, "d": 1e400}',
    "resp": "*3\r\n$3\r\nSET\r\n$1\r\na\r\n",
    "number": "9007199254740993",
    "empty": "",
    "mebibyte": "é" * (1 << 19),
}


@pytest.mark.parametrize("name", TEXTS)
async def test_texts_survive(client: Client, store: TownStore, name: str) -> None:
    text = TEXTS[name]

    def put(town: Town) -> Answer:
        town.put(Task(id="t1", description=text, seq=1, result=text, tags=(text, text)))
        town.put(Message(id="m1", sender="x", to="y", text=text, seq=1))
        town.event("told", "x", text=text)
        return lambda: {"text": text}

    entry = await entry_in(client, store.id)
    await store.execute(entry, put)
    assert (await reply_to(client, entry))["data"] == {"text": text}
    assert (await store.history(1))[0]["text"] == text
    fresh = await loaded(client, store.id)
    assert fresh.tasks["t1"].description == text
    assert await store.read(seen) == seen(fresh)


NUMBERS = [0, -1, 2**31, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), 2**64 + 1, 10**30]
FLOATS = [0.0, -0.0, 0.1, 1e-320, 1.7976931348623157e308, 1 / 3, 12345678.123456789, 1.0]


@pytest.mark.parametrize("number", [*NUMBERS, *FLOATS])
async def test_numbers_survive(client: Client, store: TownStore, number: float) -> None:
    exact: Any = number
    one = Round(id="1", agent="x", token="t", started_at=exact, cost_usd=exact, input_tokens=exact)
    await store.transact(lambda town: town.put(one))
    await store.transact(lambda town: town.event("told", "x", number=number))
    found = (await loaded(client, store.id)).rounds["1"]
    assert found == one
    assert repr(found) == repr(one)  # 1 and 1.0 are equal, and -0.0 is 0.0
    assert repr((await store.history(1))[0]["number"]) == repr(number)


async def test_lists_stay_lists_and_nothing_stays_nothing(client: Client, store: TownStore) -> None:
    task = Task(id="t1", description="x", seq=1, tags=(), needs=("t0",), depends_on=("t0", "t2"))
    await store.transact(lambda town: town.put(task))
    found = (await loaded(client, store.id)).tasks["t1"]
    assert found == task
    assert found.result is None
    assert found.not_before is None
    assert found.epic is False
    told: dict[str, object] = {
        "list": [],
        "object": {},
        "deep": [[], {}, [None]],
        "no": None,
        "yes": True,
    }
    entry = await entry_in(client, store.id)
    await store.execute(entry, lambda town: lambda: told)
    assert (await reply_to(client, entry))["data"] == told


async def test_a_later_version_s_fields_are_left_out(client: Client, store: TownStore) -> None:
    key = f"tt:{{{store.id}}}:tasks"
    await client.hset(key, "t1", '{"id": "t1", "description": "x", "seq": 1, "colour": "red"}')
    assert (await loaded(client, store.id)).tasks["t1"] == Task(id="t1", description="x", seq=1)


async def test_a_removed_record_is_gone(client: Client, store: TownStore) -> None:
    agent = Agent(id="a1", name="x", cli="y")
    await store.transact(lambda town: town.put(agent))
    await store.transact(lambda town: town.drop(agent))
    assert not (await loaded(client, store.id)).agents


async def test_records_are_read_in_the_order_they_were_made(
    client: Client, store: TownStore
) -> None:
    def fill(town: Town) -> None:
        for number in range(1, 300):
            town.put(Task(id=f"x{997 * number % 1009}", description="x", seq=number))
            town.put(Message(id=f"m{number}", sender="x", to="conductor", text="x", seq=number))
            town.put(Round(id=f"{number}", agent="x", token="t"))
            town.put(Agent(id=f"a{number}", name=f"n{number}", cli="y"))

    await store.transact(fill)
    assert await store.read(seen) == seen(await loaded(client, store.id))


async def test_ten_thousand_tasks_are_one_step(client: Client, store: TownStore) -> None:
    def fill(town: Town) -> str:
        for number in range(1, 10_001):
            needs = (f"task-{number - 7}",) if number > 7 else ()
            text = f"Do part {number} of it"
            task = Task(f"task-{number}", text, number, needs=needs, depends_on=needs, plan="main")
            town.put(task)
            town.event("task.created", "person", task=task.id)
        return "all"

    entry = await entry_in(client, store.id)
    began = time.monotonic()
    await store.execute(entry, answering(fill))
    written = time.monotonic()
    assert (await reply_to(client, entry))["data"] == {"task": "all"}
    fresh = await loaded(client, store.id)
    print(f"10,000 tasks: {written - began:.2f} s to write", end=", ")
    print(f"{time.monotonic() - written:.2f} s to load")
    assert len(fresh.tasks) == 10_000
    assert await client.xlen(keys.events_key(store.id)) == 10_000
    assert await store.read(seen) == seen(fresh)
