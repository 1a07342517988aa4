"""`recover`, `reclaim`, `prune` and `reset`: what they print, what they ask, and whom."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli import shapes
from tests.cli.scripted import FakeDaemon, Tt
from tinytownd.domain.errors import Conflict

Answering = Callable[[str], None]


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answering]:
    """A person at a terminal who types that."""
    person, terminal = os.openpty()
    with os.fdopen(terminal) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)

        def answer(line: str) -> None:
            os.write(person, f"{line}\n".encode())

        yield answer
    os.close(person)


def verbs(daemon: FakeDaemon) -> list[str]:
    return [sent.verb for sent in daemon.sent]


def test_findings_are_a_line_each(daemon: FakeDaemon, town: Path, tt: Tt) -> None:
    out, _ = tt("recover")
    assert out.splitlines() == [
        "tester was in error: started again",
        "t3 failed (tt task retry t3)",
    ]
    daemon.replies["town.recover"] = {"findings": []}
    assert tt("recover")[0] == "Nothing to mend\n"
    assert json.loads(tt("recover", "--json")[0]) == []


def test_tasks_are_listed_or_taken(daemon: FakeDaemon, town: Path, tt: Tt) -> None:
    reply = {"tasks": [shapes.task()], "skipped": [{"id": "8", "why": "runs in round 3"}]}
    daemon.replies["task.reclaim"] = reply
    assert tt("reclaim")[0].splitlines() == [
        "7 waits for developer: Build it",
        "8 stays: it runs in round 3",
        "Nothing was changed. To take them: tt reclaim --to AGENT, or --to-backlog",
    ]
    assert "7 goes to developer: Build it" in tt("reclaim", "--to", "developer")[0]
    reply["tasks"] = [shapes.task(agent=None)]
    assert "7 goes to the backlog" in tt("reclaim", "--to-backlog")[0]
    daemon.replies["task.reclaim"] = {"tasks": [], "skipped": []}
    assert tt("reclaim")[0] == "Nothing to reclaim\n"


def test_tasks_go_to_one_place(daemon: FakeDaemon, town: Path, tt: Tt) -> None:
    _, err = tt("reclaim", "--to", "d", "--to-backlog", code=2)
    assert "choose one" in err
    assert not daemon.sent


def test_who_is_pruned_with_all_that_was_theirs(daemon: FakeDaemon, town: Path, tt: Tt) -> None:
    assert tt("prune", "--all")[0].splitlines() == [
        "Removed tester",
        "2 tasks of tester went to the backlog: tt backlog list",
        "1 message for tester went to the conductor: tt inbox conductor",
        "docs stays: it owns t1",
    ]


def test_what_is_old_is_archived(daemon: FakeDaemon, town: Path, tt: Tt) -> None:
    said = tt("prune", "--older", "30d")[0].splitlines()
    assert said == [
        "Archived 12 tasks and 30 rounds: tt task show TASK still shows each",
        "2 finished tasks stay: something still needs them",
    ]
    daemon.replies["town.archive"] = {"tasks": 1, "rounds": 0, "kept": 0, "dry_run": True}
    said = tt("prune", "--older", "12h", "--dry-run")[0].splitlines()
    assert said == ["1 task and 0 rounds would be archived"]
    assert daemon.sent[-1].args == {"older": 43_200, "dry_run": True}
    daemon.replies["town.archive"] = {"tasks": 0, "rounds": 0, "kept": 0, "dry_run": False}
    assert tt("prune", "--older", "1m")[0] == "Nothing to archive\n"
    assert json.loads(tt("prune", "--older", "1m", "--json")[0])["tasks"] == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--older", "soon"), "no length of time"),
        (("--older", "0d"), "no length of time"),
        (("--older", "-3d"), "no length of time"),
        (("--older", "30d", "--all"), "one of the two"),
        (("--dry-run",), "goes with --older"),
    ],
)
def test_what_cannot_be_archived(
    daemon: FakeDaemon, town: Path, tt: Tt, words: tuple[str, ...], told: str
) -> None:
    assert told in tt("prune", *words, code=2)[1]
    assert not daemon.sent


RESET = ["town.stop", "town.wait", "town.reset"]


@pytest.mark.parametrize("yes", ["y", "YES", " yes "])
def test_a_reset_says_what_goes_and_asks(
    yes: str, daemon: FakeDaemon, town: Path, tt: Tt, answering: Answering
) -> None:
    busy = shapes.agent(state="working", task="7")
    daemon.replies["town.status"] = {**shapes.REPLIES["town.status"], "agents": [busy]}
    answering(yes)
    out, err = tt("reset")
    assert err.splitlines()[0] == "In /demo this goes:"
    assert "1 agent," in err
    assert "developer works on 7: its round is ended" in err
    assert "1 open task, and 0 that are over" in err
    assert err.endswith("Go on? [y/N] ")
    assert out.splitlines()[0] == "Gone: 1 agent, 2 tasks, 0 messages, 3 rounds"
    assert verbs(daemon) == ["town.status", *RESET]
    assert [sent.args for sent in daemon.sent[1:]] == [{"now": True}, {}, {}]


@pytest.mark.parametrize("no", ["", "n", "no", "yesterday", "\x04"])
def test_a_no_changes_nothing(
    no: str, daemon: FakeDaemon, town: Path, tt: Tt, answering: Answering
) -> None:
    answering(no)
    out, err = tt("reset", "--agents-only", code=1)
    assert out == ""
    assert err.endswith("Nothing was changed\n")
    assert "task" not in err
    assert verbs(daemon) == ["town.status"]


def test_without_a_terminal_it_wants_to_be_forced(
    daemon: FakeDaemon, town: Path, tt: Tt, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        _, err = tt("reset", code=2)
        assert "tt reset --force" in err
        assert not daemon.sent
        gone = json.loads(tt("reset", "--force", "--agents-only", "--json")[0])
    assert gone == shapes.REPLIES["town.reset"]
    assert verbs(daemon) == RESET
    assert daemon.sent[-1].args == {"agents_only": True}


def test_a_reset_that_is_refused(daemon: FakeDaemon, town: Path, tt: Tt) -> None:
    daemon.replies["town.reset"] = Conflict("a round runs: d", hint="again")
    out, err = tt("reset", "--force", code=2)
    assert (out, err) == ("", "tt: a round runs: d (again)\n")


@pytest.mark.parametrize("line", ["recover", "reclaim", "prune --all", "reset --force"])
def test_agents_may_not(
    line: str,
    daemon: FakeDaemon,
    tmp_path: Path,
    tt: Tt,
    town: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "credentials"
    told = {"town": "town-1", "agent": "agent-1", "dir": str(town), "socket": str(daemon.socket)}
    file.write_text(json.dumps(told))
    monkeypatch.setenv("TINYTOWN_CREDENTIALS", str(file))
    _, err = tt(*line.split(), code=2)
    assert "an agent cannot use this command" in err
    assert not daemon.sent
