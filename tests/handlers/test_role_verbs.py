"""Roles, join rules and tags on the command line."""

from __future__ import annotations

from typing import Any

import pytest

from tests.domain.towns import agent, task
from tests.handlers.desk import Desk
from tinytownd.domain.errors import BadInput, Conflict, NotFound


def desk() -> Desk:
    """Two of the role Dev, who are busy, and a shell of that role."""
    team = [agent("ann", 1, role="Dev"), agent("bob", 2, role="Dev"), agent("cid", 3, role="ops")]
    shell = agent("sh", 4, cli="shell", role="shells")
    busy = [task(n, name) for n, name in ((91, "ann"), (92, "bob"), (93, "cid"))]
    return Desk(*team, shell, *busy, agents=4)


def test_a_task_for_a_role_is_nobodys_until_one_is_free() -> None:
    town = desk()
    reply = town.call("task.assign", agent="role:dev", text="Build it")
    one = reply["task"]
    assert (one["agent"], one["role"], one["state"], reply["agent"]) == (
        None,
        "Dev",
        "pending",
        None,
    )
    town.call("task.complete", task="t92")
    assert town.call("task.show", task=one["id"])["task"]["agent"] == "bob"
    assert town.told() == []


@pytest.mark.parametrize(
    ("verb", "args"),
    [
        ("task.assign", {"text": "x"}),
        ("task.move", {"task": "t91"}),
        ("task.edit", {"task": "t91"}),
    ],
)
@pytest.mark.parametrize(
    ("role", "why", "hint"),
    [
        ("role:Devs", "no agent with the role 'Devs'", "did you mean Dev?"),
        ("role:x", "no agent with the role 'x'", "there are 'Dev', 'ops'"),
        ("role:shells", "no agent with the role 'shells'", "there are 'Dev', 'ops'"),
        ("role:", "'' cannot be a role", "1 to 200 printable characters"),
        ("role:a\nb", "cannot be a role", "1 to 200 printable characters"),
    ],
)
def test_a_role_that_nobody_has_is_refused(
    verb: str, args: dict[str, Any], role: str, why: str, hint: str
) -> None:
    with pytest.raises(BadInput, match=why) as refused:
        desk().call(verb, agent=role, **args)
    assert refused.value.hint == hint


@pytest.mark.parametrize("verb", ["backlog.claim", "backlog.assign_all"])
def test_a_role_claims_nothing(verb: str) -> None:
    town = desk()
    town.call("backlog.add", text="Some day")
    args = {"task": "t1"} if verb == "backlog.claim" else {}
    with pytest.raises(NotFound, match="no agent 'role:Dev'"):
        town.call(verb, agent="role:Dev", **args)


def test_moving_to_an_agent_makes_it_that_agents_alone() -> None:
    town = desk()
    one = town.call("task.assign", agent="role:dev", text="Build it")["task"]["id"]
    assert town.call("task.move", task=one, agent="cid")["task"]["role"] is None
    town.call("agent.kill", name="cid")
    assert town.call("task.show", task=one)["task"]["agent"] == "cid"
    told = town.call("task.move", task=one, agent="role:dev")["task"]
    assert (told["agent"], told["role"]) == (None, "Dev")
    (moved,) = [event for event in town.said.events if event["event"] == "task.moved"]
    assert moved["agent"] == "role:Dev"
    told = town.call("task.move", task=one, agent="backlog")["task"]
    assert (told["agent"], told["role"]) == (None, None)


def test_the_backlog_and_the_lists_know_roles() -> None:
    town = desk()
    one = town.call("task.assign", agent="role:dev", text="Build it")["task"]["id"]
    assert town.call("backlog.list")["tasks"] == []
    with pytest.raises(Conflict, match=f"{one} is not in the backlog: it is owned by role:Dev"):
        town.call("backlog.claim", task=one, agent="ann")
    assert [t["id"] for t in town.call("task.list", agent="role:DEV")["tasks"]] == [one]
    status = town.call("town.status")
    assert status["tasks"]["by_agent"]["role:Dev"] == {"pending": 1}
    assert status["backlog"] == 0


def test_an_agent_that_is_removed_gives_its_role_its_work_back() -> None:
    town = desk()
    one = town.call("task.assign", agent="role:ops", text="Ship it")["task"]["id"]
    own = town.call("task.assign", agent="cid", text="Its own")["task"]["id"]
    town.call("task.complete", task="t93")
    town.call("agent.kill", name="cid")
    town.look("cid")
    town.call("agent.prune", all=True)
    told = {one["id"]: (one["agent"], one["role"]) for one in town.call("task.list")["tasks"]}
    assert told[one] == (None, "ops")
    assert told[own] == (None, None)


def test_what_a_role_will_not_do_is_found_and_taken_back() -> None:
    town = desk()
    one = town.call("task.assign", agent="role:ops", text="Ship it")["task"]["id"]
    town.call("agent.kill", name="cid")
    town.look("cid")
    found = [row for row in town.call("town.recover")["findings"] if one in row["what"]]
    assert [(row["what"], row["hint"]) for row in found] == [
        (f"{one} of role:ops, who is stopped", "tt reclaim --from role:ops; tt restart cid")
    ]
    listed = town.call("task.reclaim", source="role:OPS")
    assert [t["id"] for t in listed["tasks"]] == [one]
    with pytest.raises(Conflict, match="role:ops is stopped: it would not do them either"):
        town.call("task.reclaim", source="role:ops", to="role:ops")
    town.call("task.reclaim", source="role:ops", to="role:dev")
    assert town.call("task.show", task=one)["task"]["role"] == "Dev"
    town.call("task.reclaim", source="role:dev", to="bob")
    told = town.call("task.show", task=one)["task"]
    assert (told["agent"], told["role"]) == ("bob", None)


