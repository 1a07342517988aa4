"""What of a Rust tinytown's town comes over, as what; and what is left, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.domain import towns
from tests.domain.towns import make_town, picture
from tests.store.rust_town import SUPERVISOR, agent, mail, message, task, team, uid, work
from tinytownd.conductor.schedule import settle
from tinytownd.domain.hostile import check_record
from tinytownd.domain.message import MOST_WAITING
from tinytownd.domain.migration import Migration
from tinytownd.domain.rust import Found, Mail
from tinytownd.domain.town import Town

MARCH = 1_772_971_200_123  # 2026-03-08T12:00:00.123Z


def found(
    agents: Sequence[Any] = (), tasks: Sequence[Any] = (), letters: Sequence[Mail] = (), **more: Any
) -> Found:
    rows = [{row["id"]: row for row in table} for table in (agents, tasks)]
    return Found("shop", rows[0], rows[1], list(letters), **more)


def whole() -> Found:
    urgent = Mail(uid(2), message(6, uid(2), "task", description="Stop that"), urgent=True)
    return found(team(), work(), [*(Mail(uid(1), row) for row in mail()), urgent])


def migrated(what: Found, town: Town | None = None) -> tuple[Town, Migration]:
    town = make_town() if town is None else town
    migration = Migration(town, what, "person")
    settle(town)
    town.commit()
    for record in town.records():
        check_record(type(record), {**record.to_json(), **lists(record.to_json())})
    return town, migration


def lists(row: dict[str, Any]) -> dict[str, Any]:
    return {key: list(value) for key, value in row.items() if isinstance(value, tuple)}


def reasons(migration: Migration) -> list[str]:
    return [str(one["why"]) for one in migration.left]


def test_the_team_comes_closed() -> None:
    town, migration = migrated(whole())
    ann, bob = town.agents.values()
    assert (ann.name, ann.cli, ann.role, ann.nickname) == ("ann", "claude", "reviewer", "Fred")
    assert (bob.name, bob.cli) == ("bob", "codex")
    assert {(one.state, one.desired) for one in (ann, bob)} == {("cold", "close")}
    assert ann.created_at == MARCH + 1_000
    assert migration.came["agents"] == [
        {"name": "ann", "cli": "claude"},
        {"name": "bob", "cli": "codex"},
    ]


def test_tasks_come_in_their_order_with_their_ends() -> None:
    town, _ = migrated(whole())
    told = [(t.id, t.state, t.agent, t.description) for t in town.tasks.values()]
    assert told == [
        ("t1", "completed", "ann", "Do 1"),
        ("t2", "pending", "ann", "Do 2"),
        ("t3", "pending", "bob", "Do 3"),
        ("t4", "pending", None, "Do 4"),
        ("t5", "failed", "bob", "Do 5"),
        ("t6", "pending", None, "Do 6"),
    ]
    assert (town.tasks["t1"].result, town.tasks["t5"].error) == ("done", "broken")
    assert town.tasks["t1"].finished_at == MARCH + 8_000
    assert (town.tasks["t2"].parent, town.tasks["t2"].needs) == ("t1", ())
    assert town.tasks["t4"].tags == ("old",)


def test_waiting_messages_come_with_their_senders() -> None:
    town, migration = migrated(whole())
    told = [(m.sender, m.to, m.sort, m.priority, m.text) for m in town.messages.values()]
    assert told == [
        ("bob", "ann", "query", "normal", "Is it done?"),
        ("conductor", "ann", "info", "normal", "It rains"),
        ("conductor", "ann", "ack", "normal", "rejected: no tests"),
        ("conductor", "bob", "request", "urgent", "Stop that"),
    ]
    assert {m.state for m in town.messages.values()} == {"waiting"}
    assert reasons(migration) == [
        "the conductor is part of the daemon here",
        "it hands over a task, and that comes by itself",
        "ping: it only kept the old town running",
    ]


def test_the_history_says_all_of_it() -> None:
    town = make_town()
    Migration(town, whole(), "person")
    told = towns.events(town)
    counts = {name: told.count(name) for name in told}
    assert counts == {
        "agent.spawned": 2,
        "task.created": 6,
        "task.completed": 1,
        "task.failed": 1,
        "message.sent": 4,
    }


def test_nothing_comes_twice_and_what_is_new_comes() -> None:
    town, _ = migrated(whole())
    before = picture(town)
    again = Migration(town, whole(), "person")
    assert not town.change
    assert picture(town) == before
    assert again.came == {"agents": [], "tasks": [], "messages": []}
    assert again.there == {"agents": 2, "tasks": 6, "messages": 4}
    more = whole()
    more.tasks[uid(107)] = task(7, assigned_to=uid(2))
    _, third = migrated(more, town)
    assert [one["id"] for one in third.came["tasks"]] == ["t7"]
    assert town.tasks["t7"].agent == "bob"


def test_agents_that_are_here_keep_what_they_are() -> None:
    ann = towns.agent("Ann", cli="codex", state="paused", desired="pause")
    town, migration = migrated(whole(), make_town(ann, agents=1))
    assert [one.name for one in town.agents.values()] == ["Ann", "bob"]
    assert town.agent("ann").cli == "codex"
    assert town.tasks["t2"].agent == "Ann"
    assert migration.there["agents"] == 1


@pytest.mark.parametrize(
    ("cli", "name"),
    [
        ("claude", "claude"),
        ("claude --print --dangerously-skip-permissions", "claude"),
        ("/usr/bin/auggie --print", "auggie"),
        ("gh copilot", "copilot"),
        ("codex exec -m gpt-5.4-mini", "codex-mini"),
    ],
)
def test_a_command_is_taken_for_its_cli(cli: str, name: str) -> None:
    town, _ = migrated(found([agent(1, "ann", cli=cli)]))
    assert town.agent("ann").cli == name


def test_the_oldest_called_a_cli_a_model() -> None:
    row = agent(1, "ann", model="gemini")
    del row["cli"]
    assert migrated(found([row]))[0].agent("ann").cli == "gemini"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"name": "My Dev"}, "'My Dev' cannot be the name of an agent"),
        ({"name": "../x"}, "'../x' cannot be the name of an agent"),
        ({"name": "conductor"}, "'conductor' is a reserved word"),
        ({"name": 7}, "its name is no text"),
        ({"state": "flying"}, "its state 'flying' is not known"),
        ({"state": None}, "its state is no text"),
        ({"cli": ""}, "'' cannot be a cli"),
        ({"cli": ["claude"]}, "its cli is no text"),
        ({"nickname": "a\nb"}, "'a\\nb' cannot be a nickname"),
        ({"role_id": "x" * 300}, "'" + "x" * 77 + "…' cannot be a role"),
    ],
)
def test_an_agent_that_is_not_sound_is_left(fields: dict[str, Any], why: str) -> None:
    letter = Mail(uid(1), message(1, uid(1), "query", question="Well?"))
    rows = [agent(1, "ann", **fields)]
    town, migration = migrated(found(rows, [task(1, assigned_to=uid(1))], [letter]))
    assert not town.agents
    assert (town.tasks["t1"].agent, town.tasks["t1"].state) == (None, "pending")
    assert reasons(migration) == [why, "it is for an agent that does not come"]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"description": ""}, "the task is empty"),
        ({"description": None}, "its description is no text"),
        ({"description": "a\0b"}, "the task has a NUL character"),
        ({"description": "x" * (1 << 20) + "x"}, "the task has 1,048,577 bytes, more than 1 MiB"),
        ({"description": "\ud800"}, "the task is not UTF-8"),
        ({"state": "done"}, "its state 'done' is not known"),
        ({"result": {"a": 1}}, "its result is no text"),
    ],
)
def test_a_task_that_is_not_sound_is_left(fields: dict[str, Any], why: str) -> None:
    town, migration = migrated(found(tasks=[task(1, **fields)]))
    assert not town.tasks
    assert migration.left == [{"what": f"task {uid(101)}", "why": why}]


@pytest.mark.parametrize(
    "fields",
    [
        {"created_at": "yesterday", "completed_at": 7, "state": "completed"},
        {"created_at": "9999-12-31T23:59:59-14:00"},
        {"created_at": "0001-01-01T00:00:00+14:00"},
        {"tags": "[", "parent_id": uid(101)},
        {"tags": '["ok", "a\\nb", 7]', "assigned_to": ["x"]},
        {"tags": {"a": 1}, "assigned_to": uid(77), "parent_id": uid(78)},
    ],
)
def test_what_matters_less_is_left_out(fields: dict[str, Any]) -> None:
    town, migration = migrated(found(tasks=[task(1, **fields)]))
    one = town.tasks["t1"]
    assert (migration.left, one.parent, one.agent) == ([], None, None)
    assert one.created_at in (MARCH + 1_000, town.now)
    assert set(one.tags) <= {"ok", "old"}


def test_parents_that_go_in_circles_become_none() -> None:
    rows = [task(1, parent_id=uid(102)), task(2, parent_id=uid(101))]
    town, _ = migrated(found(tasks=rows))
    assert [one.parent for one in town.tasks.values()] == [None, "t1"]


@pytest.mark.parametrize("row", [None, 7, "x", [], [["id", "x"]]])
def test_what_is_no_object_is_left(row: object) -> None:
    what = Found("shop", {uid(1): row}, {uid(2): row}, [Mail(SUPERVISOR, row)])
    town, migration = migrated(what)
    assert not list(town.records())
    assert [why.endswith("is no object") for why in reasons(migration)] == [True] * 3


@pytest.mark.parametrize(
    ("kind", "fields", "sort", "text"),
    [
        ("task", {"description": "Do"}, "request", "Do"),
        ("task_assign", {"task_id": "Build the login page"}, "request", "Build the login page"),
        ("task_done", {"task_id": "x", "result": "ok"}, "info", "Task x done: ok"),
        ("task_failed", {"task_id": "x", "error": "no"}, "info", "Task x failed: no"),
        ("custom", {"kind": "help", "payload": "{}"}, "request", "[help] {}"),
        ("confirmation", {"ack_type": {"type": "thanks"}}, "ack", "thanks"),
    ],
)
def test_every_sort_of_message_becomes_one_of_ours(
    kind: str, fields: dict[str, Any], sort: str, text: str
) -> None:
    letter = Mail(SUPERVISOR, message(1, SUPERVISOR, kind, **fields))
    town, migration = migrated(found(letters=[letter]))
    (one,) = town.messages.values()
    assert (one.to, one.sort, one.text, migration.left) == ("conductor", sort, text, [])


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"type": "spell"}, "'spell' is no sort of message that is known"),
        ({"type": 7}, "its type is no text"),
        ({"id": None}, "its id is no text"),
        ({"question": ""}, "the message is empty"),
        ({"type": "confirmation", "ack_type": "thanks"}, "'confirmation' is no object"),
        ({"type": "custom", "payload": "x"}, "its kind is no text"),
    ],
)
def test_a_message_that_is_not_sound_is_left(fields: dict[str, Any], why: str) -> None:
    row = message(1, SUPERVISOR, "query", question="Well?") | fields
    town, migration = migrated(found(letters=[Mail(SUPERVISOR, row)]))
    assert (dict(town.messages), reasons(migration)) == ({}, [why])


def test_a_mailbox_takes_no_more_than_it_may_hold() -> None:
    letters = [
        Mail(SUPERVISOR, message(1, SUPERVISOR, "query", question="?", id=uid(number)))
        for number in range(MOST_WAITING + 3)
    ]
    town, migration = migrated(found(letters=letters))
    assert len(town.messages) == MOST_WAITING
    assert reasons(migration) == ["the mailbox of conductor is full"] * 3


def test_what_cannot_be_read_and_what_is_missing_is_told() -> None:
    what = found(tasks=[task(4)], backlog=[uid(104), "gone"], unreadable=[("tt:\x1b", "no list")])
    _, migration = migrated(what)
    assert migration.left == [
        {"what": "'tt:\\x1b'", "why": "no list"},
        {"what": "backlog entry 'gone'", "why": "there is no such task"},
    ]
