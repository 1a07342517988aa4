"""What is left after a storm: records, history, what everybody noted, and what lies around."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis

from tests.e2e.town import Data
from tests.torture.plan import PlanTask
from tests.torture.town import StormTown
from tinytownd.store import archive, keys
from tinytownd.store.formats import RECORDS

#: What agents note, one file each.
NOTES = ("rounds", "ends", "letters", "commands", "overlaps", "gates", "limits")
#: What the daemon says that it has, and how it is asked for.
LISTS = {
    "tasks": "task list",
    "archived": "task list --archived",
    "agents": "list",
    "messages": "inbox",
}
Table = dict[str, Data]
#: What TTL answers of a key that is not there.
GONE = -2
#: A file is written in less than this, in seconds; and so often one looks at what stays open.
MOMENT, LOOKS = 1.0, 7


@dataclass
class Evidence:
    """All that the checks look at, as plain data."""

    plan: dict[str, PlanTask] = field(default_factory=dict)
    meta: Data = field(default_factory=dict)
    agents: Table = field(default_factory=dict)
    tasks: Table = field(default_factory=dict)
    messages: Table = field(default_factory=dict)
    rounds: Table = field(default_factory=dict)
    plans: Table = field(default_factory=dict)
    #: What was put away, less the tasks that came back; and what is in the archive as it must not.
    old_tasks: Table = field(default_factory=dict)
    old_rounds: Table = field(default_factory=dict)
    astray: list[str] = field(default_factory=list)
    #: What the daemon says that it has: the same by `tt … --json`.
    seen: dict[str, list[Data]] = field(default_factory=dict)
    events: list[Data] = field(default_factory=list)
    notes: dict[str, list[Data]] = field(default_factory=dict)
    #: Everybody's messages: marker, to, kind, code.
    letters: list[Data] = field(default_factory=list)
    #: People's tasks beside the plans: marker, code.
    chores: list[Data] = field(default_factory=list)
    #: People's commands: words, code, err.
    commands: list[Data] = field(default_factory=list)
    #: The store's keys: key, ttl (seconds, -1: none), length and pending of a command stream.
    keys: list[Data] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    #: Descriptors by process, before and after: how many by kind, or by the name of a file.
    before: dict[str, dict[str, int]] = field(default_factory=dict)
    after: dict[str, dict[str, int]] = field(default_factory=dict)
    #: Files that were not there before, named from the storm's directory on.
    files: list[str] = field(default_factory=list)
    #: Directories of rounds: agent/number.
    directories: list[str] = field(default_factory=list)
    #: Processes beside the daemon and the server, when all work was done; and after the end.
    strangers: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    #: Why the town did not come to rest, where it did not.
    unrest: list[str] = field(default_factory=list)
    #: Lines of the daemon's log that tell of faults.
    faults: list[str] = field(default_factory=list)

    @property
    def all_tasks(self) -> Table:
        """Those at hand, and those that were put away."""
        return self.old_tasks | self.tasks

    @property
    def all_rounds(self) -> Table:
        """The same."""
        return self.old_rounds | self.rounds


def collect(storm: StormTown, tasks: Mapping[str, PlanTask]) -> Evidence:
    """Everything but what is known only before the storm and after the town's end."""
    found = Evidence(plan=dict(tasks))
    with _store(storm) as store:
        _read_town(found, store, (storm.town.directory / ".tt" / "town").read_text().strip())
        _read_archive(found, store)
        _read_keys(found, store)
    for kind, words in LISTS.items():
        found.seen[kind] = storm.town.see(*words.split(), "--all")
    found.notes = {kind: storm.noted(kind) for kind in NOTES}
    found.commands, found.unrest = storm.told.commands, storm.told.unrest
    found.chores = storm.told.chores
    found.letters = [{**vars(letter), "code": code} for letter, code in storm.told.letters]
    found.letters += _agents_letters(found.notes)
    found.after = descriptors(storm)
    found.directories = _round_directories(storm)
    found.strangers = strangers(storm)
    found.faults = _faults(storm)
    return found


def _agents_letters(notes: dict[str, list[Data]]) -> list[Data]:
    """Those of the agents; the code is -1 where nothing was noted of an answer."""
    sent = (note for note in notes["commands"] if note["words"][0] == "send")
    codes = {note["words"][2]: note["code"] for note in sent}
    return [{**letter, "code": codes.get(letter["marker"], -1)} for letter in notes["letters"]]


