"""One function a verb, one file a noun: they decide, the store commits."""

from tinytownd.handlers import (
    agents,
    backlog,
    backup,
    conductor,
    home,
    messages,
    migrate,
    plans,
    recovery,
    tasks,
    towns,
)

__all__ = [
    "agents",
    "backlog",
    "backup",
    "conductor",
    "home",
    "messages",
    "migrate",
    "plans",
    "recovery",
    "tasks",
    "towns",
]
