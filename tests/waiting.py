"""Waiting for a condition, with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def until(
    look: Callable[[], Any], what: str, *, patience: float = 20.0, pause: float = 0.01
) -> Any:
    """What `look` finds, as soon as it finds something; times are in seconds."""
    deadline = time.monotonic() + patience
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {patience:g} s")
        time.sleep(pause)
    return found
