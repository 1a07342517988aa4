"""The one place where the client writes: for people, plain, or as JSON; errors in one line.

The front door prints by it, too: what costs time to import is imported by who needs it.
"""

from __future__ import annotations

import os
import sys
import time

from tinytown_cli.jsontext import indented
from tinytown_cli.options import chosen

TYPE_CHECKING = False  # see `jsontext`
if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable, Iterator, Sequence
    from typing import NoReturn

    from tinytown_cli.pager import Pages
    from tinytownd.domain.errors import TownError

# ECMA-48, select graphic rendition.
_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_STATE_STYLES = {
    **dict.fromkeys(("completed", "idle", "open", "ok"), "green"),
    **dict.fromkeys(("working", "running", "starting", "submitted"), "cyan"),
    **dict.fromkeys(("paused", "draining", "assigned", "stalled", "held", "blocked"), "yellow"),
    **dict.fromkeys(("failed", "error", "offline"), "red"),
    **dict.fromkeys(("cancelled", "cold", "stopped"), "dim"),
}
# Control characters in other people's text could rewrite the terminal; newline and tab may stay.
# Those of the writing direction could show it in another order than it has (CVE-2021-42574).
_CONTROLS = dict.fromkeys(
    [*range(9), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A)],
    "\ufffd",
)
#: What takes a passing line of standard error away before another is written; see `spinner`.
wipe = ""
#: Whether lines are drawn in place, so that no passing ones may come between; see `screen`.
live = False
_AGE_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def show(data: object, lines: Iterable[str], *, long: bool = False) -> None:
    """Prints `data` as JSON where that was asked for, else the lines (made only then).

    `long` is what may be higher than the terminal: a pager shows it then.
    """
    if chosen.json:
        ascii_only = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
        write(indented(data, ascii_only=ascii_only))
        return
    with paged(wanted=long):
        for line in lines:
            write(line)


class _Unpaged:
    """Everything is printed as it comes."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


def paged(*, wanted: bool = True) -> _Unpaged | Pages:
    """A context: what is printed there goes to a pager, if it is higher than the terminal."""
    if not wanted or chosen.json or not on_terminal() or by_agent():
        return _Unpaged()
    from tinytown_cli import pager  # noqa: PLC0415  # as at the top

    return pager.Pages()


def json_line(data: object) -> None:
    """Prints one object on one line, at once: for what goes on."""
    import json  # noqa: PLC0415  # as at the top

    write(json.dumps(data))
    flush()


def write(text: str, end: str = "\n") -> None:
    """Prints text. A reader that has gone away ends the process quietly."""
    try:
        print(text, end=end)
    except BrokenPipeError:
        _reader_gone()


def flush() -> None:
    """Hands on what was printed."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _reader_gone()


def _reader_gone() -> NoReturn:
    # Else Python tries to flush once more at its end, and complains.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(0)


def note(text: str) -> None:
    """A line beside the result, on standard error."""
    print(wipe + clean(text), file=sys.stderr, flush=True)


def more(left: int, way: str = "--all") -> None:
    """How many of a list are not shown, and the option that shows them; beside what is shown."""
    if left > 0:
        note(f"{left:,} more are there: {way}")


def ask(question: str) -> bool:
    """Whether the person at the terminal says yes; what else is typed, or nothing, is a no."""
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def error(message: str, hint: str = "") -> None:
    """The one line that says what is wrong and, in brackets, what to do."""
    text = " ".join(clean(message).split())
    tail = f" ({' '.join(clean(hint).split())})" if hint else ""
    note(f"tt: {text}{tail}")


def unusable(problem: OSError) -> None:
    """A file, a directory or standard output that does not do what was asked of it."""
    error(f"{problem.filename or 'the output'} cannot be used: {problem.strerror or problem}")


def town_error(problem: TownError) -> None:
    """A refusal; a plan's problems come first, one a line, as compilers print them."""
    file = getattr(problem, "file", "")
    for one in getattr(problem, "problems", None) or []:
        hint = f" ({one['hint']})" if one.get("hint") else ""
        where = f"{file}:{one['line']}" if one.get("line") else file
        note(f"{where}: {one['message']}{hint}")
    error(problem.message, problem.hint)


def clean(text: str) -> str:
    """The text without control characters (newlines and tabs stay)."""
    return text.translate(_CONTROLS)


def first_line(text: object) -> str:
    """The first line of a text that has any, without control characters."""
    lines = clean("" if text is None else str(text)).splitlines()
    return next((line.strip() for line in lines if line.strip()), "")


