"""What must be true after a storm. Each check is pure; its docstring is its row in the report.

A check yields what is wrong, one line each; it says nothing where all is well.
"""

from __future__ import annotations

import collections
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.e2e.town import Data
from tests.torture import decisions
from tests.torture.evidence import Evidence
from tests.torture.history import CONDUCTOR, History, TaskStory
from tinytownd.store import keys
from tinytownd.store.client import POOL
from tinytownd.wire import DONE_SECONDS, HOME

Check = Callable[[Evidence, History], Iterator[str]]
#: Notes start no round; so many wait in a mailbox at most (docs/protocol.md).
NOTES, MOST_NOTES = {"info", "ack"}, 50
#: What a round's directory holds, what the server names as it likes, and what the storm writes.
KNOWN_FILES = re.compile(
    r"town/\.tt/rounds/[^/]+/\d+/(prompt\.md|stdout|stderr|pid|exit|lock|credentials)"
    r"|home/data/appendonlydir/appendonly\.aof\.\d+\.(base|incr)\.(aof|rdb)"
    r"|home/logs/redis\.log\.1|town/(main|side)\.toml"
)
#: Exit codes: done, no daemon or no server, timed out. The last two are clear answers in a storm.
FAIR = {0, 3, 4}
#: What one hears whose `tt` was killed over a command that had happened already, or an agent whose
#: round is over.
TOO_LATE = (
    *("complete is not possible", "fail is not possible", "neither paused nor held"),
    *("is not held by this round", "round is over", "was answered already", "is over: it is"),
)
#: What an agent says of its task, once a round.
VERDICTS = {"task complete", "task fail", "approve", "reject", "ask"}


def completed_once(found: Evidence, told: History) -> Iterator[str]:
    """every task ends once, as it must: completed, failed, or held by one that failed"""
    for task in sorted(found.plan.keys() | found.all_tasks.keys() | told.tasks.keys()):
        end = found.plan[task].end if task in found.plan else "completed"
        state = found.all_tasks.get(task, {}).get("state", "nowhere")
        if state != end:
            yield f"{task} is {state}"
        story = told.tasks.get(task, TaskStory())
        for what, places in (("completed", story.completed), ("failed", story.failed)):
            if len(places) != (what == end):
                yield f"{task} was {what} {len(places)} times"
        if end == "pending" and story.started:
            yield f"{task} was started, which must wait"


def in_order(found: Evidence, told: History) -> Iterator[str]:
    """no task starts before enough of what it waits for is over"""
    ended: dict[str, float] = {}
    for note in found.notes["ends"]:
        ended.setdefault(note["task"], note["at"])
    begun = {note["task"]: note["at"] for note in reversed(found.notes["rounds"])}
    for task in found.plan.values():
        story = told.tasks.get(task.id)
        if story is None or not story.started:
            continue
        needs = [told.tasks[need] for need in task.needs if need in told.tasks]
        over = [need.arrived if task.count else need.completed for need in needs]
        came = sum(bool(places) and places[0] < story.started[0] for places in over)
        if came < task.enough:
            yield f"{task.id} was started after {came} of {', '.join(task.needs)}"
        # Of what a person rejected nobody noted the end.
        came = sum(ended.get(need, 0) <= begun.get(task.id, math.inf) for need in task.needs)
        if came < task.enough:
            yield f"{task.id} was worked on after {came} of {', '.join(task.needs)}"


def alone(found: Evidence, told: History) -> Iterator[str]:
    """no two rounds of one agent, one task, or a CLI for one round overlap"""
    for note in found.notes["overlaps"]:
        yield f"round {note['round']} of {note['agent']} was not alone with {note['what']}"


def read_once(found: Evidence, told: History) -> Iterator[str]:
    """every message is acknowledged exactly once, by who read it; or folded, if it is a note"""
    prompts = {note["round"]: note["seen"] for note in found.notes["rounds"]}
    kinds = {letter["marker"]: letter["kind"] for letter in found.letters}
    for key, message in told.messages.items():
        if message.to == CONDUCTOR:
            continue
        if message.ends != 1:
            yield f"{key} was acknowledged {message.ends} times, it is {message.state}"
        if message.state == "folded":
            if kinds.get(message.text) not in NOTES:
                yield f"{key} was folded and is no note"
            if message.beside <= MOST_NOTES:
                yield f"{key} was folded among {message.beside} that waited"
        elif message.text not in prompts.get(message.round or 0, ()):
            yield f"{key} was acknowledged in round {message.round}, whose prompt does not have it"


