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
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path

import structlog

from tinytownd.domain.errors import TownError
from tinytownd.files import write_atomic
from tinytownd.store.synced import mark_path, sync

log = structlog.get_logger(__name__)
#: How far the disk may be behind, in seconds.
SYNC_SECONDS = 1.0


async def keep_synced(data: Path) -> None:
    """Syncs the append-only files in a server's data directory until cancelled."""
    seen: dict[Path, int] = {}
    while True:
        await asyncio.sleep(SYNC_SECONDS)
        sizes = _sizes(data)
        grown = [file for file, size in sizes.items() if seen.get(file) != size]
        if not grown:
            continue
        try:
            await asyncio.to_thread(sync, grown)
            await asyncio.to_thread(_mark, data, sizes)
        except OSError as error:
            log.warning("redis.not_synced", error=str(error))
        else:
            seen = sizes


def _sizes(data: Path) -> dict[Path, int]:
    """The append-only files and their sizes; one may go while we look."""
    sizes: dict[Path, int] = {}
    for file in (data / "appendonlydir").glob("*.aof"):
        try:
            sizes[file] = file.stat().st_size
        except FileNotFoundError:
            continue
    return sizes


def _mark(data: Path, sizes: dict[Path, int]) -> None:
    with contextlib.suppress(TownError):  # a full disk; what the mark says remains true
        write_atomic(mark_path(data), json.dumps({file.name: n for file, n in sizes.items()}))
