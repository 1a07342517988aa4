import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtimes.rounds import Rounds, is_alive, wait_until
from tinytownd.runtimes import alive
from tinytownd.runtimes.alive import Scans, held
from tinytownd.runtimes.catalogue import Invocation
from tinytownd.runtimes.process import LEFTOVER_GRACE, adopt, open_files, spawn
from tinytownd.runtimes.readers import reader
from tinytownd.runtimes.roundfiles import RoundFiles
from tinytownd.runtimes.verdict import verdict

WAIT_FOR_GO = "while [ ! -e go ]; do sleep 0.01; done"


def open_fds() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


# --- the ordinary course


async def test_a_round_runs_and_leaves_its_files(rounds: Rounds) -> None:
    argv = ("/bin/sh", "-c", "cat; echo oops >&2; pwd -P")
    invocation = Invocation(argv, rounds.files.prompt)
    with open_files(rounds.files, {rounds.files.prompt: "the prompt"}) as opened:
        process = spawn(opened, invocation, cwd=rounds.cwd, env=rounds.env)
    pid = process.pid
    assert await process.wait() == 0
    assert process.pid is None
    assert rounds.files.stdout.read_text() == f"the prompt{rounds.cwd.resolve()}\n"
    assert rounds.files.stderr_tail() == "oops\n"
    assert rounds.files.pid.read_text() == f"{pid}\n"
    assert stat.S_IMODE(rounds.files.directory.stat().st_mode) == 0o700
    for file in (rounds.files.prompt, rounds.files.stdout, rounds.files.stderr, rounds.files.lock):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_the_environment_is_exactly_what_was_given(rounds: Rounds) -> None:
    rounds.env["ODD"] = "a 'b' $c\n"
    dump = "import json, os; print(json.dumps(dict(os.environ)))"
    assert await rounds.argv(sys.executable, "-I", "-c", dump).wait() == 0
    seen = json.loads(rounds.files.stdout.read_text())
    assert set(seen) - set(rounds.env) <= {"PWD", "LC_CTYPE"}  # sh's, and Python's own
    assert {name: seen[name] for name in rounds.env} == rounds.env


async def test_arguments_are_not_read_by_a_shell(rounds: Rounds) -> None:
    odd = ("$(touch oops)", "a b", "*", "", "'\"\\", "-n", "ü\udcff")
    dump = "import os, sys; print([os.fsencode(a) for a in sys.argv[1:]])"
    assert await rounds.argv(sys.executable, "-I", "-c", dump, *odd).wait() == 0
    assert rounds.files.stdout.read_text() == f"{[os.fsencode(word) for word in odd]}\n"
    assert not (rounds.cwd / "oops").exists()


async def test_a_cli_named_like_a_builtin_is_no_builtin(rounds: Rounds) -> None:
    program = rounds.cwd / "eval"
    program.write_text('#!/bin/sh\necho "program $1"\n')
    program.chmod(0o755)
    rounds.env["PATH"] = f"{rounds.cwd}:{rounds.env['PATH']}"
    assert await rounds.argv("eval", "echo oops").wait() == 0
    assert rounds.files.stdout.read_text() == "program echo oops\n"


@pytest.mark.parametrize(
    ("script", "code"), [("exit 3", 3), ("kill -9 $$", 137), ("kill -TERM $$", 143)]
)
async def test_the_exit_code_is_the_clis(rounds: Rounds, script: str, code: int) -> None:
    assert await rounds.script(script).wait() == code


async def test_a_missing_cli_and_one_that_is_not_executable(rounds: Rounds, tmp_path: Path) -> None:
    assert await rounds.argv("no-such-agent-cli").wait() == 127
    transcript = reader("claude").finish()
    outcome = verdict(transcript, 127, rounds.files.stderr_tail())
    assert "was not found" in (outcome.error or "")
    assert "no-such-agent-cli" in (outcome.error or "")

    (tmp_path / "plain.txt").write_text("not a program")
    other = Rounds(tmp_path / "other")
    other.cwd.mkdir()
    assert await other.argv(str(tmp_path / "plain.txt")).wait() == 126
    outcome = verdict(transcript, 126, other.files.stderr_tail())
    assert "cannot be executed" in (outcome.error or "")


