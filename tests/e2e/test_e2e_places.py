"""Directories that move, vanish, are copied or cannot be written; a home whose path is long."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.town import BIN, Data, Done, Home, TownUnderTest, copy

Make = Callable[..., Home]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home with a daemon that is restarted now and then."""
    home = Home(tmp_path_factory.mktemp("places") / "home")
    yield home
    home.end()


def known_at(home: Home, *directories: Path) -> list[Data]:
    """What `tt towns` says of these directories."""
    towns = home.tt("towns", "--json", cwd=home.path).data
    return [town for town in towns if Path(town["dir"]) in directories]


def without_root(home: Home, *words: str, cwd: Path) -> Done:
    """Runs `tt` (and a daemon that it starts) as one whom permissions bind, root or not."""
    argv = [str(BIN / "tt"), *words]
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("permissions do not bind root, and setpriv (util-linux) is not here")
        argv = [setpriv, "--bounding-set", "-dac_override,-dac_read_search", *argv]
    return home.run(*argv, cwd=cwd)


def worked(town: TownUnderTest) -> str:
    """A task that is done, by an agent that is there from then on."""
    town.team("a")
    task = town.assign("a")
    town.wait("--task", task)
    return task


def test_a_moved_town_goes_on(home: Home, tmp_path: Path) -> None:
    town = home.town(tmp_path / "old")
    first = worked(town)
    name = town.see("status")["town"]["name"]
    (tmp_path / "old").rename(tmp_path / "new")
    moved = TownUnderTest(home, tmp_path / "new")
    assert moved.states() == {first: "completed"}
    second = moved.assign("a")
    moved.wait("--task", second)
    assert [one["task"] for one in moved.rounds()] == [first, second]
    assert not (tmp_path / "old").exists()
    (known,) = known_at(home, tmp_path / "old", tmp_path / "new")
    assert (known["dir"], known["state"]) == (str(tmp_path / "new"), "open")
    assert moved.see("status")["town"] == {
        "id": known["id"],
        "name": name,
        "dir": str(tmp_path / "new"),
    }


def test_a_town_that_moved_while_no_daemon_ran(home: Home, tmp_path: Path) -> None:
    first = worked(home.town(tmp_path / "old"))
    home.tt("daemon", "stop", cwd=tmp_path)
    (tmp_path / "old").rename(tmp_path / "new")
    moved = TownUnderTest(home, tmp_path / "new")
    assert moved.states() == {first: "completed"}
    second = moved.assign("a")
    moved.wait("--task", second)
    assert not (tmp_path / "old").exists()


def test_a_copied_town_is_refused_with_the_fix(home: Home, tmp_path: Path) -> None:
    town = home.town(tmp_path / "town")
    first = worked(town)
    copied = copy(town, tmp_path / "copy")
    for words in (("init",), ("list",), ("assign", "a", "Work")):
        done = copied.tt(*words, code=2)
        assert f"is a copy of the town at {town.directory}" in done.err
        assert "rm -r" in done.err
    assert town.states() == {first: "completed"}
    shutil.rmtree(copied.directory / ".tt")
    copied.tt("init")
    assert copied.states() == {}
    assert town.states() == {first: "completed"}


def test_a_town_is_open_in_one_home_only(home: Home, make_home: Make, tmp_path: Path) -> None:
    town = home.town(tmp_path / "town")
    other = make_home()
    done = other.tt("status", cwd=town.directory, code=2)
    assert "the daemon of another home has the town" in done.err
    assert done.err.count("\n") <= 2
    home.tt("daemon", "stop", cwd=tmp_path)
    other.tt("status", cwd=town.directory)


