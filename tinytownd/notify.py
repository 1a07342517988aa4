"""Telling people who are not looking: a command of theirs, run when a person should know.

It runs beside the town and is never waited for. Each event is told once, or not at all: one that
was written just before the daemon died is not told again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import structlog

from tinytownd.domain.errors import TownError
from tinytownd.handlers.views import iso
from tinytownd.redact import redact

log = structlog.get_logger(__name__)
#: What a person is told of.
EVENTS = frozenset(
    {"question.asked", *(f"plan.{end}" for end in ("completed", "failed", "stalled", "cancelled"))}
)
#: How long the command may take, in seconds; how many events wait for it at most.
PATIENCE, MOST_WAITING = 30.0, 100
#: How long one that was killed is waited for although that is cancelled, in seconds.
REAP_SECONDS = 2.0
#: Characters of the text in the environment, which the system bounds; bytes of output in the log.
TEXT_LIMIT, OUTPUT_LIMIT = 1_000, 500

Event = Mapping[str, object]


@dataclass(frozen=True)
class Hook:
    """A command for the shell, where it runs, and what it finds there."""

    command: str
    town: str
    directory: Path
    env: Mapping[str, str]


@dataclass
class Notifier:
    """Runs the command of a town, one event after the other; `hook` may raise `TownError`."""

    hook: Callable[[], Hook]
    _waiting: asyncio.Queue[Event] = field(default_factory=lambda: asyncio.Queue(MOST_WAITING))

    def heard(self, events: Iterable[Event]) -> None:
        """Takes events that were written; those that are for people wait for their turn."""
        for event in events:
            if event["event"] in EVENTS:
                try:
                    self._waiting.put_nowait(event)
                except asyncio.QueueFull:
                    log.warning("notify.dropped", told=event["event"])

    async def run(self) -> None:
        """Tells what comes, until cancelled."""
        while True:
            event = await self._waiting.get()
            try:
                hook = self.hook()
                if hook.command:
                    await tell(hook, event)
            except (OSError, TownError) as error:
                log.warning("notify.failed", told=event["event"], error=redact(str(error)))


async def tell(hook: Hook, event: Event) -> None:
    """Runs the command with the event; a failure is logged. Raises `OSError`."""
    at = event.get("at")
    told = {**event, "at": iso(at if isinstance(at, int) else None)}
    told["town"] = {"name": hook.town, "dir": str(hook.directory)}
    about = {
        "TINYTOWN_EVENT": str(event["event"]),
        "TINYTOWN_TEXT": str(event.get("text", ""))[:TEXT_LIMIT],
        "TINYTOWN_TOWN_NAME": hook.town,
        "TINYTOWN_TOWN_DIR": str(hook.directory),
    }
    with tempfile.TemporaryFile() as output:
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", hook.command),
            cwd=hook.directory,
            env={**hook.env, **about},
            stdin=asyncio.subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        why = await _end(process, json.dumps(told).encode() + b"\n")
        if why:
            log.warning("notify.failed", told=event["event"], error=why, output=_last(output))


async def _end(process: asyncio.subprocess.Process, data: bytes) -> str:
    """Hands the event in and waits for the end; why it failed, or ""."""
    try:
        async with asyncio.timeout(PATIENCE):
            await process.communicate(data)
    except TimeoutError:
        return f"it ran longer than {PATIENCE:g} s"
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await _reap(process)
    return f"exit code {process.returncode}" if process.returncode else ""


async def _reap(process: asyncio.subprocess.Process) -> None:
    """Waits for a process that was killed, also when that is cancelled, again and again.

    Not for ever: one that hangs in the kernel would keep the daemon from stopping.
    """
    cancelled, clock = False, asyncio.get_running_loop().time
    until = clock() + REAP_SECONDS
    while process.returncode is None and clock() < until:
        try:
            await process.wait()
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError


def _last(output: IO[bytes]) -> str:
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - OUTPUT_LIMIT))
    return redact(output.read().decode("utf-8", "replace"))
