"""When a task has waited enough: all that it needs, or so many of what it depends on.

A task always waits for a parent that somebody executes and for what its groups wait for. Of
`depends_on` its join rule says how many are enough, and whether one that failed counts.
"""

from __future__ import annotations

from dataclasses import dataclass

from tinytownd.domain.errors import BadInput
from tinytownd.domain.names import shown
from tinytownd.domain.task import Task

ALL, ANY = "all", "any"
#: What a branch that failed or was cancelled means: it holds the task back, or counts as arrived.
HOLD, COUNT = "hold", "count"


@dataclass(frozen=True)
class Join:
    """The rule of a task: of these needs so many; with `failures` also those that failed.

    All of its other needs must be completed. The rule of most tasks is `PLAIN`: they have none.
    """

    branches: frozenset[str] = frozenset()
    quorum: int = 0
    failures: bool = False


PLAIN = Join()


def join_of(task: Task) -> Join:
    """What a task's fields say; in proportion to its branches, so `TaskIndex` keeps it."""
    if task.join == ALL and not task.join_failures:
        return PLAIN
    found = frozenset(task.depends_on) - {task.parent}
    enough = 1 if task.join == ANY else len(found) if task.join == ALL else int(task.join)
    return Join(found, min(enough, len(found)), task.join_failures)


def check_join(join: str, branches: int) -> str:
    """The rule itself, or `BadInput`: neither all nor any, or a number that cannot be reached."""
    if join in (ALL, ANY):
        return join
    # No town has as many tasks as ten digits tell.
    if not (join.isascii() and join.isdigit()) or len(join) > 10 or int(join) == 0:
        raise BadInput(f"{shown(join)} is no join rule", hint="all, any, or a number from 1")
    if int(join) > branches:
        many = "1 task" if branches == 1 else f"{branches} tasks"
        raise BadInput(f"join = {join}, but it depends on {many}", hint="a smaller number, or all")
    return str(int(join))


def check_failures(failures: str) -> bool:
    """Whether failures count; raises `BadInput` where it is neither hold nor count."""
    if failures not in (HOLD, COUNT):
        raise BadInput(f"{shown(failures)} says nothing about failures", hint="hold or count")
    return failures == COUNT


def arrived(need: Task | None, join: Join) -> bool:
    """Whether a need holds nothing back any more; one that is gone holds nothing back."""
    if need is None or need.state == "completed":
        return True
    return join.failures and need.state in ("failed", "cancelled") and need.id in join.branches
