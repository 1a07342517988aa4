"""The embedded server's append-only files: are they whole, and where not, is it only a torn tail.

A power cut may tear off what was never synced: the last file ends within its last transaction, or
in zeros. That is mended, with a copy of what is cut. Everything else is damage, and refused: a
server that is left to itself would drop all that follows a length with one wrong digit.

The files are RESP text (https://redis.io/docs/latest/develop/reference/protocol-spec/), listed by
a manifest; the effects of a script stand between MULTI and EXEC.
"""

from __future__ import annotations

import mmap
import os
import re
import shlex
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from tinytownd.domain.errors import Unavailable
from tinytownd.store.synced import mark_path, read_mark, sync

MANIFEST = "appendonly.aof.manifest"
Bytes = bytes | mmap.mmap

_HEADER = re.compile(rb"[*$](\d{1,10})\r\n")
#: What is left of a header at the very end of a file.
_CUT_HEADER = re.compile(rb"[*$]\d{0,10}\r?")
#: No payload of ours holds this: a line's end is escaped in JSON.
_COMMAND = re.compile(rb"\r\n\*\d+\r\n\$\d+\r\n")
_LISTED = re.compile(r"file (\S+) seq (\d+) type ([bih])")
_INCREMENT = re.compile(r"\.(\d+)\.incr\.aof$")


@dataclass(frozen=True, slots=True)
class Break:
    """Where whole data ends: the last whole transaction before `safe`, the trouble at `at`.

    `end` is where what was written ends: zeros follow, or nothing.
    """

    safe: int
    at: int
    what: str
    torn: bool
    end: int


class _Broken(Exception):
    """The data cannot be read on from `at`. `cut`: because it ends there."""

    def __init__(self, at: int, what: str, *, cut: bool) -> None:
        self.at, self.what, self.cut = at, what, cut
        super().__init__(what)


def find_break(data: Bytes) -> Break | None:
    """What is wrong with an append-only file; None when it is whole."""
    end = len(data)
    while end and data[end - 1] == 0:  # what a file system gives back for blocks never written
        end -= 1
    at = safe = 0
    inside = False
    try:
        while at < end:
            name, after = _command(data, at, end)
            if name == (b"MULTI" if inside else b"EXEC"):
                raise _Broken(at, f"{name.decode()} out of place", cut=False)
            inside = name == b"MULTI" or (inside and name != b"EXEC")
            at = after
            safe = safe if inside else at
        if inside:
            raise _Broken(end, "a transaction without its end", cut=True)
    except _Broken as broken:
        torn = broken.cut and not _COMMAND.search(data, broken.at, end)
        return Break(safe, broken.at, broken.what, torn, end)
    return Break(safe, end, "zeros", True, end) if end < len(data) else None


def _command(data: Bytes, at: int, end: int) -> tuple[bytes, int]:
    """A command's name (only of one without arguments) and where it ends; or a comment's."""
    if data[at] == ord("#"):
        newline = data.find(b"\n", at, end)
        if newline < 0:
            raise _Broken(at, "half a comment", cut=True)
        return b"", newline + 1
    count, cursor = _header(data, at, end, b"*")
    if count == 0:
        raise _Broken(at, "a command of no words", cut=False)
    first = cursor
    for _ in range(count):
        header = cursor
        size, start = _header(data, header, end, b"$")
        cursor = start + size + 2
        if cursor > end:
            raise _Broken(header, "half a command", cut=True)
        if data[cursor - 2 : cursor] != b"\r\n":
            raise _Broken(cursor - 2, "a word that does not end where it should", cut=False)
    name = data[first:cursor].split(b"\r\n")[1] if count == 1 else b""
    return name, cursor


