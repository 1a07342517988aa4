"""What was put away: shown, pushed again, tried again, counted; and put away by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.domain.towns import NOW, agent, round_, task
from tests.handlers.desk import Desk
from tests.handlers.test_plan_verbs import BUILD, DESIGN, TEST, Definition, push, quiet, text
from tinytownd.domain.errors import BadInput, Conflict, IllegalTransition, NotFound, PlanError

HOUR = 3_600_000


def over(number: int, **fields: Any) -> Any:
    return task(
        number, "ann", **{"state": "completed", "finished_at": NOW - number * HOUR, **fields}
    )


def worked(*, end: str = "task.complete") -> Desk:
    """A town that carried out its plan long ago, and has put it away."""
    desk = Desk(agent("ann"), numbered=50)
    push(desk, DESIGN, BUILD)
    desk.call("task.complete", task="design", result="A design")
    desk.call(end, task="build")
    desk.put_away("design", "build")
    assert list(desk.town.tasks) == []
    return desk


# Pushed again


def test_what_is_in_the_archive_is_not_made_anew() -> None:
    desk = worked()
    assert push(desk, DESIGN, BUILD) == {"unchanged": ["design", "build"]}
    assert quiet(desk)
    assert desk.call("plan.status")["plan"]["completed"] == 2


def test_what_changed_in_the_file_is_kept_as_it_was() -> None:
    desk = worked()
    changed: Definition = {**DESIGN, "description": "Else"}
    assert push(desk, changed, BUILD) == {"kept": ["design"], "unchanged": ["build"]}
    assert not desk.town.tasks


def test_what_is_new_builds_on_what_was_put_away() -> None:
    desk = worked()
    assert push(desk, DESIGN, BUILD, TEST) == {"added": ["test"], "unchanged": ["design", "build"]}
    assert desk.town.tasks["test"].needs == ("build",)
    assert desk.town.tasks["build"].state == "completed", "its result is told to who builds on it"
    plan = desk.call("plan.status")["plan"]
    assert (plan["total"], plan["completed"]) == (3, 2)


def test_what_failed_and_was_put_away_still_holds_back_what_needs_it() -> None:
    desk = worked(end="task.fail")
    push(desk, DESIGN, BUILD, TEST)
    desk.call("conductor.start")
    assert desk.states("build", "test") == ["failed", "pending"]


def test_what_is_gone_from_the_file_does_not_count_for_the_plan_any_more() -> None:
    desk = worked()
    push(desk, {"id": "next", "description": "Next", "agent": "ann"})
    plan = desk.call("plan.status")["plan"]
    assert (plan["total"], plan["completed"]) == (1, 0)


def test_what_was_made_on_the_command_line_goes_on_to_count_for_the_plan() -> None:
    desk = Desk(agent("ann"), numbered=50)
    push(desk, DESIGN, BUILD)
    loose = ""
    for end in ("task.complete", "task.fail"):
        loose = desk.call("task.assign", agent="ann", text="By hand", plan="main")["task"]["id"]
        desk.call(end, task=loose)
    for one in ("design", "build"):
        desk.call("task.complete", task=one)
    desk.put_away(*desk.town.tasks)
    assert list(desk.town.tasks) == []
    for definitions, completed in (((DESIGN, BUILD), 3), ((DESIGN,), 2), ((DESIGN, BUILD), 3)):
        push(desk, *definitions)
        plan = desk.call("plan.status")["plan"]
        counted = (plan["total"], plan["completed"], plan["failed"])
        assert counted == (completed + 1, completed, 1)
    assert desk.town.index.pushed["main"] == 2
    desk.call("task.retry", task=loose)
    assert desk.call("plan.status")["plan"]["total"] == 4, "it is not counted twice"


def test_what_never_ran_comes_anew_when_it_is_in_the_file_again() -> None:
    desk = Desk(agent("ann"), numbered=50)
    push(desk, DESIGN, BUILD)
    push(desk, DESIGN, prune=True)
    assert desk.states("build") == ["cancelled"]
    desk.call("task.complete", task="design")
    desk.put_away("build")
    assert push(desk, DESIGN, BUILD) == {"added": ["build"], "unchanged": ["design"]}


def test_an_id_in_the_archive_is_taken() -> None:
    desk = Desk(over(1), numbered=50)
    desk.put_away("t1")
    with pytest.raises(PlanError):
        push(desk, {"id": "t1", "description": "Something else", "agent": "ann"})
    assert push(desk, {"id": "t1", "description": "Do 1", "agent": "ann"}).keys() <= {
        "kept",
        "unchanged",
    }
    assert not desk.town.tasks


def test_the_file_gets_what_became_of_them() -> None:
    desk = worked()
    told = desk.call("plan.pull", text=text(DESIGN, BUILD))
    assert [one["id"] for one in told["changed"]] == ["design", "build"]
    assert 'result = "A design"' in told["text"]
    again = desk.call("plan.pull", text=told["text"])
    assert (again["text"], again["changed"]) == (told["text"], [])
    everything = desk.call("plan.pull", text="", all=True)
    assert [one["id"] for one in everything["changed"]] == ["design", "build"]


# Shown, tried again


def test_a_task_of_the_archive_is_shown_by_its_id() -> None:
    desk = worked()
    assert desk.call("task.show", task="design")["task"]["result"] == "A design"
    for ref in ("desi", "nothing"):
        with pytest.raises(NotFound):
            desk.call("task.show", task=ref)


def test_one_that_failed_is_tried_again_with_what_it_needs() -> None:
    desk = worked(end="task.fail")
    desk.call("task.retry", task="build")
    assert desk.states("design", "build") == ["completed", "pending"]
    assert desk.call("plan.status")["plan"]["total"] == 2
    lost = over(1, state="failed"), over(2, state="failed")
    desk = Desk(agent("ann"), *lost, over(3), numbered=50)
    desk.put_away("t1", "t2")
    desk.call("task.retry", task="t2")
    assert list(desk.town.tasks) == ["t2", "t3"], "it is where it was"
    with pytest.raises(IllegalTransition):
        worked().call("task.retry", task="build")


# Put away by hand


def test_what_is_older_is_put_away() -> None:
    ended = round_(1, "ann", outcome="completed", ended_at=NOW - HOUR)
    late = round_(2, "ann", outcome="completed", ended_at=NOW)
    desk = Desk(agent("ann"), over(1), over(3), over(5), ended, late, numbered=50, rounds=2)
    told = desk.call("town.archive", older=2 * 3_600, dry_run=True)
    assert told == {"tasks": 2, "rounds": 0, "kept": 0, "dry_run": True}
    assert quiet(desk)
    assert desk.call("town.archive", older=2 * 3_600)["tasks"] == 2
    assert desk.told() == ["town.archived"]
    assert [one for _, one in desk.said.archived] == ["t5", "t3"]
    told = desk.call("town.archive", older=60)
    assert told == {"tasks": 1, "rounds": 1, "kept": 0, "dry_run": False}
    assert (list(desk.town.rounds), desk.town.meta.cleared) == (["2"], 1)
    assert desk.call("town.archive", older=60)["tasks"] == 0
    assert quiet(desk)


def test_what_is_needed_is_counted_and_stays() -> None:
    desk = Desk(agent("ann"), over(1), task(2, "ann", needs=("t1",)), numbered=50)
    told = desk.call("town.archive", older=60)
    assert told == {"tasks": 0, "rounds": 0, "kept": 1, "dry_run": False}


@pytest.mark.parametrize("older", [-1, 10**12])
def test_a_time_that_cannot_be_asked_for(older: int) -> None:
    with pytest.raises(BadInput, match="cannot be asked for"):
        Desk().call("town.archive", older=older)


def test_only_people_put_away() -> None:
    with pytest.raises(BadInput, match="agent"):
        Desk(agent("ann")).call("town.archive", "ann", older=60)


# The town's state counts, and a reset


def test_the_town_counts_them_and_a_reset_forgets_them() -> None:
    desk = worked()
    assert desk.town.index.states["completed"] == 2
    with pytest.raises(Conflict, match="2 archived tasks"):
        desk.call("town.restore", path="/tmp/x.save")
    assert desk.call("town.reset")["tasks"] == 2
    assert desk.said.empties_archive
    desk.archived.clear()
    assert push(desk, DESIGN) == {"added": ["design"]}
