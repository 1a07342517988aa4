"""A town goes into a file and out of it again, as it was and at rest."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.domain.towns import agent, events, make_town, message, picture, round_, task
from tests.store.steps import add, entry_in, loaded, reply_to, seen
from tests.store.test_random_town import play
from tinytownd import saves
from tinytownd.conductor.schedule import settle
from tinytownd.domain.errors import BadInput, Conflict, TownError
from tinytownd.domain.meta import Meta
from tinytownd.domain.town import Town
from tinytownd.handlers.backup import bring_in, written_for
from tinytownd.handlers.registry import VERBS, Context, Speaker
from tinytownd.store.client import Client
from tinytownd.store.town import TownStore

NEXT = "0199f0000000-00000000000000ff"


def context(store: TownStore, town: Town, command: str = NEXT, by: str | None = None) -> Context:
    speaker = Speaker(town.agent(by) if by else None)
    return Context(town, speaker, SimpleNamespace(store=store), command)


async def save(store: TownStore, path: Path | str, command: str = NEXT, **args: Any) -> Any:
    town = await store.read(lambda town: town)
    return await VERBS["town.save"].run(context(store, town, command), path=str(path), **args)


async def restore(client: Client, store: TownStore, path: Path | str) -> Any:
    """Restores as the desk does it; what was answered."""
    town = await store.read(lambda town: town)
    decide = await VERBS["town.restore"].run(context(store, town), path=str(path))
    entry = await entry_in(client, store.id)
    await store.execute(entry, lambda town: decide(context(store, town)))
    return await reply_to(client, entry)


async def another(client: Client, store: TownStore) -> TownStore:
    """An empty town beside the first."""
    other = TownStore(client, f"{store.id}-b", settle)
    await other.create(Meta(id=other.id, name="other", dir="/elsewhere", created_at=7))
    await other.load()
    return other


async def test_a_random_town_comes_back_as_it_was(
    client: Client, store: TownStore, tmp_path: Path
) -> None:
    await play(client, store, seed=11)
    told = await save(store, tmp_path / "x.save")
    before = await store.read(lambda town: town)
    other = await another(client, store)
    reply = await restore(client, other, tmp_path / "x.save")
    assert reply["data"] == {
        "path": str(tmp_path / "x.save"),
        "town": "test",
        "created_at": reply["data"]["created_at"],
        "counts": told["counts"],
    }
    after = await loaded(client, other.id)
    assert seen(after) == seen(await other.read(lambda town: town))
    assert (after.meta.id, after.meta.name, after.meta.dir) == (other.id, "other", "/elsewhere")
    assert after.meta.created_at == 7
    assert after.plans == before.plans
    assert after.meta.conducting == before.meta.conducting
    at_rest = {"completed", "failed", "cancelled", "pending"}
    assert {one.state for one in after.tasks.values()} <= at_rest | {"assigned"}
    for there, here in zip(before.tasks.values(), after.tasks.values(), strict=True):
        volatile = {"state": "", "round": None, "attempts": 0, "error": None}
        assert here.but(**volatile) == there.but(**volatile)
        assert here.state == there.state or not there.finished
    assert [m.text for m in after.messages.values()] == [m.text for m in before.messages.values()]
    assert not [m for m in after.messages.values() if m.state == "delivered"]
    assert not [a for a in after.agents.values() if a.state not in ("cold", "stopped", "paused")]


async def test_the_history_comes_along(client: Client, store: TownStore, tmp_path: Path) -> None:
    for text in ("one", "two"):
        await store.transact(add(text))
    await save(store, tmp_path / "x.save")
    other = await another(client, store)
    await restore(client, other, tmp_path / "x.save")
    plain = [{k: v for k, v in one.items() if k != "id"} for one in await store.history(9)]
    came = [{k: v for k, v in one.items() if k != "id"} for one in await other.history(9)]
    assert came[:2] == plain
    assert [one["event"] for one in came[2:]] == ["town.restored"]
    assert str(came[2]["text"]).startswith("test, as it was at 20")


async def test_a_town_at_work_is_saved_as_it_was_at_one_moment(
    client: Client, store: TownStore, tmp_path: Path
) -> None:
    """Each task is made together with its event: what has one without the other is no moment."""
    over = asyncio.Event()

    async def work() -> int:
        made = 0
        while not over.is_set():
            await store.transact(add(f"task {made}"))
            made += 1
        return made

    working = asyncio.create_task(work())
    sizes = []
    for number in range(8):
        await store.changed()
        told = await save(store, tmp_path / f"{number}.save")
        sizes.append(told["counts"]["tasks"])
        held = saves.decode((tmp_path / f"{number}.save").read_bytes(), "x")
        made = [event["task"] for event in held.events if event["event"] == "task.created"]
        assert made == [one.id for one in held.records]
        assert held.meta.tasks == len(made)
    over.set()
    assert await working > sizes[-1] > sizes[0]


async def test_the_file_is_its_owners_alone_and_told_of(store: TownStore, tmp_path: Path) -> None:
    await store.transact(add("one"))
    told = await save(store, tmp_path / "x.save")
    file = tmp_path / "x.save"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    header = saves.header_of(file.read_bytes()) or {}
    assert told == {
        "path": str(file),
        "bytes": file.stat().st_size,
        "counts": {"agents": 0, "tasks": 1, "messages": 0, "rounds": 0, "plans": 0, "events": 1}
        | {"archived_tasks": 0, "archived_rounds": 0},
        "sha256": header["sha256"],
    }
    assert [one.name for one in tmp_path.iterdir()] == ["x.save"]


def taken(path: Path) -> None:
    path.write_text("mine")


def linked(path: Path) -> None:
    (path.parent / "target").write_text("mine")
    path.symlink_to("target")


def linked_to_nothing(path: Path) -> None:
    path.symlink_to("target")


def a_directory(path: Path) -> None:
    path.mkdir()


def a_fifo(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("there", [taken, linked, linked_to_nothing, a_directory, a_fifo])
async def test_what_is_there_is_not_overwritten(
    store: TownStore, tmp_path: Path, there: Callable[[Path], None], force: bool
) -> None:
    there(tmp_path / "x.save")
    before = sorted((p.name, p.is_file() and p.read_text()) for p in tmp_path.iterdir())
    if there is taken and force:
        assert (await save(store, tmp_path / "x.save", force=True))["counts"]["tasks"] == 0
        return
    with pytest.raises(BadInput, match=r"x\.save is (there already|no file of its own)"):
        await save(store, tmp_path / "x.save", force=force)
    assert before == sorted((p.name, p.is_file() and p.read_text()) for p in tmp_path.iterdir())


@pytest.mark.parametrize("path", ["x.save", "", "/", "/no/such/directory/x.save"])
async def test_a_place_where_no_file_can_be_is_refused(store: TownStore, path: str) -> None:
    with pytest.raises(BadInput):
        await save(store, path)


async def test_the_same_command_again_tells_of_the_file_that_it_wrote(
    store: TownStore, tmp_path: Path
) -> None:
    """The daemon was killed between the file and the reply; the town has gone on."""
    file = tmp_path / "x.save"
    told = await save(store, file)
    before = file.read_bytes()
    await store.transact(add("later"))
    assert await save(store, file) == told
    assert file.read_bytes() == before
    with pytest.raises(Conflict, match="there already"):
        await save(store, file, command="0199f0000000-0000000000000000")
    assert written_for("", tmp_path / "nothing") is None


def full_towns() -> list[Town]:
    return [
        make_town(agent("ann")),
        make_town(task(1)),
        make_town(message(1, "conductor")),
        make_town(round_(1, "gone", outcome="completed")),
    ]


@pytest.mark.parametrize("town", full_towns())
async def test_a_town_that_is_not_empty_is_left_alone(
    store: TownStore, tmp_path: Path, town: Town
) -> None:
    await save(store, tmp_path / "x.save")
    with pytest.raises(Conflict, match="this town is not empty: it has 1 ") as error:
        await VERBS["town.restore"].run(context(store, town), path=str(tmp_path / "x.save"))
    assert "tt reset" in error.value.hint


async def test_a_town_that_was_filled_meanwhile_is_left_alone(
    client: Client, store: TownStore, tmp_path: Path
) -> None:
    await save(store, tmp_path / "x.save")
    town = await store.read(lambda town: town)
    decide = await VERBS["town.restore"].run(context(store, town), path=str(tmp_path / "x.save"))
    await store.transact(add("first"))
    entry = await entry_in(client, store.id)
    await store.execute(entry, lambda town: decide(context(store, town)))
    assert (await reply_to(client, entry))["error"]["kind"] == "conflict"
    assert list((await loaded(client, store.id)).tasks) == ["t1"]


def nothing_there(path: Path) -> None: ...


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def another_file(path: Path) -> None:
    path.write_text("[town]\n")


def replaced_by(make: Callable[[Path], None]) -> Callable[[Path], None]:
    def replace(path: Path) -> None:
        path.unlink()
        make(path)

    return replace


@pytest.mark.parametrize(
    "spoil",
    [cut_off, another_file, *map(replaced_by, (nothing_there, a_directory, a_fifo))],
)
async def test_a_file_that_is_no_save_changes_nothing(
    client: Client, store: TownStore, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    await save(store, tmp_path / "x.save")
    spoil(tmp_path / "x.save")
    before = seen(await loaded(client, store.id))
    with pytest.raises(BadInput, match=r"x\.save"):
        await restore(client, store, tmp_path / "x.save")
    assert seen(await loaded(client, store.id)) == before


@pytest.mark.parametrize("verb", ["town.save", "town.restore"])
async def test_agents_are_refused(store: TownStore, tmp_path: Path, verb: str) -> None:
    ctx = context(store, make_town(agent("ann")), by="ann")
    with pytest.raises(BadInput, match="an agent cannot use this command"):
        await VERBS[verb].run(ctx, path=str(tmp_path / "x.save"))
    assert not list(tmp_path.iterdir())


# What comes to rest


def held(*records: Any, **meta: Any) -> saves.Save:
    """A save of a town with these records."""
    about = {"created_at": "2026-11-22T10:31:00.123Z", "command": ""}
    town = make_town(*records, **meta)
    return saves.decode(saves.encode(town.meta, town.records(), [], about), "x.save")


def brought(*records: Any, mine: dict[str, Any] | None = None, **meta: Any) -> Town:
    """An empty town into which these records were brought, settled."""
    town = make_town(**(mine or {}))
    bring_in(town, held(*records, **meta), "person")
    settle(town)
    return town


def test_what_ran_waits_again() -> None:
    town = brought(
        agent("ann", state="working", round="1", task="t1", session="s1", failures=2, restart=True),
        task(1, "ann", state="running", round="1", attempts=1),
        message(1, "ann", state="delivered", round="1"),
        message(2, "ann", state="acknowledged", round="1"),
        round_(1, "ann", task="t1", messages=("m1",)),
    )
    one = town.tasks["t1"]
    assert (one.state, one.round, one.attempts, one.agent) == ("pending", None, 0, "ann")
    assert [m.state for m in town.messages.values()] == ["waiting", "acknowledged"]
    over = town.rounds["1"]
    assert (over.outcome, over.token, over.ended_at) == ("interrupted", "", town.now)
    ann = town.agent("ann")
    assert (ann.state, ann.desired) == ("cold", "close")
    assert (ann.session, ann.round, ann.task, ann.restart) == (None, None, None, False)
    told = events(town)
    assert told[-1] == "town.restored"
    assert {"round.ended", "task.released", "message.returned"} <= set(told)


def test_a_verdict_that_was_spoken_counts() -> None:
    town = brought(
        agent("ann", state="working", round="1", task="t1"),
        task(1, "ann", state="completed", round="1", result="done"),
        message(1, "ann", state="delivered", round="1"),
        round_(1, "ann", task="t1", messages=("m1",), verdict_at=5),
    )
    assert town.tasks["t1"].state == "completed"
    assert town.messages["m1"].state == "acknowledged"
    assert town.rounds["1"].outcome == "completed"


@pytest.mark.parametrize(
    ("state", "desired", "after"),
    [
        ("idle", "run", ("cold", "close")),
        ("error", "run", ("cold", "close")),
        ("starting", "run", ("cold", "close")),
        ("cold", "run", ("cold", "close")),
        ("working", "stop", ("stopped", "stop")),
        ("stopped", "stop", ("stopped", "stop")),
        ("draining", "close", ("cold", "close")),
        ("paused", "pause", ("paused", "pause")),
        ("idle", "pause", ("paused", "pause")),
    ],
)
def test_no_agent_starts_by_itself(state: str, desired: str, after: tuple[str, str]) -> None:
    town = brought(agent("ann", state=state, desired=desired), task(1, "ann"))
    ann = town.agent("ann")
    assert (ann.state, ann.desired) == after
    assert town.change.wakes == {"a1"}


def test_numbers_go_on_after_the_highest() -> None:
    records = (agent("ann", 7), task(9), message(4, "ann"), round_(12, "ann", outcome="failed"))
    town = brought(*records, mine={"rounds": 30, "messages": 2}, tasks=2, numbered=3)
    meta = town.meta
    assert (meta.agents, meta.tasks, meta.messages, meta.rounds, meta.numbered) == (7, 9, 4, 30, 3)


@pytest.mark.parametrize(
    "records",
    [
        [round_(1, "nobody")],
        [agent("ann", state="stopped", round="1"), round_(1, "ann")],
    ],
)
def test_a_made_up_save_that_cannot_come_to_rest_changes_nothing(records: list[Any]) -> None:
    town = make_town()
    before = picture(town)
    with pytest.raises(TownError):
        bring_in(town, held(*records), "person")
    town.rollback()
    assert picture(town) == before
