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
_CONTROLS = dict.fromkeys([*range(9), *range(11, 32), *range(127, 160)], "\ufffd")
_AGE_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def show(data: object, lines: Iterable[str]) -> None:
    """Prints `data` as JSON where that was asked for, else the lines (made only then)."""
    if chosen.json:
        ascii_only = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
        write(indented(data, ascii_only=ascii_only))
    else:
        for line in lines:
            write(line)


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
    print(clean(text), file=sys.stderr, flush=True)


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
    error(f"{problem.filename or 'this'} cannot be used: {problem.strerror or problem}")


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
    import unicodedata  # noqa: PLC0415  # as at the top

    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) > 0 for char in text)


def fit(text: str, width: int) -> str:
    """The text cut to so many columns, with an ellipsis where something is missing."""
    if columns(text) <= width:
        return text
    text = text[: max(width, 0)]
    while text and columns(text) > width - 1:
        text = text[:-1]
    return text + "…" if width > 0 else ""


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Aligned lines under dim headers; on a terminal the last column is cut to the width."""
    cells = [[first_line("" if cell is None else cell) for cell in row] for row in rows]
    widths = [max(map(columns, column)) for column in zip(headers, *cells, strict=True)]
    if on_terminal():
        import shutil  # noqa: PLC0415  # as at the top

        taken = sum(widths[:-1]) + 2 * (len(widths) - 1)
        widths[-1] = max(shutil.get_terminal_size().columns - taken, 12)
    yield paint(_row(headers, widths), "dim")
    for row in cells:
        yield _row(row, widths, state=headers.index("state") if "state" in headers else -1)


def _row(cells: Sequence[str], widths: Sequence[int], state: int = -1) -> str:
    done = []
    for place, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        text = fit(cell, width)
        gap = " " * (width - columns(text)) if place < len(cells) - 1 else ""
        done.append((paint_state(text) if place == state else text) + gap)
    return "  ".join(done).rstrip()


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
