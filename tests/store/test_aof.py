"""Append-only files that are torn, broken or gone: mended, or refused and left as they are."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.store.broken import (
    BASE,
    BINARY,
    INCREMENT,
    TRANSACTIONS,
    Written,
    fingerprint,
    frame,
    increment,
    numbers,
    opened,
    write,
)
from tests.store.steps import until
from tinytownd.domain.errors import Unavailable
from tinytownd.home import Home
from tinytownd.store import aof, sync
from tinytownd.store.client import connect
from tinytownd.store.server import EmbeddedServer
from tinytownd.store.sync import keep_synced
from tinytownd.store.synced import mark_path, read_mark

pytestmark = [
    pytest.mark.usefixtures("strays"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
#: What one byte may become: each with one bit turned, and what means something.
MEANT = b"019#*$-\r\n\0"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return asyncio.run(write(Home(tmp_path_factory.mktemp("aof") / "home")))


@pytest.fixture
def broken(written: Written, tmp_path: Path) -> Home:
    """A home of the test's own, to be broken."""
    return written.copy(tmp_path / "my home")


def some(of: list[int], count: int) -> list[int]:
    """So many of them, evenly spread; a start of a server takes its time."""
    return [of[index * (len(of) - 1) // (count - 1)] for index in range(count)]


# The judgement alone


def test_a_file_that_ends_after_any_byte(written: Written) -> None:
    assert {len(written.data), 0} <= {*written.ends, 0}
    for size in range(len(written.data)):
        found = aof.find_break(written.data[:size])
        if found is not None:
            assert found.torn
            assert found.safe <= size
            assert aof.find_break(written.data[: found.safe]) is None
            assert written.whole(found.safe) == written.whole(size)


def test_a_file_of_which_the_rest_was_never_written(written: Written) -> None:
    for size in [*written.last, len(written.data)]:
        found = aof.find_break(written.data[:size] + b"\0" * (len(written.data) - size + 1))
        assert found is not None
        assert found.torn
        assert written.whole(found.safe) == written.whole(size)


def test_no_wrong_byte_of_the_frame_costs_more_than_the_last_transaction(written: Written) -> None:
    torn = 0
    for at in sorted(frame(written.data)):
        byte = written.data[at]
        for wrong in {*(byte ^ 1 << bit for bit in range(8)), *MEANT} - {byte}:
            data = written.data[:at] + bytes([wrong]) + written.data[at + 1 :]
            found = aof.find_break(data)
            assert found is not None, (at, wrong)
            if found.torn:
                torn += 1
                assert found.safe == written.ends[-2], (at, wrong)
    assert torn, "a wrong length of the last word cannot be told from a torn one"


def test_a_length_that_swallows_all_that_follows_is_damage(written: Written) -> None:
    at = written.data.index(b"$7\r\nnumbers")
    data = written.data[:at] + b"$999999999" + written.data[at + 2 :]
    found = aof.find_break(data)
    assert found is not None
    assert (found.torn, found.at) == (False, at)


# Files, and the server's view of them


def test_every_torn_tail_is_cut_and_kept(written: Written, broken: Home, tmp_path: Path) -> None:
    file = increment(broken)
    for size in written.last:
        file.write_bytes(written.data[:size])
        done = aof.mend(broken.data)
        left = written.ends[written.whole(size) - 1]
        assert file.read_bytes() == written.data[:left]
        assert done is not None
        kept = Path(str(done["kept"]))
        assert kept.read_bytes() == written.data[left:size]
        assert kept.stat().st_mode & 0o077 == 0
        kept.unlink()


@pytest.mark.parametrize("zeros", [0, 1, 5000])
async def test_a_server_starts_on_a_torn_tail(written: Written, broken: Home, zeros: int) -> None:
    for size in some(written.last, 6):
        increment(broken).write_bytes(written.data[:size] + b"\0" * zeros)
        with capture_logs() as logs:
            async with opened(broken) as client:
                assert await numbers(client) == written.whole(size)
                await client.set("it", "writes")
        assert [line["event"] for line in logs] == ["redis.repaired"]
        async with opened(broken) as client:
            assert await client.get("it") == "writes"


async def test_a_wrong_byte_of_the_frame_is_refused_or_costs_one_transaction(
    written: Written, broken: Home
) -> None:
    refused = 0
    for at in some(sorted(frame(written.data)), 24):
        wrong = bytes([written.data[at] ^ 1])
        increment(broken).write_bytes(written.data[:at] + wrong + written.data[at + 1 :])
        before = fingerprint(broken)
        try:
            async with opened(broken) as client:
                assert await numbers(client) >= TRANSACTIONS - 1
        except Unavailable:
            refused += 1
            assert fingerprint(broken) == before
    assert refused > 12


async def test_damage_is_told_with_the_way_out(written: Written, broken: Home) -> None:
    at = written.ends[5] + 2
    increment(broken).write_bytes(written.data[:at] + b"\0" * 40 + written.data[at + 40 :])
    before = fingerprint(broken)
    with pytest.raises(Unavailable, match=rf"{INCREMENT} is damaged at byte \d+: ") as caught:
        async with opened(broken):
            pass
    assert fingerprint(broken) == before
    way_out = caught.value.hint.partition(f"give up what follows byte {written.ends[5]}: ")[2]
    assert "\n" not in caught.value.message + caught.value.hint
    done = await asyncio.create_subprocess_exec("/bin/sh", "-c", way_out)
    assert await done.wait() == 0
    async with opened(broken) as client:
        assert await numbers(client) == 6
    assert (broken.data / "appendonlydir.damaged" / INCREMENT).stat().st_size == len(written.data)


@pytest.mark.parametrize(
    ("right", "wrong", "why"),
    [
        (b"RPUSH", b"RPUSS", "RPUSS"),
        (b"HSET", b"XADD", "wrong number of arguments"),
        (b"numbers", b"records", "wrong kind of value"),
    ],
)
async def test_what_cannot_be_replayed_is_refused(
    written: Written, broken: Home, right: bytes, wrong: bytes, why: str
) -> None:
    head, tail = written.data[: written.ends[4]], written.data[written.ends[4] :]
    increment(broken).write_bytes(head + tail.replace(right, wrong, 1))
    before = fingerprint(broken)
    with pytest.raises(Unavailable, match=f"the server ended: .*{why}") as caught:
        async with opened(broken):
            pass
    assert "\n" not in caught.value.message
    assert "redis.log" in caught.value.hint
    assert fingerprint(broken) == before


def _unlisted(home: Home) -> None:
    manifest = aof.folder(home.data) / aof.MANIFEST
    manifest.write_text("".join(manifest.read_text().splitlines(keepends=True)[:1]))


LOSSES: dict[str, Callable[[Home], object]] = {
    "all": lambda home: shutil.rmtree(aof.folder(home.data)),
    "manifest": lambda home: (aof.folder(home.data) / aof.MANIFEST).unlink(),
    "empty manifest": lambda home: os.truncate(aof.folder(home.data) / aof.MANIFEST, 0),
    "broken manifest": lambda home: (aof.folder(home.data) / aof.MANIFEST).write_text("file x\n"),
    "unlisted increment": _unlisted,
    "base": lambda home: (aof.folder(home.data) / BASE).unlink(),
    "increment": lambda home: increment(home).unlink(),
    "empty increment": lambda home: os.truncate(increment(home), 0),
    "last byte": lambda home: os.truncate(increment(home), increment(home).stat().st_size - 1),
}


@pytest.mark.parametrize("loss", LOSSES)
async def test_what_was_safe_and_is_gone_is_refused(
    written: Written, broken: Home, loss: str
) -> None:
    syncing = asyncio.create_task(keep_synced(broken.data, nothing, never))

    async def marked() -> bool:
        return read_mark(broken.data) == {INCREMENT: len(written.data), BASE: 0}

    await until(marked)
    syncing.cancel()
    LOSSES[loss](broken)
    there = aof.folder(broken.data)
    before = fingerprint(broken) if there.exists() else {}
    with pytest.raises(Unavailable, match="gone") as caught:
        async with opened(broken):
            pass
    assert str(there) in caught.value.hint
    assert (fingerprint(broken) if there.exists() else {}) == before
    shutil.rmtree(there, ignore_errors=True)
    shutil.copytree(aof.folder(written.home.data), there)
    async with opened(broken) as client:
        assert await numbers(client) == TRANSACTIONS


async def test_what_was_never_synced_may_be_cut(written: Written, broken: Home) -> None:
    increment(broken).write_bytes(written.data[: written.ends[7] + 5])
    mark_path(broken.data).write_text(f'{{"{INCREMENT}": {written.ends[6]}}}')
    async with opened(broken) as client:
        assert await numbers(client) == 8


async def test_zeros_over_what_was_synced_are_damage(written: Written, broken: Home) -> None:
    at = written.ends[-2] + 9
    increment(broken).write_bytes(written.data[:at] + b"\0" * (len(written.data) - at))
    mark_path(broken.data).write_text(f'{{"{INCREMENT}": {len(written.data)}}}')
    before = fingerprint(broken)
    with pytest.raises(Unavailable, match="damaged"):
        async with opened(broken):
            pass
    assert fingerprint(broken) == before


async def test_only_the_last_file_may_be_torn(broken: Home) -> None:
    async with opened(broken) as client:
        await client.bgrewriteaof()
        await until(lambda: rewritten(client))
        await client.set("after", "that")
    (base,) = aof.folder(broken.data).glob("*.base.aof")
    os.truncate(base, base.stat().st_size - 5)
    before = fingerprint(broken)
    with pytest.raises(Unavailable, match=rf"gone: .*{base.name} is damaged at byte"):
        async with opened(broken):
            pass
    assert fingerprint(broken) == before


@pytest.mark.parametrize("mark", ["", "[]", '{"x": []}'])
async def test_a_mark_that_cannot_be_read_says_nothing(broken: Home, mark: str) -> None:
    mark_path(broken.data).write_text(mark)
    async with opened(broken) as client:
        assert await numbers(client) == TRANSACTIONS


async def test_killed_while_the_files_are_rewritten(written: Written, broken: Home) -> None:
    """Now and then the new files are in place, or half of one that its writer left."""
    for round_ in range(6):
        server = EmbeddedServer(broken, BINARY)
        await server.start()
        client = connect(server.endpoint("daemon"))
        syncing = asyncio.create_task(keep_synced(broken.data, nothing, never))
        await client.config_set("rdb-key-save-delay", 20_000 * (round_ % 3))
        await client.bgrewriteaof()
        await client.set(f"meanwhile {round_}", round_)
        if round_ % 2:
            await until(lambda client=client: rewritten(client))  # type: ignore[misc]
        await client.aclose()
        process = server.process._process
        assert process is not None
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        syncing.cancel()
    async with opened(broken) as client:
        assert await numbers(client) == TRANSACTIONS
        assert [await client.get(f"meanwhile {n}") for n in range(6)] == [*"012345"]
    assert not list(broken.data.glob("temp-*"))


async def test_what_outgrows_its_base_is_written_anew(
    broken: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "APPENDED", 100_000)
    server = EmbeddedServer(broken, BINARY)
    await server.start()
    client = connect(server.endpoint("daemon"))
    keeping = asyncio.create_task(server.keep())
    for number in range(200):
        await client.set("again and again", f"{number} {'x' * 1_000}")
    (first,) = aof.folder(broken.data).glob("*.incr.aof")

    async def gone() -> bool:
        return not first.exists()

    await until(gone)
    assert not sync.outgrown(sync.sizes(broken.data), await server._held())
    keeping.cancel()
    await client.aclose()
    await server.stop()
    async with opened(broken) as client:
        assert await numbers(client) == TRANSACTIONS
        assert str(await client.get("again and again")).startswith("199 ")


async def test_what_is_gone_from_the_server_goes_from_its_files(
    broken: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a hundred thousand tasks go into the archive in the midst of a rewrite."""
    server = EmbeddedServer(broken, BINARY)
    await server.start()
    client = connect(server.endpoint("daemon"))
    for number in range(32):
        await client.set(f"gone soon {number}", "x" * 2**20)
    await client.bgrewriteaof()

    async def rewritten() -> bool:
        return not (await client.info("persistence"))["aof_rewrite_in_progress"]

    await until(rewritten)
    await client.delete(*(f"gone soon {number}" for number in range(32)))
    assert sum(sync.sizes(broken.data).values()) > 2**25
    keeping = asyncio.create_task(server.keep())

    async def slim() -> bool:
        return sum(sync.sizes(broken.data).values()) < 2**20

    await until(slim)
    keeping.cancel()
    await client.aclose()
    await server.stop()
    async with opened(broken) as client:
        assert await numbers(client) == TRANSACTIONS


@pytest.mark.parametrize(
    ("base", "appended", "held", "outgrown"),
    [
        (0, sync.APPENDED, 1, False),
        (0, sync.APPENDED + 1, 1, True),
        (2**30, 2**28, 2**30, False),
        (2**30, 2**28 + 1, 2**30, True),
        (sync.APPENDED, 1, 1, False),
        (3 * 2**30, 1, 2**30, False),
        (3 * 2**30 + 1, 1, 2**30, True),
        (2**30, 2**28, sys.maxsize, False),  # it does not say
    ],
)
def test_a_quarter_more_is_too_much_and_so_is_what_is_gone(
    base: int, appended: int, held: int, outgrown: bool
) -> None:
    files = {
        Path("x.2.base.aof"): base,
        Path("x.1.incr.aof"): 1,
        Path("x.2.incr.aof"): appended - 1,
    }
    assert sync.outgrown(files, held) is outgrown


async def nothing() -> int:
    return 0


async def never() -> None:
    """They are not asked to."""
    raise AssertionError("the files are small")


async def rewritten(client: object) -> bool:
    """Whether the new files are in place."""
    info = await client.info("persistence")  # type: ignore[attr-defined]
    return not info["aof_rewrite_in_progress"] and not info["aof_rewrite_scheduled"]
