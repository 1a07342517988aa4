"""What the API raises beside the errors of the town: all of them are `TownError`s.

A `TownError` is one clear line, with a `hint` that says what to do next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinytownd.domain.errors import BadInput, TownError

if TYPE_CHECKING:
    from tinytown_cli.api.records import TaskInfo


class Closed(BadInput):
    """This town is closed: use it inside its `async with`."""

    kind = "closed"


class TaskError(TownError):
    """A task that was waited for has no result; `task` is how it stands."""

    def __init__(self, message: str, task: TaskInfo, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.task = task


class TaskFailed(TaskError):
    """A task failed; `task.error` says why."""

    kind = "task_failed"


class TaskCancelled(TaskError):
    """A task was cancelled."""

    kind = "task_cancelled"


class TaskHeld(TaskError):
    """A task will not start by itself: it waits for one that failed or was cancelled."""

    kind = "task_held"
