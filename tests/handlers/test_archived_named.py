"""A task of the archive is named in a command: it is never taken for another, nor for none."""

from __future__ import annotations

from typing import Any

import pytest

from tests.domain.towns import NOW, agent, task
from tests.handlers.desk import Desk
from tinytownd.domain.errors import Ambiguous, Conflict, NotFound


def over(number: int, state: str = "completed", **fields: Any) -> Any:
    return task(number, "ann", state=state, finished_at=NOW, **fields)


def town(state: str = "completed", **fields: Any) -> Desk:
    """Task t1 is in the archive, and t10 and t11 are at hand."""
    desk = Desk(agent("ann"), over(1, state, **fields), task(10, "ann"), task(11), numbered=50)
    desk.put_away("t1")
    return desk


WRITING: dict[str, dict[str, object]] = {
    "task.complete": {},
    "task.fail": {"reason": "no"},
    "task.cancel": {"cascade": True},
    "task.edit": {"text": "Else"},
    "task.move": {"agent": "backlog"},
    "task.approve": {},
    "task.reject": {"reason": "no"},
    "backlog.claim": {"agent": "ann"},
    "backlog.remove": {},
}


@pytest.mark.parametrize("verb", WRITING)
def test_what_changes_a_task_says_that_it_is_in_the_archive(verb: str) -> None:
    with pytest.raises(Conflict, match="task t1 is in the archive: it is completed") as refusal:
        town().call(verb, task="t1", **WRITING[verb])
    assert refusal.value.hint == "tt task show t1"


@pytest.mark.parametrize("verb", WRITING)
def test_what_is_nowhere_is_still_no_task(verb: str) -> None:
    with pytest.raises(NotFound, match="there is no task 't5'"):
        town().call(verb, task="t5", **WRITING[verb])


def test_an_id_in_the_archive_is_not_the_beginning_of_another() -> None:
    desk = town(result="The first")
    assert desk.call("task.show", task="t1")["task"]["result"] == "The first"
    desk = Desk(agent("ann"), task(10, "ann"), task(11), numbered=50)
    with pytest.raises(Ambiguous):
        desk.call("task.cancel", task="t1")


def test_one_that_failed_can_be_brought_back() -> None:
    desk = town("failed")
    with pytest.raises(Conflict) as refusal:
        desk.call("task.edit", task="t1", text="Else")
    assert refusal.value.hint == "tt task show t1; tt task retry t1 brings it back"
    assert desk.call("task.retry", task="t1")["task"]["id"] == "t1"


# Waited for


@pytest.mark.parametrize(("state", "failed"), [("completed", []), ("failed", ["t1"])])
def test_waiting_for_it_is_over_at_once(state: str, failed: list[str]) -> None:
    told = town(state).call("town.wait", task="t1")
    assert [one["id"] for one in told["failed"]] == failed
    assert told["questions"] == []


# Built upon


@pytest.mark.parametrize("verb", ["task.assign", "backlog.add"])
def test_what_is_completed_and_put_away_has_arrived(verb: str) -> None:
    desk = town(result="A design")
    told: dict[str, Any] = {"agent": "ann"} if verb == "task.assign" else {}
    made = desk.call(verb, text="Build", after=["t1", "t1"], **told)["task"]
    assert (made["depends_on"], made["waits_for"]) == (["t1"], [])
    assert desk.town.tasks["t1"].result == "A design", "its result is told to who builds on it"
    assert desk.town.index.states["completed"] == 1, "it is counted once"


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_what_can_never_arrive_is_refused_with_the_way_out(state: str) -> None:
    with pytest.raises(Conflict, match=f"in the archive: it is {state}") as refusal:
        town(state).call("task.assign", agent="ann", text="Build", after=["t1"])
    assert "tt task retry t1 brings it back" in refusal.value.hint
