"""What has reached the disk: how it gets there, and the file that says how much has."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path


def mark_path(data: Path) -> Path:
    """The file that says how much of each append-only file has reached the disk."""
    return data / "synced"


def read_mark(data: Path) -> dict[str, int]:
    """Name → bytes that were synced; nothing where nobody knows."""
    try:
        told = json.loads(mark_path(data).read_bytes())
        return {str(name): int(size) for name, size in told.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def sync(paths: Iterable[Path]) -> None:
    """Has files and directories reach the disk; those that went meanwhile are left out."""
    for path in paths:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
