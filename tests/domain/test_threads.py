"""Which conversation a message belongs to, its turns, and who is meant by a role or a group."""

from __future__ import annotations

import pytest

from tests.domain.towns import agent, make_town, message, round_, task
from tinytownd.domain import team, threads
from tinytownd.domain.errors import NotFound
from tinytownd.domain.message import QUESTION, Message
from tinytownd.domain.policy import Policy
from tinytownd.domain.record import Record
from tinytownd.domain.threads import Place
from tinytownd.domain.town import Town


def working(*messages: Message, on: str | None = None) -> Town:
    """ann is in a round that carries these messages."""
    carried = tuple(one.id for one in messages)
    ann = agent("ann", state="working", round="1", task=on)
    return make_town(ann, agent("bob", 2), round_(1, "ann", messages=carried, task=on), *messages)


def place(
    town: Town, reply_to: str | None = None, *, starts: bool = True, interrupts: bool = False
) -> Place:
    """Where a message of ann's belongs."""
    return threads.place(town, town.agent("ann"), reply_to, starts=starts, interrupts=interrupts)


# Where a message belongs


def test_what_a_round_without_a_task_says_joins_what_started_it() -> None:
    older = message(1, "ann")
    newest = message(3, "ann", thread="m2", turns=4)
    note = message(4, "ann", sort="info")
    assert place(working(older, newest, note)) == Place("m2", None, 4, True)
    assert place(working(older)).thread == "m1"
    assert place(working(older), starts=False) == Place("m1", None, 0, False)


def test_an_urgent_note_starts_a_round_and_so_a_conversation() -> None:
    assert place(working(message(1, "ann", sort="info", priority="urgent"))).thread == "m1"


def test_what_a_round_with_a_task_says_begins_a_conversation_that_is_free() -> None:
    town = working(message(1, "ann", turns=9), on="t1")
    assert place(town) == Place(None, "t1", 0, False)
    assert place(town, "m1") == Place("m1", "t1", 9, False)


def test_what_interrupts_takes_a_turn_also_from_a_task() -> None:
    town = working(message(1, "ann", turns=9), on="t1")
    assert place(town, interrupts=True) == Place("m1", "t1", 9, True)


def test_an_answer_joins_the_conversation_of_what_it_answers() -> None:
    asked, other = message(1, "bob", sender="ann"), message(2, "ann")
    answered = message(3, "ann", sender="bob", thread="m1", turns=2)
    assert place(working(asked, other, answered), "m3") == Place("m1", None, 2, True)


def test_a_person_takes_no_turn_and_gives_all_of_them_back() -> None:
    town = working(message(1, "ann", sender="bob", turns=20))
    assert threads.place(town, None, "m1", starts=True, interrupts=False) == Place("m1")
    assert threads.place(town, None, None, starts=True, interrupts=True) == Place()
    town.put(message(2, "ann", thread="m1"))
    assert place(town, "m1").turns == 0


def test_messages_that_were_forgotten_harm_nothing() -> None:
    town = working(message(1, "ann"), message(2, "ann", thread="m1", turns=3))
    town.drop(town.messages["m1"])
    assert place(town) == Place("m1", None, 3, True)
    town.drop(town.messages["m2"])
    assert place(town) == Place(None, None, 0, True)


@pytest.mark.parametrize(("turns", "used"), [(2, False), (3, True), (4, True)])
def test_the_bound_is_the_settings(turns: int, used: bool) -> None:
    town = make_town()
    town.policy = Policy(thread_messages=3)
    assert threads.is_used_up(town, Place("m1", None, turns, True)) is used
    assert not threads.is_used_up(town, Place("m1", None, turns, False))


def test_a_conversation_is_told_in_order_by_any_of_its_messages() -> None:
    one, two, three = (message(n, "ann", thread="m1" if n > 1 else None) for n in (1, 2, 3))
    town = make_town(three, one, message(4, "ann"), two)
    for ref in ("m1", "m2", "m3"):
        assert threads.of_message(town, ref) == [one, two, three]
    town.drop(one)
    assert threads.of_message(town, "m1") == [two, three], "the first may be forgotten"
    with pytest.raises(NotFound, match="there is no message 'm9'"):
        threads.of_message(town, "m9")


