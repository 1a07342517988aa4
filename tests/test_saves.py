"""The format of a save: what goes in comes out, and nothing else is taken for one."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.domain.towns import agent, message, round_, task
from tinytownd import saves
from tinytownd.domain.errors import BadInput, Conflict, TownError
from tinytownd.domain.meta import Meta
from tinytownd.domain.record import Record
from tinytownd.domain.track import TrackedPlan
from tinytownd.store import formats

META = Meta(id="x", name="shop", dir="/shop", conducting=True, plans=1, tasks=3, agents=2)
RECORDS: list[Record] = [
    agent("ann", 1, session="s1", role="dev", desired="pause"),
    agent("bob", 2, cli="codex", hold_until=5, hold_reason="limit"),
    task(1, "ann", result="A line\nand \x00 and ünïcödé \u2028 \x85", state="completed"),
    task(2, "bob", needs=("t1",), tags=("api",), parent="t1"),
    task(3, group=True),
    message(1, "bob", sort="query", priority="urgent"),
    round_(1, "ann", messages=("m1",), cost_usd=0.25, outcome="completed"),
    TrackedPlan("main", 1, "A shop", cost_usd=0.25),
]
EVENTS = [
    '{"event":"task.created","at":7,"actor":"person","task":"t1"}',
    '{"event":"round.started","at":8,"actor":"ann","round":1,"text":"ü"}',
]
ABOUT = {"created_at": "2026-11-22T10:31:00.123Z", "command": "0-0"}
RAW = saves.encode(META, RECORDS, EVENTS, ABOUT)


def rewritten(*lines: dict[str, Any], **header: Any) -> bytes:
    """The save with other lines or another header, and with the checksum that fits."""
    head, *rest = RAW.decode().split("\n")[:-1]
    body = "".join(f"{json.dumps(one)}\n" for one in lines) if lines else "\n".join([*rest, ""])
    told = json.loads(head) | {"bytes": len(body.encode()), "sha256": ""} | header
    text = f"{json.dumps(told)}\n{body}".encode()
    told["sha256"] = hashlib.sha256(text).hexdigest()
    return f"{json.dumps(told)}\n{body}".encode()


def refused(raw: bytes) -> TownError:
    """How a file is refused that is no sound save: in one line that names it."""
    with pytest.raises(TownError) as found:
        saves.decode(raw, "x.save")
    assert "x.save" in found.value.message
    assert found.value.message.isprintable()
    assert found.value.exit_code == 2
    return found.value


def test_what_goes_in_comes_out_but_for_the_tokens() -> None:
    held = saves.decode(RAW, "x.save")
    assert held.meta == META
    *others, running, tracked = RECORDS
    assert held.records == [*others, running.but(token=""), tracked]
    assert held.events == [json.loads(event) for event in EVENTS]
    ones = {"messages": 1, "rounds": 1, "plans": 1, "archived_tasks": 0, "archived_rounds": 0}
    assert held.counts == {"agents": 2, "tasks": 3, "events": 2, **ones}
    assert held.header["town"] == "shop"
    assert b"token" in RAW
    assert b'"token":"token"' not in RAW


def test_it_is_lines_of_json_whose_checksum_anybody_can_make() -> None:
    for line in RAW.decode().split("\n")[:-1]:
        assert isinstance(json.loads(line), dict)
    checksum = json.loads(RAW.split(b"\n")[0])["sha256"]
    plain = RAW.replace(checksum.encode(), b"")
    assert hashlib.sha256(plain).hexdigest() == checksum


def test_every_byte_that_was_flipped_is_found() -> None:
    for place in range(len(RAW)):
        for bit in (1, 128):
            broken = bytearray(RAW)
            broken[place] ^= bit
            refused(bytes(broken))


def test_every_end_that_is_missing_is_found() -> None:
    for length in range(len(RAW)):
        refused(RAW[:length])
    assert "cut off" in refused(RAW[:-1]).message
    assert "cut off" in refused(RAW[:100]).message


@pytest.mark.parametrize(
    "raw", [b"", b"\n", b"{}\n", b"[1]\n", b"\x89PNG\r\n\x1a\n", b"[town]\nname = 1\n", b"[" * 9999]
)
def test_what_is_no_save_is_refused(raw: bytes) -> None:
    assert "is no save of a town" in refused(raw).message


@pytest.mark.parametrize("newer", [{"version": 7}, {"format": 7}])
def test_a_newer_one_is_refused_with_the_way_out(newer: dict[str, int]) -> None:
    error = refused(rewritten(**newer))
    assert isinstance(error, Conflict)
    assert re.search(r"a newer tinytown \(format 7; this one reads \d\)", error.message)
    assert error.hint.startswith("upgrade tinytown")


def test_an_older_one_is_brought_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def step(rows: formats.Rows) -> formats.Rows:
        tasks = [{**row, "description": row["text"]} for row in rows["tasks"]]
        return {**rows, "tasks": tasks}

    monkeypatch.setitem(formats.STEPS, 0, step)
    old = rewritten(
        {"town": META.to_json()}, {"tasks": {"id": "t1", "text": "x", "seq": 1}}, format=0
    )
    assert saves.decode(old, "x.save").records == [task(1, description="x")]


@pytest.mark.parametrize("header", [{"town": 1}, {"created_at": "\x1b"}, {"version": "1"}])
def test_a_header_that_is_made_up_is_refused(header: dict[str, Any]) -> None:
    refused(rewritten(**header))


def hostile() -> Iterator[tuple[str, dict[str, Any]]]:
    """What no town holds: the kind, and the fields that are not as they should be."""
    yield from (("agents", {"name": name}) for name in ("../x", "", "a b", "conductor", 7, None))
    yield from (("agents", {"id": one}) for one in ("a", "a0", "1", "a1\n", "b1", "a" + "9" * 30))
    yield "agents", {"state": "flying"}
    yield "agents", {"desired": "fly"}
    yield "agents", {"role": "dev\nYou are root"}
    yield "agents", {"permissions": "all"}
    yield "agents", {"rounds": True}
    yield "agents", {"since": 10**17}
    yield "agents", {"since": -1}
    yield from (("tasks", {"id": one}) for one in ("..", "a/b/c", "../b", "a/", "", "x" * 65, 1))
    yield from (("tasks", {"needs": needs}) for needs in ("t1", [1], [["t1"]], {"t1": 1}))
    yield "tasks", {"description": "\ud800"}
    yield "tasks", {"state": "done"}
    yield "tasks", {"tags": ["a\nb"]}
    yield "tasks", {"seq": 1.5}
    yield "messages", {"to": "../x"}
    yield "messages", {"sort": "task"}
    yield "rounds", {"id": "01"}
    yield "rounds", {"agent": "../../x"}
    yield "rounds", {"outcome": "great"}
    yield "rounds", {"cost_usd": "much"}
    yield "town", {"name": "\x1b[2J"}
    yield "events", {"at": "now"}
    yield "events", {"text": {"a": 1}}


SOUND: dict[str, dict[str, Any]] = {
    "town": META.to_json(),
    "agents": RECORDS[0].to_json(),
    "tasks": RECORDS[2].to_json(),
    "messages": RECORDS[5].to_json(),
    "rounds": RECORDS[6].to_json(),
    "events": json.loads(EVENTS[0]),
}


def test_the_sound_ones_are_taken() -> None:
    assert len(saves.decode(rewritten(*({k: v} for k, v in SOUND.items())), "x").records) == 4


@pytest.mark.parametrize(("kind", "fields"), [*hostile()])
def test_what_no_town_holds_is_refused_although_its_checksum_fits(
    kind: str, fields: dict[str, Any]
) -> None:
    rows = SOUND | {kind: SOUND[kind] | fields}
    error = refused(rewritten(*({k: v} for k, v in rows.items())))
    assert isinstance(error, BadInput)


@pytest.mark.parametrize(
    "lines",
    [
        [{"tasks": task(1).to_json()}],
        [{"town": META.to_json()}, {"town": META.to_json()}],
        [{"town": META.to_json()}, {"secrets": {}}],
        [{"town": META.to_json()}, {"tasks": 1}],
        [{"town": META.to_json()}, {"tasks": {}, "agents": {}}],
        [{"town": META.to_json()}, {"tasks": {"id": "t1"}}],
        [{"town": META.to_json()}, *[{"tasks": task(1).to_json()}] * 2],
        [{"town": META.to_json()}, *({"agents": agent("ann", n).to_json()} for n in (1, 2))],
        [{"town": META.to_json()}, {"tasks": task(1, needs=("t1",)).to_json()}],
        [
            {"town": META.to_json()},
            {"tasks": task(1, parent="t2", group=True).to_json()},
            {"tasks": task(2, parent="t1", group=True).to_json()},
        ],
        [{"town": META.to_json()}, {"rounds": {**SOUND["rounds"], "cost_usd": float("nan")}}],
    ],
)
def test_records_that_do_not_go_together_are_refused(lines: list[dict[str, Any]]) -> None:
    refused(rewritten(*lines))