async def test_megabytes_of_output(rounds: Rounds) -> None:
    process = rounds.script("head -c 20000000 /dev/zero | tr '\\0' x; echo; echo the end")
    assert await process.wait() == 0
    subject = reader("text")
    with rounds.files.stdout.open("rb") as stream:
        while piece := stream.read(1 << 20):
            subject.feed(piece)
    assert subject.finish().text.endswith("x\nthe end")


async def test_nothing_starts_when_it_cannot(rounds: Rounds) -> None:
    before = open_fds()
    with open_files(rounds.files) as opened, pytest.raises(FileNotFoundError):
        spawn(opened, Invocation(("true",)), cwd=rounds.cwd / "none", env=rounds.env)
    with pytest.raises(OSError, match="Argument list too long"):
        rounds.argv("true", "x" * 200_000)
    with pytest.raises(ValueError, match="null byte"):
        rounds.argv("true", "\0")
    assert open_fds() == before
    assert not rounds.files.pid.exists()
    assert not held(rounds.files.lock)
    assert await rounds.argv("true").wait() == 0


async def test_rounds_leave_no_descriptors_and_no_zombies(tmp_path: Path) -> None:
    pids, before = [], open_fds()
    for number in range(20):
        rounds = Rounds(tmp_path / str(number))
        rounds.cwd.mkdir()
        process = rounds.script("exit 0")
        pids.append(process.pid)
        assert await process.wait() == 0
    assert open_fds() == before
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


