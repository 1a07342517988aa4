"""Files are written whole, private, and not through links out of where they belong."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tinytownd.domain.errors import BadInput, TownError
from tinytownd.files import directory_inside, open_inside, open_private, write_atomic
from tinytownd.place import Place
from tinytownd.runtimes.process import adopt, open_files
from tinytownd.runtimes.roundfiles import RoundFiles

WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


@pytest.fixture(autouse=True)
def _open_umask() -> object:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def town(tmp_path: Path) -> Path:
    (tmp_path / "town").mkdir()
    return tmp_path / "town"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A directory beside the town, with a file in it."""
    directory = tmp_path / "outside"
    directory.mkdir()
    (directory / "file").write_text("precious")
    return directory


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def write(root: Path, path: Path) -> None:
    with os.fdopen(open_inside(root, path, WRITE), "w") as file:
        file.write("new")


def names(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


def untouched(outside: Path) -> bool:
    return names(outside) == ["file"] and (outside / "file").read_text() == "precious"


def test_what_is_made_is_private_whatever_the_umask(town: Path) -> None:
    write(town, town / "a" / "b" / "file")
    open_private(town / "log").close()
    write_atomic(town / "atomic", "text")
    assert [mode(town / "a"), mode(town / "a" / "b")] == [0o700, 0o700]
    files = [town / "a" / "b" / "file", town / "log", town / "atomic"]
    assert [mode(file) for file in files] == [0o600] * 3


def test_a_log_that_was_open_to_others_is_closed(town: Path) -> None:
    (town / "log").write_text("old\n")
    with open_private(town / "log") as log:
        log.write(b"new\n")
    assert mode(town / "log") == 0o600
    assert (town / "log").read_text() == "old\nnew\n"


def test_what_is_there_is_replaced(town: Path) -> None:
    (town / "file").write_text("old and long")
    write(town, town / "file")
    assert (town / "file").read_text() == "new"


@pytest.mark.parametrize(
    ("place", "make"),
    [
        ("a", lambda path, out: path.symlink_to(out)),
        ("a/b", lambda path, out: path.symlink_to(out)),
        ("a/b/file", lambda path, out: path.symlink_to(out / "file")),
        ("a/b/file", lambda path, out: path.symlink_to(out / "more")),
        ("a/b/file", lambda path, out: path.hardlink_to(out / "file")),
        ("a/b/file", lambda path, out: os.mkfifo(path)),
    ],
    ids=["directory", "inner directory", "file", "new file", "hard link", "FIFO"],
)
def test_nothing_is_written_through_a_link(
    town: Path, outside: Path, place: str, make: Callable[[Path, Path], None]
) -> None:
    (town / place).parent.mkdir(parents=True, exist_ok=True)
    make(town / place, outside)
    with pytest.raises(BadInput, match=r"is a link|no file of its own") as caught:
        write(town, town / "a" / "b" / "file")
    assert "\n" not in caught.value.message
    assert str(town / place) in caught.value.hint
    assert untouched(outside)


def test_links_above_the_root_are_the_users_own(town: Path, outside: Path) -> None:
    (town.parent / "alias").symlink_to(town)
    write(town.parent / "alias", town.parent / "alias" / "a" / "file")
    assert (town / "a" / "file").read_text() == "new"


def test_what_is_wrong_otherwise_is_told_as_it_is(town: Path) -> None:
    (town / "a").write_text("a file")
    with pytest.raises(NotADirectoryError):
        write(town, town / "a" / "file")
    with pytest.raises(FileNotFoundError), directory_inside(town, town / "none", make=False):
        pass


def test_no_descriptor_is_left(town: Path, outside: Path) -> None:
    before = names(Path("/proc/self/fd"))
    (town / "out").symlink_to(outside)
    for path in (town / "a" / "b" / "file", town / "out" / "file"):
        try:
            write(town, path)
        except BadInput:
            assert path.parent.name == "out"
    assert names(Path("/proc/self/fd")) == before


def test_a_link_within_the_town_stays_one(town: Path) -> None:
    (town / "settings").mkdir()
    (town / "settings" / "real.toml").write_text("")
    link = town / "tinytown.toml"
    link.symlink_to("settings/real.toml")
    write_atomic(link, "text", within=town)
    assert link.is_symlink()
    assert (town / "settings" / "real.toml").read_text() == "text"
    assert names(town / "settings") == ["real.toml"]


@pytest.mark.parametrize("name", ["file", "more"])
def test_a_link_out_of_the_town_is_refused(town: Path, outside: Path, name: str) -> None:
    link = town / "tinytown.toml"
    link.symlink_to(outside / name)
    with pytest.raises(BadInput, match="is a link out of"):
        write_atomic(link, "text", within=town)
    with pytest.raises(BadInput, match="is a link out of"):
        Place(town).make("x", "claude")
    assert untouched(outside)
    assert names(town) == ["tinytown.toml"]


def test_without_a_bound_a_link_is_followed(town: Path, outside: Path) -> None:
    link = town / "config.toml"
    link.symlink_to(outside / "file")
    write_atomic(link, "text")
    assert (outside / "file").read_text() == "text"


def test_the_private_directory_is_private_and_no_link(town: Path, outside: Path) -> None:
    assert Place(town).give_id()
    assert mode(town / ".tt") == 0o700
    assert mode(town / ".tt" / "town") == 0o600
    other = town / "other"
    other.mkdir()
    (other / ".tt").symlink_to(outside)
    with pytest.raises(TownError, match="is a link"):
        Place(other).give_id()
    assert untouched(outside)


@pytest.mark.parametrize("link", [".tt", ".tt/rounds", ".tt/rounds/dev", ".tt/rounds/dev/7"])
def test_no_file_of_a_round_goes_through_a_link(town: Path, outside: Path, link: str) -> None:
    (town / link).parent.mkdir(parents=True, exist_ok=True)
    (town / link).symlink_to(outside)
    files = RoundFiles.of(town, "dev", "7")
    with pytest.raises(BadInput, match="is a link"):
        open_files(files).__enter__()
    with pytest.raises(BadInput, match="is a link"):
        open_files(files, {files.prompt: "text"}).__enter__()
    with pytest.raises(BadInput, match="is a link"):
        adopt(files, "token")
    assert untouched(outside)


KILLED = """
import os, signal, sys
from pathlib import Path
from tinytownd import files
os.fsync = lambda fd: os.kill(os.getpid(), signal.SIGKILL)
files.write_atomic(Path(sys.argv[1]), "new")
"""


def test_what_a_writer_left_that_was_killed_goes_with_the_next_write(town: Path) -> None:
    write_atomic(town / "file", "old")
    (town / ".file.backup").touch()
    (town / ".file2.01234567.new").touch()
    kept = [".file.backup", ".file2.01234567.new", "file"]
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", KILLED, town / "file"], check=False)
        assert done.returncode == -signal.SIGKILL
        assert len(names(town)) == len(kept) + 1
        assert (town / "file").read_text() == "old"
    write_atomic(town / "file", "newer")
    assert names(town) == kept
    assert (town / "file").read_text() == "newer"
