"""Redis dies, hangs, comes back, comes back without its data: nothing is lost, and it is told."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.town import BIN, Home, TownUnderTest, alive, lines, until
from tinytownd.store.binary import find_binary

Make = Callable[..., Home]
SERVER = find_binary(os.environ)
#: Lines of the daemon's log that an outage may cost, a second and at all.
LINES_A_SECOND, LINES = 3, 20


class External:
    """Somebody else's server, on a Unix socket or a port; with or without a memory."""

    def __init__(self, directory: Path, *, port: int = 0, keeps: bool = True) -> None:
        self.directory = directory
        self.url = f"redis://127.0.0.1:{port}" if port else f"unix://{directory}/s"
        self._argv = [
            *(SERVER, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory)),
            *("--unixsocket", str(directory / "s"), "--save", "", "--logfile", "log"),
            # By itself it puts writes off while the disk is busy: a kill would lose them.
            *("--appendonly", "yes" if keeps else "no", "--appendfsync", "no"),
            *("--enable-debug-command", "yes"),
        ]
        self._process: subprocess.Popen[bytes] | None = None
        self._address = ("127.0.0.1", port) if port else str(directory / "s")
        self.start()

    def start(self) -> None:
        """Starts it, or starts it again."""
        self._process = subprocess.Popen(self._argv, stdin=subprocess.DEVNULL)
        until(self._answers, "an answer of the server")

    def _answers(self) -> bool:
        family = socket.AF_UNIX if isinstance(self._address, str) else socket.AF_INET
        with socket.socket(family) as link:
            try:
                link.connect(self._address)
                link.sendall(b"PING\r\n")
                return link.recv(100).startswith(b"+PONG")
            except OSError:
                return False

    def kill(self) -> None:
        """Ends it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """Has it do nothing until it goes on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def swap(self, other: Path) -> None:
        """Starts it with the files of another directory, which gets those that it had."""
        self.kill()
        mine, its = (one / "appendonlydir" for one in (self.directory, other))
        mine.rename(other / "swap")
        its.rename(mine)
        (other / "swap").rename(its)
        self.start()

    def end(self) -> None:
        if self._process is not None:
            self.go_on()
            self.kill()


@pytest.fixture
def make_external(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., External]]:
    """Makes servers outside of the test's own directory; they are ended with the test."""
    made: list[External] = []

    def make(**how: object) -> External:
        made.append(External(tmp_path_factory.mktemp("redis"), **how))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.end()


@pytest.fixture
def external(make_external: Callable[..., External]) -> External:
    return make_external()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def at_work(home: Home, directory: Path) -> TownUnderTest:
    """A town with an agent in its round, a task behind that, and one that waits for both."""
    town = home.town(directory)
    town.team("a", "b")
    first = town.assign("a", "wait go", "say done")
    second = town.assign("a", "tt task complete --result 'after all'")
    town.quick("assign", "b", "Last", "--after", first, "--after", second)
    town.rounds(1)
    return town


def ends_well(town: TownUnderTest) -> None:
    """All that an agent has is done, each task in one round."""
    town.wait("--all")
    assert {one["state"] for one in town.see("task", "list") if one["agent"]} == {"completed"}
    assert [(one["agent"], one["round"]) for one in town.rounds()] == [("a", 1), ("a", 2), ("b", 3)]


def logged(home: Home) -> list[dict[str, object]]:
    return lines(home.path / "logs" / "tinytownd.jsonl")


