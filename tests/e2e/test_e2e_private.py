"""What others on the machine get to see, where the daemon writes, and that no shell reads a text.

Agents are processes of the same user; what is meant here are other users, an agent that may write
in its town only, and texts that mean something to a shell.
"""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.town import Home, TownUnderTest, until

NOBODY = 65534
OTHERS = stat.S_IRWXG | stat.S_IRWXO
#: Says what it got to see of the home: nothing, from outside.
STRANGER = """
import os, socket, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
for attempt in (
    lambda: os.listdir(sys.argv[1]),
    lambda: open(sys.argv[1] + "/credentials.json").read(),
    lambda: socket.socket(socket.AF_UNIX).connect(sys.argv[1] + "/redis.sock"),
):
    try:
        attempt()
        print("got in")
    except PermissionError:
        print("refused")
"""


@pytest.fixture
def _open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def open_to_others(directory: Path) -> list[str]:
    """What below it (and it itself) others may read, write or enter."""
    found = [directory, *directory.rglob("*")]
    return [str(path) for path in found if path.lstat().st_mode & OTHERS and not path.is_symlink()]


@pytest.mark.usefixtures("_open_umask")
def test_nothing_of_ours_is_open_to_others(make_home: Callable[..., Home], tmp_path: Path) -> None:
    home = make_home()
    town = home.town(tmp_path / "town")
    town.team("a")
    town.assign("a", "say hello")
    town.assign("a", "exit 1")
    town.wait("--all", code=None)
    home.tt("daemon", "restart", cwd=town.directory)
    town.tt("status")
    made = {path.name for path in home.path.rglob("*")}
    assert {"tinytownd.jsonl", "redis.log", "start.log", "appendonlydir", "redis.sock"} <= made
    rounds = {path.name for path in (town.directory / ".tt").rglob("*")}
    assert {"pid", "exit", "stdout", "stderr", "prompt.md", "credentials", "town"} <= rounds
    theirs = {str(home.path / "config.toml"), str(home.path / "user")}  # the test made them
    assert set(open_to_others(home.path)) <= theirs
    assert open_to_others(town.directory / ".tt") == []