def answers_true(found: Evidence, told: History) -> Iterator[str]:
    """what was answered has happened, once; what was not answered, at most once"""
    people = (one for one in told.messages.values() if one.to != CONDUCTOR)
    sent = collections.Counter(message.text for message in people)
    for letter in found.letters:
        times = sent.pop(letter["marker"], 0)
        if times > 1 or (letter["code"] == 0 and times != 1):
            yield f"{letter['marker']} (exit code {letter['code']}) was sent {times} times"
    for text in sent:
        yield f"nobody sent {text!r}"
    made = collections.Counter(task.get("description") for task in found.all_tasks.values())
    for chore in found.chores:
        times = made[chore["marker"]]
        if times > 1 or (chore["code"] == 0 and times != 1):
            yield f"{chore['marker']!r} (exit code {chore['code']}) was assigned {times} times"
    for note in found.notes["commands"]:
        word = " ".join(note["words"][:2] if note["words"][0] == "task" else note["words"][:1])
        story = told.rounds.get(note["round"])
        done = len(story.verdicts) if story is not None else 0
        if word in VERDICTS and note["code"] == 0 and done != 1:
            yield f"round {note['round']} was told that it said {word} of {note['task']}: {done}"


def possible(found: Evidence, told: History) -> Iterator[str]:
    """the history makes sense, event by event"""
    yield from told.impossible
    for agent, number in told.inside.items():
        yield f"{agent} never left round {number}"


def records_match(found: Evidence, told: History) -> Iterator[str]:
    """the records are what the history says"""
    yield from _same("task", _states(found.all_tasks), {k: t.state for k, t in told.tasks.items()})
    yield from _messages_match(found, told)
    yield from _rounds_match(found, told)
    rounds = collections.Counter(story.agent for story in told.rounds.values())
    for agent in found.agents.values():
        name = agent["name"]
        by_history = (told.inside.get(name), rounds[name])
        yield from _same("agent", {name: (agent["round"], agent["rounds"])}, {name: by_history})
    there = {"tasks": len(told.tasks), "messages": len(told.messages), "rounds": len(told.rounds)}
    yield from _same("number of", {what: found.meta.get(what) for what in there}, there)


def _messages_match(found: Evidence, told: History) -> Iterator[str]:
    over = {key for key, story in told.messages.items() if story.ends}
    there = {
        key: ("acknowledged" if m.ends else m.state, m.to, m.round)
        for key, m in told.messages.items()
        if key in found.messages or key not in over
    }
    here = {key: (m["state"], m["to"], _number(m["round"])) for key, m in found.messages.items()}
    yield from _same("message", here, there)


def _rounds_match(found: Evidence, told: History) -> Iterator[str]:
    there = {
        number: (one.agent, one.task, one.messages, one.ended)
        for number, one in told.rounds.items()
    }
    here = {
        int(number): (one["agent"], one["task"], set(one["messages"]), bool(one["outcome"]))
        for number, one in found.all_rounds.items()
    }
    yield from _same("round", here, there)


def _same(what: str, here: Mapping[Any, Any], there: Mapping[Any, Any]) -> Iterator[str]:
    for key in sorted(here.keys() | there.keys(), key=str):
        if here.get(key) != there.get(key):
            yield f"{what} {key} is {here.get(key)}, by the history {there.get(key)}"


def put_away_once(found: Evidence, told: History) -> Iterator[str]:
    """what was put away is in the archive, once, and counted"""
    yield from found.astray
    old = _states(found.old_tasks)
    counts = collections.Counter(old.values())
    yield from _same("number of archived", found.meta.get("archived", {}), counts)
    seen = {one["id"]: one["state"] for one in found.seen["archived"]}
    yield from _same("as tt tells, in the archive,", seen, old)


def _states(table: Mapping[str, Data]) -> dict[str, str]:
    return {key: record["state"] for key, record in table.items()}


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


def memory_matches(found: Evidence, told: History) -> Iterator[str]:
    """the daemon's memory is what the store has"""
    for kind, table in (("tasks", found.tasks), ("messages", found.messages)):
        seen = {one["id"]: one["state"] for one in found.seen[kind]}
        yield from _same(f"in memory, of the {kind},", seen, _states(table))


