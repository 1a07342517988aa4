"""What is shown of questions, approvals and gates."""

from __future__ import annotations

import shlex
import typing
from pathlib import Path

import pytest

from tests.cli import shapes
from tests.cli.scripted import FakeDaemon, Tt
from tinytown_cli import layout, live, tasks
from tinytown_cli.api.records import TaskState
from tinytownd.domain.task import STATES

DECIDE = 'tt approve 7, or tt reject 7 "why"'


@pytest.mark.parametrize(
    ("about", "ways"),
    [
        ("approve:7", DECIDE),
        ("verdict:7", DECIDE),
        ("answer:7", 'tt answer m3 "…"'),
        ("reply:ann:4", 'tt answer m3 "…"'),
        ("plan:main", "tt answer m3 yes, or tt answer m3 no"),
        ("budget:task:7", "tt answer m3 yes, or tt answer m3 no"),
    ],
)
def test_every_question_shows_how_it_is_answered(about: str, ways: str) -> None:
    assert layout.ways(shapes.question(about=about)) == ways


def test_the_inbox_shows_questions_and_answers(daemon: FakeDaemon, town: Path, tt: Tt) -> None:
    answered = shapes.question(id="m4", state="acknowledged", answer="8080\nor so")
    found = [shapes.question(about="approve:7"), answered, shapes.message()]
    daemon.replies["message.inbox"] = shapes.listed("messages", found)
    lines = tt("inbox", "--all")[0].splitlines()
    assert lines[2] == f"  To answer: {DECIDE}"
    assert lines[5] == "  Answered: 8080"
    assert lines[-1] == "  Look at it"


def test_status_counts_questions(daemon: FakeDaemon, town: Path, tt: Tt) -> None:
    assert "inbox conductor" not in tt("status")[0]
    daemon.replies["town.status"] = {**shapes.REPLIES["town.status"], "questions": 2}
    assert "2 questions: tt inbox conductor" in tt("status")[0]


def test_a_task_shows_its_gates(daemon: FakeDaemon, town: Path, tt: Tt) -> None:
    one = shapes.task(approve=True, check="make test", review="rev", reworks=2, feedback="No")
    daemon.replies["task.show"] = {"task": one, "rounds": []}
    shown = tt("task", "show", "7")[0]
    for line in (
        "approval   needed",
        "check      make test",
        "review     rev",
        "sent back  2 times",
        "feedback\nNo",
    ):
        assert line in shown
    daemon.replies["task.show"] = {"task": shapes.task(gate_of="6"), "rounds": []}
    assert "gate of    6" in tt("task", "show", "7")[0]


def test_what_was_asked_and_answered_is_told(daemon: FakeDaemon, town: Path, tt: Tt) -> None:
    assert tt("ask", "Which port?")[0] == "Asked as m3; 7 waits for the answer: end here\n"
    assert tt("answer", "m3", "8080")[0] == "Answered m3\n"
    assert tt("approve", "7")[0] == "Task 7 is approved (developer, assigned)\n"
    assert tt("reject", "7", "no")[0] == "Task 7 is rejected (developer, assigned)\n"


def test_a_task_that_waits_for_an_approval_says_how_to_give_it(
    daemon: FakeDaemon, town: Path, tt: Tt
) -> None:
    made = shapes.task(state="blocked", approve=True, approved=False)
    daemon.replies["task.assign"] = {"task": made, "agent": None}
    told = "Task 7 is assigned to developer; it waits for an approval: tt approve 7\n"
    assert tt("assign", "developer", "Build", "--approve")[0] == told


def test_a_question_without_a_task(daemon: FakeDaemon, town: Path, tt: Tt) -> None:
    daemon.replies["task.ask"] = {"question": shapes.question(), "task": None}
    assert tt("ask", "Which port?")[0] == "Asked as m3; the answer will come as a message\n"


@pytest.mark.parametrize(
    "words", ["reject 7", "reject 7 ''", "answer m3", "answer m3 ' '", "ask ''"]
)
def test_what_says_nothing_is_refused(daemon: FakeDaemon, town: Path, tt: Tt, words: str) -> None:
    err = tt(*shlex.split(words), code=2)[1]
    assert len(err.splitlines()) == 1
    assert daemon.sent == []


def test_every_state_of_a_task_has_its_line() -> None:
    assert set(typing.get_args(TaskState)) == set(typing.get_args(tasks.State)) == set(STATES)
    assert "handed in" in live.task_line(shapes.task(state="submitted"), 5)
    assert "tt inbox conductor" in live.task_line(shapes.task(state="blocked"), 5)
