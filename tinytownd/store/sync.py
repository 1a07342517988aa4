"""Once a second, what the embedded server wrote reaches the disk.

Redis's own `appendfsync everysec` puts writes off while an fsync takes its time (aof.c, up to two
seconds), and a server that is killed then loses what it has answered; seen on a busy disk. `always`
waits for the disk with every command, and ends the server when the disk is full. So the server
runs with `no`, which hands every write to the kernel before it answers and refuses commands while
the disk is full, and the daemon calls fsync beside it. A kill loses nothing; a power cut loses what
was written since the last second, or up to half a minute while no daemon runs (Linux writes dirty
pages back after that, vm.dirty_expire_centisecs).

How much has reached the disk is written beside the files: what is shorter at the next start has
lost something that was safe, see store/aof.py.

What was appended is replayed at every start, and what went into the archive meanwhile stands in
the files twice. Once they have grown by a quarter, or hold much that is gone, the server is asked
to write its state anew; its own rule (`auto-aof-rewrite-percentage`) waits until they have doubled
since its last start.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import structlog

from tinytownd.domain.errors import TownError
from tinytownd.files import write_atomic
from tinytownd.store.synced import mark_path, sync

log = structlog.get_logger(__name__)
#: How far the disk may be behind, in seconds.
SYNC_SECONDS = 1.0
#: What may be appended before the files are written anew: bytes, and a share of the files (1/4).
APPENDED, PART = 16 * 2**20, 4
#: And how many times the server's memory they may be long: what is written anew is twice at most.
TIMES_HELD = 3
#: Seconds between two requests to write everything anew: one may take a while, or fail.
REWRITE_SECONDS = 60.0


async def keep_synced(
    data: Path, held: Callable[[], Awaitable[int]], rewrite: Callable[[], Awaitable[None]]
) -> None:
    """Syncs the append-only files in a server's data directory until cancelled.

    `rewrite` asks the server to write them anew when they have grown too long, `held` how many
    bytes of memory it uses.
    """
    seen: dict[Path, int] = {}
    asked, grew = -REWRITE_SECONDS, False
    while True:
        await asyncio.sleep(SYNC_SECONDS)
        found = sizes(data)
        if grown := [file for file, size in found.items() if seen.get(file) != size]:
            grew = True
            if await _synced(data, grown, found):
                seen = found
        now = asyncio.get_running_loop().time()
        if grew and now - asked >= REWRITE_SECONDS:
            grew = False
            if sum(found.values()) > APPENDED and outgrown(found, await held()):
                asked = now
                await rewrite()


async def _synced(data: Path, grown: list[Path], found: dict[Path, int]) -> bool:
    try:
        await asyncio.to_thread(sync, grown)
        await asyncio.to_thread(_mark, data, found)
    except OSError as error:
        log.warning("redis.not_synced", error=str(error))
        return False
    return True


def outgrown(files: Mapping[Path, int], held: int) -> bool:
    """Whether much was appended to the files' base, or most of that is gone from the server."""
    appended = sum(size for file, size in files.items() if file.name.endswith(".incr.aof"))
    base = sum(files.values()) - appended
    return appended > max(APPENDED, base / PART) or base > max(APPENDED, TIMES_HELD * held)


def sizes(data: Path) -> dict[Path, int]:
    """The append-only files and their sizes; one may go while we look."""
    found: dict[Path, int] = {}
    for file in (data / "appendonlydir").glob("*.aof"):
        try:
            found[file] = file.stat().st_size
        except FileNotFoundError:
            continue
    return found


def _mark(data: Path, found: dict[Path, int]) -> None:
    with contextlib.suppress(TownError):  # a full disk; what the mark says remains true
        write_atomic(mark_path(data), json.dumps({file.name: n for file, n in found.items()}))
