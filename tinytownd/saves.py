"""A save: a town's whole state as one text, from records and back. Pure: no file is touched here.

JSON lines, UTF-8. The first line is the header, every other one record or event of the town:

    {"tinytown":"save","version":1,"format":1,"town":…,"created_at":…,"command":…,
     "counts":{…},"bytes":…,"sha256":…}
    {"town":{…}}  {"agents":{…}}  {"tasks":{…}}  {"messages":{…}}  {"rounds":{…}}  {"events":{…}}
    {"archived_tasks":{…}}  {"archived_rounds":{…}}

`bytes` is how many follow the header, `sha256` that of the whole text with the checksum itself
left empty. Rounds go without their tokens: no secret leaves the town.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tinytownd.domain.agent import Agent
from tinytownd.domain.errors import BadInput
from tinytownd.domain.graph import find_cycles
from tinytownd.domain.hostile import check_event, check_record
from tinytownd.domain.message import Round
from tinytownd.domain.meta import Meta
from tinytownd.domain.record import Record
from tinytownd.domain.task import Task
from tinytownd.store import formats

#: How the lines are laid out; what is in them has the store's format.
VERSION = 1
EVENTS = "events"
#: Bytes of a save, at most. Ours: half of what Redis takes as one value (`proto-max-bulk-len`).
MAX_SAVE_BYTES = 256 * 1024 * 1024
#: A header is a short line; more is not looked at to find its end.
MAX_HEADER_BYTES = 64 * 1024
#: What was put away, by how its lines begin.
ARCHIVED: dict[str, type[Record]] = {f"archived_{one.kind}": one for one in (Task, Round)}
_KINDS = (Meta.kind, *formats.RECORDS, EVENTS, *ARCHIVED)
_WRONG = "restore needs a file that tt save wrote"


@dataclass(frozen=True)
class Save:
    """What a save holds: its header, and the town's records and history, oldest first."""

    header: Mapping[str, Any]
    counts: Mapping[str, int]
    meta: Meta
    records: list[Record]
    events: list[dict[str, Any]]
    archived: list[Record] = field(default_factory=list)


def encode(
    meta: Meta,
    records: Iterable[Record],
    events: Iterable[str],
    about: Mapping[str, str],
    archived: Iterable[Record] = (),
) -> bytes:
    """A town as a save. `events` are JSON already; `about` has `created_at` and `command`."""
    told = [(Meta.kind, _text(meta.to_json()))]
    told += [(record.kind, _plain(record)) for record in records]
    told += [(EVENTS, event) for event in events]
    told += [(f"archived_{record.kind}", _plain(record)) for record in archived]
    counts = dict.fromkeys(_KINDS[1:], 0) | Counter(kind for kind, _ in told[1:])
    lines = [_line(kind, text) for kind, text in told]
    body = "".join(lines).encode()
    header = {
        "tinytown": "save",
        "version": VERSION,
        "format": formats.FORMAT,
        "town": meta.name,
        **about,
        "counts": counts,
        "bytes": len(body),
        "sha256": "",
    }
    checksum = hashlib.sha256(_head(header) + body).hexdigest()
    return _head(header | {"sha256": checksum}) + body


def _plain(record: Record) -> str:
    return _text((record.but(token="") if isinstance(record, Round) else record).to_json())


def header_of(raw: bytes) -> dict[str, Any] | None:
    """The header of what may be a save, from its first bytes; None where it is none."""
    line, end, _ = raw[:MAX_HEADER_BYTES].partition(b"\n")
    try:
        header = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not end or not isinstance(header, dict) or header.get("tinytown") != "save":
        return None
    return header


