"""Small files: read whole, written whole or not at all, and refused with one clear line.

What is written below a directory that others write to as well (a town's) goes from directory to
directory by descriptor, and through no link: who may write only there gets nobody to write
elsewhere in their place. `parse_toml` names file and line of a mistake; `line_of` finds the line
of a key that parsed but is not acceptable, which no TOML library tells.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from tinytownd.domain.errors import BadInput, Conflict, NotFound, TownError, Unavailable

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


def write_atomic(path: Path, text: str, *, mode: int = 0o600, within: Path | None = None) -> None:
    """Replaces the file in one step; a reader sees the old text or the new one, never a part.

    A symbolic link is followed, so that it stays one, but not out of `within`. What an earlier
    writer left that was killed goes: a file has one writer at a time. Raises BadInput, or
    Unavailable (full disk).
    """
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        raise BadInput(f"{path} cannot be written: the text is not valid Unicode") from None
    target = Path(os.path.realpath(path))
    root = target.parent if within is None else Path(os.path.realpath(within))
    if root not in target.parents:
        raise BadInput(f"{path} is a link out of {within}", hint=f"put a file in its place: {path}")
    try:
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, "it is read-only")
        with directory_inside(root, target.parent, make=False) as directory:
            _clear(directory, target.name)
            _replace(directory, target.name, raw, mode)
    except OSError as error:
        raise refusal("written", path, error) from error


def _replace(directory: int, name: str, raw: bytes, mode: int) -> None:
    """Writes a file of the directory beside its old self, then puts it in its place."""
    temporary = f".{name[:200]}.{os.urandom(4).hex()}.new"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=directory)
    try:
        with os.fdopen(fd, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())  # else a crash can leave the new name with no content
        os.replace(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=directory)
        raise


def _clear(directory: int, name: str) -> None:
    """Takes away what writers of the file left that were killed."""
    left = re.compile(rf"\.{re.escape(name[:200])}\.[0-9a-f]{{8}}\.new")
    for found in filter(left.fullmatch, os.listdir(directory)):
        os.unlink(found, dir_fd=directory)


def write_apart(path: Path, raw: bytes, *, replace: bool) -> None:
    """Writes a file that a person named, 0600 and in one step; never through a link.

    What is there already is only replaced with `replace`, and only if it is a file: raises
    `Conflict`, `BadInput`, or Unavailable (full disk).
    """
    try:
        with directory_inside(path.parent, path.parent) as directory:
            _check_place(directory, path, replace=replace)
            _clear(directory, path.name)
            _replace(directory, path.name, raw, 0o600)
    except OSError as error:
        raise refusal("written", path, error) from error


def _check_place(directory: int, path: Path, *, replace: bool) -> None:
    try:
        there = os.stat(path.name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not stat.S_ISREG(there.st_mode):
        raise BadInput(f"{path} is no file of its own", hint="choose another name")
    if not replace:
        raise Conflict(f"{path} is there already", hint="--force replaces it")


def _not_blocking(path: str, flags: int) -> int:
    # A FIFO would hold up its reader for ever.
    return os.open(path, flags | os.O_NONBLOCK)


def read_whole(path: Path, most: int) -> bytes:
    """A file that a person named, of at most so many bytes. Raises NotFound, BadInput."""
    try:
        with open(path, "rb", opener=_not_blocking) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise BadInput(f"{path} is no file")
            if status.st_size > most:
                raise BadInput(f"{path} is larger than {most // 2**20} MiB")
            return file.read(most + 1)[:most]
    except FileNotFoundError:
        raise NotFound(f"{path} does not exist") from None
    except OSError as error:
        raise refusal("read", path, error) from error


@contextlib.contextmanager
def directory_inside(root: Path, path: Path, *, make: bool = True) -> Iterator[int]:
    """A descriptor of the directory `path`, which is `root` or below it, by way of no link.

    What is missing below `root` is made, 0700. Raises OSError, BadInput for a link.
    """
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    names = path.relative_to(root).parts
    try:
        for depth, name in enumerate(names, 1):
            try:
                inner = _enter(fd, name, make=make)
            except OSError as error:
                _refuse_link(root.joinpath(*names[:depth]), error)
                raise
            os.close(fd)
            fd = inner
        yield fd
    finally:
        os.close(fd)


def _enter(fd: int, name: str, *, make: bool) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    try:
        return os.open(name, flags, dir_fd=fd)
    except FileNotFoundError:
        if not make:
            raise
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=fd)
    return os.open(name, flags, dir_fd=fd)


def open_inside(root: Path, path: Path, flags: int, *, make: bool = True) -> int:
    """A descriptor of a file below `root` that is to be written, by way of no link; a new one 0600.

    Neither is it opened where it is a link itself (a hard one, too), nor where it is no file.
    Directories are made as by `directory_inside`. Raises OSError, BadInput for a link.
    """
    with directory_inside(root, path.parent, make=make) as directory:
        return open_in(directory, path, flags)


def open_in(directory: int, path: Path, flags: int) -> int:
    """The same, where there is a descriptor of the file's directory already."""
    # Not blocking: a FIFO in its place would hold up its opener for ever.
    how = flags & ~os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        fd = os.open(path.name, how, 0o600, dir_fd=directory)
    except OSError as error:
        _refuse_link(path, error)
        raise
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        os.close(fd)
        raise BadInput(f"{path} is no file of its own", hint=f"delete it: {path}")
    if flags & os.O_TRUNC:
        os.ftruncate(fd, 0)
    return fd


def _refuse_link(path: Path, error: OSError) -> None:
    """Raises BadInput where it was a link that could not be opened."""
    if error.errno in (errno.ELOOP, errno.ENOTDIR) and path.is_symlink():
        why = f"{path} is a link, and nothing is written through one here"
        raise BadInput(why, hint=f"delete it: {path}") from None
    if error.errno == errno.ENXIO:  # a FIFO that nobody reads, or a socket
        raise BadInput(f"{path} is no file of its own", hint=f"delete it: {path}") from None


def open_private(path: Path) -> BinaryIO:
    """A log to append to, 0600 whatever it was. Raises OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.fchmod(fd, 0o600)
    return os.fdopen(fd, "ab")


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
