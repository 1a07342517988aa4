"""Once a second, what the embedded server wrote reaches the disk.

Redis's own `appendfsync everysec` puts writes off while an fsync takes its time (aof.c, up to two
seconds), and a server that is killed then loses what it has answered; seen on a busy disk. `always`
waits for the disk with every command, and ends the server when the disk is full. So the server
runs with `no`, which hands every write to the kernel before it answers and refuses commands while
the disk is full, and the daemon calls fsync beside it. A kill loses nothing; a power cut loses what
was written since the last second, or up to half a minute while no daemon runs (Linux writes dirty
pages back after that, vm.dirty_expire_centisecs).
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)
#: How far the disk may be behind, in seconds.
SYNC_SECONDS = 1.0


async def keep_synced(data: Path) -> None:
    """Syncs the append-only files in a server's data directory until cancelled."""
    seen: dict[Path, int] = {}
    while True:
        await asyncio.sleep(SYNC_SECONDS)
        grown = {file: size for file, size in _sizes(data).items() if seen.get(file) != size}
        if not grown:
            continue
        try:
            await asyncio.to_thread(_sync, list(grown))
        except OSError as error:
            log.warning("redis.not_synced", error=str(error))
        else:
            seen |= grown


def _sizes(data: Path) -> dict[Path, int]:
    """The append-only files and their sizes; one may go while we look."""
    sizes: dict[Path, int] = {}
    for file in (data / "appendonlydir").glob("*.aof"):
        try:
            sizes[file] = file.stat().st_size
        except FileNotFoundError:
            continue
    return sizes


def _sync(files: list[Path]) -> None:
    for file in files:
        try:
            fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
