"""What changed in a town's directory since a commit, for those who review it. Never raises.

Agents may write there, and git runs programs that a repository's own settings name (filters, an
external diff, a file monitor). So the looking is done with a scratch directory in place of `.git`,
without any settings: of the repository only its objects and a copy of its index are used.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

#: Characters of a difference, and names of new files, that are told.
DIFF_LIMIT, MOST_NAMES = 16_000, 100
#: How long git may take, in seconds; bytes of its output that are read.
PATIENCE, MOST_BYTES = 10.0, 4 * DIFF_LIMIT + 4
#: Whoever owns the repository: nothing of its settings is run.
_OPTIONS = ("-c", "core.quotePath=false", "-c", "safe.directory=*")
_SHOWN = ("diff", "--no-color", "--no-ext-diff", "--no-textconv", "--ignore-submodules=all")


def commit(directory: Path) -> str | None:
    """The commit that is checked out there; None without git, a repository or a commit."""
    return _git(directory, "rev-parse", "--verify", "--quiet", "HEAD").strip() or None


def since(directory: Path, base: str) -> str:
    """The difference of the files from a commit, then the names of new ones; "" for none."""
    found = _git(directory, "rev-parse", "--git-path", "objects", "--git-path", "index")
    paths = [directory / line for line in found.splitlines()]
    if len(paths) != 2:
        return ""
    objects, index = paths
    with tempfile.TemporaryDirectory(prefix="tinytown-git-") as scratch:
        env = _scratch(Path(scratch), directory, objects, index, base)
        told = _git(directory, *_SHOWN, "--relative", base, "--", ".", env=env)
        new = _git(directory, "ls-files", "--others", "--exclude-standard", "--", ".", env=env)
    if len(told) > DIFF_LIMIT:
        told = told[:DIFF_LIMIT] + f"\n… (cut after {DIFF_LIMIT:,} characters)"
    return "\n".join(part for part in (told.strip("\n"), _new_files(new)) if part)


def _new_files(listed: str) -> str:
    names = listed.splitlines()
    if not names:
        return ""
    more = [f"  … and {len(names) - MOST_NAMES} more"] if len(names) > MOST_NAMES else []
    return "\n".join(["New files:", *(f"  {name}" for name in names[:MOST_NAMES]), *more])


def _scratch(
    scratch: Path, directory: Path, objects: Path, index: Path, base: str
) -> dict[str, str]:
    """A bare-bones `.git`, and the environment that has git use it."""
    (scratch / "refs").mkdir()
    (scratch / "objects").mkdir()
    (scratch / "HEAD").write_text("ref: refs/heads/none\n")
    # Commits of 64 digits are SHA-256: https://git-scm.com/docs/hash-function-transition
    extension = "[extensions]\n\tobjectformat = sha256\n" if len(base) == 64 else ""
    version = 1 if extension else 0
    text = f"[core]\n\trepositoryformatversion = {version}\n\tbare = false\n{extension}"
    (scratch / "config").write_text(text)
    if index.is_file():
        # With its times: git compares the content of files that are as new as its index.
        shutil.copy2(index, scratch / "index")
    top = _git(directory, "rev-parse", "--show-toplevel").rstrip("\n")
    return {
        "GIT_DIR": str(scratch),
        "GIT_WORK_TREE": top,
        "GIT_OBJECT_DIRECTORY": str(objects),
        "GIT_INDEX_FILE": str(scratch / "index"),
    }


def _git(directory: Path, *arguments: str, env: dict[str, str] | None = None) -> str:
    """What git prints, its first `MOST_BYTES`; "" when it fails, is missing or takes too long."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    bare = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_OPTIONAL_LOCKS": "0"}
    try:
        process = subprocess.Popen(
            ["git", *_OPTIONS, *arguments],  # noqa: S607  # whichever git the user has
            cwd=directory,
            env={**kept, **bare, **(env or {}), "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return ""
    return _read(process)


def _read(process: subprocess.Popen[bytes]) -> str:
    late = threading.Timer(PATIENCE, process.kill)
    late.start()
    try:
        with process:
            read = process.stdout.read(MOST_BYTES) if process.stdout else b""
            enough = len(read) == MOST_BYTES
            if enough:
                process.kill()
    finally:
        late.cancel()
    return read.decode("utf-8", "replace") if enough or process.returncode == 0 else ""
