"""What changed in the settings, for those who edited them: nothing here puts a setting to use.

Settings count from their next use on, since `watched.Watched` notices every edit; a reload says
what that came to, and what only the next daemon will heed.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from tinytownd.config import Config
from tinytownd.domain.errors import TownError
from tinytownd.redact import redact_named
from tinytownd.watched import Watched

log = structlog.get_logger(__name__)
#: What is read once, at the daemon's start.
AT_START = frozenset({"redis.url", "redis.durability"})

Change = dict[str, object]


def differences(old: Config, new: Config) -> list[Change]:
    """Every `setting` whose value is another now, with `old` and `new`; None: it was not set."""
    keys = [*old.values, *(key for key in new.values if key not in old.values)]
    return [
        {"setting": key, "old": _shown(key, old), "new": _shown(key, new)}
        for key in keys
        if old.values.get(key) != new.values.get(key)
    ]


def _shown(key: str, config: Config) -> object:
    return redact_named(key.rpartition(".")[2], config.values.get(key))


def tell(home: Watched, towns: Mapping[str, Watched]) -> None:
    """Logs what has changed since it was told last: the home's settings, then each town's own.

    A file that is broken is told, too, and goes on to hold up those who need what is in it.
    """
    changed = _changes(home)
    if changed is None:
        return
    waits = [change["setting"] for change in changed if change["setting"] in AT_START]
    log.info("config.reloaded", changed=changed, restart=waits or None)
    for town, settings in towns.items():
        own = [change for change in _changes(settings, town) or [] if change not in changed]
        if own:
            log.info("config.reloaded", town=town, changed=own)


def _changes(settings: Watched, town: str | None = None) -> list[Change] | None:
    try:
        old, new = settings.renewed()
    except TownError as error:
        log.warning("config.broken", town=town, error=error.message)
        return None
    return differences(old, new)