def test_a_plan_says_which_roles_are_missing_and_has_them_spawned() -> None:
    town = Desk(agent("ann", role="dev"), agents=1)
    plan = "".join(
        f'[[tasks]]\nid = "{one}"\ndescription = "Do it"\nagent = "role:{role}"\n'
        for one, role in (("a", "dev"), ("b", "qa lead"), ("c", "QA Lead"), ("d", "all"))
    )
    town.call("plan.push", text=plan)
    missing = town.call("conductor.start")["missing"]
    assert [(row["name"], row["tasks"], row["state"]) for row in missing] == [
        ("role:qa lead", ["b", "c"], None),
        ("role:all", ["d"], None),
    ]
    spawned = town.call("conductor.start", spawn=True)
    assert (spawned["spawned"], spawned["missing"]) == (
        [{"name": "qa-lead"}, {"name": "all-2"}],
        [],
    )
    assert town.agent("qa-lead").role == "qa lead"
    town.call("agent.kill", name="ann")
    town.look("ann")
    assert town.call("conductor.status")["missing"][0] == {
        "name": "role:dev",
        "tasks": ["a"],
        "state": "stopped",
    }


def test_a_file_keeps_the_role_whoever_takes_it() -> None:
    town = Desk(agent("ann", role="dev"), agents=1)
    text = '[[tasks]]\nid = "a"\ndescription = "Do it"\nagent = "role:dev"\njoin = "any"\n'
    town.call("plan.push", text=text)
    town.call("conductor.start")
    assert town.call("task.show", task="a")["task"]["agent"] == "ann"
    pulled = town.call("plan.pull", text=text)["text"]
    assert pulled == text + 'status = "assigned"\n'
    assert [row["id"] for row in town.call("plan.push", text=pulled)["unchanged"]] == ["a"]
    town.call("task.move", task="a", agent="ann")
    assert 'agent = "ann"' in town.call("plan.pull", text=text)["text"]


# Joins


def test_joins_on_the_command_line() -> None:
    town = desk()
    after = ["t91", "t92", "t93"]
    told = {"after": after, "join": "2", "failures": "count"}
    one = town.call("task.assign", agent="ann", text="Join", **told)["task"]
    assert (one["join"], one["failures"], one["waits_for"]) == ("2", "count", after)
    two = town.call("backlog.add", text="Join", after=after, join="any")["task"]
    assert (two["join"], two["failures"]) == ("any", "hold")
    town.call("task.fail", task="t91")
    assert town.call("task.show", task=one["id"])["task"]["waits_for"] == ["t92", "t93"]
    town.call("task.complete", task="t93")
    assert town.call("task.show", task=one["id"])["task"]["waits_for"] == []


@pytest.mark.parametrize("verb", ["task.assign", "backlog.add"])
@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"join": "4"}, "join = 4, but it depends on 3 tasks"),
        ({"join": "some"}, "'some' is no join rule"),
        ({"join": "-2"}, "'-2' is no join rule"),
        ({"failures": "never"}, "'never' says nothing about failures"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(verb: str, told: dict[str, str], why: str) -> None:
    who = {"agent": "ann"} if verb == "task.assign" else {}
    with pytest.raises(BadInput, match=why):
        desk().call(verb, text="Join", after=["t91", "t92", "t93"], **told, **who)


@pytest.mark.parametrize("key", ['join = "any"', 'failures = "count"'])
def test_a_group_joins_nothing(key: str) -> None:
    """What is in a group waits for all that the group waits for: a rule would change nothing."""
    plan = f'[[tasks]]\nid = "g"\ndescription = "All"\nepic = true\n{key}\n'
    plan += '[[tasks]]\nid = "a"\ndescription = "One"\nparent = "g"\n'
    with pytest.raises(BadInput) as refused:
        desk().call("plan.push", text=plan)
    problem = vars(refused.value)["problems"][0]
    word = key.partition(" ")[0]
    assert (problem["line"], problem["message"]) == (5, f"task 'g' is a group and has {word}")


# Tags


def test_who_takes_it_by_itself_is_said() -> None:
    town = desk()
    town.call("agent.spawn", name="dan", tags=["UI", "UI"])
    town.call("task.assign", agent="dan", text="Busy")
    told = [
        town.call("backlog.add", text="x", tags=tags)["takers"]
        for tags in (["ui"], ["dev"], ["api"], [], ["shells"])
    ]
    assert told == [["dan"], ["ann", "bob"], [], [], []]
    assert town.call("agent.list")["agents"][-1]["tags"] == ["UI"]


def test_a_tag_that_cannot_be() -> None:
    for tags in ([""], ["a\nb"], ["x" * 65]):
        with pytest.raises(BadInput, match="cannot be a tag"):
            desk().call("agent.spawn", name="dan", tags=tags)


def test_the_same_agent_again_with_other_tags_is_refused() -> None:
    town = desk()
    town.call("agent.spawn", name="dan", tags=["ui"])
    assert town.call("agent.spawn", name="dan", tags=["ui"])["created"] is False
    with pytest.raises(Conflict, match="tags is ui"):
        town.call("agent.spawn", name="dan", tags=["api"])
