"""Every way in which a command can be refused, and the exit code that says so.

A class's docstring is the default message. `hint` is one line that says what to do next.
Exit codes of `tt`: 0 done, 1 the work failed, 2 bad input, 3 no daemon or no Redis, 4 timed out.
"""

from __future__ import annotations

OK, WORK_FAILED, BAD_INPUT, UNAVAILABLE, TIMED_OUT = range(5)


class TownError(Exception):
    """Something went wrong."""

    kind = "error"
    exit_code = WORK_FAILED

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        self.message = message or (type(self).__doc__ or "").strip()
        self.hint = hint
        super().__init__(self.message)


class BadInput(TownError):
    """What was asked for cannot be done as it was asked."""

    kind = "bad_input"
    exit_code = BAD_INPUT


class NotFound(BadInput):
    """There is no such thing in this town."""

    kind = "not_found"


class Ambiguous(BadInput):
    """More than one thing fits."""

    kind = "ambiguous"


class Conflict(BadInput):
    """The thing is there already, or has moved on."""

    kind = "conflict"


class IllegalTransition(Conflict):
    """This cannot happen in this state."""

    kind = "illegal_transition"


class Elsewhere(Conflict):
    """The town is open in another directory."""

    kind = "elsewhere"


class Fenced(Conflict):
    """The round that speaks no longer holds the task."""

    kind = "fenced"


class PlanError(BadInput):
    """The plan file has problems.

    `problems` are `{"line": int, "message": str, "hint": str}`, in the order of the file; `count`
    is how many there are, where they are not all told. `file` is its name, as the client knows.
    """

    kind = "plan"
    file = "tasks.toml"

    def __init__(self, problems: list[dict[str, object]], count: int | None = None) -> None:
        count = len(problems) if count is None else count
        super().__init__(f"the plan has {count} problem{'' if count == 1 else 's'}")
        self.problems = problems


class Unavailable(TownError):
    """The daemon or its Redis cannot be reached."""

    kind = "unavailable"
    exit_code = UNAVAILABLE


class TimedOut(TownError):
    """It took longer than it was given."""

    kind = "timed_out"
    exit_code = TIMED_OUT


class Internal(TownError):
    """The daemon failed on this command; its log has the traceback."""

    kind = "internal"
