"""What supervisors need of the daemon around them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import structlog

from tinytownd.config import Config
from tinytownd.domain import gates
from tinytownd.domain.agent import Agent
from tinytownd.domain.errors import TownError
from tinytownd.domain.message import Round
from tinytownd.domain.names import PERMISSIONS
from tinytownd.domain.task import Task
from tinytownd.runtimes.catalogue import Runtime
from tinytownd.runtimes.roundfiles import RoundFiles
from tinytownd.settings import Limits
from tinytownd.store.town import TownStore
from tinytownd.supervisor.slots import Slots

log = structlog.get_logger(__name__)


class Entry(NamedTuple):
    """How a round's process speaks for its agent: the environment, and what `credentials` holds."""

    env: dict[str, str]
    credentials: str
    #: For when it runs; nobody waits for it.
    let_in: Callable[[], None]


class Host(Protocol):
    """What a supervisor needs of the daemon around it."""

    store: TownStore
    slots: Slots

    @property
    def config(self) -> Config:
        """The town's settings as the files have them now; raises `TownError`."""

    def runtime(self, cli: str) -> Runtime:
        """How that CLI is run; raises `TownError`."""

    def secrets(self) -> tuple[str, ...]:
        """The secrets that agents find in their environment, longest first."""

    def missing(self, runtime: Runtime) -> str | None:
        """Why a CLI cannot be started, or None."""

    def shortage(self) -> str:
        """What the machine has too little of for a round now, in words; "" when it has enough."""

    def files(self, running: Round) -> RoundFiles:
        """The files of a round."""

    def enter(self, agent: Agent, running: Round, runtime: Runtime) -> Entry:
        """How the round's process is to speak for the agent; raises `TownError`."""

    async def readmit(self, agent: Agent, running: Round) -> None:
        """Lets a round in that runs on from an earlier daemon."""

    async def leave(self, agent: str) -> None:
        """After a round of the agent (an id): every command that it wrote has been carried out."""


def permissions(host: Host, agent: Agent, task: Task | None = None) -> str:
    """What the agent may do unasked: its own mode, else the town's; raises `TownError`.

    A check is not the agent's doing, but a command of whoever asked for it: it is held to nothing.
    """
    if task is not None and gates.is_check(task):
        return PERMISSIONS[-1]
    return agent.permissions or host.config.town.permissions


def counts(host: Host, cli: str) -> dict[str, int]:
    """What a round on that CLI counts for, and how many of each may run at once (0: any).

    No bounds while the settings are broken: nothing starts then.
    """
    try:
        config = host.config
        return {f"town {host.store.id}": config.limits.town_rounds, **config.quotas.rounds_of(cli)}
    except TownError:
        return {f"town {host.store.id}": 0, f"CLI {cli}": 0}


def limits(host: Host, **about: object) -> Limits:
    """The limits as the settings have them now; the defaults while those are broken."""
    try:
        return host.config.limits
    except TownError as error:
        log.warning("config.broken", town=host.store.id, error=error.message, **about)
        return Limits()
