"""What all tests of installing share: one wheel, and for each Python what it needs."""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.install.wheels import (
    ROOT,
    THIS,
    Environment,
    build,
    environment,
    fill,
    install,
    unpacked,
)


def interpreter(version: str) -> str:
    """The Python of that version; skips the test where PATH has none that runs."""
    if version == THIS:
        return sys.executable
    found = shutil.which(name := f"python{version}")
    if found is None:
        pytest.skip(f"{name} is not on PATH")
    # What a version manager puts on PATH may be a stand-in for nothing.
    if subprocess.run([found, "-c", "import venv"], capture_output=True, check=False).returncode:
        pytest.skip(f"{name} does not run")
    return found


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree, built from its sdist as those do who package it."""
    folder = tmp_path_factory.mktemp("dist")
    return build(unpacked(ROOT, folder), folder)


@pytest.fixture(scope="session")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Callable[[str], Path]:
    """A directory with the wheel and all it needs on that Python (`3.12`)."""

    @functools.cache
    def fetched(version: str) -> Path:
        folder = tmp_path_factory.mktemp(f"wheels{version}")
        bare = environment(interpreter(version), tmp_path_factory.mktemp("bare"))
        fill(folder, wheel, bare.python)
        return folder

    return fetched


@pytest.fixture(scope="session")
def installed(
    tmp_path_factory: pytest.TempPathFactory, wheelhouse: Callable[[str], Path]
) -> Iterator[Callable[[str], Environment]]:
    """A clean environment of that Python with the wheel in it, and nothing running at the end."""
    made: list[Environment] = []

    @functools.cache
    def clean(version: str) -> Environment:
        found = environment(interpreter(version), tmp_path_factory.mktemp(f"on{version}"))
        install(found.python, wheelhouse(version), "tinytown")
        made.append(found)
        return found

    yield clean
    for one in made:
        one.say("tt", "daemon", "stop", "--kill")
