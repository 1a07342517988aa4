"""One function a verb, one file a noun: they decide, the store commits."""

from tinytownd.handlers import (
    agents,
    attach,
    backlog,
    backup,
    conductor,
    goals,
    home,
    messages,
    migrate,
    people,
    plans,
    recovery,
    report,
    tasks,
    towns,
    tracks,
)

__all__ = [
    "agents",
    "attach",
    "backlog",
    "backup",
    "conductor",
    "goals",
    "home",
    "messages",
    "migrate",
    "people",
    "plans",
    "recovery",
    "report",
    "tasks",
    "towns",
    "tracks",
]
