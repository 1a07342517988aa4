"""Mail by the Python API: roles and groups, conversations, interrupts, emptied mailboxes."""

from __future__ import annotations

import json

import pytest

from tests.api.conftest import Run, script
from tests.e2e.town import TownUnderTest
from tinytown_cli.api import BadInput, Message, NotFound, Town


def test_roles_groups_and_conversations(town: TownUnderTest, run: Run) -> None:
    async def talk(api: Town) -> None:
        for name, role in (("a", "dev"), ("b", "dev"), ("c", "ops")):
            await (await api.spawn(name, role=role)).interrupt()
        one = await api.send("role:dev", "One", kind="info")
        two = await api.send("role:dev", "Two", kind="info", reply_to=one)
        assert (one.to, two.to, two.thread) == ("a", "b", one.id)
        assert [m.to for m in await api.broadcast("Three", group="DEV", kind="info")] == ["a", "b"]
        assert [m.id for m in await api.thread(two)] == [one.id, two.id]
        with pytest.raises(NotFound, match="the role 'qa'"):
            await api.send("role:qa", "x")
        with pytest.raises(NotFound, match="whose role or tag is 'qa'"):
            await api.broadcast("x", group="qa")
        with pytest.raises(BadInput, match="group:dev may be several"):
            await api.send("group:dev", "x")
        with pytest.raises(BadInput, match="only an urgent message interrupts"):
            await api.send("a", "x", interrupt=True)
        with pytest.raises(NotFound, match="there is no message 'm99'"):
            await api.thread("m99")

    run(town, talk)


def test_an_interrupt_by_hand(town: TownUnderTest, run: Run) -> None:
    init, result = (json.dumps({"type": "system", "session_id": "s-1"} | more) for more in (
        {}, {"type": "result", "result": "built"}))  # fmt: skip

    async def talk(api: Town) -> None:
        a = await api.spawn("a", cli="talking")
        async with api.messages("person") as mail:
            words = (f"say {init}", "tt send person begun", "wait go", f"say {result}")
            task = await a.assign(script(*words))
            assert (await anext(mail)).text == "begun"
            await a.send("Use port 8080", urgent=True, interrupt=True)
            async for message in mail:
                assert (message.sender, message.text) == ("a", "begun"), "the round that follows"
                break
        town.go("go")
        assert await task.result() == "built"
        assert [one.outcome for one in await task.rounds()] == ["interrupted", "completed"]

    run(town, talk)
    assert town.rounds(2)[1]["argv"] == ["--resume", "s-1"]


def test_a_mailbox_is_emptied(town: TownUnderTest, run: Run) -> None:
    async def talk(api: Town) -> None:
        a = await api.spawn("a")
        await a.interrupt()
        await a.send("Do this")
        await api.send("conductor", "Well done")

        def told(messages: list[Message]) -> list[tuple[str, str]]:
            return [(one.text, one.state) for one in messages]

        assert told(await api.take_mail()) == [("Well done", "acknowledged")]
        assert told(await api.take_mail(a)) == [("Do this", "acknowledged")]
        assert await api.take_mail(a) == await api.inbox() == []

    run(town, talk)