@pytest.mark.usefixtures("_open_umask")
def test_an_agent_has_its_users_umask(make_home: Callable[..., Home], tmp_path: Path) -> None:
    """What agents make in a project is as open as what their user makes there."""
    town = make_home().town(tmp_path / "town")
    town.team("a")
    town.assign("a", "say hello")
    town.wait("a")
    town.plan('[[tasks]]\nid = "t"\ndescription = "x"\nagent = "a"\nrun = "umask; touch made"\n')
    town.quick("conductor", "--spawn")
    town.wait("--all")
    assert str(town.task("t")["result"]).strip() == "0000"
    assert stat.S_IMODE((town.directory / "made").stat().st_mode) == 0o666


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_other_users_do_not_get_in(shared_home: Home, town: TownUnderTest) -> None:
    # Where other tests' directories are private to root, the home's own mode would not be asked.
    outer = [path for path in shared_home.path.parents if path.stat().st_mode & 0o005 != 0o005]
    modes = [(path, stat.S_IMODE(path.stat().st_mode)) for path in outer]
    try:
        for path, mode in modes:
            path.chmod(mode | 0o005)
        told = subprocess.run(
            [sys.executable, "-IS", "-c", STRANGER, str(shared_home.path)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    finally:
        for path, mode in modes:
            path.chmod(mode)
    assert told.stdout.split("\n")[:-1] == ["refused"] * 3


def test_the_server_has_no_port(shared_home: Home, town: TownUnderTest) -> None:
    pid = shared_home.server_pid()
    inodes = {
        str(fd.readlink())[8:-1]
        for fd in Path(f"/proc/{pid}/fd").iterdir()
        if str(fd.readlink()).startswith("socket:")
    }
    listening = [
        line
        for table in ("tcp", "tcp6", "udp", "udp6")
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
        if line.split()[9] in inodes
    ]
    assert inodes
    assert listening == []


def test_who_gets_to_the_socket_needs_a_password(shared_home: Home, town: TownUnderTest) -> None:
    for line in (b"PING", b"GET x", b"FLUSHALL", b"SHUTDOWN NOSAVE", b"ACL LIST", b"INFO"):
        with socket.socket(socket.AF_UNIX) as raw:
            raw.connect(str(shared_home.path / "redis.sock"))
            raw.sendall(line + b"\r\n")
            assert raw.recv(100).startswith(b"-NOAUTH"), line


@pytest.mark.parametrize("link", [".tt/rounds", ".tt/rounds/a"])
def test_a_planted_link_holds_the_agent_and_nothing_is_written(
    town: TownUnderTest, tmp_path: Path, link: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    town.team("a")
    (town.directory / link).parent.mkdir(exist_ok=True)
    (town.directory / link).symlink_to(outside)
    task = town.assign("a", "say hello")
    held = until(lambda: town.agent("a")["hold"], "the hold")
    assert (
        held["reason"]
        == f"{town.directory / link} is a link, and nothing is written through one here"
    )
    assert list(outside.iterdir()) == []
    (town.directory / link).unlink()
    town.quick("resume", "a")
    town.wait("a")
    assert town.task(task)["state"] == "completed"
    assert town.task(task)["attempts"] == 1


def test_a_link_planted_for_a_file_of_the_next_round(town: TownUnderTest, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    town.team("a")
    for name in ("prompt.md", "stdout", "stderr", "credentials"):
        file = town.directory / ".tt" / "rounds" / "a" / "1" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.symlink_to(precious)
    town.assign("a", "say hello")
    assert "is a link" in until(lambda: town.agent("a")["hold"], "the hold")["reason"]
    assert precious.read_text() == "mine"


@pytest.mark.parametrize("name", ["exit", "pid"])
def test_the_wrapper_writes_through_no_link(town: TownUnderTest, tmp_path: Path, name: str) -> None:
    """An agent that may write in its town only has the wrapper write for it elsewhere."""
    precious = tmp_path / "precious"
    precious.write_text("mine")
    file = town.directory / ".tt" / "rounds" / "a" / "1" / name
    file.parent.mkdir(parents=True)
    file.symlink_to(precious)
    town.team("a")
    task = town.assign("a", "say hello")
    town.wait("a", code=None)
    assert town.task(task)["state"] == "failed"
    assert precious.read_text() == "mine"


def test_settings_are_not_written_out_of_the_town(town: TownUnderTest, tmp_path: Path) -> None:
    settings = town.directory / "tinytown.toml"
    outside = settings.rename(tmp_path / "outside.toml")
    before = outside.read_text()
    settings.symlink_to(outside)
    done = town.tt("config", "town.max_agents", "3", code=2)
    assert "is a link out of" in done.err
    assert outside.read_text() == before
    settings.unlink()
    inside = town.write("inside.toml", before)
    settings.symlink_to("inside.toml")
    town.tt("config", "town.max_agents", "3")
    assert settings.is_symlink()
    assert "max_agents = 3" in inside.read_text()


HOSTILE = [
    "$(touch oops)",
    "`touch oops`",
    "; touch oops;",
    "-rf",
    "--help",
    "a 'b' \"c\" \\",
    "line\nanother && touch oops",
    "ünï ☃ \u202e",
    "*",
    "~/oops",
]


def test_no_shell_reads_a_text_or_a_path(make_home: Callable[..., Home], tmp_path: Path) -> None:
    directory = tmp_path / "a 'town' $(touch oops) \"x\" \\ ; ü\nrm -rf"
    town = make_home().town(directory)
    town.team("a")
    for text in HOSTILE:
        town.tt("assign", "a", "--", f"{text}\ndo: say done")
        town.tt("send", "a", "--info", "--", text)
    town.wait("--all")
    assert set(town.states().values()) == {"completed"}
    prompts = "\n".join(one["prompt"] for one in town.rounds(len(HOSTILE)))
    assert [text for text in HOSTILE if text not in prompts] == []
    assert list(tmp_path.rglob("oops")) == []


@pytest.mark.parametrize("name", [*HOSTILE, "../up", "a/b", "a\0b", "", "."])
def test_a_name_that_could_be_more_is_refused(town: TownUnderTest, name: str) -> None:
    if "\0" in name:
        return  # the system passes no such argument
    done = town.tt("spawn", "--", name, code=2)
    assert len(done.err.strip().splitlines()) == 1
    assert town.see("list") == []


#: Of another user, by the recipe of docs/security.md: what it may, and what it sees of us.
OTHER_USER = """
[agent_clis.fenced]
command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs", "sh", "-c", '''
cat >/dev/null; id -u; echo hello >made-by-it
for file in "$TINYTOWN_HOME/credentials.json" "$TINYTOWN_CREDENTIALS" .tt/town; do
    cat "$file" 2>/dev/null && echo "read $file"
done
tt task current >/dev/null 2>&1; echo "tt: $?"
''']
"""  # noqa: E501 -- a line of the example


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process of another user")
def test_an_agent_of_another_user_sees_nothing_of_ours(
    make_home: Callable[..., Home], tmp_path: Path
) -> None:
    town = make_home(OTHER_USER).town(tmp_path / "town")
    os.chown(town.directory, NOBODY, NOBODY)
    town.quick("spawn", "f", "--cli", "fenced")
    task = town.assign("f")
    town.wait("f")
    done = town.task(task)
    first, *rest = str(done["result"]).splitlines()
    assert (done["state"], first) == ("completed", str(NOBODY))
    assert [line for line in rest if not line.startswith("tt: ")] == []
    assert rest[-1] != "tt: 0"
    made = (town.directory / "made-by-it").stat()
    assert (made.st_uid, made.st_gid) == (NOBODY, NOBODY)
