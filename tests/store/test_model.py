"""Whatever happens to a town, in whatever order: the store is what a model of it says."""

from __future__ import annotations

import asyncio
import gc
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.store.model import machine
from tinytownd.home import Home
from tinytownd.store import patience
from tinytownd.store.binary import find_binary
from tinytownd.store.server import EmbeddedServer

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


@pytest.fixture
def embedded(home: Home) -> Iterator[EmbeddedServer]:
    """A server that may be killed; it is stopped at the end."""
    server = EmbeddedServer(home, find_binary(os.environ))
    yield server
    asyncio.run(server.stop())
    with warnings.catch_warnings():
        # redis-py leaves a stream open when the server dies while it connects.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def test_the_store_is_what_the_model_says(
    embedded: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "FIRST_WAIT", 0.005)
    run_state_machine_as_test(
        machine(embedded, tmp_path / "cut.sock"),
        settings=settings(
            max_examples=15,
            stateful_step_count=25,
            deadline=None,
            database=None,
            derandomize=True,
            # No shrinking: it may take minutes, and the steps of a failure are few and readable.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
