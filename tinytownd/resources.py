"""What a round needs of the machine before it may start: some disk and some memory."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from tinytownd.settings import Limits

_MEMORY = Path("/proc/meminfo")
_AVAILABLE = re.compile(rb"^MemAvailable: +(\d+) kB", re.MULTILINE)
#: Bytes within which that line is: it is the third.
_ENOUGH = 1024


def shortage(limits: Limits, directories: Iterable[Path]) -> str:
    """What there is too little of for a round, in words; "" when there is enough."""
    for directory in directories:
        free = free_disk(directory)
        if free is not None and free < limits.min_disk_mb:
            return (
                f"only {free:,} MiB of disk are free in {directory}"
                f" (limits.min_disk_mb is {limits.min_disk_mb})"
            )
    free = free_memory()
    if free is not None and free < limits.min_memory_mb:
        return (
            f"only {free:,} MiB of memory are free (limits.min_memory_mb is {limits.min_memory_mb})"
        )
    return ""


def free_disk(directory: Path) -> int | None:
    """MiB that a user may still write to the disk that the directory is on; None: not known."""
    try:
        status = os.statvfs(directory)
    except OSError:
        return None
    return status.f_bavail * status.f_frsize >> 20


def free_memory() -> int | None:
    """MiB that programs can get without swapping (proc(5), MemAvailable); None: not known."""
    try:
        with _MEMORY.open("rb", buffering=0) as file:
            found = _AVAILABLE.search(file.read(_ENOUGH) or b"")
    except OSError:
        return None
    return int(found[1]) >> 10 if found else None
