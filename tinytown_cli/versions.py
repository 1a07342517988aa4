"""An upgrade replaces `tt` at once, the daemon with its next restart: what is said in between.

Both try as they are, so that the rounds which run can end their tasks. Where that does not work
out, the versions are the likely cause.
"""

from __future__ import annotations

from tinytown_cli import output, places
from tinytownd import __version__
from tinytownd.domain.errors import BadInput, TownError, Unavailable

_HINT = "tt daemon restart; rounds that run go on"


def show() -> None:
    """`tt --version`: ours, and that of the daemon that runs; it asks nobody and starts nothing."""
    ready, pid = places.ready_endpoint(), places.daemon_pid()
    running = (ready.version or "of another version") if ready else "on its way"
    daemon = f"tinytownd {running} (pid {pid})" if pid else "no daemon runs"
    told = {"version": (ready.version or None) if ready else None, "pid": pid} if pid else None
    output.show({"version": __version__, "daemon": told}, [f"tt {__version__}, {daemon}"])
    if other := other_daemon():
        output.note(f"{other.message} ({other.hint})")


def other_daemon() -> Unavailable | None:
    """What to tell of a daemon that runs and is not of our version; None where there is none."""
    ready = places.ready_endpoint()
    if ready is None or ready.version == __version__:
        return None
    theirs = ready.version or "another version"
    return Unavailable(f"the daemon is still {theirs}, and this tt {__version__}", hint=_HINT)


def blamed(fault: LookupError) -> int:
    """Tells of the other version, if there is one, instead of the fault; else raises it."""
    if (other := other_daemon()) is None:
        raise fault
    output.town_error(other)
    return other.exit_code


def hinted(error: TownError) -> TownError:
    """The error; a refusal with no hint of its own gets one where the versions differ."""
    if isinstance(error, BadInput) and not error.hint and (other := other_daemon()):
        error.hint = f"{other.message}: {other.hint}"
    return error
