"""The command streams: each command is delivered, in order, whatever happens to the stream."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.store.steps import Cut, Running, post, running, until, waiting_in, write
from tinytownd import wire
from tinytownd.home import Endpoint
from tinytownd.store import commands, keys
from tinytownd.store.client import Client, connect
from tinytownd.store.replies import Entry, answer

MAX_ID = "18446744073709551615-18446744073709551615"
#: Seconds in which many reads are not left to their end, as one alone would take two of them.
PROMPT = 10.0
HOUR_MS = 3_600_000


@pytest.fixture
async def reader(blocking: Client, client: Client) -> AsyncIterator[Running]:
    async with running(blocking, client) as reader:
        yield reader


@pytest.fixture
def stream(town_id: str) -> str:
    return keys.commands_key(town_id)


async def test_commands_come_in_order(client: Client, reader: Running, stream: str) -> None:
    before = [await post(client, stream) for _ in range(commands.BATCH * 2 + 50)]
    await reader.follow(stream)
    after = [await post(client, stream) for _ in range(50)]
    assert await reader.got(300) == before + after


async def test_what_was_not_answered_comes_first_after_a_restart(
    client: Client, blocking: Client, stream: str
) -> None:
    async with running(blocking, client) as first:
        await first.follow(stream)
        unanswered = [await post(client, stream) for _ in range(5)]
        await first.got(5)
        await answer(client, first.collector.commands[2].entry, "{}")
    new = [await post(client, stream) for _ in range(3)]
    async with running(blocking, client) as second:
        await second.follow(stream)
        del unanswered[2]
        assert await second.got(7) == unanswered + new


async def test_a_command_that_cannot_be_handed_on_is_refused_and_the_next_one_comes(
    client: Client, reader: Running, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = reader.collector.deliver

    async def deliver(command: commands.Command) -> None:
        if command.verb == "poison":
            raise RecursionError
        await take(command)

    monkeypatch.setattr(reader, "_deliver", deliver)
    await reader.follow(stream)
    bad, good = await post(client, stream, "poison"), await post(client, stream)
    assert await reader.got(1) == [good]
    told = await client.get(keys.done_key(keys.parse_commands(stream)[0], bad))
    assert json.loads(told or "{}")["error"]["kind"] == "internal"


async def test_who_speaks_is_known_from_the_stream(
    client: Client, reader: Running, town_id: str
) -> None:
    for agent in ("", "a7"):
        stream = keys.commands_key(town_id, agent)
        await reader.follow(stream)
        await post(client, stream, "task.complete", agent="a9", result="x")
    await reader.got(2)
    spoken = [(c.entry.town, c.entry.agent, c.args["agent"]) for c in reader.collector.commands]
    assert sorted(spoken) == [(town_id, "", "a9"), (town_id, "a7", "a9")]


def an_id(made_ms: int) -> str:
    return f"{made_ms:012x}-{'0123456789abcdef'}"


def deep() -> dict[str, str]:
    return {"args": '{"text":' + "[" * 100_000 + "]" * 100_000 + "}"}


REFUSED: dict[str, tuple[Callable[[], dict[str, str]], str]] = {
    "args-no-json": (lambda: {"args": "{"}, "bad_input"),
    "args-no-object": (lambda: {"args": "[1]"}, "bad_input"),
    "args-too-deep": (deep, "bad_input"),
    "args-half-a-character": (lambda: {"args": '{"text": "\\ud800"}'}, "bad_input"),
    "args-endless-number": (lambda: {"args": '{"n": ' + "9" * 5000 + "}"}, "bad_input"),
    "time-no-number": (lambda: {"expires_at": "soon"}, "bad_input"),
    "no-time": (lambda: {"expires_at": ""}, "bad_input"),
    "expired": (lambda: {"expires_at": str(wire.now_ms() - 1)}, "timed_out"),
    "a-later-version": (lambda: {"v": "2"}, "bad_input"),
    "no-version": (lambda: {"v": ""}, "bad_input"),
    "an-old-id": (lambda: {"id": an_id(wire.now_ms() - 25 * HOUR_MS)}, "bad_input"),
    "an-id-of-the-future": (lambda: {"id": an_id(wire.now_ms() + 25 * HOUR_MS)}, "bad_input"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_is_no_command_is_refused_with_a_reply(
    client: Client, reader: Running, stream: str, town_id: str, case: str
) -> None:
    change, kind = REFUSED[case]
    fields = dict(wire.encode_command("backlog.add", {"text": "x"})) | change()
    await reader.follow(stream)
    await write(client, stream, fields)
    good = await post(client, stream)
    assert await reader.got(1) == [good]
    reply = json.loads(await client.get(keys.done_key(town_id, fields["id"])) or "")
    assert reply["error"]["kind"] == kind
    assert await client.xlen(stream) == 1


@pytest.mark.parametrize("fields", [{"a": "b"}, {"id": "me"}, {"id": "x" * 12 + "-" + "y" * 16}])
async def test_what_cannot_be_answered_is_removed(
    client: Client, reader: Running, stream: str, town_id: str, fields: dict[str, str]
) -> None:
    await reader.follow(stream)
    await write(client, stream, fields)
    good = await post(client, stream)
    assert await reader.got(1) == [good]
    assert await client.xlen(stream) == 1
    assert [key async for key in client.scan_iter(f"tt:{{{town_id}}}:done:*")] == []


async def test_a_command_that_never_expires_waits_a_day_at_most(
    client: Client, reader: Running, stream: str
) -> None:
    fields = dict(wire.encode_command("town.wait", {})) | {"expires_at": "9" * 400}
    await write(client, stream, fields)
    await reader.follow(stream)
    await reader.got(1)
    assert reader.collector.commands[0].expires_at <= wire.now_ms() + 25 * HOUR_MS


async def test_an_entry_that_was_deleted_is_forgotten(
    client: Client, blocking: Client, stream: str
) -> None:
    async with running(blocking, client) as first:
        await first.follow(stream)
        await post(client, stream)
        await first.got(1)
        await client.xdel(stream, first.collector.commands[0].entry.entry)
    async with running(blocking, client) as second:
        await second.follow(stream)
        good = await post(client, stream)
        assert await second.got(1) == [good]
        assert (await client.xpending(stream, keys.GROUP))["pending"] == 1


async def test_what_a_lost_connection_took_along_is_found(
    client: Client, reader: Running, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(commands, "SOON_SECONDS", 0.1)
    monkeypatch.setattr(commands, "BLOCK_MS", 50)
    await reader.follow(stream)
    first = await post(client, stream)
    await reader.got(1)
    reader.unfollow(stream)
    await reader.follow(stream + ":a1")  # the read under way is over
    taken = await post(client, stream)
    await client.xreadgroup(keys.GROUP, keys.CONSUMER, {stream: ">"})
    reader._cursors[stream] = ">"  # as it was when the connection was lost
    assert await reader.got(2) == [first, taken]


# Following while a read is under way


@pytest.mark.parametrize("shared", [False, True], ids=["alone", "beside-a-subscription"])
async def test_a_stream_is_followed_at_once(
    client: Client, blocking: Client, reader: Running, town_id: str, *, shared: bool
) -> None:
    heard = blocking.pubsub()
    if shared:  # as in the daemon, which hears wakes through the same client

        async def connected() -> bool:
            return bool(reader._reader_id)

        await until(connected)
        await heard.psubscribe("wakes of another *")
        await heard.get_message(timeout=5)
    began = time.monotonic()
    for number in range(30):
        stream = keys.commands_key(town_id, f"a{number}")
        await reader.follow(stream)
        await post(client, stream)
        await reader.got(number + 1)
    assert time.monotonic() - began < PROMPT
    await heard.aclose()


async def test_what_comes_after_unfollow_stays(
    client: Client, reader: Running, stream: str, town_id: str
) -> None:
    await reader.follow(stream)
    first = await post(client, stream)
    await reader.got(1)
    reader.unfollow(stream)
    await reader.follow(keys.commands_key(town_id, "a1"))  # the read under way is over
    left = await post(client, stream)
    other = await post(client, keys.commands_key(town_id, "a1"))
    assert await reader.got(2) == [first, other]
    # What was delivered and never answered comes again, before what is new.
    await reader.follow(stream)
    assert await reader.got(4) == [first, other, first, left]


async def test_a_command_comes_again_at_once_even_with_new_ones_behind_it(
    client: Client, reader: Running, stream: str
) -> None:
    await reader.follow(stream)
    first = await post(client, stream)
    await reader.got(1)
    began = time.monotonic()
    for count in range(1, 20):
        again = asyncio.create_task(reader.again(reader.collector.commands[0]))
        new = await post(client, stream)
        await again
        ids = await reader.got(1 + 2 * count)
        assert sorted(ids[-2:]) == sorted([first, new])
    assert time.monotonic() - began < PROMPT


async def test_again_without_a_server_waits_for_its_return(
    server: Endpoint, tmp_path: Path, blocking: Client, stream: str, client: Client
) -> None:
    await client.xgroup_create(stream, keys.GROUP, id="0", mkstream=True)
    command = await post(client, stream)
    async with Cut(server, tmp_path / "cut.sock") as cut:
        cut_client = connect(cut.endpoint)
        async with running(blocking, cut_client) as reader:
            await reader.follow(stream)
            await reader.got(1)
            cut.swallow("UNBLOCK")
            await reader.again(reader.collector.commands[0])
            assert cut.cuts == 1
            assert await reader.got(2) == [command, command]
        await cut_client.aclose()


async def test_what_was_read_when_the_wire_broke_is_delivered(
    server: Endpoint, tmp_path: Path, blocking: Client, stream: str, client: Client
) -> None:
    async with Cut(server, tmp_path / "cut.sock") as cut:
        cut_client = connect(cut.endpoint)
        async with running(blocking, cut_client) as reader:
            await reader.follow(stream)
            cut.swallow(":done:")
            late = dict(wire.encode_command("backlog.add", {})) | {"expires_at": "1"}
            await write(client, stream, late)
            sent = [await post(client, stream) for _ in range(3)]
            assert await reader.got(3) == sent
            assert await client.exists(keys.done_key(keys.parse_commands(stream)[0], late["id"]))
            assert cut.cuts == 1
        await cut_client.aclose()


# Poison


async def break_group(client: Client, stream: str) -> None:
    await client.xgroup_destroy(stream, keys.GROUP)


async def break_key(client: Client, stream: str) -> None:
    await client.delete(stream)


async def break_type(client: Client, stream: str) -> None:
    await client.delete(stream)
    await client.set(stream, "no stream")


async def break_ids(client: Client, stream: str) -> None:
    await client.xadd(stream, {"poison": "x"}, id=MAX_ID)


async def break_ids_unseen(client: Client, stream: str) -> None:
    await client.execute_command("XADD", stream, "MAXLEN", "0", MAX_ID, "poison", "x")


POISONS = [break_group, break_key, break_type, break_ids, break_ids_unseen]


async def usable(client: Client, stream: str) -> None:
    """Waits until a command can be written and read."""

    async def mended() -> bool:
        kind = await client.type(stream)
        if kind != "stream" or not await client.xinfo_groups(stream):
            return False
        info = await client.xinfo_stream(stream)
        return str(info["last-generated-id"]) != MAX_ID

    await until(mended)


@pytest.mark.parametrize("poison", POISONS)
async def test_a_poisoned_stream_is_mended(
    client: Client,
    reader: Running,
    stream: str,
    poison: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(commands, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(commands, "SOON_SECONDS", 0.1)
    monkeypatch.setattr(commands, "BLOCK_MS", 50)
    await reader.follow(stream)
    before = await post(client, stream)
    await reader.got(1)
    await poison(client, stream)  # type: ignore[misc]
    await usable(client, stream)
    after = await post(client, stream)
    assert await reader.got(2) == [before, after]
    for command in reader.collector.commands:
        await answer(client, command.entry, "{}")
    await until(lambda: _empty(client, stream))


async def _empty(client: Client, stream: str) -> bool:
    return await waiting_in(client, stream) == 0


@pytest.mark.parametrize("poison", POISONS)
async def test_a_stream_that_was_poisoned_before_is_mended(
    client: Client, reader: Running, stream: str, poison: Callable[..., object]
) -> None:
    await client.xgroup_create(stream, keys.GROUP, id="0", mkstream=True)
    await poison(client, stream)  # type: ignore[misc]
    await reader.follow(stream)
    await usable(client, stream)
    good = await post(client, stream)
    assert await reader.got(1) == [good]


async def test_what_waited_in_a_poisoned_stream_is_not_lost(
    client: Client, reader: Running, stream: str, town_id: str
) -> None:
    waiting = [await post(client, stream) for _ in range(commands.BATCH + 5)]
    poisonous = dict(wire.encode_command("backlog.add", {"text": "poison"}))
    await write(client, stream, poisonous, MAX_ID)
    await reader.follow(stream)
    assert await reader.got(len(waiting) + 1) == [*waiting, poisonous["id"]]
    await usable(client, stream)
    good = await post(client, stream)
    await reader.got(len(waiting) + 2)
    assert reader.collector.ids[-1] == good
    for command in reader.collector.commands:
        entry: Entry = command.entry
        await answer(client, entry, "{}")
        reader.finished(command)
    await until(lambda: _empty(client, stream))
    assert len(set(reader.collector.ids)) == len(waiting) + 2


async def test_a_huge_entry_in_a_poisoned_stream_is_dropped(
    client: Client, reader: Running, stream: str
) -> None:
    await client.xadd(stream, {f"f{number}": "x" for number in range(20_000)})
    waiting = await post(client, stream)
    await client.xadd(stream, {"a": "b"}, id=MAX_ID)
    await reader.follow(stream)
    await usable(client, stream)
    assert (await reader.got(1))[0] == waiting


async def test_one_poisoned_stream_does_not_stop_the_others(
    client: Client, reader: Running, stream: str, town_id: str
) -> None:
    other = keys.commands_key(town_id, "a1")
    await reader.follow(stream)
    await reader.follow(other)
    await break_type(client, stream)
    sent = [await post(client, other) for _ in range(5)]
    assert await reader.got(5) == sent
