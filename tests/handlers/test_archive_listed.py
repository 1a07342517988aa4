"""The archive as a list: page by page, the last that was put away first."""

from __future__ import annotations

from typing import Any

import pytest

from tests.domain.towns import NOW, agent, task
from tests.handlers.desk import Desk
from tests.handlers.test_views_at_scale import everything
from tinytownd.domain.errors import BadInput
from tinytownd.handlers import listing, paging

MANY = 30


def over(number: int) -> Any:
    odd = {"state": "failed", "tags": ("ui",)} if number % 2 else {"state": "completed"}
    return task(number, "ann" if number % 3 else "bob", finished_at=NOW, **odd)


@pytest.fixture
def desk() -> Desk:
    """Thirty finished tasks: t1 was put away first, and has come back."""
    team = agent("ann"), agent("bob", 2)
    desk = Desk(*team, *map(over, range(1, MANY + 1)), numbered=50)
    desk.put_away(*(f"t{n}" for n in range(1, MANY + 1)))
    desk.call("task.retry", task="t1")
    return desk


def listed(desk: Desk, **args: Any) -> list[str]:
    return [one["id"] for one in everything(desk, "task.archived", "tasks", **args)]


NEWEST = [f"t{n}" for n in range(MANY, 1, -1)]


@pytest.mark.parametrize("limit", [1, 7, MANY - 2, MANY - 1, MANY, paging.MOST])
def test_each_is_on_one_page(desk: Desk, limit: int) -> None:
    assert listed(desk, limit=limit) == NEWEST


def test_so_many_are_told(desk: Desk) -> None:
    told = desk.call("task.archived", limit=3)
    assert [one["id"] for one in told["tasks"]] == NEWEST[:3]
    assert told["next"]


@pytest.mark.parametrize(
    ("args", "fits"),
    [
        ({"state": "failed"}, lambda n: n % 2),
        ({"tag": "ui"}, lambda n: n % 2),
        ({"agent": "BOB"}, lambda n: not n % 3),
        ({"state": "completed", "agent": "bob"}, lambda n: not n % 6),
        ({"state": "pending"}, lambda n: False),
    ],
)
def test_some_of_them(desk: Desk, args: dict[str, str], fits: Any) -> None:
    assert listed(desk, limit=4, **args) == [f"t{n}" for n in range(MANY, 1, -1) if fits(n)]


def test_a_search_stops_for_others_and_goes_on(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "LOOKED", 4)
    told = desk.call("task.archived", tag="none of them")
    assert (told["tasks"], bool(told["next"])) == ([], True)
    assert listed(desk, agent="bob") == [f"t{n}" for n in range(MANY, 1, -1) if not n % 3]


def test_a_page_is_no_larger_than_a_reply_should_be(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "PAGE_BYTES", 4 * paging.RECORD_BYTES)
    assert 1 <= len(desk.call("task.archived")["tasks"]) < 5
    assert listed(desk) == NEWEST


@pytest.mark.parametrize(
    "args", [{"state": "lost"}, {"limit": 0}, {"limit": paging.MOST + 1}, {"after": "x"}]
)
def test_what_makes_no_sense_is_refused(desk: Desk, args: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        desk.call("task.archived", **args)


def test_an_empty_archive_has_no_page() -> None:
    assert Desk().call("task.archived") == {"tasks": [], "next": None}
