"""Every transcript reader on what CLIs really printed, with every kind of damage done to it."""

from __future__ import annotations

import itertools
import json
import random
import tracemalloc
import typing
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytownd.runtimes.readers import READERS, RateLimit, Transcript, reader
from tinytownd.runtimes.readers.base import LINE_LIMIT, TEXT_LIMIT
from tinytownd.runtimes.verdict import Outcome, verdict

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
#: The same examples every time, and nothing left on the disk.
bounded = settings(max_examples=25, deadline=None, database=None, derandomize=True)
WRONG: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 2**70, 10**400, 0.5, -1e300, float("nan"), float("inf")),
    *("", "\0", "\ud800", "x" * 70_000, "429 try again in 999999999999 days"),
    "usage limit; try again at Feb 31st, 9999 99:99 PM (../../etc)",
    *([], {}, [None], {"message": {"message": 1}}, [[[[]]]], {"": [{}]}),
)


def lines_of(*records: object) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def by_hand() -> dict[str, bytes]:
    """The formats that were never recorded, as their readers' tests describe them."""
    tokens = {"input": 10, "output": 2, "cache": {"read": 1, "write": 1}}
    step = {"reason": "tool-calls", "cost": 0.5, "tokens": tokens}
    auggie = {"result": "done", "is_error": False, "subtype": "success", "session_id": "s-1"}
    return {
        "auggie": json.dumps({**auggie, "turns": [{"n": 1}, {}]}, indent=2).encode() + b"\n",
        "gemini": lines_of(
            {"type": "init", "session_id": "g-1"},
            {"type": "message", "role": "assistant", "content": "Let me", "delta": True},
            {"type": "tool_use", "tool_name": "shell"},
            {"type": "message", "role": "assistant", "content": "done", "delta": True},
            {"type": "error", "message": "Resource exhausted, retry in 30s"},
            {"type": "result", "status": "error", "error": {"message": "429"}, "stats": tokens},
        ),
        "copilot": lines_of(
            {"type": "assistant.message", "data": {"content": "done"}},
            {"type": "session.error", "data": {"message": "no such model"}},
            {"type": "result", "sessionId": "c-1", "exitCode": 1},
        ),
        "opencode": lines_of(
            {"type": "step_finish", "sessionID": "o-1", "part": step},
            {"type": "text", "sessionID": "o-1", "part": {"text": "done"}},
            {"type": "step_finish", "sessionID": "o-1", "part": {**step, "reason": "stop"}},
            {"type": "error", "error": {"name": "E", "data": {"message": "boom"}}},
        ),
        "aider": b"Tokens: 2.4k sent.\nlitellm.RateLimitError: try again in 2 minutes\n",
        "text": "Grüße\n".encode() * 3,
    }


def transcripts() -> Iterator[tuple[str, bytes]]:
    for file in sorted(Path(__file__).with_name("transcripts").glob("*.jsonl")):
        yield file.name.partition("-")[0], file.read_bytes()
    yield from by_hand().items()


ALL = list(transcripts())
TYPES = {kind: typing.get_type_hints(kind) for kind in (Transcript, Outcome)}


def fed(form: str, *pieces: bytes) -> Transcript:
    """What the reader makes of it; `final` never goes back."""
    subject = reader(form, lambda: NOON)
    final = False
    for piece in pieces:
        subject.feed(piece)
        assert subject.final >= final
        final = subject.final
    transcript = subject.finish()
    assert transcript.final >= final
    return transcript


def check(form: str, output: bytes, pieces: list[bytes]) -> None:
    """The transcript has its declared types, can be stored, and no cut changes it."""
    transcript = fed(form, output)
    assert transcript == fed(form, *pieces)
    for code, stderr in ((0, ""), (1, "\0 \ud800"), (137, ""), (None, "429")):
        for told in (
            transcript,
            verdict(transcript, code, stderr.encode(errors="replace").decode()),
        ):
            stored(told)


def stored(told: Transcript | Outcome) -> None:
    for name, wanted in TYPES[type(told)].items():
        value = getattr(told, name)
        assert fits(value, wanted), f"{name} is {value!r:.200}, not {wanted}"
        if isinstance(value, str):
            assert "\0" not in value
            assert len(value) <= TEXT_LIMIT + 100
        if isinstance(value, RateLimit):
            value = value.resets_at
        if isinstance(value, datetime):
            assert value.tzinfo is UTC
            value = int(value.timestamp() * 1000)
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        assert json.loads(text.encode()) == value


def fits(value: object, wanted: Any) -> bool:
    if typing.get_origin(wanted) is typing.Literal:
        return value in typing.get_args(wanted)
    if args := typing.get_args(wanted):
        return any(fits(value, one) for one in args)
    return type(value) is wanted


