"""`tt` of one version, a daemon of another: one line that says so, where it is the cause."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.scripted import FakeDaemon, Tt
from tinytown_cli import quick
from tinytownd import __version__
from tinytownd.domain import errors

#: The page of `tt list` misses everything in it.
BARE = {"total": 1, "agents": [{}]}
SAYS = f"and this tt {__version__}"
HINT = "(tt daemon restart; rounds that run go on)"


@pytest.fixture
def running(daemon: FakeDaemon) -> Iterator[Callable[[str], None]]:
    """Makes the daemon one of that version; of one before there was a word of it, if empty."""
    yield lambda version: daemon.write_endpoint(version=version)
    daemon.write_endpoint()


@pytest.mark.parametrize("version", ["0.0.1", ""])
@pytest.mark.parametrize("command", [["list"], ["status"]], ids=["the long road", "the front door"])
def test_a_reply_of_another_shape(
    command: list[str],
    version: str,
    running: Callable[[str], None],
    daemon: FakeDaemon,
    town: Path,
    tt: Tt,
) -> None:
    running(version)
    daemon.replies |= {"agent.list": BARE, "town.status": {}}
    _, err = tt(*command, code=errors.UNAVAILABLE, run=quick.run)
    assert err == f"tt: the daemon is still {version or 'another version'}, {SAYS} {HINT}\n"


def test_a_refusal_without_a_hint(
    running: Callable[[str], None], daemon: FakeDaemon, town: Path, tt: Tt
) -> None:
    running("0.0.1")
    daemon.replies["agent.list"] = errors.BadInput("agent.list takes no 'limit'")
    _, err = tt("list", code=errors.BAD_INPUT)
    assert err.startswith(f"tt: agent.list takes no 'limit' (the daemon is still 0.0.1, {SAYS}: ")
    assert err.count("\n") == 1


def test_a_fault_of_ours_is_not_blamed_on_versions(
    running: Callable[[str], None], daemon: FakeDaemon, town: Path, tt: Tt
) -> None:
    running(__version__)
    daemon.replies["agent.list"] = BARE
    with pytest.raises(KeyError):
        tt("list", run=quick.run)