def _store(storm: StormTown) -> redis.Redis:
    passwords = json.loads((storm.home.path / "credentials.json").read_text())
    return redis.Redis(
        unix_socket_path=str(storm.home.path / "redis.sock"),
        username="daemon",
        password=passwords["daemon"],
        decode_responses=True,
    )


def _read_town(found: Evidence, store: Any, town: str) -> None:
    found.meta = json.loads(store.hget(keys.town_key(town), "meta")) | {"id": town}
    for kind in keys.RECORD_KINDS:
        table = store.hgetall(keys.records_key(town, kind))
        setattr(found, kind, {name: _whole(kind, text) for name, text in table.items()})
    found.events = [json.loads(entry["event"]) for _, entry in store.xrange(keys.events_key(town))]


def _read_archive(found: Evidence, store: Any) -> None:
    town = found.meta["id"]
    index = store.hgetall(keys.archived_key(town))
    for name, chunk in store.hgetall(keys.archive_key(town)).items():
        for record in archive.unpack(chunk):
            whole = {**vars(record), **record.to_json()}
            key = str(whole["id"])
            if record.kind == "rounds":
                if key in found.all_rounds:
                    found.astray.append(f"round {key} is in {name} and elsewhere")
                found.old_rounds[key] = whole
            elif index.get(key) == name and key not in found.tasks:
                found.old_tasks[key] = whole
    lost = index.keys() - found.all_tasks.keys()
    found.astray += [f"task {key} is not in {index[key]}" for key in sorted(lost)]


def _whole(kind: str, text: str) -> Data:
    """A record with all its fields: what is as it is by default is not written."""
    data: Data = json.loads(text)
    return {**vars(RECORDS[kind].from_json(data)), **data}


def _read_keys(found: Evidence, store: Any) -> None:
    for key in store.scan_iter(count=1000):
        about = {"key": key, "ttl": store.ttl(key)}
        if about["ttl"] == GONE:
            continue  # its lifetime has just ended
        if "}:commands" in key:
            about["length"] = store.xlen(key)
            about["pending"] = store.xpending(key, keys.GROUP)["pending"]
        found.keys.append(about)
    found.users = list(store.acl_users())


def descriptors(storm: StormTown) -> dict[str, dict[str, int]]:
    """How many descriptors of each kind, or file, the daemon and the server have, and keep."""
    return {
        "daemon": _kept_descriptors(storm.home.pid),
        "server": _kept_descriptors(storm.home.server_pid()),
    }


def _kept_descriptors(pid: int) -> dict[str, int]:
    """The least of several looks: a file that is just being synced is open for a moment only."""
    least = _descriptors(pid)
    for _ in range(LOOKS):
        time.sleep(MOMENT / LOOKS)
        least &= _descriptors(pid)
    return dict(least)


def _descriptors(pid: int) -> collections.Counter[str]:
    kinds = collections.Counter[str]()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # one that was closed just now
            kind, _, _ = str(fd.readlink()).partition(":[")
            kinds[kind] += 1
    return kinds


def files(storm: StormTown) -> set[str]:
    """The files of the home and of the town that stay: what is just being written does not."""
    first = _files(storm)
    time.sleep(MOMENT)
    return first & _files(storm)


def _files(storm: StormTown) -> set[str]:
    # Unlike `rglob`, `walk` does not mind directories of old rounds that go meanwhile.
    walks = (os.walk(place) for place in (storm.home.path, storm.town.directory))
    found = (Path(top, name) for walk in walks for top, _, names in walk for name in names)
    return {str(path.relative_to(storm.directory)) for path in found}


def _round_directories(storm: StormTown) -> list[str]:
    top = storm.town.directory / ".tt" / "rounds"
    return [str(path.relative_to(top)) for path in top.glob("*/*")]


def strangers(storm: StormTown) -> list[str]:
    """Processes of the home that are neither its daemon nor its server."""
    known = {storm.home.pid, storm.home.server_pid()}
    return [described(pid) for pid in storm.home.processes(storm.directory) if pid not in known]


def described(pid: int) -> str:
    """A process in one line."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        words = []
    return f"{pid}: {' '.join(words)[:200]}"


def _faults(storm: StormTown) -> list[str]:
    log = (storm.home.path / "logs" / "tinytownd.jsonl").read_text(errors="replace")
    start = (storm.home.path / "logs" / "start.log").read_text(errors="replace")
    bad = [line for line in log.splitlines() if '"level": "error"' in line]
    return bad + [start[at.start() :] for at in re.finditer("^Traceback", start, re.MULTILINE)]