def in_pieces(output: bytes, dice: random.Random) -> list[bytes]:
    """Byte by byte where that does not take too long, else cut anywhere."""
    if len(output) < 4_000:
        return [output[at : at + 1] for at in range(len(output))]
    cuts = sorted(dice.randrange(len(output)) for _ in range(50))
    return [output[a:b] for a, b in itertools.pairwise([0, *cuts, len(output)])]


# --- damage


def flip(output: bytes, dice: random.Random) -> bytes:
    changed = bytearray(output or b"{}")
    for _ in range(dice.randint(1, 12)):
        changed[dice.randrange(len(changed))] = dice.choice(
            [0, 10, 34, 123, 0xFF, dice.randrange(256)]
        )
    return bytes(changed)


def cut(output: bytes, dice: random.Random) -> bytes:
    start, end = sorted(dice.randrange(len(output) + 1) for _ in range(2))
    return output[start:end] if dice.random() < 0.5 else output[:end]


def shuffle(output: bytes, dice: random.Random) -> bytes:
    """Lines dropped, doubled, in another order."""
    lines = output.splitlines(keepends=True) or [b""]
    return b"".join(dice.choices(lines, k=dice.randint(1, 2 * len(lines))))


def stretch(output: bytes, dice: random.Random) -> bytes:
    """A line as long as may be, or a little longer, between the others."""
    lines = output.splitlines(keepends=True)
    size = dice.choice([*[TEXT_LIMIT] * 8, LINE_LIMIT - 40, LINE_LIMIT + 1])
    giant = b'{"type": "result", "result": "%s"}\n' % (b"y" * size)
    lines.insert(dice.randrange(len(lines) + 1), giant)
    return b"".join(lines)


DAMAGE = (flip, cut, shuffle, stretch)


@pytest.mark.parametrize("form", list(READERS))
@pytest.mark.parametrize("damage", DAMAGE, ids=lambda one: one.__name__)
@bounded
@given(number=st.integers(0, len(ALL) - 1), seed=st.integers(0, 2**32))
def test_damaged_transcripts(form: str, damage: Any, number: int, seed: int) -> None:
    dice = random.Random(seed)
    output = damage(ALL[number][1], dice)
    for _ in range(dice.randrange(3)):
        output = dice.choice([flip, cut, shuffle])(output, dice)
    check(form, output, in_pieces(output, dice))


def leaves(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to everything in a record, the record's own parts as well."""
    inner = (
        data.items()
        if isinstance(data, dict)
        else enumerate(data)
        if isinstance(data, list)
        else ()
    )
    for key, value in inner:
        yield (*path, key)
        yield from leaves(value, (*path, key))


def replaced(data: Any, path: tuple[Any, ...], value: object) -> Any:
    if not path:
        return value
    copy = data.copy()
    copy[path[0]] = replaced(data[path[0]], path[1:], value)
    return copy


def records_of(output: bytes) -> list[Any]:
    try:
        return [json.loads(output)]
    except ValueError:
        lines = [line for line in output.splitlines() if line.startswith(b"{")]
        return [json.loads(line) for line in lines]


@pytest.mark.parametrize("number", range(len(ALL)))
def test_the_wrong_type_everywhere(number: int) -> None:
    form, output = ALL[number]
    dice = random.Random(number)
    for at, record in enumerate(records := records_of(output)):
        for path in leaves(record):
            # One wrong value at each place; over all places and files, each comes many times.
            changed = [*records]
            changed[at] = replaced(record, path, dice.choice(WRONG))
            check(form, whole := lines_of(*changed), [whole[:99], whole[99:]])


def floods() -> dict[str, Iterator[bytes]]:
    """Output that goes on and on, in the pieces in which it is read."""
    mib = 1 << 20
    delta = lines_of({"type": "message", "role": "assistant", "content": "z" * 900, "delta": True})
    return {
        "one line": itertools.repeat(b"x" * mib, 12),
        "one record": itertools.chain(
            [b'{"type": "result", "result": "'], itertools.repeat(b"x" * mib, 12)
        ),
        "empty lines": itertools.repeat(b"\n" * (mib // 8), 2),
        "open braces": itertools.repeat(b"{\n" * 10_000, 2),
        "deltas": itertools.repeat(delta * 400, 3),
        "good records": itertools.repeat(lines_of({"type": "x", "a": ["b"] * 9}) * 2_000, 3),
    }


@pytest.mark.parametrize("form", list(READERS))
@pytest.mark.parametrize("name", list(floods()))
def test_endless_output_takes_no_more_memory(form: str, name: str) -> None:
    subject = reader(form, lambda: NOON)
    pieces = floods()[name]
    subject.feed(next(pieces))
    tracemalloc.start()
    try:
        for piece in pieces:
            subject.feed(piece)
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # What is kept is one line and a few texts; at its worst a piece is split into its lines, and
    # the line that is read is there as bytes, as text and as what it means.
    assert kept <= 2 * LINE_LIMIT
    assert most <= 100 << 20
    subject.finish()
