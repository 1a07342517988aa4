"""JSON by the C functions of `json`; importing that itself costs most of another Python's start."""

from __future__ import annotations

from _json import encode_basestring, encode_basestring_ascii, make_scanner

TYPE_CHECKING = False  # `typing` alone would more than double the start-up time
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_WORDS = {"True": "true", "False": "false", "None": "null"}
_WORDS |= {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


class _Rules:
    """What `json.loads` tells its scanner."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float, parse_int, parse_constant = float, int, float


_scan = make_scanner(_Rules())  # type: ignore[arg-type]  # the stub is wrong


def parsed(text: str) -> object:
    """What `json.loads` makes of it. Raises ValueError."""
    text = text.strip()
    try:
        value, end = _scan(text, 0)
    except StopIteration:
        raise ValueError("this is no JSON") from None
    if end != len(text):
        raise ValueError("this is JSON and more")
    return value


def compact(told: dict[str, str]) -> str:
    """An object of texts, on one line, as it is."""
    pairs = (f"{encode_basestring(name)}: {encode_basestring(text)}" for name, text in told.items())
    return "{" + ", ".join(pairs) + "}"


def indented(data: object, *, ascii_only: bool) -> str:
    """What `json.dumps` makes of it with an indent of 2."""
    return "".join(
        _pieces(data, encode_basestring_ascii if ascii_only else encode_basestring, "\n")
    )


def _pieces(data: object, quoted: Callable[[str], str], line: str) -> Iterator[str]:
    """`line` is what begins a line on this level: its end, and what it is indented by."""
    if isinstance(data, str):
        yield quoted(data)
    elif isinstance(data, dict) and data:
        for number, (name, value) in enumerate(data.items()):
            yield f"{',' if number else '{'}{line}  {quoted(name)}: "
            yield from _pieces(value, quoted, line + "  ")
        yield line + "}"
    elif isinstance(data, list | tuple) and data:
        for number, value in enumerate(data):
            yield f"{',' if number else '['}{line}  "
            yield from _pieces(value, quoted, line + "  ")
        yield line + "]"
    elif isinstance(data, dict | list | tuple):
        yield "{}" if isinstance(data, dict) else "[]"
    else:
        yield _WORDS.get(repr(data), repr(data))
