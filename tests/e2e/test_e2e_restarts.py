"""Kill the daemon or the server at work: rounds run on, nothing is lost, nothing happens twice."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.town import BIN, SCRIPTED, Home, TownUnderTest, alive, until

Make = Callable[..., Home]

PLAN = """
[[tasks]]
id = "one"
description = "First\\ndo: wait go\\ndo: tt task complete --result 'from the old round'"
agent = "a"
[[tasks]]
id = "two"
description = "Second"
agent = "b"
parent = "one"
"""


def at_work(home: Home, directory: Path) -> tuple[TownUnderTest, int]:
    """A town whose plan is under way, and the pid of the CLI that works."""
    town = home.town(directory)
    town.plan(PLAN)
    leave = subprocess.Popen(
        [BIN / "tt", "conductor", "--spawn"],
        cwd=town.directory,
        env=home.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    (first,) = town.rounds(1)
    leave.send_signal(signal.SIGINT)
    assert leave.wait(20) in (0, 130)
    return town, int(first["pid"])


def ends_well(town: TownUnderTest, pid: int) -> None:
    """The round that ran through it all ends the task, and the plan goes on: one round each."""
    assert alive(pid), "the round runs on"
    town.go("go")
    town.wait("--all")
    assert town.states() == {"one": "completed", "two": "completed"}
    assert town.task("one")["result"] == "from the old round"
    assert [one["task"] for one in town.rounds()] == ["one", "two"]
    assert [one["attempts"] for one in town.see("task", "list")] == [1, 1]
    done = [e["task"] for e in town.see("events") if e["event"] == "task.completed"]
    assert done == ["one", "two"]


def kill_daemon(home: Home) -> None:
    pid = home.pid
    os.kill(pid, signal.SIGKILL)
    until(lambda: not alive(pid), "the daemon's end")


def test_daemon_restart_while_agents_work(make_home: Make, tmp_path: Path) -> None:
    home = make_home()
    town, pid = at_work(home, tmp_path / "town")
    old, server = home.pid, home.server_pid()
    reply = town.see("daemon", "restart")
    assert [(one["agent"], one["round"]) for one in reply["rounds"]] == [("a", 1)]
    assert reply["pid"] == home.pid != old
    assert not alive(server)
    ends_well(town, pid)


def test_kill_9_of_the_daemon(make_home: Make, tmp_path: Path) -> None:
    home = make_home()
    town, pid = at_work(home, tmp_path / "town")
    server = home.server_pid()
    kill_daemon(home)
    done = town.tt("status")
    assert "started tinytownd" in done.err
    assert home.server_pid() == server, "the server outlives a daemon that dies"
    ends_well(town, pid)


def test_the_round_ends_while_no_daemon_is_there(make_home: Make, tmp_path: Path) -> None:
    """Its last command waits in the stream; the next daemon carries it out, then looks at it."""
    home = make_home()
    town, pid = at_work(home, tmp_path / "town")
    kill_daemon(home)
    town.go("go")
    town.tt("list")
    town.wait("--all")
    assert not alive(pid)
    assert town.task("one")["result"] == "from the old round"
    assert [one["task"] for one in town.rounds()] == ["one", "two"]


def test_kill_9_of_the_server(make_home: Make, tmp_path: Path) -> None:
    home = make_home()
    town, pid = at_work(home, tmp_path / "town")
    before = town.see("task", "list")
    server = home.server_pid()
    os.kill(server, signal.SIGKILL)
    until(lambda: not alive(server), "the server's end")
    assert town.see("task", "list") == before
    assert home.server_pid() != server
    ends_well(town, pid)


def test_kill_9_of_both_and_of_the_agent(make_home: Make, tmp_path: Path) -> None:
    home = make_home()
    town, pid = at_work(home, tmp_path / "town")
    town.tt("config", "limits.attempts", "3")
    server = home.server_pid()
    kill_daemon(home)
    os.kill(server, signal.SIGKILL)
    os.killpg(os.getpgid(pid), signal.SIGKILL)
    until(lambda: not alive(server) and not alive(pid), "the end of all")
    town.go("go")
    town.wait("--all")
    assert town.states() == {"one": "completed", "two": "completed"}
    assert [one["task"] for one in town.rounds()] == ["one", "one", "two"]


def test_stop_says_what_runs_on_and_kill_ends_it(make_home: Make, tmp_path: Path) -> None:
    home = make_home()
    town, pid = at_work(home, tmp_path / "town")
    done = town.tt("daemon", "stop")
    assert "round 1 of a in town goes on" in done.out
    assert alive(pid)
    assert home.pid == 0
    town.tt("list")
    (one,) = town.see("daemon", "stop", "--kill")["rounds"]
    assert (one["agent"], one["round"]) == ("a", 1)
    until(lambda: not home.processes(town.directory), "the end of everything")
    assert town.states()["one"] in ("pending", "assigned", "running")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_stop_kill_ends_what_outlived_its_daemon(
    how: signal.Signals, make_home: Make, tmp_path: Path
) -> None:
    home = make_home()
    town, pid = at_work(home, tmp_path / "town")
    daemon = home.pid
    os.kill(daemon, how)
    until(lambda: not alive(daemon), "the daemon's end")
    assert alive(pid)
    (one,) = town.see("daemon", "stop", "--kill")["rounds"]
    assert (one["agent"], one["round"]) == ("a", 1)
    until(lambda: not home.processes(town.directory), "the end of everything")


def test_a_daemon_that_stops_leaves_no_connection_open(make_home: Make) -> None:
    home = make_home()
    daemon = start([BIN / "tinytownd"], home)
    until(lambda: home.pid == daemon.pid, "the daemon is ready")
    daemon.send_signal(signal.SIGTERM)
    _, said = daemon.communicate(timeout=20)
    assert daemon.returncode == 0
    assert "Unclosed" not in said


def test_terminate_detaches(make_home: Make, tmp_path: Path) -> None:
    home = make_home()
    town, pid = at_work(home, tmp_path / "town")
    daemon = home.pid
    os.kill(daemon, signal.SIGTERM)
    until(lambda: not alive(daemon), "the daemon's end")
    town.tt("list")
    ends_well(town, pid)


def start(argv: list[str | Path], home: Home) -> subprocess.Popen[str]:
    """A program in the home's environment, under way."""
    return subprocess.Popen(
        argv, env=home.env, cwd=home.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_five_clients_at_once_start_one_daemon(make_home: Make, tmp_path: Path) -> None:
    home = make_home()
    clients = [start([BIN / "tt", "towns"], home) for _ in range(5)]
    said = [one.communicate(timeout=30) for one in clients]
    assert [one.returncode for one in clients] == [0] * 5
    assert sum("started tinytownd" in err for _, err in said) <= 1
    home.tt("daemon", "stop", cwd=tmp_path)
    # None of those that gave way takes the place of the one that was stopped.
    until(lambda: not home.processes(), "the end of everything")
    assert home.pid == 0


def test_of_two_daemons_one_gives_way(make_home: Make, tmp_path: Path) -> None:
    home = make_home()
    both = [start([BIN / "tinytownd"], home) for _ in range(2)]
    loser = until(lambda: next((one for one in both if one.poll() is not None), None), "an end")
    _, err = loser.communicate()
    assert (loser.returncode, err) == (0, f"tinytownd runs already for {home.path}\n")
    (winner,) = [one for one in both if one is not loser]
    until(lambda: home.pid == winner.pid, "the daemon is ready")
    assert home.tt("daemon", "status", "--json", cwd=tmp_path).data["pid"] == winner.pid
    home.tt("daemon", "stop", cwd=tmp_path)
    winner.communicate(timeout=20)
    assert winner.returncode == 0


OWN = """
[agent_clis.own]
command = {command}
"""


def test_a_round_runs_on_when_its_cli_is_not_configured_any_more(
    make_home: Make, tmp_path: Path
) -> None:
    home = make_home()
    town = home.town(tmp_path / "town")
    settings = (town.directory / "tinytown.toml").read_text()
    town.write("tinytown.toml", settings + OWN.format(command=SCRIPTED))
    town.quick("spawn", "ann", "--cli", "own")
    task = town.assign("ann", "wait go", "tt task complete --result 'once'")
    (first,) = town.rounds(1)
    kill_daemon(home)
    town.write("tinytown.toml", settings)
    town.tt("list")
    assert alive(first["pid"]), "the round runs on"
    town.go("go")
    town.wait("--task", task)
    assert (town.task(task)["state"], town.task(task)["result"]) == ("completed", "once")
    assert len(town.rounds()) == 1


ONE_ROUND = {
    "of the CLI": f"[agent_clis.single]\ncommand = {SCRIPTED}\nmax_rounds = 1\n",
    "of the daemon": f"[agent_clis.single]\ncommand = {SCRIPTED}\n",
}


@pytest.mark.parametrize("bound", ONE_ROUND)
@pytest.mark.parametrize("places", [("town", "town"), ("early", "late")], ids=["one", "two"])
def test_the_next_daemon_counts_what_runs_before_it_starts_anything(
    make_home: Make, tmp_path: Path, bound: str, places: tuple[str, str]
) -> None:
    home = make_home(ONE_ROUND[bound])
    if bound == "of the daemon":
        config = home.path / "config.toml"
        config.write_text(config.read_text().replace("max_rounds = 100", "max_rounds = 1"))
    first, second = (home.town(tmp_path / place) for place in places)
    first.quick("spawn", "waits", "--cli", "single")
    second.quick("spawn", "works", "--cli", "single")
    running = second.assign("works", "wait go")
    (works,) = second.rounds(1)
    waiting = first.assign("waits")
    kill_daemon(home)
    second.tt("list")
    assert alive(works["pid"]), "the round runs on"
    second.go("go")
    second.wait("--task", running)
    first.wait("--task", waiting)
    (over,) = [e["at"] for e in second.see("events") if told(e) == ("round.ended", "works")]
    (begun,) = [e["at"] for e in first.see("events") if told(e) == ("round.started", "waits")]
    assert over <= begun


def told(event: dict[str, str]) -> tuple[str, str | None]:
    """What happened, and to which agent."""
    return event["event"], event.get("agent")
