"""How a round ended: the final record first, the exit code second. Pure."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tinytownd.runtimes.readers.base import Transcript, words
from tinytownd.runtimes.readers.limits import is_limit

Kind = Literal["completed", "failed", "limited", "unknown"]

# Formats without a final record: the exit code is all there is.
_BY_EXIT_CODE = frozenset({"text", "aider"})

_NOT_STARTED = {126: "the program cannot be executed", 127: "the program was not found"}
# Documented by gemini; 128 + signal it is not.
_GEMINI_EXITS = {
    41: "not signed in",
    42: "the session does not exist",
    55: "the folder is not trusted",
    145: "the API refused the key (HTTP 401)",
    173: "rate limited (HTTP 429)",
}
# claude: "No conversation found with session ID: …"; codex: "no rollout found for thread id …".
_LOST = re.compile(
    r"no conversation found|no rollout found|(session|thread|conversation)\b.{0,60}\bnot found"
    r"|the session does not exist|invalid session",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Outcome:
    """A round's end.

    `unknown` says that neither a record nor an exit code is there. `session_lost` says that the
    session cannot be resumed: start afresh. With `cumulative`, tokens are the whole session's.
    """

    kind: Kind
    text: str = ""
    error: str | None = None
    resets_at: datetime | None = None
    session: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None
    cumulative: bool = False
    session_lost: bool = False


def verdict(transcript: Transcript, exit_code: int | None, stderr_tail: str = "") -> Outcome:
    """What the finished transcript, the exit code (None: unknown) and stderr's end amount to."""
    stderr_tail = words(stderr_tail).strip()
    kind, error = _judge(transcript, exit_code, stderr_tail)
    limit = transcript.limit if kind == "limited" else None
    lost = kind in ("failed", "unknown") and bool(_LOST.search(f"{error}\n{stderr_tail}"))
    return Outcome(
        kind=kind,
        text=transcript.text,
        error=error,
        resets_at=limit.resets_at if limit else None,
        session=None if lost else transcript.session,
        input_tokens=transcript.input_tokens,
        output_tokens=transcript.output_tokens,
        cost_usd=transcript.cost_usd,
        cumulative=transcript.cumulative,
        session_lost=lost,
    )


def _judge(transcript: Transcript, code: int | None, stderr: str) -> tuple[Kind, str | None]:
    if transcript.failed is False:
        return "completed", None
    if transcript.failed:
        return ("limited" if transcript.limit else "failed"), transcript.error
    if code is None:
        return "unknown", "it ended without a final record and without an exit code"
    by_exit_code = transcript.format in _BY_EXIT_CODE
    if code == 0:
        return ("completed", None) if by_exit_code else ("failed", "it ended without a word")
    error = _reason(transcript, code, stderr)
    limited = transcript.limit or (not by_exit_code and is_limit(error))
    return ("limited" if limited else "failed"), error


def _reason(transcript: Transcript, code: int, stderr: str) -> str:
    known = _GEMINI_EXITS if transcript.format == "gemini" else _NOT_STARTED
    last = transcript.error or (stderr.splitlines()[-1].strip() if stderr else "")
    what = known.get(code) or _signal(code) or f"exit code {code}"
    return f"{what}: {last}" if last else what


def _signal(code: int) -> str:
    try:
        return f"ended by {signal.Signals(code - 128).name}" if code > 128 else ""
    except ValueError:
        return ""