def test_a_deleted_town_is_offline_until_it_is_forgotten(home: Home, tmp_path: Path) -> None:
    town = home.town(tmp_path / "town")
    worked(town)
    kept = shutil.copytree(town.directory, tmp_path / "kept")
    shutil.rmtree(town.directory)
    (known,) = known_at(home, town.directory)
    assert (known["state"], known["agents"]) == ("offline", None), "also while it is open"
    home.tt("daemon", "restart", cwd=tmp_path)
    (known,) = known_at(home, town.directory)
    assert (known["state"], known["agents"]) == ("offline", None)
    shutil.move(kept, town.directory)
    assert town.states() == {"t1": "completed"}, "kept until it is forgotten"
    shutil.rmtree(town.directory)
    home.tt("towns", "--forget", str(town.directory), cwd=tmp_path)
    assert known_at(home, town.directory) == []


def test_a_deleted_town_does_not_stop_the_others(home: Home, tmp_path: Path) -> None:
    gone, there = home.town(tmp_path / "gone"), home.town(tmp_path / "there")
    gone.tt("spawn", "a")
    shutil.rmtree(gone.directory)
    worked(there)
    home.tt("daemon", "restart", cwd=tmp_path)
    worked(there)


def test_a_home_that_cannot_be_written(make_home: Make, tmp_path: Path) -> None:
    home = make_home()
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o500)
    home.env["TINYTOWN_HOME"] = str(closed / "home")
    done = without_root(home, "towns", cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert "set TINYTOWN_HOME" in done.err
    assert done.err.count("\n") == 1
    assert list(closed.iterdir()) == []
    file = tmp_path / "file"
    file.touch()
    home.env["TINYTOWN_HOME"] = str(file / "home")
    done = home.tt("towns", cwd=tmp_path, code=2)
    assert done.err.count("\n") == 1
    home.env["TINYTOWN_HOME"] = str(home.path)


def test_a_read_only_tinytown_toml(make_home: Make, tmp_path: Path) -> None:
    home = make_home()
    (tmp_path / "town").mkdir()
    without_root(home, "init", cwd=tmp_path / "town")
    town = TownUnderTest(home, tmp_path / "town")
    config = town.directory / "tinytown.toml"
    before = config.read_bytes()
    config.chmod(0o444)
    done = without_root(home, "config", "max_agents", "3", cwd=town.directory)
    assert (done.code, done.out) == (2, "")
    assert "tinytown.toml cannot be written" in done.err
    assert config.read_bytes() == before
    worked(town)


def test_a_directory_that_cannot_be_written(make_home: Make, tmp_path: Path) -> None:
    home = make_home()
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o500)
    without_root(home, "towns", cwd=tmp_path)
    done = without_root(home, "init", cwd=closed)
    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 1
    assert home.tt("towns", "--json", cwd=tmp_path).data == []


def test_a_socket_path_beyond_the_limit(tmp_path: Path) -> None:
    """107 bytes fit into an address (unix(7)); agents get on with it, too."""
    home = Home(tmp_path / ("long-" * 20) / ("deep-" * 20))
    assert len(str(home.path)) > 200
    try:
        town = home.town(tmp_path / "town")
        town.team("a")
        task = town.assign("a", "tt task complete --result 'through the long path'")
        town.wait("--task", task)
        assert town.task(task)["result"] == "through the long path"
    finally:
        home.end()


def test_names_of_directories_that_are_no_names(home: Home, tmp_path: Path) -> None:
    town = home.town(tmp_path / "a b'c $(x) é")
    worked(town)
    assert "cannot be the name" in town.tt("init", "--name", "no/name", code=2).err


def test_from_below_and_by_option_and_variable(home: Home, tmp_path: Path) -> None:
    town = home.town(tmp_path / "town")
    town.team("a")
    below = town.directory / "src" / "deep"
    below.mkdir(parents=True)
    there = [
        home.tt("list", "--json", cwd=below),
        home.tt("-t", str(town.directory), "list", "--json", cwd=tmp_path),
        home.tt("list", "--json", "-t", str(town.directory), cwd=tmp_path),
        home.run("tt", "list", "--json", cwd=tmp_path, TINYTOWN_TOWN=str(town.directory)),
    ]
    assert [[one["name"] for one in done.data] for done in there] == [["a"]] * 4