def _header(data: Bytes, at: int, end: int, mark: bytes) -> tuple[int, int]:
    """The number after `*` or `$`, and where the next line begins."""
    found = _HEADER.match(data, at, end)
    if found and data[at : at + 1] == mark:
        return int(found[1]), found.end()
    rest = data[at : min(end, at + 16)]
    if not rest or (rest[:1] == mark and at + len(rest) == end and _CUT_HEADER.fullmatch(rest)):
        raise _Broken(at, "half a command", cut=True)
    raise _Broken(at, f"no number of {'words' if mark == b'*' else 'bytes'}", cut=False)


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of the manifest. `kind`: `b`ase, `i`ncrement, or `h`istory that is about to go."""

    name: str
    seq: int
    kind: str


def folder(data: Path) -> Path:
    """Where the server keeps the files, below its data directory."""
    return data / "appendonlydir"


def read_manifest(data: Path) -> list[Listed]:
    """The files that belong together, in their order. Raises Unavailable, OSError."""
    path = folder(data) / MANIFEST
    if not path.exists():
        raise _lost(data, f"{path} is missing")
    listed = []
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        found = _LISTED.match(line)
        if found:
            listed.append(Listed(found[1], int(found[2]), found[3]))
        elif not line.startswith("#"):
            raise _lost(data, f"{path}:{number} is damaged")
    return [one for one in listed if one.kind != "h"]


def ensure_there(data: Path) -> None:
    """Before a start: all that the manifest lists is there, and as long as it was once synced.

    What is not, the server itself would take for an empty town or a shorter history. Raises
    Unavailable, OSError.
    """
    listed, mark = read_manifest(data), read_mark(data)
    for one in listed:
        path = folder(data) / one.name
        if not path.exists():
            raise _lost(data, f"{path} is missing")
        if (lost := mark.get(one.name, 0) - path.stat().st_size) > 0:
            raise Unavailable(
                f"the last {lost:,} bytes of {path} are gone",
                hint=f"{_put_back(data)}, or go on with what is left: rm {_word(mark_path(data))}",
            )
    newest = max((one.seq for one in listed if one.kind == "i"), default=0)
    for name in mark:
        found = _INCREMENT.search(name)
        if found and int(found[1]) > newest:
            raise _lost(data, f"{folder(data) / MANIFEST} does not list {name}")


def mend(data: Path) -> dict[str, object] | None:
    """After a server refused its files: cuts a torn tail, and says what it did.

    None when the form of all files is good, or there are none. Raises Unavailable for damage,
    OSError.
    """
    if not (folder(data) / MANIFEST).exists():
        return None
    listed = read_manifest(data)
    for one in listed:
        path = folder(data) / one.name
        found = _look(path)
        if found is None:
            continue
        damage = f"{path} is damaged at byte {found.at}: {found.what}"
        if one is not listed[-1]:
            raise _lost(data, damage)
        if not found.torn or found.end < read_mark(data).get(one.name, 0):
            raise Unavailable(damage, hint=f"{_put_back(data)}, or {_give_up(data, path, found)}")
        return _cut(path, found)
    return None


def _look(path: Path) -> Break | None:
    with path.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return None  # an empty file cannot be mapped
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return find_break(data)


def _cut(path: Path, found: Break) -> dict[str, object]:
    """Cuts the file after its last whole transaction; what is cut is kept beside it."""
    kept = path.with_name(f"{path.name}.torn-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(found.safe)
        kept.touch(mode=0o600)
        with kept.open("wb") as copy:
            shutil.copyfileobj(file, copy)
        sync([kept])  # before the original is gone
        file.truncate(found.safe)
    sync([path, path.parent])
    return {"file": str(path), "cut": size - found.safe, "left": found.safe, "kept": str(kept)}


# What a person can do


def _lost(data: Path, message: str) -> Unavailable:
    """The error for files that cannot be cut anywhere: a copy, or an empty store."""
    there, marks = _word(folder(data)), f"{_word(data)}/generation {_word(mark_path(data))}"
    return Unavailable(
        f"the towns' data is gone: {message}",
        hint=f"{_put_back(data)}, or start empty: mv {there} {there}.lost; rm -f {marks}",
    )


def _put_back(data: Path) -> str:
    return f"put back a copy of {_word(folder(data))}"


def _give_up(data: Path, path: Path, found: Break) -> str:
    there, mark = _word(folder(data)), _word(mark_path(data))
    return (
        f"give up what follows byte {found.safe}: cp -a {there} {there}.damaged"
        f" && truncate -s {found.safe} {_word(path)} && rm -f {mark}"
    )


def _word(path: Path) -> str:
    return shlex.quote(str(path))