def at_rest(found: Evidence, told: History) -> Iterator[str]:
    """the town comes to rest: every agent is idle and wanted so, nobody is held"""
    yield from found.unrest
    for agent in found.seen["agents"]:
        about = (agent["state"], agent["desired"], agent["task"], agent["hold"])
        if about != ("idle", "run", None, None):
            yield f"{agent['name']} is {agent['state']} ({about})"


def keys_known(found: Evidence, told: History) -> Iterator[str]:
    """every key of the store is known and empty as it should be, or has a lifetime"""
    town = found.meta["id"]
    known = {keys.town_key(town), keys.events_key(town)}
    known |= {keys.archive_key(town), keys.archived_key(town)}
    known |= {keys.records_key(town, kind) for kind in keys.RECORD_KINDS}
    streams = {keys.commands_key(HOME), keys.commands_key(town)}
    streams |= {keys.commands_key(town, agent) for agent in found.agents}
    for about in found.keys:
        key = about["key"]
        if about["ttl"] > DONE_SECONDS or (about["ttl"] < 0 and key not in known | streams):
            yield f"{key} has no lifetime ({about['ttl']} s)"
        if about.get("length") or about.get("pending"):
            yield f"{key} holds {about['length']} commands, {about['pending']} of them pending"


def users_known(found: Evidence, told: History) -> Iterator[str]:
    """no agent's user is left in the server"""
    for user in sorted(set(found.users) - {"default", "daemon", "client"}):
        yield f"the user {user}"


def descriptors_level(found: Evidence, told: History) -> Iterator[str]:
    """the daemon and the server have no more files open than before"""
    # Connections come and go as they are needed: at most POOL for writes and POOL for blocking
    # reads, and the server has the other ends. Sockets that listen or signal are those of before.
    for process, after in found.after.items():
        before = _by_kind(found.before[process])
        for kind, count in _by_kind(after).items():
            most = max(before[kind], 2 * POOL) if kind == "socket" else before[kind]
            if count > most:
                yield f"the {process} has {count} of the kind {kind}, not {before[kind]}: {after}"


def _by_kind(descriptors: Mapping[str, int]) -> collections.Counter[str]:
    """The same with all files taken together: their names change."""
    kinds = collections.Counter[str]()
    for name, count in descriptors.items():
        kinds["file" if name.startswith("/") else name] += count
    return kinds


def files_known(found: Evidence, told: History) -> Iterator[str]:
    """no temporary file is left, no directory of a round that never was"""
    for name in found.files:
        if not KNOWN_FILES.fullmatch(name):
            yield name
    for name in found.directories:
        agent, _, number = name.partition("/")
        story = told.rounds.get(int(number)) if number.isdigit() else None
        if story is None or story.agent != agent:
            yield f"the directory of round {name}"


def processes_gone(found: Evidence, told: History) -> Iterator[str]:
    """no process is left: beside daemon and server at rest, none at all after the stop"""
    for line in found.strangers:
        yield f"at rest: {line}"
    for line in found.left:
        yield f"after the stop: {line}"


def told_fairly(found: Evidence, told: History) -> Iterator[str]:
    """nobody was refused without cause, and no program stumbled"""
    yield from found.faults
    for one in (*found.commands, *found.notes["commands"]):
        late = any(text in one["err"] for text in TOO_LATE)
        if "Traceback" in one["err"] or (one["code"] > 0 and one["code"] not in FAIR and not late):
            yield f"tt {' '.join(one['words'])}: exit code {one['code']}: {one['err'].strip()}"


CHECKS: tuple[Check, ...] = (
    completed_once,
    in_order,
    alone,
    read_once,
    answers_true,
    possible,
    records_match,
    put_away_once,
    memory_matches,
    at_rest,
    keys_known,
    users_known,
    descriptors_level,
    files_known,
    processes_gone,
    told_fairly,
    *decisions.CHECKS,
)


def check(found: Evidence) -> dict[str, list[str]]:
    """What is wrong, by promise, in the order of `CHECKS`."""
    told = History(found.events)
    return {(one.__doc__ or "").strip(): list(one(found, told)) for one in CHECKS}
