"""For people whose town is not as it should be: recover, reclaim, prune --all, reset."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.e2e.town import BIN, Home, TownUnderTest, alive, until

Make = Callable[..., Home]


def at_work(town: TownUnderTest, name: str) -> int:
    """The agent is in the middle of a task; its CLI's pid."""
    before = len(town.rounds())
    town.assign(name, "wait go")
    return int(town.rounds(before + 1)[-1]["pid"])


def stopped(town: TownUnderTest, name: str) -> None:
    """The agent is stopped, and its round over."""
    town.quick("kill", name)
    until(lambda: town.agent(name)["state"] == "stopped", f"{name} is stopped")


def round_files(town: TownUnderTest) -> list[str]:
    base = town.directory / ".tt" / "rounds"
    return sorted(str(one.relative_to(base)) for one in base.glob("*/*"))


# Recover


def test_a_town_that_is_well(town: TownUnderTest) -> None:
    town.team("a", "b")
    pid = at_work(town, "a")
    assert town.tt("recover").out == "Nothing to mend\n"
    assert town.data("recover") == []
    assert alive(pid)


def test_the_morning_after(town: TownUnderTest) -> None:
    """A CLI was gone for a while, somebody was stopped, a task failed, and something runs on."""
    program = town.write("prog", "#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    config = (town.directory / "tinytown.toml").read_text()
    town.write("tinytown.toml", f'{config}\n[agent_clis.mine]\ncommand = "{program}"\n')
    town.quick("spawn", "worker", "--cli", "mine")
    town.team("off", "clumsy")
    bad = town.assign("clumsy", "exit 3")
    town.wait("clumsy", code=1)
    stopped(town, "off")
    left = town.assign("off")
    stopped(town, "worker")
    program.unlink()
    town.quick("restart", "worker")
    until(lambda: town.agent("worker")["state"] == "error", "the CLI is missed")
    task = town.assign("worker")
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    with stray(town) as process:
        told = town.tt("recover").out.splitlines()
        assert process.wait(20) == -signal.SIGTERM
    assert told[0] == "1 process of a round that is forgotten: ended"
    assert told[1].startswith("worker was in error: ")
    assert told[1].endswith(": started again")
    assert told[2:] == [
        f"{left} of off, who is stopped (tt reclaim --from off; tt restart off)",
        f"{bad} failed (tt task retry {bad})",
    ]
    town.wait("--task", task)
    assert [e["event"] for e in town.see("events")].count("town.recovered") == 1
    assert [one["done"] for one in town.see("recover")] == ["", ""]


@contextlib.contextmanager
def stray(town: TownUnderTest) -> Iterator[subprocess.Popen[bytes]]:
    """A process of a round that nobody knows any more."""
    of_it = {
        "TINYTOWN_HOME": str(town.home.path),
        "TINYTOWN_TOWN": (town.directory / ".tt" / "town").read_text().strip(),
        "TINYTOWN_ROUND_TOKEN": "forgotten",
    }
    process = subprocess.Popen(["/bin/sleep", "300"], env=of_it, start_new_session=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


# Reclaim and prune


def test_work_of_somebody_who_is_gone_is_done_by_another(town: TownUnderTest) -> None:
    town.team("a", "b")
    at_work(town, "a")
    stopped(town, "a")
    town.assign("a")
    assert "t1 waits for a" in town.tt("reclaim").out
    assert {task["agent"] for task in town.see("task", "list")} == {"a"}
    town.go("go")
    done = town.data("reclaim", "--to", "b")
    assert [(one["id"], one["agent"]) for one in done["tasks"]] == [("t1", "b"), ("t2", "b")]
    town.wait("--all")
    assert [one["agent"] for one in town.rounds()] == ["a", "b", "b"]
    assert town.tt("reclaim").out == "Nothing to reclaim\n"


def test_what_runs_is_left_to_who_runs_it(town: TownUnderTest) -> None:
    town.team("a", "b")
    pid = at_work(town, "a")
    second = town.assign("a", "tt task current")
    told = town.tt("reclaim", "--from", "a", "--to-backlog").out.splitlines()
    assert told == [
        f"{second} goes to the backlog: Work",
        "t1 stays: it runs in round 1 of a: first tt interrupt a",
    ]
    assert alive(pid)
    town.go("go")
    town.wait("--task", "t1")
    assert [one["id"] for one in town.see("backlog", "list")] == [second]


def test_prune_all(town: TownUnderTest) -> None:
    town.team("a", "b")
    stopped(town, "a")
    task = town.assign("a")
    town.quick("send", "a", "A question", "--query")
    assert town.see("prune") == []
    assert town.data("prune", "--all") == [{"name": "a", "tasks": 1, "messages": 1}]
    assert [one["name"] for one in town.see("list")] == ["b"]
    assert [one["id"] for one in town.see("backlog", "list")] == [task]
    assert [one["text"] for one in town.see("inbox", "conductor")] == ["A question"]
    town.quick("backlog", "claim", task, "b")
    town.wait("--all")


# Reset


def test_a_reset_ends_what_runs_and_removes_what_was(town: TownUnderTest, tmp_path: Path) -> None:
    town.team("a", "b")
    pid = at_work(town, "a")
    town.quick("backlog", "add", "An idea")
    until(lambda: round_files(town) == ["a/1"], "the round's files")
    assert "tt reset --force" in town.tt("reset", code=2).err
    assert on_terminal(town, "n", "reset") == 1
    assert alive(pid)
    assert town.states() == {"t1": "running", "t2": "pending"}
    assert on_terminal(town, "y", "reset") == 0
    assert not alive(pid)
    assert [town.see("list"), town.see("task", "list"), town.see("inbox", "--all")] == [[], [], []]
    until(lambda: round_files(town) == [], "the files' end")
    last = town.see("history")[-1]
    assert (last["event"], last["text"]) == (
        "town.reset",
        "2 agents, 2 tasks, 0 messages, 1 rounds",
    )
    town.team("a")
    task = town.assign("a")
    town.wait("--all")
    assert (task, town.rounds(2)[-1]["round"]) == ("t3", 2)
    assert round_files(town) == ["a/2"]


def on_terminal(town: TownUnderTest, answer: str, *words: str) -> int:
    """Runs `tt` on a terminal and types the answer; its exit code."""
    person, terminal = os.openpty()
    process = subprocess.Popen(
        [BIN / "tt", *words], cwd=town.directory, env=town.home.env, stdin=terminal,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    os.close(terminal)
    os.write(person, f"{answer}\n".encode())
    _, err = process.communicate(timeout=60)
    os.close(person)
    assert b"Go on? [y/N]" in err
    return process.returncode


def test_work_goes_on_with_new_agents_of_the_same_names(town: TownUnderTest) -> None:
    town.team("a")
    at_work(town, "a")
    later = town.assign("a", options=("--after", "t1"))
    town.quick("send", "a", "do: say hello")
    gone = town.data("reset", "--agents-only", "--force")
    assert gone == {"agents": 1, "tasks": 0, "messages": 0, "rounds": 1}
    assert town.states() == {"t1": "pending", later: "pending"}
    town.go("go")
    town.team("a")
    town.wait("--all")
    assert set(town.states().values()) == {"completed"}
    assert [one["state"] for one in town.see("inbox", "--all")] == ["acknowledged"]


def test_agents_may_do_none_of_it(town: TownUnderTest) -> None:
    town.team("a", "b")
    stopped(town, "b")
    town.assign("a", "tt reset --force", "tt recover", "tt reclaim --to a", "tt prune --all")
    town.wait("a")
    assert [(one["code"], one["out"]) for one in town.said()] == [(2, "")] * 4
    assert [one["name"] for one in town.see("list")] == ["a", "b"]


def test_a_reset_whose_daemon_dies_leaves_no_files(make_home: Make, tmp_path: Path) -> None:
    home = make_home()
    town = home.town(tmp_path / "town")
    town.team("a")
    town.assign("a")
    town.wait("--all")
    (town.directory / ".tt" / "rounds" / "a" / "1" / "more").mkdir()
    town.quick("reset", "--force")
    os.kill(home.pid, signal.SIGKILL)
    town.tt("list")
    until(lambda: round_files(town) == [], "the files' end")


def test_a_new_round_is_not_taken_for_an_old_one(make_home: Make, tmp_path: Path) -> None:
    """The town's store was lost, or is another home's: its files are older than its numbers."""
    results, files = [], []
    for home in (make_home(), make_home()):
        town = home.town(tmp_path / "town")
        town.team("a")
        town.assign("a", f"say of {home.path.name}")
        town.wait("--all")
        results.append(town.task("t1")["result"])
        files.append(round_files(town))
        home.tt("daemon", "stop", cwd=tmp_path)
    assert results == ["of home0", "of home1"]
    assert files == [["a/1"], ["a/1", "a/2"]]
