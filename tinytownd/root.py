"""The composition root of the daemon: starts everything in order, and stops it in reverse."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import os
import secrets
import signal
import sys
from collections.abc import Mapping

import anyio
import anyio.abc
import structlog

from tinytownd import __version__, reload, wire
from tinytownd.clock import LOOK_SECONDS, Jumps
from tinytownd.domain.errors import Internal, TownError, Unavailable
from tinytownd.domain.meta import Meta
from tinytownd.domain.town import Town
from tinytownd.environment import install_tt, users_environment
from tinytownd.handlers import registry, views
from tinytownd.handlers.registry import Context, Speaker
from tinytownd.home import Endpoint, Home
from tinytownd.logs import hide_too, set_up
from tinytownd.redact import encode_error
from tinytownd.sdnotify import Manager
from tinytownd.service import Service, Vitals
from tinytownd.store import keys
from tinytownd.store.acl import client_acl
from tinytownd.store.client import Client, connect, end, ensure_supported, set_user
from tinytownd.store.commands import Command, CommandReader
from tinytownd.store.patience import LOST, patiently
from tinytownd.store.process import ServerProcess
from tinytownd.store.replies import answer
from tinytownd.store.server import Server, find_server
from tinytownd.store.wakes import listen
from tinytownd.supervisor.slots import Slots
from tinytownd.towns import Towns
from tinytownd.watched import Watched

log = structlog.get_logger(__name__)
#: How long `tt daemon stop --kill` waits for the rounds that it ends, in seconds.
KILL_SECONDS = 25.0  # less than a client waits for the answer
#: How long a town may take to say which rounds run, in seconds.
ASK_SECONDS = 5.0


class Daemon:
    """One daemon for one home. It is what open towns and the home's verbs see around them."""

    def __init__(
        self, home: Home, env: Mapping[str, str], begun: ServerProcess | None = None
    ) -> None:
        self.home = home
        self.env = env
        self.users_env: Mapping[str, str] = {}
        self._settings = Watched(home.config)
        self._service = Service(Manager(env), self._vitals)
        self.slots = Slots(self._max_rounds)
        self.towns = Towns(self)
        self.client: Client
        self.reader: CommandReader
        self._begun = begun
        self._server: Server
        self._stopping = asyncio.Event()
        #: Rounds that run on from an earlier daemon count, in all towns, before others start.
        self._opening = True
        self._closing = False
        #: `daemon.stop` was carried out: its answer is the last one.
        self._told_to_stop = False
        self._started_at = wire.now_ms()
        self._generation = secrets.token_hex(8)
        self._inbox: asyncio.Queue[Command] = asyncio.Queue()

    async def run(self) -> None:
        """Runs until it is told to stop. Raises `TownError` when it cannot start."""
        async with contextlib.AsyncExitStack() as stack:
            keeping = asyncio.create_task(self._service.keep(), name="service")
            asking = asyncio.create_task(users_environment(self.env), name="environment")
            stack.push_async_callback(end, [keeping, asking])
            await self._start_server(stack)
            install_tt(self.home.bin)
            async with anyio.create_task_group() as group:
                group.start_soon(self._heed_signals, group)
                # Before any town opens: what is on PATH decides who can be handed work.
                self._adopt(await asking)
                group.start_soon(self._server.keep)
                group.start_soon(self.reader.run)
                await self.towns.open_registered()
                self._opening = False
                self.slots.look()
                stack.push_async_callback(self.towns.close_all)
                group.start_soon(self._listen)
                group.start_soon(self._watch_clock)
                group.start_soon(self._work)
                await patiently(lambda: self.reader.follow(keys.commands_key(wire.HOME)))
                self._announce()
                self._service.ready()
                await self._stopping.wait()
                self._service.stopping()
                log.info("daemon.stopping")
                Endpoint.remove(self.home.endpoint)
                await self.towns.close_all()
                group.cancel_scope.cancel()

    async def _start_server(self, stack: contextlib.AsyncExitStack) -> None:
        settings = self._settings.get().redis
        self._server = find_server(self.home, settings, self.env, self._begun)
        await self._server.start()
        stack.push_async_callback(self._stop_server)
        self.client = connect(self._server.endpoint("daemon"))
        stack.push_async_callback(self.client.aclose)
        blocking = connect(self._server.endpoint("daemon"), blocking=True)
        stack.push_async_callback(blocking.aclose)
        self._blocking = blocking
        await ensure_supported(self.client)
        self.reader = CommandReader(blocking, self.client, self._deliver, self._revive)
        await patiently(self._revive)

    async def _stop_server(self) -> None:
        with contextlib.suppress(TownError):
            await self._server.stop()

    def _announce(self) -> None:
        endpoint = self._people
        Endpoint(
            socket=endpoint.socket,
            url=endpoint.url,
            user=endpoint.user,
            password=endpoint.password,
            pid=os.getpid(),
            generation=self._generation,
            version=__version__,
        ).write(self.home.endpoint)
        log.info("daemon.ready", pid=os.getpid(), home=str(self.home.path))

    # Users of the server

    async def _set_users(self) -> None:
        """The people's user; where the server lets us make none, everybody is the daemon's."""
        people = self._server.endpoint("client")
        self._own_users = await set_user(self.client, client_acl(people.user, people.password))
        self._people = people if self._own_users else self._server.endpoint("daemon")

    def agent_endpoint(self, user: str, password: str) -> Endpoint:
        """How an agent's `tt` reaches the store: as itself, where users can be made."""
        if not self._own_users:
            return self._people
        return Endpoint(
            socket=self._people.socket, url=self._people.url, user=user, password=password
        )

    async def _revive(self) -> None:
        """After Redis was away: the embedded server is started again, users are made again."""
        await self._server.start()
        await self._set_users()
        for host in list(self.towns.open.values()):
            await host.readmit_all()

    # Wakes

    async def _listen(self) -> None:
        await listen(self._blocking, self._wake, self._wake_all)

    def _wake(self, town: str, agent: str) -> None:
        host = self.towns.open.get(town)
        if host is not None:
            host.wake(agent)

    async def _wake_all(self) -> None:
        for host in list(self.towns.open.values()):
            try:
                await host.wake_all()
            except TownError as error:
                log.warning("town.not_woken", town=host.id, error=error.message)

    async def _watch_clock(self) -> None:
        jumps = Jumps(wire.now_ms)
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if jump := jumps.since_last():
                log.warning("clock.jumped", milliseconds=jump)
                for host in list(self.towns.open.values()):
                    await host.clock_jumped(jump)

    # Commands

    async def _deliver(self, command: Command) -> None:
        if command.entry.town == wire.HOME:
            await self._inbox.put(command)
        elif command.entry.town in self.towns.open:
            await self.towns.open[command.entry.town].deliver(command)

    async def _work(self) -> None:
        while True:
            command = await self._inbox.get()
            try:
                # The same command may have been read twice, and done in between.
                known = await self.client.get(command.entry.done_key)
                reply = str(known) if known else await self._carry_out(command)
                await answer(self.client, command.entry, reply)
                self.reader.finished(command)
            except LOST as error:
                about = {"command": command.entry.command, "verb": command.verb}
                log.warning("command.again", **about, error=str(error))
                await self.reader.again(command)
                continue
            except Exception:
                # As for a town's commands: Redis refuses even the reply, on a full disk for one.
                log.exception("command.fault", command=command.entry.command, verb=command.verb)
            if self._told_to_stop:
                self._stopping.set()

    async def _carry_out(self, command: Command) -> str:
        about = {"command": command.entry.command, "verb": command.verb}
        try:
            verb = registry.find(command.verb, home=True)
            args = verb.bind(command.args)
            nowhere = Town(Meta(id=wire.HOME, name="", dir=""), now=wire.now_ms())
            context = Context(nowhere, Speaker(), self, command.entry.command)
            data = await verb.run(context, **args)
            return wire.encode_reply(command.entry.command, data)
        except OSError as error:  # of a file; redis-py's errors are its own
            told = Unavailable(f"the system refused: {error}")
            return encode_error(command.entry.command, told)
        except LOST:
            raise
        except TownError as error:
            return encode_error(command.entry.command, error)
        except Exception:
            log.exception("command.fault", **about)
            return encode_error(command.entry.command, Internal())

    # For the home's verbs

    async def status(self) -> dict[str, object]:
        """What `tt daemon status` shows."""
        info = await self.client.info("server")
        where = self._people
        return {
            "pid": os.getpid(),
            "version": __version__,
            "started_at": views.iso(self._started_at),
            "home": str(self.home.path),
            "redis": {
                "server": "valkey" if "valkey_version" in info else "redis",
                "version": info.get("valkey_version") or info["redis_version"],
                "embedded": where.socket is not None,
            },
            "towns": len(self.towns.open),
            "rounds": self.slots.taken,
            "log": str(self.home.log),
        }

    async def stop(self, *, kill: bool) -> list[dict[str, object]]:
        """Stops once this is answered; the rounds that run on, or were ended with `kill`."""
        rounds: list[dict[str, object]] = []
        asked = True
        for host in self.towns.open.values():
            try:
                async with asyncio.timeout(ASK_SECONDS):
                    rounds += await host.running(end=kill)
            except (TimeoutError, TownError) as error:
                asked = False  # the server lost this town: its rounds run on
                log.warning("town.not_asked", town=host.id, error=str(error))
        if kill and asked:
            self._closing = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(KILL_SECONDS):
                    while self.slots.taken:  # noqa: ASYNC110 -- at most a minute, at the end
                        await asyncio.sleep(0.02)
        self._told_to_stop = True
        return rounds

    def _max_rounds(self) -> int:
        if self._opening or self._closing:
            return 0
        try:
            return int(self._settings.get().limits.max_rounds)
        except TownError:
            return 1

    async def _heed_signals(self, group: anyio.abc.TaskGroup) -> None:
        heeded = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        # On a terminal SIGHUP says that the terminal is gone.
        reloads = not sys.stderr.isatty()
        with anyio.open_signal_receiver(*heeded) as signals:
            async for number in signals:
                log.info("daemon.signal", signal=signal.Signals(number).name)
                if number == signal.SIGHUP and reloads:
                    group.start_soon(self._reload)
                else:
                    self._stopping.set()

    async def _reload(self) -> None:
        """What changed in the settings is told; the login shell is asked anew."""
        self._service.reloading()
        towns = {host.id: host.settings for host in self.towns.open.values()}
        reload.tell(self._settings, towns)
        self._adopt(await users_environment(self.env))
        await self._wake_all()
        self._service.reloaded()

    def _adopt(self, environment: Mapping[str, str]) -> None:
        hide_too(environment)
        self.users_env = environment

    def _vitals(self) -> Vitals:
        return Vitals(len(self.towns.open), self.slots.taken, self.reader.reads)


def run(home: Home, env: Mapping[str, str], server: ServerProcess | None) -> None:
    """Runs the daemon of a home that we hold; `server` is its server's process, if that was begun.

    Raises `TownError`.
    """
    settings = Watched(home.config)
    set_up(home.log, env, lambda: settings.get().logs)
    # A daemon that hangs is ended by SIGABRT (systemd.service(5), WatchdogSignal=): it says where.
    faulthandler.enable()
    asyncio.run(Daemon(home, env, server).run())
