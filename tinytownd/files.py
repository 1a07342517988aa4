"""Small files: read whole, written whole or not at all, and refused with one clear line.

`parse_toml` names file and line of a mistake; `line_of` finds the line of a key that parsed but is
not acceptable, which no TOML library tells.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from tinytownd.domain.errors import BadInput, NotFound, TownError, Unavailable

# What the disk says when it is the disk, not the request, that is at fault.
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE}


def refusal(doing: str, path: Path, error: OSError) -> TownError:
    """The error for an operating system's refusal: `doing` is "read" or "written"."""
    message = f"{path} cannot be {doing}: {error.strerror or error}"
    return Unavailable(message) if error.errno in _DISK else BadInput(message)


def read_text(path: Path, *, hint: str = "") -> str:
    """The file as text. Raises NotFound (with `hint`), or BadInput when it is not UTF-8."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"{path} does not exist", hint=hint) from None
    except OSError as error:
        raise refusal("read", path, error) from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BadInput(f"{path}:{line}: the file is not UTF-8 text") from None


def write_atomic(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Replaces the file in one step; a reader sees the old text or the new one, never a part.

    A symbolic link is followed, so that it stays one. Raises BadInput or Unavailable (full disk).
    """
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        raise BadInput(f"{path} cannot be written: the text is not valid Unicode") from None
    target = Path(os.path.realpath(path))
    temporary = ""
    try:
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, "it is read-only")
        fd, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(fd, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())  # else a crash can leave the new name with no content
        Path(temporary).replace(target)
    except OSError as error:
        if temporary:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
        raise refusal("written", path, error) from error


def parse_toml(text: str, path: Path) -> dict[str, object]:
    """The document as plain values. Raises BadInput with file and line of a syntax error."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r" \(at line (\d+), column \d+\)", str(error))
        line = int(found[1]) if found else text.rstrip("\n").count("\n") + 1
        what = re.sub(r" \(at .*\)$", "", str(error))
        raise BadInput(
            f"{path}:{line}: not valid TOML: {what[:1].lower()}{what[1:]}",
            hint='every line is key = value or [table]; texts stand in "quotes"',
        ) from None
    except RecursionError:
        raise BadInput(f"{path}: the values are nested too deeply") from None


def line_of(text: str, keys: Sequence[str]) -> int:
    """The line (from 1) on which the value under `keys` begins, or 0 when it is not there.

    Parses ever longer beginnings of the text until the key is in: slow, but only a mistake costs
    it, and strings and arrays of several lines cannot mislead it.
    """
    lines, complete = text.split("\n"), 0
    for count in range(1, len(lines) + 1):
        try:
            document = tomllib.loads("\n".join(lines[:count]) + "\n")
        except tomllib.TOMLDecodeError:
            continue
        if _has(document, keys):
            return complete + 1
        complete = count
    return 0


def _has(table: object, keys: Sequence[str]) -> bool:
    for key in keys:
        if not isinstance(table, Mapping) or key not in table:
            return False
        table = table[key]
    return True