def on_terminal() -> bool:
    """Whether a person watches standard output."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def by_agent() -> bool:
    """Whether an agent runs us: some have a terminal for what they run, and nobody at it."""
    return "TINYTOWN_CREDENTIALS" in os.environ


def paint(text: str, style: str) -> str:
    """The text in a style, where colours are seen and wanted (https://no-color.org)."""
    if not text or not style or not on_terminal() or os.environ.get("NO_COLOR"):
        return text
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m"


def paint_state(state: str, text: str = "") -> str:
    """A state's name (or `text`) in the colour of the state."""
    return paint(text or state, _STATE_STYLES.get(state.strip(), ""))


def columns(text: str) -> int:
    """How many columns of a terminal the text takes."""
    if text.isascii():
        return len(text)
    from tinytown_cli import cells  # noqa: PLC0415  # as at the top

    return cells.columns(text)


def fit(text: str, width: int) -> str:
    """The text cut to so many columns, with an ellipsis where something is missing."""
    if text.isascii():
        return text if len(text) <= width else text[: width - 1] + "…" if width > 0 else ""
    from tinytown_cli import cells  # noqa: PLC0415  # as at the top

    return cells.fit(text, width)


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Aligned lines under dim headers; on a terminal they are made to fit its width."""
    cells = [[first_line("" if cell is None else cell) for cell in row] for row in rows]
    widths = [max(map(columns, column)) for column in zip(headers, *cells, strict=True)]
    if on_terminal():
        import shutil  # noqa: PLC0415  # as at the top

        widths = narrowed(widths, shutil.get_terminal_size().columns)
    yield paint(_row(headers, widths), "dim")
    for row in cells:
        yield _row(row, widths, state=headers.index("state") if "state" in headers else -1)


def narrowed(widths: Sequence[int], room: int) -> list[int]:
    """Widths of columns for a terminal of so many: the last gives way, then whichever is widest.

    The first stays, which is a name to type again; so do a few letters of each.
    """
    fitting = list(widths)
    over = sum(widths) + 2 * (len(widths) - 1) - room
    for least, places in ((12, range(len(widths) - 1, len(widths))), (8, range(1, len(widths)))):
        while over > 0 and places:
            widest = max(places, key=fitting.__getitem__)
            if fitting[widest] <= least:
                break
            fitting[widest] -= 1
            over -= 1
    return fitting


def _row(cells: Sequence[str], widths: Sequence[int], state: int = -1) -> str:
    done = []
    for place, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        text = fit(cell, width)
        gap = " " * (width - columns(text)) if place < len(cells) - 1 else ""
        text = apart(text)
        done.append((paint_state(cell, text) if place == state else text) + gap)
    return "  ".join(done).rstrip()


def apart(text: str) -> str:
    """The text so that, on a terminal, right-to-left writing in it moves nothing beside it."""
    if text.isascii() or not on_terminal():
        return text
    from tinytown_cli import cells  # noqa: PLC0415  # as at the top

    return cells.isolated(text)


def moment(value: object) -> datetime.datetime | None:
    """A time of the protocol, if it is one."""
    # The C half of `datetime`: the other takes a tenth of Python's start, and does nothing here.
    from _datetime import datetime  # type: ignore[import-not-found]  # noqa: PLC0415

    try:
        return datetime.fromisoformat(str(value))  # type: ignore[no-any-return]
    except ValueError:
        return None


def duration(seconds: float) -> str:
    """A length of time in one unit: `12 s`, `3 min`, `2 h`, `5 d`."""
    for size, unit in _AGE_UNITS:
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(int(seconds), 0)} s"


def age(value: object) -> str:
    """How long ago a time of the protocol was; nothing where there is none."""
    then = moment(value)
    return duration(time.time() - then.timestamp()) if then else ""


def ago(value: object) -> str:
    """The same as people say it: `4 min ago`."""
    told = age(value)
    return f"{told} ago" if told else ""


def clock(value: object) -> str:
    """A time of the protocol as the hour here: `10:31:07`."""
    then = moment(value)
    return then.astimezone().strftime("%H:%M:%S") if then else "--:--:--"


def plural(count: int, noun: str) -> str:
    """`1 task`, `2 tasks`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def times(count: int) -> str:
    """`once`, `2 times`; nothing for 0."""
    return "" if count == 0 else "once" if count == 1 else f"{count} times"
