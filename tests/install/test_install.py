"""The wheel in a clean environment, without an index: it installs, and the tutorial works."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.install.wheels import (
    ROOT,
    THIS,
    Environment,
    alone,
    build,
    environment,
    install,
    run,
    unpacked,
    worked,
)

Installed = Callable[[str], Environment]
Wheelhouse = Callable[[str], Path]

BIN = Path(sys.executable).parent
WHERE = "import tinytownd, tinytown_cli; print(tinytownd.__file__); print(tinytown_cli.__file__)"
#: Of the checkout the tutorial needs its page and the program that plays it, and nothing else.
TUTORIAL = ("docs/tutorial.md", "tests/tutorial.py", "tests/demo.py")


def played(installed: Environment) -> str:
    """What `make demo` prints with the packages of that environment."""
    for name in TUTORIAL:
        copy = installed.home / name
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, copy)
    return installed.say("python", "-m", "tests.demo")


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_the_tutorial_from_the_wheel(version: str, installed: Installed) -> None:
    here = installed(version)
    found = here.say("python", "-c", WHERE).splitlines()
    assert all(file.startswith(f"{here.path}/lib/python{version}/") for file in found)
    assert "10 of 10 tasks completed by 10 agents" in played(here)


def test_pipx_installs_the_programs(tmp_path: Path, wheel: Path, wheelhouse: Wheelhouse) -> None:
    user = new_user(tmp_path)
    places = {"PIPX_HOME": str(tmp_path / "pipx"), "PIPX_BIN_DIR": str(tmp_path / "bin")}
    pipx = (BIN / "pipx", "install", "--python", sys.executable, wheel)
    worked(run(*pipx, cwd=tmp_path, env={**user, **places, **alone(wheelhouse(THIS))}))
    both_programs_run(tmp_path, user)


def test_uv_installs_the_programs(tmp_path: Path, wheel: Path, wheelhouse: Wheelhouse) -> None:
    user = new_user(tmp_path)
    places = {"UV_TOOL_DIR": str(tmp_path / "uv"), "UV_TOOL_BIN_DIR": str(tmp_path / "bin")}
    uv = (BIN / "uv", "tool", "install", "--no-index", "--python", sys.executable, wheel)
    worked(run(*uv, cwd=tmp_path, env={**user, **places, **alone(wheelhouse(THIS))}))
    both_programs_run(tmp_path, user)


def new_user(home: Path) -> dict[str, str]:
    """The variables of somebody who has nothing else installed."""
    mine = {"HOME": str(home), "TINYTOWN_HOME": str(home / ".tt")}
    return {**mine, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}


def both_programs_run(home: Path, user: dict[str, str]) -> None:
    """`tt` and `tinytownd` are in `bin`, and `tt` finds the daemon that it starts."""
    town = home / "town"
    town.mkdir()
    tt = home / "bin" / "tt"
    try:
        worked(run(tt, "init", cwd=town, env=user))
        assert "0 running" in worked(run(tt, "daemon", "status", cwd=town, env=user))
    finally:
        worked(run(tt, "daemon", "stop", "--kill", cwd=town, env=user))
    helped = run(home / "bin" / "tinytownd", "--help", cwd=town, env=user)
    assert "usage: tinytownd" in worked(helped)


@pytest.mark.parametrize(
    ("folder", "place"),
    [
        ("systemd", "share/tinytown"),
        ("docs/schema", "share/tinytown/schema"),
        ("docs/man", "share/man/man1"),
    ],
)
def test_what_is_no_code_is_where_others_look(
    folder: str, place: str, installed: Installed
) -> None:
    files = {file.name for file in (ROOT / folder).iterdir()}
    assert files
    assert files <= {file.name for file in (installed(THIS).path / place).iterdir()}


def test_a_type_checker_sees_the_types(installed: Installed) -> None:
    here = installed(THIS)
    program = here.home / "program.py"
    program.write_text("from tinytown_cli.api import Town\nreveal_type(Town)\n")
    mypy = (sys.executable, "-P", "-m", "mypy", "--strict", "--python-executable", here.python)
    done = run(*mypy, program, cwd=here.home)
    assert re.search(r'Revealed type is ".*tinytown_cli\.api\.', worked(done))


def test_the_tree_and_its_sdist_make_the_same_wheel(tmp_path: Path) -> None:
    """Byte by byte: nothing of it is missing in the sdist, and builds are reproducible."""
    of_tree = build(ROOT, tmp_path)
    of_sdist = build(unpacked(ROOT, tmp_path), tmp_path / "again")
    assert of_tree.read_bytes() == of_sdist.read_bytes()


def test_what_is_missing_is_not_taken_from_an_index(tmp_path: Path, wheel: Path) -> None:
    """The other tests would not notice a wheelhouse that lacks something, if pip looked further."""
    bare = environment(sys.executable, tmp_path)
    with pytest.raises(AssertionError, match="No matching distribution found for"):
        install(bare.python, tmp_path, wheel)
