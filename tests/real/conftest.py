"""Fixtures for the tests on real agent CLIs: the CLIs, the loopback server, a `tt` that records.

These tests run only when they are named (`pytest tests/real`, `make test-real`): they need npm.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.real import install
from tests.real.desk import Desk
from tests.real.model_api import ModelApi
from tests.real.town import RealTown

HERE = Path(__file__).parent


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave this directory out unless the command line names it or something in it."""
    del collection_path
    named = ((config.invocation_params.dir / arg.split("::")[0]).resolve() for arg in config.args)
    return None if any(path.is_relative_to(HERE) for path in named) else True


@pytest.fixture(scope="session")
def cli_bins() -> list[Path]:
    """The directories of the real CLIs, installed if need be.

    Without npm the tests fail; with TINYTOWN_REAL_OPTIONAL=1 they are skipped with the reason.
    """
    give_up: Callable[[str], Any] = pytest.fail
    if os.environ.get("TINYTOWN_REAL_OPTIONAL") == "1":
        give_up = pytest.skip
    try:
        return install.install(install.cache_dir())
    except (install.NoNpmError, install.InstallError) as error:
        give_up(str(error))
        raise


@pytest.fixture
def api() -> Iterator[ModelApi]:
    """A loopback server of this test's own."""
    with ModelApi() as server:
        yield server


@pytest.fixture
def desk(tmp_path: Path, api: ModelApi, cli_bins: list[Path]) -> Desk:
    """A directory to work in, with a `tt` that records its argv and answers."""
    return Desk.furnish(tmp_path, api, cli_bins)


@pytest.fixture
def town(tmp_path: Path, api: ModelApi, cli_bins: list[Path]) -> Iterator[RealTown]:
    """A town of this test's own; nothing of it may be left running."""
    made = RealTown.make(tmp_path, api, cli_bins)
    try:
        made.tt("init", "--name", "real")
        yield made
    finally:
        made.close()
