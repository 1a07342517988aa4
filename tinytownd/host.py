"""An open town: its store, its supervisors, its desk, and what they ask of the daemon."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

import structlog

from tinytownd import recovery
from tinytownd.conductor.schedule import settle
from tinytownd.config import Config
from tinytownd.desk import Desk
from tinytownd.domain.agent import Agent
from tinytownd.domain.deadlines import bound, shift
from tinytownd.domain.errors import BadInput, TownError
from tinytownd.domain.message import Round
from tinytownd.domain.plan import SHELL
from tinytownd.domain.policy import Policy
from tinytownd.domain.rate_limits import LONGEST_HOLD_MS
from tinytownd.domain.town import Town
from tinytownd.door import Door, Server
from tinytownd.environment import for_agent, secrets_of
from tinytownd.home import Home
from tinytownd.notify import Hook, Notifier
from tinytownd.place import Place
from tinytownd.recovery import Finding
from tinytownd.redact import hide_all, secret_values
from tinytownd.resources import shortage
from tinytownd.runtimes.alive import TOKEN_VARIABLE
from tinytownd.runtimes.catalogue import PRESETS, Runtime, executable
from tinytownd.runtimes.roundfiles import RoundFiles
from tinytownd.runtimes.tables import from_table, no_such_cli
from tinytownd.store import keys
from tinytownd.store.client import end
from tinytownd.store.commands import Command
from tinytownd.store.patience import patiently
from tinytownd.store.town import TownStore
from tinytownd.supervisor.host import Entry, limits
from tinytownd.supervisor.loop import Supervisor
from tinytownd.supervisor.safety import keep_awake
from tinytownd.supervisor.slots import Slots
from tinytownd.watched import Watched

log = structlog.get_logger(__name__)
#: How long it may take until a CLI is noticed that came or went, in seconds.
LOOK_SECONDS = 5.0


class Around(Server, Protocol):
    """What an open town needs of the daemon."""

    home: Home
    slots: Slots
    users_env: Mapping[str, str]


class TownHost:
    """One town while it is open. It is what supervisors and handlers see of the daemon."""

    def __init__(
        self, around: Around, place: Place, town_id: str, *, rehearsal: bool = False
    ) -> None:
        self.place = place
        self.name = ""
        self.store = TownStore(around.client, town_id, settle, self._policy, self._begin)
        self.slots = around.slots
        self._around = around
        self._rehearsal = rehearsal
        self.settings = Watched(around.home.config, place.config)
        self._supervisors: dict[str, Supervisor] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._door = Door(around, town_id, place.directory)
        self._hold: int | None = None
        #: Set while there may be something to put away.
        self._untidy = asyncio.Event()
        self._last_policy = Policy()
        #: The settings that the policy is from, and when to look anew which CLIs are there.
        self._looked_at: Config | None = None
        self._secrets: tuple[object, object, tuple[str, ...]] = (None, None, ())
        self._look_again = 0.0
        self._desk = Desk(self.store, around.reader, place.directory, self)
        self._notifier = Notifier(self._hook)
        self.store.heard = self._notifier.heard

    @property
    def id(self) -> str:
        """The town's id."""
        return self.store.id

    # What supervisors and handlers ask for

    @property
    def config(self) -> Config:
        """The town's settings as the files have them now; raises `TownError`."""
        return self.settings.get()

    def _policy(self) -> Policy:
        # Whoever needs the settings themselves says what is wrong with them.
        with contextlib.suppress(TownError):
            config = self.config
            if config is not self._looked_at or time.monotonic() > self._look_again:
                self._looked_at, self._look_again = config, time.monotonic() + LOOK_SECONDS
                known = {*PRESETS, *config.agent_clis}
                self._last_policy = dataclasses.replace(
                    config.policy,
                    conductor_cli=self._conductor_cli(config),
                    absent=frozenset(cli for cli in known if self._is_absent(cli)),
                )
        return self._last_policy

    def _conductor_cli(self, config: Config) -> str:
        """The CLI of the conductor's own agent; "" where that is off, or the CLI is not there."""
        cli = config.conductor_cli
        there = config.conductor.enabled and cli != SHELL and not self._is_absent(cli)
        return cli if there else ""

    def _is_absent(self, cli: str) -> bool:
        try:
            return self.missing(self.runtime(cli)) is not None
        except TownError:
            return True

    def _hook(self) -> Hook:
        """What tells people, as the settings have it now; nobody is told of a rehearsal."""
        config = self.config
        command = "" if self._rehearsal else config.town.notify
        env = for_agent(self._around.users_env, config, None, self._around.home.bin)
        env["TINYTOWN_HOME"] = str(self._around.home.path)
        return Hook(command, self.name, self.place.directory, env)

    def runtime(self, cli: str) -> Runtime:
        """How that CLI is run; raises `BadInput` for one that nobody knows.

        In a rehearsal every CLI is played by the one that the configuration names for it.
        """
        if self._rehearsal:
            cli = self.config.town.rehearse_cli
        tables = self.config.agent_clis
        if cli in tables:
            return from_table(cli, tables[cli])
        if cli not in PRESETS:
            raise no_such_cli(cli, {*PRESETS, *tables})
        return PRESETS[cli]

    def secrets(self) -> tuple[str, ...]:
        """The secrets that agents find in their environment, longest first: nobody is told them."""
        try:
            config = self.config
        except TownError:
            return secret_values(self._around.users_env)
        known, of, secrets = self._secrets
        base = self._around.users_env
        # Asked with every word of an agent's. A file of variables changes without the settings.
        if config is not known or base is not of or config.env_file is not None:
            secrets = secrets_of(base, config)
            self._secrets = config, base, secrets
        return secrets

    def missing(self, runtime: Runtime) -> str | None:
        """Why a CLI cannot be started, with how to get it; None when it can."""
        env = for_agent(self._around.users_env, self.config, None, self._around.home.bin)
        if executable(runtime, env["PATH"], self.place.directory) is not None:
            return None
        how = f" ({runtime.install})" if runtime.install else ""
        return f"{runtime.told} is not on PATH{how}"

    def installed_cli(self, cli: str | None, permissions: str | None) -> str:
        """The CLI itself, or the town's default one.

        Raises `BadInput` when it is not there, or cannot be held to the permissions.
        """
        name = cli if cli is not None else self.config.town.default_cli
        runtime = self.runtime(name)
        why = self.missing(runtime)
        if why is not None:
            how = f"install it: {runtime.install}" if runtime.install else "see tt doctor"
            raise BadInput(f"{runtime.told} is not on PATH", hint=how)
        runtime.allowing(permissions or self.config.town.permissions)
        return name

    def shortage(self) -> str:
        """What the machine has too little of for a round now, in words; "" when it has enough."""
        return shortage(self.config.limits, (self.place.directory, self._around.home.path))

    def enter(self, agent: Agent, running: Round, runtime: Runtime) -> Entry:
        """How the round's process is to speak for the agent; raises `TownError`."""
        env = for_agent(self._around.users_env, self.config, runtime, self._around.home.bin)
        env |= {
            "TINYTOWN_HOME": str(self._around.home.path),
            "TINYTOWN_TOWN": self.id,
            "TINYTOWN_TOWN_DIR": str(self.place.directory),
            "TINYTOWN_AGENT_ID": agent.id,
            "TINYTOWN_AGENT_NAME": agent.name,
            "TINYTOWN_TASK_ID": running.task or "",
            "TINYTOWN_ROUND": running.id,
            "TINYTOWN_CREDENTIALS": str(self.files(running).credentials),
            TOKEN_VARIABLE: running.token,
        }
        return Entry(env, *self._door.key(agent.id))

    async def readmit(self, agent: Agent, running: Round) -> None:
        """The user and the stream of a round, by its credentials; waits for Redis."""
        await self._door.open_again(agent.id, self.files(running))

    async def leave(self, agent: str) -> None:
        """After a round: waits for the agent's last commands, then takes its user away.

        Waits for Redis, too: what this round still says must not be taken for the next one's.
        """
        await patiently(lambda: self._desk.dismiss(agent), town=self.id)
        await self._door.close(agent)

    def files(self, running: Round) -> RoundFiles:
        """The files of a round."""
        return RoundFiles.of(self.place.directory, running.agent, running.id)

    # Its life

    async def open(self) -> Town:
        """Loads the town, moves it where its directory is now, and starts its supervisors."""
        self._hold = self.place.hold()
        try:
            # The tasks that begin within take it along: all that they log is about this town.
            with structlog.contextvars.bound_contextvars(town=self.id):
                return await self._open()
        except BaseException:
            self._let_go()
            raise

    async def _open(self) -> Town:
        town = await self.store.load()
        if town.meta.dir != str(self.place.directory):
            await self.store.transact(functools.partial(_moved, directory=self.place.directory))
        await self.store.transact(self._bound)
        await recovery.count_on(self.store, self.place.private)
        # Last of what can fail: nothing runs for a town that did not open.
        await self._around.reader.follow(keys.commands_key(self.id))
        for agent_id in list(town.agents):
            self._supervise(agent_id)
        for supervisor in self._supervisors.values():
            supervisor.adopt(town)
        self._tasks[""] = asyncio.create_task(self._desk.run(), name=f"commands {self.id}")
        telling = asyncio.create_task(self._notifier.run(), name=f"notify {self.id}")
        self._tasks["notify"] = telling
        safety = asyncio.create_task(keep_awake(self.store, self.wake), name=f"safety {self.id}")
        self._tasks["safety"] = safety
        self._tidy()
        return town

    def _bound(self, town: Town) -> None:
        bounds = limits(self)
        bound(town, LONGEST_HOLD_MS, int(bounds.backoff_max_seconds * 1100))

    async def clock_jumped(self, jump: int) -> None:
        """The wall clock jumped by so many milliseconds."""
        await self.store.transact(lambda town: shift(town, jump))

    async def close(self) -> None:
        """Stops supervising; rounds run on."""
        self._around.reader.unfollow(keys.commands_key(self.id))
        await end(self._tasks.values())
        await self._desk.close()
        await self._door.shut()
        self._tasks.clear()
        self._let_go()

    def _let_go(self) -> None:
        if self._hold is not None:
            os.close(self._hold)
            self._hold = None

    async def deliver(self, command: Command) -> None:
        """Takes a command for this town. An agent's words are kept without its secrets."""
        if command.entry.agent:
            command = dataclasses.replace(command, args=hide_all(command.args, self.secrets()))
        await self._desk.deliver(command)

    def wake(self, agent_id: str) -> None:
        """An agent has something to look at; a new one gets its supervisor. "": what is old has."""
        if not agent_id:
            self._tidy()
            return
        supervisor = self._supervisors.get(agent_id)
        if supervisor is None:
            self._supervise(agent_id)
        else:
            supervisor.wake()

    async def wake_all(self) -> None:
        """Every agent is looked at: after a time in which wakes, also a new one's, may be lost."""
        for agent in await self.store.read(lambda town: list(town.agents)):
            self.wake(agent)

    async def running(self, *, end: bool) -> list[dict[str, object]]:
        """The rounds that run now; with `end` they are told to end."""

        def look(town: Town) -> list[Round]:
            found = []
            for agent in list(town.agents.values()):
                one = town.rounds.get(agent.round or "")
                if one is None:
                    continue
                if end:
                    town.put(one.but(stopping="the daemon was stopped"))
                    town.wake(agent)
                found.append(one)
            return found

        rounds = await (self.store.transact(look) if end else self.store.read(look))
        return [self._told(one) for one in rounds]

    def _told(self, running: Round) -> dict[str, object]:
        """A round that runs, and its process's id if that can be read."""
        about = {"town": self.name, "agent": running.agent, "round": int(running.id)}
        try:
            return {**about, "pid": int(self.files(running).pid.read_text())}
        except (OSError, ValueError):
            return {**about, "pid": None}

    async def readmit_all(self) -> None:
        """After the server was away: the town as it is now, and the users of its rounds."""
        try:
            await self.store.reread()
        except TownError as error:
            log.error("town.lost", town=self.id, error=error.message)
            return
        rounds = await self.store.read(
            lambda town: [(a, town.rounds[a.round]) for a in town.agents.values() if a.round]
        )
        for agent, running in rounds:
            await self._door.mend(agent.id, self.files(running))

    # For `tt recover`, and after a reset

    async def mend(self) -> list[Finding]:
        """Looks at what no record tells, mends what is wrong, and says what it found."""
        return await recovery.mend(self, self._around.home.path)

    def unsupervised(self, agents: Iterable[Agent]) -> list[Agent]:
        """Those of the agents that no supervisor looks after."""
        return [agent for agent in agents if agent.id not in self._supervisors]

    async def mend_streams(self) -> list[str]:
        """Mends the command streams that need it: their keys."""
        agents = (keys.commands_key(self.id, agent) for agent in self._door.inside)
        return await self._around.reader.check([keys.commands_key(self.id), *agents])

    async def supervise_anew(self, agent: Agent) -> None:
        """Gives the agent a new supervisor; one that it has is let go of, its round is not."""
        await end([task for name, task in self._tasks.items() if name == agent.id])
        self._supervise(agent.id)

    def _tidy(self) -> None:
        """What is too much is put away, with its files; also what an earlier daemon left."""
        self._untidy.set()
        if "files" not in self._tasks or self._tasks["files"].done():
            tidying = recovery.tidy(self.store, self.place.private, self._untidy)
            self._tasks["files"] = asyncio.create_task(tidying, name=f"files {self.id}")

    def _begin(self, town: Town, woken: Iterable[str]) -> None:
        """Has agents that a change concerns begin in it what it made due."""
        for agent_id in sorted(woken):
            if supervisor := self._supervisors.get(agent_id):
                supervisor.begin(town)

    def _supervise(self, agent_id: str) -> None:
        supervisor = Supervisor(self, agent_id)
        self._supervisors[agent_id] = supervisor
        task = asyncio.create_task(supervisor.run(), name=f"agent {self.id} {agent_id}")
        self._tasks[agent_id] = task
        task.add_done_callback(lambda _: self._forget(agent_id, task))
        task.add_done_callback(lambda _: supervisor.disown())

    def _forget(self, agent_id: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(agent_id) is task:
            self._tasks.pop(agent_id)
            self._supervisors.pop(agent_id, None)


def _moved(town: Town, directory: Path) -> None:
    """The directory was moved: CLIs keep sessions by directory, so agents start afresh."""
    town.put(town.meta.but(dir=str(directory)))
    town.event("town.moved", "daemon", text=str(directory))
    for agent in list(town.agents.values()):
        town.put(agent.but(session=None))
        if (running := town.rounds.get(agent.round or "")) is not None:
            town.put(running.but(afresh=True))
