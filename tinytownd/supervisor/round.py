"""One round: the process started or taken over, watched, ended, and its transcript judged."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from tinytownd import changes
from tinytownd.domain.errors import TownError
from tinytownd.domain.message import Round
from tinytownd.domain.plan import SHELL
from tinytownd.domain.town import Town
from tinytownd.redact import hide, redact
from tinytownd.runtimes.process import RoundProcess, adopt
from tinytownd.runtimes.readers import Reader, Transcript, reader
from tinytownd.runtimes.readers.base import words
from tinytownd.runtimes.verdict import verdict
from tinytownd.supervisor.decide import Clock, Limits, Stop, Watch, look
from tinytownd.supervisor.host import Host, limits
from tinytownd.supervisor.start import Start, as_written, prepare, readied
from tinytownd.supervisor.verdict import Ending

log = structlog.get_logger(__name__)
#: How often a running round's output is looked at, in seconds: for silence and final records.
TAIL_SECONDS = 1.0
#: Bytes of output read at a time.
CHUNK = 1 << 20
#: Characters of a round's error that are kept.
ERROR_LIMIT = 16_000


@dataclass
class Tail:
    """A growing file of output, fed to its reader as it grows."""

    path: Path
    reader: Reader
    read: int = 0
    size: int = 0

    def grown(self, other: Path) -> bool:
        """Reads what is new; whether anything is, here or in `other` (stderr)."""
        size = _size(self.path) + _size(other)
        grown, self.size = size != self.size, size
        while chunk := self._next():
            self.reader.feed(chunk)
        return grown

    def _next(self) -> bytes:
        try:
            with self.path.open("rb") as file:
                file.seek(self.read)
                chunk = file.read(CHUNK)
        except FileNotFoundError:
            return b""
        self.read += len(chunk)
        return chunk

    def finish(self, other: Path) -> Transcript:
        """Reads the rest, and what it all amounts to."""
        self.grown(other)
        return self.reader.finish()


@dataclass
class RoundRunner:
    """Carries one round to its end; cancelled, it leaves the process running."""

    host: Host
    agent_id: str
    running: Round
    wake: asyncio.Event
    started: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    async def run(self, start: Start, *, certain: bool) -> Ending | None:
        """Starts the round's process and follows it; `certain`: the round is surely written down.

        None: it is not, and nothing ran.
        """
        try:
            started = await self._started(start, certain=certain)
        except TownError as error:
            # A mistake in a settings file is nobody's failure: it waits until that is mended.
            log.warning("round.not_started", **self._about, error=str(error))
            failed: Ending | None = self._ending("limited", error=error.message, broken=True)
        except (OSError, ValueError) as error:
            log.warning("round.not_started", **self._about, error=str(error))
            failed = self._ending("failed", error=f"it could not be started: {error}")
        else:
            if started is not None:
                return await self._follow(*started)
            failed = None
        if failed is not None and (certain or await self._is_written()):
            return failed
        await asyncio.to_thread(self.host.files(self.running).remove)
        return None

    async def _started(self, start: Start, *, certain: bool) -> tuple[RoundProcess, str] | None:
        """The process, and how its transcript is read. None: the round was not written down."""
        if start.base is not None:
            diff = await asyncio.to_thread(changes.since, Path(self.running.cwd), start.base)
            start = await self.host.store.view(
                lambda town: prepare(town, self.agent_id, self.running, diff)
            )
        with readied(self.host, start) as ready:
            if not certain and not await self._is_written():
                return None
            process = ready.go()
        cli, mode = self.running.cli, ready.mode
        log.info("round.started", **self._about, pid=process.pid, cli=cli, mode=mode)
        return process, ready.reader

    async def _is_written(self) -> bool:
        """Whether the round is written down, once that is sure."""
        return await self.host.store.view(lambda town: as_written(town, self.running)) is not None

    async def take_over(self) -> Ending:
        """Follows a round that an earlier daemon started, or finds that it never was."""
        agent = await self.host.store.view(lambda town: town.agents[self.agent_id])
        files = self.host.files(self.running)
        try:
            process = adopt(files, self.running.token)
        except (OSError, TownError) as error:
            # It may run all the same: it is ended, or its task would be in two rounds.
            await RoundProcess(files, self.running.token, None).wait()
            return self._ending("failed", error=f"it could not be taken over: {error}")
        if process is None:
            return self._ending("interrupted", error="the daemon ended before it started")
        self.started -= process.age
        await self.host.readmit(agent, self.running)
        log.info("round.taken_over", **self._about, pid=process.pid)
        return await self._follow(process, self._reader())

    def _reader(self) -> str:
        """The reader of the CLI's transcript; plain text while the configuration is broken."""
        try:
            return self.host.runtime(self.running.cli).reader
        except TownError as error:
            log.warning("config.broken", **self._about, error=error.message)
            return "text"

    @property
    def _about(self) -> dict[str, object]:
        running = self.running
        return {
            "town": self.host.store.id,
            "agent": running.agent,
            "task": running.task,
            "round": int(running.id),
        }

    async def _follow(self, process: RoundProcess, form: str) -> Ending:
        tail = Tail(process.files.stdout, reader(form))
        over = asyncio.ensure_future(process.wait())
        try:
            stop = await self._watch(process, tail, over)
            code = await over
        except BaseException:
            over.cancel()
            process.detach()
            raise
        ending = self._judge(tail.finish(process.files.stderr), code, process, stop)
        log.info("round.ended", **self._about, outcome=ending.how, code=code, error=ending.error)
        return ending

    async def _watch(
        self, process: RoundProcess, tail: Tail, over: asyncio.Future[int | None]
    ) -> Stop | None:
        """Looks at wakes, at output and at the clock until the process is over or must be."""
        loop = asyncio.get_running_loop()
        heard = loop.time()
        seen: dict[str, float] = {}
        while not over.done():
            self.wake.clear()
            now = loop.time()
            if tail.grown(process.files.stderr):
                heard = now
            if tail.reader.final:
                seen.setdefault("final", now)
            step = await self._look(now, heard, seen, tail.size)
            if isinstance(step, Stop):
                log.info("round.stopping", **self._about, reason=step.reason)
                await process.stop(limits(self.host).grace_seconds)
                return step
            waking = asyncio.ensure_future(self.wake.wait())
            timeout = min(step.seconds, TAIL_SECONDS)
            both: set[asyncio.Future[Any]] = {over, waking}
            await asyncio.wait(both, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            waking.cancel()
        return None

    async def _look(
        self, now: float, heard: float, seen: dict[str, float], size: int
    ) -> Stop | Watch:
        agent, running = await self.host.store.view(
            lambda town: (town.agents[self.agent_id], town.rounds[self.running.id])
        )
        if running.verdict_at is not None:
            seen.setdefault("verdict", now)
        if agent.desired == "close" and agent.state == "working":
            await self.host.store.transact(lambda town: _turn(town, self.agent_id, "drain"))
        if agent.desired == "run" and agent.state == "draining":
            await self.host.store.transact(lambda town: _turn(town, self.agent_id, "carry on"))
        since = {name: now - at for name, at in seen.items()}
        clock = Clock(now - self.started, now - heard, printed=size / 2**20, **since)
        told = limits(self.host)
        bounds = Limits(
            silence=agent.silence_seconds or told.silence_seconds,
            wall=agent.wall_seconds or told.wall_seconds,
            output=told.output_mb,
        )
        return look(agent, running, bounds, clock)

    def _judge(
        self, transcript: Transcript, code: int | None, process: RoundProcess, stop: Stop | None
    ) -> Ending:
        stderr = process.files.stderr_tail()
        outcome = verdict(transcript, code, stderr)
        command = self.running.cli == SHELL
        told = {
            "text": outcome.text,
            "session": outcome.session,
            "input_tokens": outcome.input_tokens or None,
            "output_tokens": outcome.output_tokens or None,
            "cost_usd": outcome.cost_usd,
            "cumulative": outcome.cumulative,
            "printed": f"{outcome.text}\n{words(stderr)}".strip() if command else "",
        }
        # What it had finished before it was interrupted is finished.
        done = stop is not None and stop.how == "interrupted" and transcript.failed is False
        if stop is not None and stop.how != "over" and not done:
            return self._ending(stop.how, error=stop.reason, **told)
        limited = "rate limit: " if outcome.kind == "limited" else ""
        return self._ending(
            outcome.kind,
            error=f"{limited}{outcome.error}" if outcome.error else None,
            session_lost=outcome.session_lost and self.running.resumed is not None,
            resets_at=outcome.resets_at,
            **told,
        )

    def _ending(self, how: str, **told: object) -> Ending:
        """An ending without secrets: an error is ours to tell, a result is the agent's own text."""
        known = (self.running.token, *self.host.secrets())
        if isinstance(error := told.get("error"), str):
            told["error"] = redact(error[:ERROR_LIMIT], known)
        for name in ("text", "printed"):
            if isinstance(text := told.get(name), str):
                told[name] = hide(text, known)
        return Ending(how, jitter=random.random(), **told)  # type: ignore[arg-type]


def _turn(town: Town, agent_id: str, event: str) -> None:
    agent = town.agents[agent_id]
    if agent.state == ("working" if event == "drain" else "draining"):
        town.put(agent.advance(event, town.now))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
