"""Install the agent CLIs of `make test-real` from npm into a cache directory.

Run as a script it prints, one a line, the directories to put on PATH. Exit codes: 0 all there,
1 npm failed, 3 this machine has no npm (the caller skips with the line on standard error).
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

EXIT_FAILED = 1
EXIT_NO_NPM = 3
INSTALL_LIMIT_S = 600


@dataclass(frozen=True)
class Cli:
    """A CLI that npm serves; `setup` is the install script that npm 11 leaves out."""

    name: str
    package: str
    version: str
    setup: str = ""


CLIS = (
    Cli("claude", "@anthropic-ai/claude-code", "2.1.197", setup="install.cjs"),
    Cli("codex", "@openai/codex", "0.169.0"),
    Cli("auggie", "@augmentcode/auggie", "0.36.0"),
)


class NoNpmError(Exception):
    """npm is not on PATH: install nodejs and npm to run the real agent CLIs"""


class InstallError(Exception):
    """npm could not install an agent CLI"""


def cache_dir() -> Path:
    """Where the CLIs are kept between runs: below XDG_CACHE_HOME, by default ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "tinytown" / "agent-clis"


def bin_dir(cli: Cli, cache: Path) -> Path:
    """The directory that holds the program of one CLI, and no other program."""
    return cache / f"{cli.name}-{cli.version}" / "node_modules" / ".bin"


def is_installed(cli: Cli, cache: Path) -> bool:
    """True when the pinned version is there; the stamp is written last, so half is not there."""
    return (bin_dir(cli, cache).parent.parent / "installed").exists()


def install(cache: Path) -> list[Path]:
    """Make sure that every CLI is in the cache; return their directories, in the order of CLIS.

    Two calls at once wait for each other. Raises NoNpmError, or InstallError with npm's reason.
    """
    if not all(is_installed(cli, cache) for cli in CLIS):
        if shutil.which("npm") is None or shutil.which("node") is None:
            raise NoNpmError(NoNpmError.__doc__)
        cache.mkdir(parents=True, exist_ok=True)
        with (cache / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for cli in CLIS:
                if not is_installed(cli, cache):
                    _install_one(cli, cache)
    return [bin_dir(cli, cache) for cli in CLIS]


def _install_one(cli: Cli, cache: Path) -> None:
    prefix = bin_dir(cli, cache).parent.parent
    shutil.rmtree(prefix, ignore_errors=True)
    prefix.mkdir(parents=True)
    # A package.json of its own, or npm would look for one in the directories above.
    (prefix / "package.json").write_text(json.dumps({"private": True}))
    _run(["npm", "install", "--no-audit", "--no-fund", f"{cli.package}@{cli.version}"], prefix)
    if cli.setup:
        _run(["node", cli.setup], prefix / "node_modules" / cli.package)
    (prefix / "installed").touch()


def _run(argv: list[str], cwd: Path) -> None:
    try:
        done = subprocess.run(
            argv, cwd=cwd, capture_output=True, text=True, timeout=INSTALL_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired as late:
        raise InstallError(f"{' '.join(argv)}: no end after {INSTALL_LIMIT_S} s") from late
    if done.returncode:
        # npm's warnings come first, and the name of its log file last.
        errors = [line for line in done.stderr.splitlines() if "error" in line.lower()]
        why = "; ".join(errors[:2]) or "no reason given"
        raise InstallError(f"{' '.join(argv)}: exit {done.returncode}: {why}")


def main() -> int:
    """Install, print the directories, return the exit code."""
    try:
        directories = install(cache_dir())
    except NoNpmError as error:
        print(error, file=sys.stderr)
        return EXIT_NO_NPM
    except (InstallError, OSError) as error:
        print(f"agent CLIs not installed: {error}", file=sys.stderr)
        return EXIT_FAILED
    print(*directories, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
