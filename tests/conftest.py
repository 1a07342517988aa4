"""Real servers for the tests of the store: the embedded one, and containers of others.

The embedded server is `TINYTOWN_REDIS_SERVER` where that is set, and then the only one. A server
is started once for all tests; each test has a town with a fresh id in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import os
import secrets
import shutil
import signal
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis.configuration
import pytest

from tinytownd.conductor.schedule import settle
from tinytownd.domain.meta import Meta
from tinytownd.home import Endpoint, Home
from tinytownd.store.binary import find_binary
from tinytownd.store.client import Client, connect
from tinytownd.store.server import EmbeddedServer
from tinytownd.store.town import TownStore

EMBEDDED = "embedded"
CONTAINERS = ["redis:7.0", "redis:7.4", "redis:8", "valkey/valkey:8"]
SERVERS = [EMBEDDED] if os.environ.get("TINYTOWN_REDIS_SERVER") else [EMBEDDED, *CONTAINERS]
REDIS_PORT = 6379


@pytest.fixture(scope="session", params=SERVERS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Endpoint]:
    """How to reach a real server as one who may do everything."""
    if request.param != EMBEDDED:
        with container(request.param) as endpoint:
            yield endpoint
        return
    home = Home(tmp_path_factory.mktemp("store") / "home")
    home.create()
    embedded = EmbeddedServer(home, find_binary(os.environ))
    asyncio.run(embedded.start())
    yield embedded.endpoint("daemon")
    asyncio.run(embedded.stop())


def pytest_configure(config: pytest.Config) -> None:
    """Examples at random are not kept, and in CI (`CI` is set) the same in every run."""
    # A shell has what it starts in the background ignore SIGINT, and so would all that we start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    home = Path(tempfile.mkdtemp(prefix="tt-hypothesis-"))
    config.add_cleanup(functools.partial(shutil.rmtree, home))
    hypothesis.configuration.set_hypothesis_home_dir(home)
    in_ci = bool(os.environ.get("CI"))
    hypothesis.settings.register_profile("tt", deadline=None, database=None, derandomize=in_ci)
    hypothesis.settings.load_profile("tt")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips what needs a container; here, and not in the fixture, it is told in one line."""
    params = (
        item.callspec.params
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
        else {}
    )
    if params.get("server") in CONTAINERS and (why := no_docker()):
        pytest.skip(why)


@functools.cache
def no_docker() -> str:
    """Why there can be no containers; empty where a Docker engine answers."""
    # Here, because they cost a third of a second that all other tests need not pay.
    import docker  # type: ignore[import-untyped] # noqa: PLC0415
    from docker.errors import DockerException  # type: ignore[import-untyped] # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ResourceWarning
        )  # its client forgets a socket when it fails
        try:
            with contextlib.closing(docker.from_env()) as engine:
                engine.ping()
        except DockerException as error:
            why = str(error)
        else:
            return ""
        gc.collect()
    return f"no Docker engine answers: {why}"


@contextlib.contextmanager
def container(image: str) -> Iterator[Endpoint]:
    """A server of that image, for as long as it is needed."""
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy  # noqa: PLC0415

    ready = LogMessageWaitStrategy("Ready to accept connections")
    with DockerContainer(image).with_exposed_ports(REDIS_PORT).waiting_for(ready) as running:
        host, port = running.get_container_host_ip(), running.get_exposed_port(REDIS_PORT)
        yield Endpoint(url=f"redis://{host}:{port}/0")


@pytest.fixture
async def client(server: Endpoint) -> AsyncIterator[Client]:
    """A client like the daemon's."""
    client = connect(server)
    yield client
    await client.aclose()


@pytest.fixture
async def blocking(server: Endpoint) -> AsyncIterator[Client]:
    """A client for blocking reads, like the daemon's."""
    client = connect(server, blocking=True)
    yield client
    await client.aclose()


@pytest.fixture
def town_id() -> str:
    """A town's id that no other test has."""
    return "t-" + secrets.token_hex(6)


@pytest.fixture
async def store(client: Client, town_id: str) -> TownStore:
    """An empty town on the server."""
    store = TownStore(client, town_id, settle)
    await store.create(Meta(id=town_id, name="test", dir="/nowhere"))
    await store.load()
    return store
