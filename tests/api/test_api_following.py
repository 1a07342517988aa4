"""What is iterated over: events and mail."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from tests.api.conftest import Run, script
from tests.e2e.town import TownUnderTest
from tinytown_cli.api import BadInput, Event, Mail, Message, NotFound, Town


async def take(count: int, what: object) -> list[Event]:
    """So many events."""
    found: list[Event] = []
    async for one in what:  # type: ignore[attr-defined]
        found.append(one)
        if len(found) == count:
            break
    return found


def test_events_begin_where_they_are_told_to(town: TownUnderTest, run: Run) -> None:
    async def talk(api: Town) -> None:
        await api.spawn("early")
        async with api.events() as events:
            await api.spawn("late")
            (first,) = await take(1, events)
        assert (first.event, first.agent) == ("agent.spawned", "late")
        assert first.at.tzinfo is not None
        everything = await take(len(await api.history()), api.events(since="0"))
        assert everything == await api.history()
        before = next(one for one in everything if one.agent == "early")
        assert (await take(1, api.events(since=before)))[0] == everything[
            everything.index(before) + 1
        ]
        for wrong in ("now", "", "1-"):
            with pytest.raises(BadInput, match="is not the id of an event"):
                api.events(since=wrong)

    run(town, talk)


def test_a_loop_that_is_left_leaves_no_connection(town: TownUnderTest, run: Run) -> None:
    async def talk(api: Town) -> None:
        await api.spawn("a")
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(20):
            await take(1, api.events(since="0"))
        async with api.events() as events:
            with anyio.move_on_after(0.05):
                await anext(events)
            with anyio.move_on_after(0):
                await anext(events)
            for name in ("b", "c", "d"):  # a read that was cancelled has lost and doubled nothing
                await api.spawn(name)
                assert (await anext(events)).agent == name
        await api.status()
        assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1

    run(town, talk)


def test_messages_have_kinds_and_receivers(town: TownUnderTest, run: Run) -> None:
    async def talk(api: Town) -> None:
        a = await api.spawn("a")
        await api.spawn("b")
        await a.interrupt()
        info = await a.send("Noted", kind="info")
        assert (info.sender, info.to, info.kind, info.state) == ("person", "a", "info", "waiting")
        answer = await api.send(a, "Yes", kind="ack", reply_to=info, sender="boss")
        assert (answer.reply_to, answer.claimed_sender) == (info.id, "boss")
        urgent = await a.send("Now!", urgent=True)
        assert (urgent.kind, urgent.priority) == ("request", "urgent")
        assert [one.to for one in await api.broadcast("Freeze", kind="info")] == ["a", "b"]
        assert {one.text for one in await a.inbox()} == {"Noted", "Yes", "Now!", "Freeze"}
        assert await api.inbox(a) == await a.inbox()
        assert len(await api.inbox()) == 5
        await a.resume()
        await a.wait_for_idle()
        assert await a.inbox() == []
        assert len(await api.inbox(everything=True)) == 5
        with pytest.raises(NotFound, match="nobody"):
            await api.send("nobody", "Hello?")
        with pytest.raises(BadInput, match="no kind of message"):
            await a.send("x", kind="order")  # type: ignore[arg-type]

    run(town, talk)


def test_mail_is_read_as_it_arrives(town: TownUnderTest, run: Run) -> None:
    async def talk(api: Town) -> None:
        a = await api.spawn("a")
        await api.send("conductor", "before")
        heard: list[str] = []
        async with api.messages("Supervisor") as mail, api.messages(waiting=True) as all_mail:
            await a.send("not for the conductor", kind="info")
            await a.assign(script("tt send supervisor 'from the agent'"))
            message = await anext(mail)
            assert (message.sender, message.to, message.text) == (
                *("a", "conductor"),
                "from the agent",
            )
            await api.send("conductor", "after")
            async for one in all_mail:
                heard.append(one.text)
                if one.text == "after":
                    break
        assert heard == ["before", "from the agent", "after"]
        with pytest.raises(NotFound, match="there is no agent 'nobody'"):
            await anext(api.messages("nobody"))

    run(town, talk)


def test_mail_that_comes_in_between_is_told_once(
    town: TownUnderTest, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def talk(api: Town) -> None:
        look = Mail._look

        async def late(mail: Mail, **where: object) -> list[Message]:
            await api.send("conductor", "in between")
            return await look(mail, **where)

        with monkeypatch.context() as patch:
            patch.setattr(Mail, "_look", late)
            mail = api.messages(waiting=True)
            await mail.__aenter__()
        async with mail:
            assert (await anext(mail)).text == "in between"
            await api.send("conductor", "after")
            assert (await anext(mail)).text == "after"

    run(town, talk)


def test_a_burst_of_mail_is_read_whole(town: TownUnderTest, run: Run) -> None:
    async def talk(api: Town) -> None:
        a = await api.spawn("a")
        heard: list[Message] = []
        async with api.messages("A") as mail:

            async def tell(number: int) -> None:
                await a.send(f"Number {number}", kind="info" if number % 2 else "request")

            async with anyio.create_task_group() as group:
                for number in range(40):
                    group.start_soon(tell, number)
            await a.wait_for_idle()
            async for one in mail:
                heard.append(one)
                if len(heard) == 40:
                    break
        assert {one.text for one in heard} == {f"Number {number}" for number in range(40)}
        assert [one.id for one in heard] == [f"m{number}" for number in range(1, 41)]

    run(town, talk)
