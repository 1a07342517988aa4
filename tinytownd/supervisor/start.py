"""A round's start: what its process is told, its files, and the process.

The files may be there before the round is written down; no process is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tinytownd.domain import gates
from tinytownd.domain.agent import Agent
from tinytownd.domain.message import Round
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town
from tinytownd.runtimes.catalogue import Invocation
from tinytownd.runtimes.process import Descriptors, RoundProcess, open_files, spawn
from tinytownd.supervisor import brief, prompt
from tinytownd.supervisor.host import Entry, Host, permissions


@dataclass(frozen=True)
class Start:
    """What a round's process needs, as the town was when the round began."""

    running: Round
    agent: Agent
    task: Task | None
    text: str
    #: The commit that the work began with which this round reviews.
    base: str | None


@dataclass(frozen=True)
class Ready:
    """A round whose files are there: all that is left is to start its process."""

    opened: Descriptors
    invocation: Invocation
    cwd: Path
    entry: Entry
    reader: str
    #: What it may do unasked.
    mode: str

    def go(self) -> RoundProcess:
        """Starts the process, and lets it speak for its agent. Raises OSError, ValueError."""
        process = spawn(self.opened, self.invocation, cwd=self.cwd, env=self.entry.env)
        self.entry.let_in()
        return process


def as_written(town: Town, running: Round) -> Round | None:
    """A round as the store has it; None where it has none, or another one of that number."""
    known = town.rounds.get(running.id)
    return known if known is not None and known.token == running.token else None


def prepare(town: Town, agent_id: str, running: Round, diff: str = "") -> Start:
    """What a round is told; `diff` is what changed since the work began that it reviews."""
    agent = town.agents[agent_id]
    messages = [town.messages[m] for m in running.messages if m in town.messages]
    task = town.tasks.get(running.task or "")
    if agent.is_conductor:
        text = brief.write(town, messages, running.folded)
    else:
        text = prompt.write(town, agent, task, messages, running.folded, diff)
    work = gates.gated(town, task) if task is not None and gates.is_review(task) else None
    return Start(running, agent, task, text, work.base if work is not None else None)


@contextmanager
def readied(host: Host, start: Start) -> Iterator[Ready]:
    """Writes the files of a round that is about to start.

    Raises `TownError` for a mistake in the settings, OSError and ValueError where it cannot start.
    """
    agent, running = start.agent, start.running
    files, runtime = host.files(running), host.runtime(running.cli)
    entry = host.enter(agent, running, runtime)
    model = agent.model if runtime.name == agent.cli else None
    mode = permissions(host, agent, start.task)
    invocation = runtime.invocation(files.prompt, start.text, running.resumed, model, mode)
    texts = {files.prompt: start.text, files.credentials: entry.credentials}
    with open_files(files, texts) as opened:
        yield Ready(opened, invocation, Path(running.cwd), entry, runtime.reader, mode)