def decode(raw: bytes, name: str) -> Save:
    """What is in a save; `name` is the file's, for the errors.

    Raises `BadInput` for what is no save, is cut off, damaged or made up, `Conflict` for one that
    only a newer tinytown can read.
    """
    header = _sound(raw, name)
    rows: dict[str, list[dict[str, Any]]] = {kind: [] for kind in _KINDS}
    for number, line in enumerate(raw.split(b"\n")[1:-1], 2):
        try:
            kind, row = _parsed(line)
        except (ValueError, RecursionError):
            raise BadInput(f"{name}:{number}: that is no record of a town", hint=_WRONG) from None
        rows[kind].append(row)
    if len(rows[Meta.kind]) != 1:
        raise BadInput(f"{name} does not tell which town it is of", hint=_WRONG)
    try:
        put_away = {one.kind: rows[kind] for kind, one in ARCHIVED.items()}
        rows = dict(formats.brought_up(rows, header["format"]))
        (meta,) = (check_record(Meta, row) for row in rows[Meta.kind])
        records = _checked(rows)
        archived = _checked(formats.chunk(put_away, header["format"]))
        events = [check_event(row) for row in rows[EVENTS]]
        _check_whole([*records, *archived])
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{name} holds what no town holds: {error}", hint=_WRONG) from None
    counts = {kind: len(rows[kind]) for kind in _KINDS[1:]}
    return Save(header, counts, meta, records, events, archived)


def _checked(rows: formats.Rows) -> list[Record]:
    return [check_record(cls, row) for kind, cls in formats.RECORDS.items() for row in rows[kind]]


def _sound(raw: bytes, name: str) -> dict[str, Any]:
    """The header of a save that is whole and undamaged."""
    header = header_of(raw)
    if header is None:
        if raw.startswith(b'{"tinytown":"save"'):
            raise BadInput(f"{name} is cut off or damaged: it has no whole header")
        raise BadInput(f"{name} is no save of a town", hint=_WRONG)
    numbers = [header.get(key) for key in ("version", "format", "bytes")]
    words = [header.get(key) for key in ("town", "created_at", "sha256")]
    whole = all(type(number) is int and number >= 0 for number in numbers)
    if not whole or not all(isinstance(word, str) and word.isprintable() for word in words):
        raise BadInput(f"{name} is damaged: its header is not whole")
    formats.check(header["version"], name, VERSION)
    formats.check(header["format"], name)
    there = len(raw) - raw.index(b"\n") - 1
    if there < header["bytes"]:
        raise BadInput(f"{name} is cut off: {there:,} of {header['bytes']:,} bytes are there")
    plain = raw.replace(header["sha256"].encode(), b"", 1)
    if hashlib.sha256(plain).hexdigest() != header["sha256"]:
        raise BadInput(f"{name} is damaged: its checksum does not fit", hint="take another copy")
    return header


def _parsed(line: bytes) -> tuple[str, dict[str, Any]]:
    """The kind and the fields of one line; raises ValueError."""
    ((kind, row),) = json.loads(line, parse_constant=_no_number).items()
    if kind not in _KINDS or not isinstance(row, dict):
        raise ValueError(kind)
    return kind, row


def _no_number(text: str) -> object:
    raise ValueError(text)


def _check_whole(records: list[Record]) -> None:
    """Raises ValueError where records do not go together."""
    counts = Counter((record.kind, record.id) for record in records)
    counts.update(("agents", f"named {a.name.lower()}") for a in records if isinstance(a, Agent))
    for (kind, called), count in counts.items():
        if count > 1:
            raise ValueError(f"{count} {kind} are {called}")
    tasks = {task.id: task for task in records if isinstance(task, Task)}
    above = {
        task.id: [one for one in (*task.needs, task.parent or "") if one in tasks]
        for task in tasks.values()
    }
    for cycle in [*([one] for one in above if one in above[one]), *find_cycles(above)]:
        raise ValueError(f"task {cycle[0]} waits for itself")


def _line(kind: str, text: str) -> str:
    return f'{{"{kind}":{text}}}\n'


def _head(header: Mapping[str, object]) -> bytes:
    return f"{_text(header)}\n".encode()


def _text(data: object) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))
