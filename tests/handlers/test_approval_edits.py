"""What waits for an approval has not started: it can be edited, moved and claimed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.domain.towns import agent
from tests.handlers.desk import Desk
from tinytownd.domain.errors import Conflict, PlanError

ANN, BOB = agent("ann"), agent("bob", 2)


def waiting(**fields: Any) -> Desk:
    """t1 of ann waits for an approval."""
    desk = Desk(ANN, BOB, agents=2)
    desk.call("task.assign", agent="ann", text="Deploy", approve=True, **fields)
    assert desk.town.tasks["t1"].state == "blocked"
    return desk


def asked(desk: Desk) -> list[str]:
    return [one["text"] for one in desk.call("question.list")["questions"]]


@pytest.mark.parametrize(
    ("verb", "args", "text"),
    [
        ("task.edit", {"text": "Deploy twice"}, "May ann start t1? Deploy twice"),
        ("task.edit", {"agent": "bob", "priority": "high"}, "May bob start t1? Deploy"),
        ("task.move", {"agent": "bob"}, "May bob start t1? Deploy"),
        ("task.move", {"agent": "backlog"}, "May anybody start t1? Deploy"),
        ("task.reclaim", {"source": "ann", "to": "bob"}, "May bob start t1? Deploy"),
    ],
)
def test_it_is_changed_and_people_are_asked_anew(
    verb: str, args: dict[str, Any], text: str
) -> None:
    desk = waiting()
    first = desk.call("question.list")["questions"][0]["id"]
    task = {} if verb == "task.reclaim" else {"task": "t1"}
    desk.call(verb, **task, **args)
    assert (desk.town.tasks["t1"].state, asked(desk)) == ("blocked", [text])
    assert desk.town.messages[first].answer == "the task has changed"
    desk.call("task.approve", task="t1")
    assert not asked(desk)
    if args.get("agent") != "backlog":
        assert desk.town.tasks["t1"].state == "assigned"


def test_a_claim_is_asked_about_anew() -> None:
    desk = Desk(ANN, agents=1)
    desk.call("backlog.add", text="Deploy", approve=True)
    assert asked(desk) == ["May anybody start t1? Deploy"]
    desk.call("backlog.claim", task="t1", agent="ann")
    assert asked(desk) == ["May ann start t1? Deploy"]


def test_one_that_waits_for_an_answer_has_started() -> None:
    desk = Desk(ANN, BOB, agents=2)
    desk.call("task.assign", agent="ann", text="Build")
    desk.begin("ann")
    desk.call("task.ask", "ann", text="Which port?")
    for verb, args in (("edit", {"text": "x"}), ("move", {"agent": "bob"})):
        with pytest.raises(Conflict, match="is blocked"):
            desk.call(f"task.{verb}", task="t1", **args)


def test_a_plan_is_refused_whose_reviewer_only_runs_commands() -> None:
    desk = Desk(agent("sam", cli="shell"), agents=1)
    text = '[meta]\nreview = "Sam"\n\n[[tasks]]\nid = "a"\ndescription = "A"\nagent = "ann"\n'
    with pytest.raises(PlanError) as refused:
        desk.call("plan.push", text=text)
    (problem,) = refused.value.problems
    assert problem["line"] == 4
    assert "would be reviewed by Sam, who only runs commands" in str(problem["message"])


def pushed(desk: Desk, *texts: str, **args: Any) -> dict[str, Any]:
    """A push of a plan whose tasks a, b, … wait for approvals and have these texts."""
    tasks = (
        f'[[tasks]]\nid = "{name}"\ndescription = "{text}"\nagent = "ann"\napprove = true\n'
        for name, text in zip("ab", texts, strict=False)
    )
    return desk.call("plan.push", text="\n".join(tasks), **args)


def test_a_push_changes_what_waits_for_an_approval_and_takes_it_back() -> None:
    desk = Desk(ANN, agents=1, conducting=True)
    pushed(desk, "Build", "Deploy")
    assert asked(desk) == ["May ann start a? Build", "May ann start b? Deploy"]
    assert [one["id"] for one in pushed(desk, "Build", "Deploy")["unchanged"]] == ["a", "b"]
    assert len(asked(desk)) == 2
    assert [one["id"] for one in pushed(desk, "Build all", "Deploy")["updated"]] == ["a"]
    assert sorted(asked(desk)) == ["May ann start a? Build all", "May ann start b? Deploy"]
    pushed(desk, "Build all", prune=True)
    assert (desk.town.tasks["b"].state, asked(desk)) == (
        "cancelled",
        ["May ann start a? Build all"],
    )
