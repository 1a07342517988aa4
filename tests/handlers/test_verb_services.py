"""What the daemon gives to the verbs is what they are written for: mypy reads the first lines."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tinytownd.handlers import services
from tinytownd.host import TownHost
from tinytownd.root import Daemon
from tinytownd.towns import Towns

HOST: Callable[..., services.Host] = TownHost
TOWNS: Callable[..., services.Towns] = Towns
DAEMON: Callable[..., services.Daemon] = Daemon


@pytest.mark.parametrize(
    ("protocol", "real"),
    [(services.Host, TownHost), (services.Towns, Towns), (services.Daemon, Daemon)],
)
def test_what_verbs_may_call_is_there(protocol: type, real: type) -> None:
    wanted = {name for name, one in vars(protocol).items() if callable(one) and name[0] != "_"}
    assert wanted
    assert all(callable(getattr(real, name)) for name in wanted)