async def test_many_may_wait_and_one_be_cancelled(rounds: Rounds) -> None:
    process = rounds.script(f"{WAIT_FOR_GO}; exit 4")
    waiters = [asyncio.create_task(process.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    waiters[0].cancel()
    (rounds.cwd / "go").touch()
    assert await asyncio.gather(*waiters[1:]) == [4, 4]
    assert waiters[0].cancelled()
    assert await process.wait() == 4


# --- stopping


async def test_a_cli_that_obeys_is_asked_only(rounds: Rounds) -> None:
    process = rounds.script("trap 'exit 9' TERM; echo up >up; while :; do sleep 0.01; done")
    await rounds.written("up")
    await process.stop(grace=10)
    assert rounds.files.exit_code() == 9
    assert not held(rounds.files.lock)


async def test_a_cli_that_ignores_term_is_killed(rounds: Rounds) -> None:
    process = rounds.script("trap '' TERM; echo $$ >up; while :; do sleep 0.01; done")
    pid = int(await rounds.written("up"))
    started = time.monotonic()
    await process.stop(grace=0.2)
    assert 0.2 <= time.monotonic() - started < 5
    await wait_until(lambda: not is_alive(pid))
    assert rounds.files.exit_code() is None
    assert await process.wait() is None


LEFT_BEHIND = {
    "in the group": "sleep 600 & echo $! >child",
    "in its own session": "setsid sh -c 'echo $$ >child; exec sleep 600' &",
    "without an environment": "env -i setsid sh -c 'echo $$ >child; exec sleep 600' &",
    "without the lock": f"setsid {sys.executable} -Ic 'import os; os.closerange(3, 256);"
    ' print(os.getpid(), file=open("child", "w"), flush=True); os.execlp("sleep", "sleep", "600")'
    "' &",
    "deaf to TERM": "setsid sh -c 'trap \"\" TERM; echo $$ >child; exec sleep 600' &",
}


@pytest.mark.parametrize("way", list(LEFT_BEHIND))
async def test_what_a_cli_leaves_behind_is_ended(
    rounds: Rounds, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr("tinytownd.runtimes.process.LEFTOVER_GRACE", 0.1)
    script = f"{LEFT_BEHIND[way]}\nwhile [ ! -s child ]; do sleep 0.01; done; exit 6"
    process = rounds.script(script)
    child = int(await rounds.written("child"))
    assert await process.wait() == 6
    await wait_until(lambda: not is_alive(child))
    assert process.survivors == frozenset()
    assert not held(rounds.files.lock)


async def test_stopping_reaches_what_escaped(rounds: Rounds) -> None:
    process = rounds.script(f"{LEFT_BEHIND['in its own session']}\n{WAIT_FOR_GO}")
    child = int(await rounds.written("child"))
    await process.stop(grace=5)
    await wait_until(lambda: not is_alive(child))


async def test_stopping_at_once_gives_escapees_no_grace_either(rounds: Rounds) -> None:
    process = rounds.script(f"{LEFT_BEHIND['deaf to TERM']}\n{WAIT_FOR_GO}")
    child = int(await rounds.written("child"))
    started = time.monotonic()
    await process.stop(grace=0)
    assert time.monotonic() - started < LEFTOVER_GRACE
    await wait_until(lambda: not is_alive(child))


async def test_a_cli_whose_wrapper_was_killed_is_ended(rounds: Rounds) -> None:
    process = rounds.script(f"echo $$ >up; {WAIT_FOR_GO}")
    cli = int(await rounds.written("up"))
    assert process.pid
    os.kill(process.pid, signal.SIGKILL)
    assert await process.wait() is None
    await wait_until(lambda: not is_alive(cli))


# --- a daemon that comes back

DAEMON = """
import os, sys
from pathlib import Path
from tinytownd.runtimes.catalogue import Invocation
from tinytownd.runtimes.process import open_files, spawn
from tinytownd.runtimes.roundfiles import RoundFiles
from tinytownd.runtimes.alive import TOKEN_VARIABLE
cwd, token, script = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
env = {"PATH": os.environ["PATH"], TOKEN_VARIABLE: token}
with open_files(RoundFiles(cwd / "round")) as opened:
    process = spawn(opened, Invocation(("/bin/sh", "-c", script)), cwd=cwd, env=env)
print(process.pid, flush=True)
os._exit(9)
"""


def start_and_die(rounds: Rounds, script: str) -> int:
    """Start the round from a daemon that dies at once; gives the wrapper's pid."""
    command = [sys.executable, "-c", DAEMON, str(rounds.cwd), rounds.token, script]
    return int(subprocess.run(command, capture_output=True, check=False).stdout)


async def test_a_round_outlives_its_daemon_and_is_adopted(rounds: Rounds) -> None:
    pid = start_and_die(rounds, f"echo up >up; {WAIT_FOR_GO}; exit 7")
    await rounds.written("up")
    process = adopt(rounds.files, rounds.token)
    assert process
    rounds.started.append(process)
    assert process.pid == pid
    waiter = asyncio.create_task(process.wait())
    (rounds.cwd / "go").touch()
    assert await waiter == 7


async def test_an_adopted_round_can_be_stopped(rounds: Rounds) -> None:
    start_and_die(rounds, f"setsid sleep 600 & echo $! >child; {WAIT_FOR_GO}")
    child = int(await rounds.written("child"))
    process = adopt(rounds.files, rounds.token)
    assert process
    await process.stop(grace=5)
    await wait_until(lambda: not is_alive(child))
    assert rounds.files.exit_code() == 143


async def test_a_round_that_ended_meanwhile_has_its_code(rounds: Rounds) -> None:
    pid = start_and_die(rounds, "setsid sleep 600 & echo $! >child; exit 8")
    child = int(await rounds.written("child"))
    await wait_until(lambda: not is_alive(pid))
    process = adopt(rounds.files, rounds.token)
    assert process
    assert process.pid is None
    assert await process.wait() == 8
    await wait_until(lambda: not is_alive(child))


async def test_a_round_that_never_started_never_will(rounds: Rounds) -> None:
    assert adopt(rounds.files, rounds.token) is None  # not even a directory
    rounds.files.directory.mkdir()
    assert adopt(rounds.files, rounds.token) is None
    assert adopt(rounds.files, rounds.token) is None  # by one more daemon
    late = rounds.script("touch ran")
    assert await late.wait() is None
    assert not (rounds.cwd / "ran").exists()
    assert adopt(rounds.files, rounds.token) is None


async def test_a_directory_runs_one_round(rounds: Rounds) -> None:
    assert await rounds.script("exit 0").wait() == 0
    await rounds.script("touch ran").wait()
    assert not (rounds.cwd / "ran").exists()


async def test_a_running_rounds_directory_is_taken(rounds: Rounds) -> None:
    rounds.script(WAIT_FOR_GO)
    with pytest.raises(BlockingIOError):
        rounds.script("touch ran")


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    stranger = subprocess.Popen(["sleep", "600"], start_new_session=True)
    yield stranger
    stranger.kill()
    stranger.wait()


async def test_a_strangers_pid_is_not_adopted(
    rounds: Rounds, stranger: subprocess.Popen[bytes]
) -> None:
    rounds.files.directory.mkdir()
    rounds.files.pid.write_text(f"{stranger.pid}\n")
    process = adopt(rounds.files, rounds.token)
    assert process
    assert process.pid is None
    await process.stop(grace=0)
    assert stranger.poll() is None


@pytest.mark.parametrize("written", ["", "taken", "12", "0\n", "-1\n", "99999999\n", "x\n"])
async def test_a_broken_pid_file_is_a_round_of_unknown_end(rounds: Rounds, written: str) -> None:
    rounds.files.directory.mkdir()
    rounds.files.pid.write_text(written)
    process = adopt(rounds.files, rounds.token)
    assert process
    assert process.pid is None
    assert await process.wait() is None


async def test_a_wrapper_that_is_just_writing_its_pid_is_found(rounds: Rounds) -> None:
    started = rounds.script(f"{WAIT_FOR_GO}; exit 2")
    await wait_until(lambda: rounds.files.pid.exists() and rounds.files.pid.read_text() != "")
    rounds.files.pid.write_text("")
    adopted = adopt(rounds.files, rounds.token)
    assert adopted
    assert adopted.pid == started.pid
    adopted.detach()
    (rounds.cwd / "go").touch()
    assert await started.wait() == 2


@pytest.mark.parametrize(
    ("written", "code"),
    [("0\n", 0), ("143\n", 143), ("", None), ("3", None), ("x\n", None), ("3\n3\n", None)],
)
def test_only_a_whole_exit_file_counts(tmp_path: Path, written: str, code: int | None) -> None:
    files = RoundFiles(tmp_path)
    assert files.exit_code() is None
    files.exit.write_text(written)
    assert files.exit_code() == code


async def test_a_detached_round_runs_on(rounds: Rounds) -> None:
    process = rounds.script(f"echo up >up; {WAIT_FOR_GO}; exit 3")
    await rounds.written("up")
    process.detach()
    await process.wait()
    await process.stop(0)
    adopted = adopt(rounds.files, rounds.token)
    assert adopted
    adopted_pid = adopted.pid
    assert adopted_pid
    (rounds.cwd / "go").touch()
    assert await adopted.wait() == 3
    await asyncio.to_thread(os.waitpid, adopted_pid, 0)


async def test_systems_without_pidfds_poll(rounds: Rounds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alive, "_HAS_PIDFDS", False)
    monkeypatch.setattr(alive, "_watch", alive.PollWatch)
    process = rounds.script(f"echo up >up; {WAIT_FOR_GO}; exit 3")
    await rounds.written("up")
    adopted = adopt(rounds.files, rounds.token)
    assert adopted
    assert adopted.pid == process.pid
    (rounds.cwd / "go").touch()
    assert await process.wait() == 3
    assert await adopted.wait() == 3


async def test_a_look_at_all_processes_is_shared_by_who_asks_before_it_begins() -> None:
    scans = Scans()
    together = await asyncio.gather(scans.next(), scans.next(), scans.next())
    assert together[0] is together[1] is together[2]
    assert await scans.next() is not together[0], "an earlier look may have passed by"


async def test_a_look_that_has_begun_serves_nobody_who_asks_later() -> None:
    scans = Scans()
    async with scans._one_at_a_time:
        first = asyncio.create_task(scans.next())
        await asyncio.sleep(0)
    while scans._coming is not None:  # noqa: ASYNC110 -- there is nothing to wait for
        await asyncio.sleep(0)
    assert await scans.next() is not await first
