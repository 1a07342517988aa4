"""One reader a transcript format: what an agent CLI prints becomes a Transcript."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tinytownd.runtimes.readers.auggie import Auggie
from tinytownd.runtimes.readers.base import Clock, RateLimit, Reader, Transcript, local_now
from tinytownd.runtimes.readers.claude import Claude
from tinytownd.runtimes.readers.codex import Codex
from tinytownd.runtimes.readers.copilot import Copilot
from tinytownd.runtimes.readers.gemini import Gemini
from tinytownd.runtimes.readers.opencode import OpenCode
from tinytownd.runtimes.readers.text import Aider, Text

__all__ = ["READERS", "Clock", "RateLimit", "Reader", "Transcript", "local_now", "reader"]

READERS: Mapping[str, type[Reader]] = MappingProxyType(
    {kind.format: kind for kind in (Text, Claude, Codex, Auggie, Gemini, Copilot, OpenCode, Aider)}
)


def reader(format_name: str, clock: Clock = local_now) -> Reader:
    """A fresh reader of that format; raises KeyError for one that does not exist.

    `clock` dates relative reset times: give the time at which the output was written, if known.
    """
    return READERS[format_name](clock)
