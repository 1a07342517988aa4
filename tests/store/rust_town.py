"""A town as the Rust tinytown leaves it in Redis: JSON texts, or hashes as since 0.7."""

from __future__ import annotations

import json
import uuid
from typing import Any

from tinytownd.store.client import Client

SUPERVISOR = "00000000-0000-0000-0000-000000000001"
AT = "2026-03-08T12:00:0{}.123456789+00:00"

Row = dict[str, Any]


def uid(number: int) -> str:
    """An id as it makes them."""
    return str(uuid.UUID(int=0x550E8400E29B41D4A716446655440000 + number))


def agent(number: int, name: str, /, **fields: Any) -> Row:
    told = {"id": uid(number), "name": name, "agent_type": "worker", "state": "idle"}
    times = {"created_at": AT.format(number), "last_heartbeat": AT.format(9)}
    counts = {"tasks_completed": 2, "rounds_completed": 3, "current_task": None}
    return {**told, "cli": "claude", **times, **counts, **fields}


def task(number: int, **fields: Any) -> Row:
    told = {"id": uid(100 + number), "description": f"Do {number}", "state": "pending"}
    times = {"created_at": AT.format(number), "updated_at": AT.format(9)}
    empty = dict.fromkeys(("assigned_to", "started_at", "completed_at", "result", "parent_id"))
    return {**told, **times, **empty, "tags": ["old"], **fields}


def message(number: int, to: str, kind: str = "task", /, **fields: Any) -> Row:
    told = {"id": uid(200 + number), "from": SUPERVISOR, "to": to, "type": kind}
    more = {"priority": "normal", "created_at": AT.format(number), "correlation_id": None}
    return {**told, **more, **fields}


def team() -> list[Row]:
    return [
        agent(1, "ann", role_id="reviewer", nickname="Fred", spawn_mode="fresh"),
        agent(2, "bob", cli="codex exec --dangerously-bypass-approvals-and-sandbox"),
        agent(3, "boss", id=SUPERVISOR, agent_type="supervisor"),
    ]


def work() -> list[Row]:
    over = {"completed_at": AT.format(8), "started_at": AT.format(7)}
    return [
        task(1, assigned_to=uid(1), state="completed", result="done", **over),
        task(2, assigned_to=uid(1), state="running", parent_id=uid(101)),
        task(3, assigned_to=uid(2), state="assigned"),
        task(4),
        task(5, assigned_to=uid(2), state="failed", result="broken", **over),
        task(6, assigned_to=SUPERVISOR),
    ]


def mail() -> list[Row]:
    return [
        message(1, uid(1), "query", question="Is it done?", **{"from": uid(2)}),
        message(2, uid(1), "task_assign", task_id=uid(102)),
        message(3, uid(1), "informational", summary="It rains"),
        message(4, uid(1), "ping"),
        message(5, uid(1), "confirmation", ack_type={"type": "rejected", "reason": "no tests"}),
    ]


async def write_row(client: Client, key: str, row: Row, *, hashes: bool) -> None:
    """An agent or a task, in one of the two shapes."""
    if not hashes:
        await client.set(key, json.dumps(row))
        return
    fields: Any = {
        name: json.dumps(value) if isinstance(value, list) else str(value)
        for name, value in row.items()
        if value is not None
    }
    await client.hset(key, mapping=fields)


async def write_town(client: Client, name: str, *, hashes: bool) -> None:
    """The whole town; without a name its keys are those from before towns were in keys."""
    prefix = f"tt:{name}" if name else "tt"
    for row in team():
        await write_row(client, f"{prefix}:agent:{row['id']}", row, hashes=hashes)
    for row in work():
        await write_row(client, f"{prefix}:task:{row['id']}", row, hashes=hashes)
    for row in mail():
        await client.rpush(f"{prefix}:inbox:{uid(1)}", json.dumps(row))
    urgent = message(6, uid(2), "task", description="Stop that")
    await client.lpush(f"{prefix}:urgent:{uid(2)}", json.dumps(urgent))
    await client.rpush(f"{prefix}:backlog", uid(104))
    # What it keeps besides.
    await client.xadd(f"{prefix}:events", {"data": "{}"})
    await client.xadd(f"{prefix}:events:agent:{uid(1)}", {"data": "{}"})
    await client.set(f"{prefix}:stop:{uid(1)}", "1")
    await client.lpush(f"{prefix}:activity:{uid(1)}", "x")
