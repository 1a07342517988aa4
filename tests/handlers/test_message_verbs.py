"""Messages: a mailbox that is full refuses more, and everybody can see where each message is."""

from __future__ import annotations

import pytest

from tests.domain.towns import NOW, agent, message
from tests.handlers.desk import Desk
from tinytownd.domain.errors import Conflict
from tinytownd.domain.message import MOST_WAITING, MOST_WAITING_BYTES
from tinytownd.handlers.views import iso


def full() -> Desk:
    waiting = (message(n, "ann") for n in range(MOST_WAITING))
    return Desk(agent("ann", 1, state="paused"), agent("bob", 2, state="paused"), *waiting)


@pytest.mark.parametrize("how", [{"to": "ann"}, {"all": True}])
def test_a_full_mailbox_is_an_error_to_the_sender(how: dict[str, object]) -> None:
    desk = full()
    with pytest.raises(Conflict, match="ann has 1,000 messages that wait"):
        desk.call("message.send", text="One more", **how)
    assert desk.call("message.send", to="bob", text="Hello")["messages"][0]["state"] == "waiting"


def test_a_mailbox_is_full_of_long_texts_sooner() -> None:
    long = (message(n, "ann", text="x" * (MOST_WAITING_BYTES // 16)) for n in range(16))
    desk = Desk(agent("ann", state="paused"), *long)
    with pytest.raises(Conflict, match="ann has 16 messages that wait"):
        desk.call("message.send", to="ann", text="One more")


def test_what_was_read_makes_room() -> None:
    desk = full()
    desk.town.put(message(0, "ann", state="acknowledged"))
    assert desk.call("message.send", to="ann", text="One more")["messages"]


def test_everybody_can_see_where_a_message_is() -> None:
    desk = Desk(agent("ann"), message(1, "ann"))
    seen = [desk.call("message.inbox", all=True)["messages"][0]]
    desk.begin("ann")
    seen.append(desk.call("message.inbox", all=True)["messages"][0])
    desk.end("ann")
    seen.append(desk.call("message.inbox", all=True)["messages"][0])
    assert [one["state"] for one in seen] == ["waiting", "delivered", "acknowledged"]
    assert [one["round"] for one in seen] == [None, 1, 1]
    assert [one["delivered_at"] for one in seen] == [None, iso(NOW), iso(NOW)]
    assert [one["acknowledged_at"] for one in seen] == [None, None, iso(NOW)]
