"""All that is left of a command: the store's keys and the files, without what differs by nature."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import redis

from tests.kills.daemons import Home
from tinytownd.domain.agent import Agent
from tinytownd.domain.message import Message, Round
from tinytownd.domain.meta import Meta
from tinytownd.domain.record import Record
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town
from tinytownd.domain.track import TrackedPlan
from tinytownd.store import archive, keys
from tinytownd.supervisor.decide import Sleep, next_step

KINDS: dict[str, type[Record]] = {
    "agents": Agent,
    "tasks": Task,
    "messages": Message,
    "rounds": Round,
    "plans": TrackedPlan,
}
#: What no two runs have in common, and what stands for it. In this order.
VOLATILE = (
    (re.compile(r"\b[0-9a-f]{12}-[0-9a-f]{16}\b"), "<command>"),
    (re.compile(r"\b1\d{12}-\d+\b"), "<entry>"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT[\d:.]+Z"), "<time>"),
    (re.compile(r"\b1\d{12}\b"), "1"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "<checksum>"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "<token>"),
    (re.compile(r"\b[0-9a-f]{16}\b"), "<transaction>"),
    (re.compile(r'("id\\*": \\*")[0-9a-f]{10}\b'), r"\1<town>"),
    (re.compile(r'(\\*"pid\\*": ?)\d+'), r"\1 1"),
    (re.compile(r'(\\*"seconds\\*": ?)[\d.]+'), r"\1 1"),
)


def plain(value: object, *names: tuple[str, str]) -> Any:
    """A value without what is volatile; directories and the like by what they are called."""
    text = json.dumps(value)
    for one, name in names:
        text = text.replace(one, name)
    for pattern, name in VOLATILE:
        text = pattern.sub(name, text)
    return json.loads(text)


def store_picture(server: redis.Redis) -> dict[str, Any]:
    """Every key with its value; of a done record, too, how long it is kept."""
    found: dict[str, Any] = {}
    for key in sorted(server.scan_iter(match="*", count=1000)):
        kind = server.type(key)
        if kind == "hash":
            table: Any = server.hgetall(key)
            read = _unpacked if key.endswith(":archive") else _parsed
            found[key] = {name: read(text) for name, text in table.items()}
        elif kind == "stream" and key.endswith(":events"):
            entries: Any = server.xrange(key)
            found[key] = [_parsed(fields["event"]) for _, fields in entries]
        elif kind == "stream":
            found[key] = {"length": server.xlen(key), "groups": _groups(server, key)}
        else:
            ttl: Any = server.ttl(key)
            life = "a day" if 86000 < ttl <= 86400 else "a minute" if 0 < ttl <= 60 else ttl
            found[key] = {"reply": _parsed(str(server.get(key))), "kept": life}
    return found


def _groups(server: redis.Redis, key: str) -> dict[str, int]:
    groups: Any = server.xinfo_groups(key)
    return {group["name"]: group["pending"] for group in groups}


def _unpacked(chunk: str) -> Any:
    return [one.to_json() for one in archive.unpack(chunk)]


def _parsed(text: str) -> Any:
    return json.loads(text) if text.startswith("{") else text


#: Files of a round: what is in them, and whether they are there, hangs on when it was ended.
OF_A_PROCESS = ("pid", "exit", "credentials", "stderr", "stdout", "prompt.md")


def file_picture(*places: Path) -> dict[str, str]:
    """Every file below with its text, and every directory; less what is a process's own."""
    found = {}
    for place in places:
        for path in sorted([place, *place.rglob("*")]):
            if "rounds" in path.parts and path.name in OF_A_PROCESS:
                continue
            if path.is_file():
                found[str(path)] = path.read_text()
            elif path.is_dir():
                found[str(path)] = "a directory"
    return found


#: Files of a home that tell of its daemons and server, not of its towns.
OWN = ("data", "logs", "bin", "redis.sock", "daemon.lock", "endpoint.json", "credentials.json")


def home_picture(home: Home, directory: Path) -> dict[str, str]:
    """The files of the home, less those of daemon and server; the registry for one town only."""
    tops = [path for path in home.path.iterdir() if path.name not in OWN]
    found = file_picture(*sorted(tops))
    registry = str(home.path / "towns.toml")
    if registry in found:
        blocks = found[registry].split("[[towns]]")[1:]
        found[registry] = "".join(block for block in blocks if f'"{directory}"' in block)
    return found


def is_quiet(server: redis.Redis, town_id: str) -> bool:
    """Whether a town is where it will stay: every supervisor sleeps, every command is answered."""
    head: Any = server.hgetall(keys.town_key(town_id))
    streams = [*server.scan_iter(match="tt:{*}:commands*", count=1000)]
    if any(server.xlen(stream) or any(_groups(server, stream).values()) for stream in streams):
        return False
    if "meta" not in head:
        return True
    meta = Meta.from_json(json.loads(head["meta"]))
    records: list[Record] = []
    for kind, sort in KINDS.items():
        table: Any = server.hvals(keys.records_key(town_id, kind))
        records += [sort.from_json(json.loads(text)) for text in table]
    town = Town(meta, sorted(records, key=lambda one: one.order))
    return all(_rests(town, agent) for agent in town.agents)


def _rests(town: Town, agent_id: str) -> bool:
    agent = town.agents[agent_id]
    if agent.round is not None:
        return agent.desired == "run" and town.rounds[agent.round].stopping is None
    return next_step(town, agent_id) == Sleep()
