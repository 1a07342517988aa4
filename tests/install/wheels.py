"""The wheel of this tree, what it needs in a wheelhouse, and environments that have both.

pip runs in the environment of the tests and works on another one (`--python`): those need no pip
of their own, which would be most of the time that making them takes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: The Python of the tests, as versions are named here.
THIS = f"3.{sys.version_info.minor}"
CONSTRAINTS = ROOT / "constraints.txt"
#: What pip says where no index answers.
NO_INDEX = re.compile(r"Retrying \(|NewConnectionError|ConnectTimeout|\[Errno -[23]\]")


@dataclass(frozen=True)
class Environment:
    """A virtual environment of its own, and how its programs are run: far from the checkout."""

    path: Path
    home: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.path / "bin" / "python"

    @property
    def variables(self) -> dict[str, str]:
        """The variables of a new login: no PYTHONPATH, no other environment's programs."""
        path = os.pathsep.join((str(self.path / "bin"), os.defpath))
        named = {"TINYTOWN_HOME": str(self.home / ".tt"), "TMPDIR": str(self.home)}
        return {"HOME": str(self.home), "PATH": path, "LANG": "C.UTF-8", **named}

    def run(self, *argv: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Runs a program of it (by its name) and returns what it printed."""
        program, *rest = argv
        return run(self.path / "bin" / program, *rest, cwd=cwd or self.home, env=self.variables)

    def say(self, *argv: str | Path, cwd: Path | None = None) -> str:
        """The same; its standard output. Raises `AssertionError` where it failed."""
        return worked(self.run(*argv, cwd=cwd))


def run(
    *argv: str | Path, cwd: Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end; the exit code is the caller's."""
    return subprocess.run(
        argv, cwd=cwd, env=env, capture_output=True, text=True, timeout=120, check=False
    )


def worked(done: subprocess.CompletedProcess[str]) -> str:
    """The standard output of what ended with exit code 0. Raises `AssertionError` otherwise."""
    assert done.returncode == 0, f"{done.args}: {done.stdout}{done.stderr}"
    return done.stdout


def build(tree: Path, folder: Path, target: str = "wheel") -> Path:
    """Builds a tree's wheel or sdist with the backend itself: no isolation, no network."""
    worked(run(sys.executable, "-m", "hatchling", "build", "-t", target, "-d", folder, cwd=tree))
    (built,) = folder.glob("*.whl" if target == "wheel" else "*.tar.gz")
    return built


def unpack(archive: Path, folder: Path) -> None:
    """By tar itself: Python's own way is called differently before 3.11.4 and after it."""
    folder.mkdir(exist_ok=True)
    worked(run("tar", "--extract", "--file", archive, "--directory", folder, cwd=folder))


def unpacked(tree: Path, folder: Path) -> Path:
    """The contents of a tree's sdist."""
    packed = build(tree, folder, "sdist")
    unpack(packed, folder)
    return folder / packed.name.removesuffix(".tar.gz")


def environment(base: str, folder: Path) -> Environment:
    """A clean environment of that Python, and a home beside it."""
    made = Environment(folder / "environment", folder / "home")
    made.home.mkdir(parents=True)
    worked(run(base, "-m", "venv", "--without-pip", made.path, cwd=folder))
    return made


def pip(
    python: Path, *words: str | Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs pip on an environment."""
    command = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    return run(*command, "--python", python, *words, cwd=python.parent, env=env)


def fill(wheelhouse: Path, wheel: Path, python: Path) -> None:
    """Downloads what a wheel needs on that Python; skips the test where no index answers."""
    limits = ("--retries", "1", "--timeout", "20", "--only-binary", ":all:")
    done = pip(
        python, "download", *limits, "--constraint", CONSTRAINTS, "--dest", wheelhouse, wheel
    )
    why = next(filter(NO_INDEX.search, done.stderr.splitlines()), "")
    if done.returncode and why:
        pytest.skip(f"no package index answers: {why}")
    worked(done)


def alone(wheelhouse: Path) -> dict[str, str]:
    """The variables by which pip and uv know that wheelhouse, and no index or other one."""
    pip_ = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheelhouse)}
    return {**pip_, "UV_NO_CONFIG": "1", "UV_OFFLINE": "1", "UV_FIND_LINKS": str(wheelhouse)}


def install(python: Path, wheelhouse: Path, what: str | Path) -> None:
    """Installs from a wheelhouse alone; an earlier version is upgraded."""
    worked(pip(python, "install", "--upgrade", what, env={**os.environ, **alone(wheelhouse)}))
