"""When a task has waited enough: all that it needs, or so many of what it depends on.

A task always waits for a parent that somebody executes and for what its groups wait for. Of
`depends_on` its join rule says how many are enough.
"""

from __future__ import annotations

from tinytownd.domain.errors import BadInput
from tinytownd.domain.names import shown
from tinytownd.domain.task import Task

ALL, ANY = "all", "any"


def check_join(join: str, branches: int) -> str:
    """The rule itself, or `BadInput`: neither all nor any, or a number that cannot be reached."""
    if join in (ALL, ANY):
        return join
    if not (join.isascii() and join.isdigit()) or int(join) == 0:
        raise BadInput(f"{shown(join)} is no join rule", hint="all, any, or a number from 1")
    if int(join) > branches:
        many = "1 task" if branches == 1 else f"{branches} tasks"
        raise BadInput(f"join = {join}, but it depends on {many}", hint="a smaller number, or all")
    return join


def branches(task: Task) -> frozenset[str]:
    """What the join rule counts."""
    return frozenset(task.depends_on) - {task.parent} if task.join != ALL else frozenset()


def quorum(task: Task) -> int:
    """How many of the branches are enough."""
    found = branches(task)
    if not found:
        return 0
    return min(1 if task.join == ANY else int(task.join), len(found))


def arrived(need: Task | None, waiting: Task) -> bool:
    """Whether a need holds nothing back any more; one that is gone holds nothing back."""
    if need is None or need.state == "completed":
        return True
    failed = need.state in ("failed", "cancelled")
    return failed and waiting.join_failures and need.id in waiting.depends_on
