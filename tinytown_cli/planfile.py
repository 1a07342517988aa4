"""A plan file as text: read whole, written whole or not at all. Nobody here understands it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tinytown_cli import places
from tinytownd.domain.errors import BadInput, Conflict, NotFound
from tinytownd.domain.names import check_name
from tinytownd.wire import MAX_PLAN_BYTES

EXAMPLE = """\
# The town's plan. `tt plan` shows it in waves, `tt sync push` hands it over, `tt conductor`
# has it carried out, `tt sync pull` writes states and results back into this file.

[meta]
description = "Auth API pipeline"
# default_agent = "developer"      # who takes tasks that name nobody (else: the backlog)

[[tasks]]
id = "design"
description = "Design a REST API for user authentication with JWT tokens"
agent = "architect"
status = "pending"
# priority = "high"                # low, normal, high or urgent
# tags = ["api"]

[[tasks]]
id = "implement"
description = "Implement the auth API from the architect's design"
agent = "developer"
status = "pending"
parent = "design"                  # starts after it, and gets its result
# depends_on = ["design", "other"]  # any number of tasks to wait for

# [[tasks]]
# id = "lint"
# description = "Check the style"
# run = "make lint"                # a command of the shell instead of an agent
# depends_on = ["implement"]
"""


def path() -> Path:
    """The plan file of the town that is meant. Raises `NotFound`."""
    return places.town_directory() / places.PLAN


def file_of(file: Path | None = None, plan: str | None = None) -> Path:
    """The file that is meant: the one that is named, else the plan's own. Raises `NotFound`.

    That is `tasks.toml` for the town's plan, `plans/NAME.toml` for another. Raises `BadInput`.
    """
    if file is not None:
        return file.expanduser()
    if plan is None or plan == places.MAIN:
        return path()
    return places.town_directory() / "plans" / f"{check_name(plan, 'plan')}.toml"


def read(file: Path | None = None, *, missing: str | None = None) -> str:
    """The file's text, or `missing` where there is none. Raises `NotFound`, `BadInput`."""
    file = file or path()
    try:
        raw = file.read_bytes()
    except FileNotFoundError:
        if missing is not None:
            return missing
        if file.name == places.PLAN:
            why, hint = f"there is no {file.name} in this town", "tt plan --init"
        else:
            why, hint = f"there is no {file}", f"tt plan --init --file {file}"
        raise NotFound(why, hint=hint) from None
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}") from None
    if len(raw) > MAX_PLAN_BYTES:
        raise BadInput(f"{file.name} is larger than {MAX_PLAN_BYTES // 2**20} MiB")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BadInput(f"{file.name}:{line}: the file is not UTF-8 text") from None


def create(file: Path | None = None) -> Path:
    """Writes the example, if there is no plan yet. Raises `Conflict`."""
    file = file_of(file)
    try:
        file.parent.mkdir(exist_ok=True)
        with file.open("x", encoding="utf-8") as new:
            new.write(EXAMPLE)
    except FileExistsError:
        raise Conflict(f"{file.name} is there already", hint="tt plan shows it") from None
    except OSError as error:
        raise BadInput(f"{file} cannot be written: {error.strerror}") from None
    return file


def replace(before: str, after: str, file: Path | None = None) -> None:
    """Puts the new text in the place of the one that was read; keeps mode and symbolic links.

    Raises `Conflict` when somebody else has changed the file meanwhile, `BadInput`.
    """
    file = file or path()
    if read(file, missing="") != before:
        raise Conflict(f"{file.name} was changed meanwhile", hint="tt sync pull again")
    target = file.resolve()
    temporary: Path | None = None
    try:
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(13, "it is read-only")
        fd, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        temporary = Path(name)
        with os.fdopen(fd, "w", encoding="utf-8", newline="") as new:
            os.fchmod(fd, mode)
            new.write(after)
            new.flush()
            os.fsync(fd)  # else a crash can leave the new name with no content
        temporary.replace(target)
    except OSError as error:
        if temporary:
            temporary.unlink(missing_ok=True)
        raise BadInput(f"{target} cannot be written: {error.strerror}") from None
