"""A home of a test's own, and clients that are closed at its end."""

from __future__ import annotations

import gc
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.store.far_end import Connect
from tests.store.steps import Cut
from tinytownd.home import Endpoint, Home
from tinytownd.store.client import Client, connect


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home of the test's own; its path has a space."""
    home = Home(tmp_path / "my home")
    home.create()
    return home


@pytest.fixture
async def connected() -> AsyncIterator[Connect]:
    """`connect`, with every client closed at the end."""
    async with AsyncExitStack() as stack:

        def make(endpoint: Endpoint) -> Client:
            client = connect(endpoint)
            stack.push_async_callback(client.aclose)
            return client

        yield make


@pytest.fixture
async def cut(server: Endpoint, tmp_path: Path) -> AsyncIterator[Cut]:
    """A wire to the server that can be cut."""
    async with Cut(server, tmp_path / "wire.sock") as cut:
        yield cut


@pytest.fixture
def strays() -> Iterator[None]:
    """redis-py leaves a stream open when the server dies while it connects."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