def test_the_conductor_hears_once_and_again_after_a_person() -> None:
    town = working(message(1, "ann", sender="bob", turns=3))
    where = place(town)
    threads.stop(town, where, "ann")
    threads.stop(town, where, "bob")
    (told,) = town.inbox("conductor")
    assert (told.sender, told.sort, told.about) == ("daemon", "request", "thread:m1")
    assert (told.thread, told.turns) == ("m1", 3), "who is woken by it cannot go on talking"
    assert [e["event"] for e in town.change.events] == ["thread.stopped", "message.sent"]
    town.put(message(8, "ann", thread="m1"))
    town.put(message(9, "ann", sender="bob", thread="m1", turns=3))
    threads.stop(town, where, "ann")
    assert len(town.inbox("conductor")) == 2


# Who is meant


def test_the_least_loaded_has_fewest_tasks_then_messages_then_rounds() -> None:
    team_: list[Record] = [
        agent("busy", 1, role="dev", task="t1"),
        agent("owner", 2, role="dev"),
        task(2, "owner", state="assigned"),
        agent("mailed", 3, role="dev"),
        message(1, "mailed"),
        agent("veteran", 4, role="dev", rounds=5),
        agent("fresh", 5, role="Dev", rounds=4),
        agent("stopped", 6, role="dev", state="stopped", desired="stop"),
        agent("other", 7, role="ops"),
        agent("hand", 8, role="dev", cli="shell"),
    ]
    order = ["fresh", "veteran", "mailed"]
    town = make_town(*team_)
    for name in order:
        assert team.least_loaded(town, "dev").name == name
        town.drop(town.agent(name))
    assert team.least_loaded(town, "dev").name in ("busy", "owner")
    for name in ("busy", "owner"):
        town.drop(town.agent(name))
    assert team.least_loaded(town, "DEV").name == "stopped", "better than nobody: it waits there"


def test_a_group_is_a_role_or_a_tag_and_never_the_sender_or_the_conductor() -> None:
    town = make_town(
        agent("ann", 1, role="web"),
        agent("bob", 2, tags=("Web", "db")),
        agent("cid", 3, role="ops"),
        agent("hand", 4, role="web", cli="shell"),
        agent("conductor", 5, role="web"),
    )
    assert [one.name for one in team.group(town, "web")] == ["ann", "bob"]
    assert [one.name for one in team.group(town, "WEB", town.agent("ann"))] == ["bob"]
    assert [one.name for one in team.readers(town, town.agent("cid"))] == ["ann", "bob"]


@pytest.mark.parametrize(
    ("word", "hint"), [("wbe", "did you mean web?"), ("nonsense", "there are 'db', 'ops', 'web'")]
)
def test_nobody_is_meant(word: str, hint: str) -> None:
    town = make_town(agent("ann", 1, role="web"), agent("bob", 2, role="ops", tags=("db",)))
    with pytest.raises(NotFound, match=f"no agent whose role or tag is '{word}'") as refused:
        team.group(town, word)
    assert refused.value.hint == hint
    with pytest.raises(NotFound, match=f"no agent with the role '{word}' in this town but ann"):
        team.least_loaded(town, word, town.agent("ann"))
    with pytest.raises(NotFound) as refused:
        team.least_loaded(make_town(), word)
    assert refused.value.hint == "tt spawn NAME --role ROLE"


def test_a_hint_names_some_of_many_roles() -> None:
    town = make_town(*(agent(f"a{n}", n, role=f"role {n:02}") for n in range(20)))
    with pytest.raises(NotFound) as refused:
        team.least_loaded(town, "x")
    assert refused.value.hint.endswith("'role 07', …")


def test_a_question_is_never_a_note_nor_starts_a_round() -> None:
    asked = message(1, "conductor", sort=QUESTION, priority="urgent")
    assert not asked.starts_round
    assert not asked.is_note
