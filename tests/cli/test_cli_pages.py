"""Lists that are longer than one reply: what is shown, and what is said of the rest."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.scripted import FakeDaemon, Tt
from tests.cli.shapes import agent, conducting, listed, message, task

pytestmark = pytest.mark.usefixtures("town")


@pytest.mark.parametrize(
    ("words", "verb", "page", "way"),
    [
        ("list", "agent.list", listed("agents", [agent()]), "--all"),
        ("task list", "task.list", listed("tasks", [task()]), "--all"),
        ("backlog list", "backlog.list", listed("tasks", [task(agent=None)]), "--all"),
        ("inbox developer", "message.inbox", listed("messages", [message()]), "--limit N"),
    ],
)
def test_what_is_not_shown_is_counted_beside_what_is(
    daemon: FakeDaemon, tt: Tt, words: str, verb: str, page: dict[str, Any], way: str
) -> None:
    daemon.replies[verb] = {**page, "total": 1_001, "next": "7"}
    told = f"1,000 more are there: {way}\n"
    assert tt(*words.split())[1] == told
    out, err = tt(*words.split(), "--json")
    assert err == told
    assert json.loads(out) == next(iter(page.values()))
    daemon.replies[verb] = page
    assert tt(*words.split())[1] == ""


def test_all_of_a_list_comes_page_by_page(daemon: FakeDaemon, tt: Tt) -> None:
    def page(args: dict[str, Any]) -> dict[str, Any]:
        number = int(args["after"] or 0) + 1
        follows = str(number) if number < 4 else None
        return listed("tasks", [task(f"t{number}")], total=4, next=follows)

    daemon.replies["task.list"] = page
    out, err = tt("task", "list", "--all", "--json")
    assert [one["id"] for one in json.loads(out)] == ["t1", "t2", "t3", "t4"]
    assert err == ""


def test_of_a_large_plan_the_rest_is_counted(daemon: FakeDaemon, tt: Tt) -> None:
    one = task("design", "running")
    daemon.replies["conductor.status"] = conducting("running", [one], tasks_left=9_999)
    assert "… and 9,999 more: tt task list --all" in tt("conductor", "status")[0]
    shown = {"plan": conducting("running", [])["conductor"]["plan"], "agents": [], "tasks": [one]}
    daemon.replies["plan.status"] = {**shown, "tasks_left": 9_999, "event": "0-0"}
    assert "… and 9,999 more: tt task list --all" in tt("plan", "status")[0]


def test_the_archive_is_asked_for_until_a_page_is_full(daemon: FakeDaemon, tt: Tt) -> None:
    # A page may have none that fit, and be followed by others.
    pages = {"": ([], "9"), "9": ([task("a"), task("b")], "5"), "5": ([task("c")], None)}

    def page(args: dict[str, Any]) -> dict[str, Any]:
        tasks, follows = pages[args["after"]]
        return {"tasks": tasks, "next": follows}

    daemon.replies["task.archived"] = page
    for words, ids, more in (
        (("--limit", "2"), ["a", "b"], "More are there: --all\n"),
        (("--all",), ["a", "b", "c"], ""),
        ((), ["a", "b", "c"], ""),
    ):
        out, err = tt("task", "list", "--archived", *words, "--json")
        assert ([one["id"] for one in json.loads(out)], err) == (ids, more)