def ask(town: TownUnderTest, *words: str) -> subprocess.Popen[str]:
    """A `tt` under way."""
    return subprocess.Popen(
        [BIN / "tt", *words],
        cwd=town.directory,
        env=town.home.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def refused(tt: subprocess.Popen[str], says: str = "") -> str:
    """What a `tt` said that gave up, in the one way there is."""
    out, err = tt.communicate(timeout=50)
    assert (tt.returncode, out) == (3, ""), (out, err)
    assert err.count("\n") <= 2, err
    assert "Traceback" not in err
    assert says in err
    return err


def calm(home: Home, before: int, seconds: float) -> None:
    """The daemon waits, and does not fill its log while it does."""
    more = logged(home)[before:]
    assert len(more) <= LINES + LINES_A_SECOND * seconds, more
    assert not [one for one in more if "exception" in one], more


@pytest.mark.parametrize("tcp", [False, True])
def test_an_external_server_that_is_away(
    make_external: Callable[..., External], make_home: Make, tmp_path: Path, tcp: bool
) -> None:
    external = make_external(port=free_port() if tcp else 0)
    home = make_home(f'[redis]\nurl = "{external.url}"\n')
    town = at_work(home, tmp_path / "town")
    before = len(logged(home))
    external.kill()
    started = time.monotonic()
    town.go("go")  # the round ends while nobody can write that down
    asked = ask(town, "status")
    refused(asked, "Redis cannot be reached")
    patient = ask(town, "assign", "a", "In the meantime", "--json")
    calm(home, before, time.monotonic() - started)
    external.start()
    out, err = patient.communicate(timeout=50)
    assert patient.returncode == 0, err
    town.wait("--all")
    assert town.task(json.loads(out)["id"])["state"] == "completed"
    assert set(town.states().values()) == {"completed"}
    assert len(town.rounds()) == 4


def test_an_external_server_that_hangs(external: External, make_home: Make, tmp_path: Path) -> None:
    home = make_home(f'[redis]\nurl = "{external.url}"\n')
    town = at_work(home, tmp_path / "town")
    before = len(logged(home))
    external.stop()
    town.go("go")
    asked = ask(town, "spawn", "c")
    # Beyond the daemon's own patience with an answer, so that it lets go of its connections.
    until(lambda: [one for one in logged(home)[before:] if "level" in one], "a line in the log")
    external.go_on()
    asked.communicate(timeout=50)
    assert asked.returncode == 0
    calm(home, before, 20)
    ends_well(town)


def test_an_external_server_that_forgot_everything(
    make_external: Callable[..., External], make_home: Make, tmp_path: Path
) -> None:
    external = make_external(keeps=False)
    home = make_home(f'[redis]\nurl = "{external.url}"\n')
    town = at_work(home, tmp_path / "town")
    before = len(logged(home))
    external.kill()
    external.start()
    started = time.monotonic()
    told = refused(ask(town, "list"), "Redis has lost")
    assert told == refused(ask(town, "assign", "b", "More"))
    town.go("go")
    refused(ask(town, "status"), "Redis has lost")
    calm(home, before, time.monotonic() - started)
    # Neither does the next daemon take it for an empty town.
    home.tt("daemon", "restart", cwd=town.directory)
    refused(ask(town, "list"), "Redis has lost")
    refused(ask(town, "init"), "Redis has lost")
    assert "offline" in home.tt("towns", cwd=tmp_path).out
    # Unless it is told to.
    home.tt("towns", "--forget", str(town.directory), cwd=tmp_path)
    town.tt("init")
    assert town.see("list") == []


def test_an_external_server_that_lost_its_last_changes(
    external: External, make_home: Make, tmp_path: Path
) -> None:
    home = make_home(f'[redis]\nurl = "{external.url}"\n')
    town = home.town(tmp_path / "town")
    town.team("a")
    town.quick("interrupt", "a")
    town.assign("a")
    external.kill()
    older = shutil.copytree(
        external.directory, tmp_path / "older", ignore=shutil.ignore_patterns("s")
    )
    external.start()
    town.assign("a")
    external.swap(older)
    told = refused(ask(town, "task", "list"), "Redis has lost")
    assert "tt daemon restart" in told
    external.swap(older)
    until(lambda: town.quick("task", "list", code=None).code == 0, "the town as it was")
    assert len(town.states()) == 2
    external.swap(older)
    refused(ask(town, "task", "list"), "Redis has lost")
    home.tt("daemon", "restart", cwd=town.directory)
    assert len(town.states()) == 1
    town.quick("resume", "a")
    town.wait("--all")


def test_the_server_is_killed_again_and_again(make_home: Make, tmp_path: Path) -> None:
    home = make_home()
    town = home.town(tmp_path / "town")
    town.team("a", "b", "c")
    for number in range(30):
        town.assign("abc"[number % 3], "tt task complete --result done")
    for _ in range(20):
        pid = until(lambda: server_of(home), "a server")
        os.kill(pid, signal.SIGKILL)
        until(lambda pid=pid: not alive(pid), "its end")  # type: ignore[misc]
    town.wait("--all")
    assert set(town.states().values()) == {"completed"}
    assert len(town.rounds()) == 30
    done = [one["task"] for one in town.see("events") if one["event"] == "task.completed"]
    assert sorted(done) == sorted(town.states())


def server_of(home: Home) -> int:
    try:
        return home.server_pid()
    except StopIteration:
        return 0


def test_the_servers_program_is_gone_for_a_while(make_home: Make, tmp_path: Path) -> None:
    home = make_home()
    program = Path(shutil.copy(SERVER, tmp_path / f"my-{SERVER.name}"))
    home.env["TINYTOWN_REDIS_SERVER"] = str(program)
    town = at_work(home, tmp_path / "town")
    before = len(logged(home))
    gone = program.rename(tmp_path / "gone")
    pid = next(pid for pid in home.processes() if Path(f"/proc/{pid}/exe").samefile(gone))
    os.kill(pid, signal.SIGKILL)
    town.go("go")
    told = f"{program} cannot be started: No such file or directory"
    until(lambda: [one for one in logged(home)[before:] if told in str(one)], "a line in the log")
    asked = ask(town, "task", "list")
    gone.rename(program)
    asked.communicate(timeout=50)
    assert asked.returncode == 0
    calm(home, before, 10)
    ends_well(town)


def test_the_server_hangs_for_a_while(make_home: Make, tmp_path: Path) -> None:
    home = make_home()
    town = at_work(home, tmp_path / "town")
    before, server = len(logged(home)), home.server_pid()
    os.kill(server, signal.SIGSTOP)
    town.go("go")
    asked = ask(town, "task", "list")
    until(lambda: "level" in str(logged(home)[before:]), "a line in the log")
    os.kill(server, signal.SIGCONT)
    asked.communicate(timeout=50)
    assert asked.returncode == 0
    ends_well(town)
    assert home.server_pid() == server
    calm(home, before, 15)


def test_files_of_the_server_that_are_torn_or_damaged(make_home: Make, tmp_path: Path) -> None:
    home = make_home()
    town = home.town(tmp_path / "town")
    town.team("a")
    town.quick("interrupt", "a")
    town.assign("a")
    (file,) = (home.path / "data" / "appendonlydir").glob("*.incr.aof")
    home.tt("daemon", "stop", cwd=tmp_path)
    whole = file.read_bytes()
    file.write_bytes(whole + b"*3\r\n$3\r\nSET\r\n$3\r\nk")
    assert len(town.states()) == 1
    (told,) = [one for one in logged(home) if one["event"] == "redis.repaired"]
    assert (told["cut"], told["left"]) == (18, len(whole))
    home.tt("daemon", "stop", cwd=tmp_path)
    whole = file.read_bytes()
    at = whole.index(b"\r\n*", 900)
    file.write_bytes(whole[:at] + b"\0" * 100 + whole[at + 100 :])
    said = refused(ask(town, "task", "list"), f"{file} is damaged at byte ")
    assert "put back a copy" in said
    assert file.stat().st_size == len(whole)
    file.write_bytes(whole)
    assert len(town.states()) == 1


def test_durability_always(make_home: Make, tmp_path: Path) -> None:
    home = make_home('[redis]\ndurability = "always"\n')
    town = at_work(home, tmp_path / "town")
    os.kill(home.server_pid(), signal.SIGKILL)
    town.go("go")
    ends_well(town)
