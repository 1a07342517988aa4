"""Every check of the storm can fail: evidence of a calm day, doctored, is found out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.town import Data
from tests.torture import decisions
from tests.torture.checks import CHECKS, check
from tests.torture.evidence import Evidence
from tests.torture.plan import PlanTask
from tinytownd.store import keys

TOWN = "t0"


def event(name: str, **about: object) -> Data:
    return {"event": name, **about}


def worked(task: str, number: int, agent: str) -> list[Data]:
    """A task that is handed out, worked on in a round, and completed."""
    about = {"task": task, "agent": agent, "actor": agent}
    return [
        event("task.assigned", **about),
        event("task.started", **about, round=number),
        event("round.started", **about, round=number),
        event("task.completed", **about),
        event("round.ended", **about, round=number),
    ]


def calm() -> Evidence:
    """Two tasks, the second after the first, and two messages, all of them well done."""
    events = [
        *(event("task.created", task=task, agent=f"a{n}") for n, task in enumerate(("w0", "w1"))),
        event("message.sent", message="m1", agent="a0", text="MSG-1"),
        event("message.sent", message="m2", agent="a1", text="MSG-2"),
        event("message.delivered", message="m1", agent="a0"),
        *worked("w0", 1, "a0")[:4],
        event("message.acknowledged", message="m1", agent="a0"),
        *worked("w0", 1, "a0")[4:],
        event("message.delivered", message="m2", agent="a1"),
        *worked("w1", 2, "a1")[:4],
        event("message.acknowledged", message="m2", agent="a1"),
        *worked("w1", 2, "a1")[4:],
    ]
    plan = {"w0": PlanTask("w0", "a0"), "w1": PlanTask("w1", "a1", ("w0",), enough=1)}
    found = Evidence(plan=plan, events=events, users=["daemon", "default"])
    found.plans = {"main": {"state": "completed"}}
    found.meta = {"id": TOWN, "tasks": 2, "messages": 2, "rounds": 2}
    for n in range(2):
        fill(found, n)
    found.seen = {
        "tasks": [{"id": key, **one} for key, one in found.tasks.items()],
        "archived": [],
        "messages": [{"id": key, **one} for key, one in found.messages.items()],
        "agents": [
            {"name": f"a{n}", "state": "idle", "desired": "run", "task": None, "hold": None}
            for n in range(2)
        ],
    }
    found.before = {"daemon": {"socket": 9, "/log": 1, "/old": 1}, "server": {"socket": 8}}
    found.after = {"daemon": {"socket": 12, "/log": 1, "/new": 1}, "server": {"socket": 16}}
    found.files = ["town/.tt/rounds/a0/1/exit", "home/data/appendonlydir/appendonly.aof.2.incr.aof"]
    found.directories = ["a0/1", "a1/2"]
    found.keys = [
        {"key": keys.town_key(TOWN), "ttl": -1},
        {"key": keys.done_key(TOWN, "x"), "ttl": 60},
        {"key": keys.commands_key(TOWN, "i0"), "ttl": -1, "length": 0, "pending": 0},
    ]
    return found


def fill(found: Evidence, n: int) -> None:
    """The records and notes of agent, task, message and round number n."""
    name, task, number = f"a{n}", f"w{n}", n + 1
    found.agents[f"i{n}"] = {"name": name, "round": None, "rounds": 1, "cli": "storm"}
    found.agents[f"i{n}"] |= {"fallback": [], "tags": [], "role": "worker"}
    found.tasks[task] = {"state": "completed"}
    found.messages[f"m{number}"] = {"state": "acknowledged", "to": name, "round": str(number)}
    taken = {"agent": name, "task": task, "messages": [f"m{number}"]}
    found.rounds[str(number)] = {**taken, "outcome": "completed", "cli": "storm"}
    note = {"agent": name, "task": task, "round": number}
    for kind in ("rounds", "ends", "letters", "commands", "overlaps", "gates"):
        found.notes.setdefault(kind, [])
    found.notes["rounds"].append({**note, "at": 10 * n, "seen": [f"MSG-{number}"]})
    found.notes["ends"].append({**note, "at": 10 * n + 5})
    words = ["task", "complete", "--result", "…"]
    found.notes["commands"].append({**note, "words": words, "code": 0, "err": ""})
    found.letters.append({"marker": f"MSG-{number}", "to": name, "kind": "info", "code": 0})


def problems(found: Evidence) -> list[str]:
    return [line for wrong in check(found).values() for line in wrong]


def at(found: Evidence, name: str, nth: int = 0) -> int:
    """Where in the history the nth event of that name is."""
    return [n for n, one in enumerate(found.events) if one["event"] == name][nth]


def drop(name: str, nth: int = 0) -> Callable[[Evidence], None]:
    return lambda found: found.events.__delitem__(at(found, name, nth))


def twice(name: str, nth: int = 0) -> Callable[[Evidence], None]:
    def doctor(found: Evidence) -> None:
        found.events.insert(where := at(found, name, nth), found.events[where])

    return doctor


def change(table: str, key: Any, **fields: object) -> Callable[[Evidence], None]:
    return lambda found: getattr(found, table)[key].update(fields)


def note(kind: str, nth: int, **fields: object) -> Callable[[Evidence], None]:
    return lambda found: found.notes[kind][nth].update(fields)


def add(name: str, *more: object) -> Callable[[Evidence], None]:
    return lambda found: getattr(found, name).extend(more)


def overlap(found: Evidence) -> None:
    found.notes["overlaps"].append({"agent": "a0", "round": 2, "what": "task-w0"})


def started_early(found: Evidence) -> None:
    """The second task's start moves to before the first one's end; all else stays."""
    later = found.events.pop(at(found, "task.started", 1))
    found.events.insert(at(found, "task.completed"), later)


def fold(among: int, kind: str = "info") -> Callable[[Evidence], None]:
    """Message m2 is folded, while so many wait in the mailbox."""

    def doctor(found: Evidence) -> None:
        found.letters[1]["kind"] = kind
        for n in (at(found, "message.acknowledged", 1), at(found, "message.delivered", 1)):
            del found.events[n]
        others = range(3, among + 2)
        found.events += [
            event("message.sent", message=f"m{n}", agent="a1", text=f"MSG-{n}") for n in others
        ]
        found.events.append(event("message.folded", message="m2", agent="a1"))

    return doctor


def nobody_there(found: Evidence) -> None:
    found.letters.pop()


def flipped(found: Evidence) -> None:
    """A history in which the second round begins before the first has ended, with one agent."""
    for one in found.events:
        if "agent" in one:
            one["agent"] = "a0"
    ended = found.events.pop(at(found, "round.ended"))
    found.events.append(ended)


def away(**counts: int) -> Callable[[Evidence], None]:
    """The first task and its round are in the archive, which counts so much."""

    def doctor(found: Evidence) -> None:
        found.old_tasks["w0"] = found.tasks.pop("w0")
        found.old_rounds["1"] = found.rounds.pop("1")
        found.seen["archived"].append(found.seen["tasks"].pop(0))
        found.meta["archived"] = counts

    return doctor


DOCTORED: list[tuple[Callable[[Evidence], None], str]] = [
    (change("tasks", "w1", state="failed"), "w1 is failed"),
    (drop("task.completed"), "w0 was completed 0 times"),
    (twice("task.completed"), "w0 was completed 2 times"),
    (lambda found: found.plan.update(w9=PlanTask("w9", "a0")), "w9 is nowhere"),
    (started_early, "w1 was started after 0 of w0"),
    (note("rounds", 1, at=3), "w1 was worked on after 0 of w0"),
    (overlap, "round 2 of a0 was not alone with task-w0"),
    (drop("message.acknowledged"), "m1 was acknowledged 0 times"),
    (twice("message.acknowledged"), "m1 was acknowledged 2 times"),
    (note("rounds", 0, seen=[]), "acknowledged in round 1, whose prompt does not have it"),
    (fold(51, "query"), "m2 was folded and is no note"),
    (fold(50), "m2 was folded among 50"),
    (drop("message.sent"), "m2 is message number 1"),
    (twice("message.sent"), "message.sent of m1, which is waiting"),
    (change("letters", 0, marker="MSG-7"), "MSG-7 (exit code 0) was sent 0 times"),
    (nobody_there, "nobody sent 'MSG-2'"),
    (note("commands", 0, round=3), "round 3 was told that it said task complete of w0: 0"),
    (drop("task.assigned"), "task.started of w0, which is pending"),
    (drop("message.delivered"), "message.acknowledged of m1, which is waiting"),
    (drop("round.ended", 1), "a1 never left round 2"),
    (drop("round.started"), "round 1 of a0 ends, who is not in it"),
    (twice("round.started"), "round 1 is number 2"),
    (flipped, "round 2 of a0, who is in round 1"),
    (drop("message.acknowledged", 1), "round 2 ends and keeps m2"),
    (change("tasks", "w0", state="running"), "task w0 is running, by the history completed"),
    (change("messages", "m1", state="delivered"), "message m1 is ('delivered'"),
    (change("messages", "m1", round="2"), "message m1 is"),
    (change("rounds", "2", outcome=None), "round 2 is"),
    (change("rounds", "2", messages=[]), "round 2 is"),
    (change("agents", "i0", round="1"), "agent a0 is ('1', 1), by the history (None, 1)"),
    (change("agents", "i0", rounds=3), "agent a0 is (None, 3)"),
    (lambda found: found.meta.update(messages=3), "number of messages is 3, by the history 2"),
    (lambda found: found.tasks.__delitem__("w1"), "task w1 is None"),
    (lambda found: found.rounds.__delitem__("1"), "round 1 is None"),
    (away(), "number of archived completed is None, by the history 1"),
    (away(completed=2), "number of archived completed is 2"),
    (add("astray", "task w0 is not in"), "task w0 is not in"),
    (lambda found: found.seen["archived"].append({"id": "w0", "state": "failed"}), "archive, w0"),
    (add("chores", {"marker": "MSG-1", "code": 0}), "'MSG-1' (exit code 0) was assigned 0 times"),
    (lambda found: found.seen["tasks"][0].update(state="pending"), "in memory, of the tasks, w0"),
    (lambda found: found.seen["messages"].__delitem__(1), "in memory, of the messages, m2"),
    (lambda found: found.seen["agents"][0].update(state="error"), "a0 is error"),
    (add("unrest", "exit code 4"), "exit code 4"),
    (add("keys", {"key": "tt:{t0}:stray", "ttl": -1}), "tt:{t0}:stray has no lifetime"),
    (add("keys", {"key": "tt:{t0}:done:y", "ttl": 10**6}), "tt:{t0}:done:y has no lifetime"),
    (change("keys", 2, length=1, pending=1), "holds 1 commands, 1 of them pending"),
    (add("users", "tt-t0-i0"), "the user tt-t0-i0"),
    (lambda found: found.after["daemon"].update({"/x": 1}), "daemon has 3 of the kind file"),
    (lambda found: found.after["server"].update(socket=17), "the server has 17 of the kind socket"),
    (add("files", "home/.endpoint.json.x1y2z3ab"), "home/.endpoint.json.x1y2z3ab"),
    (add("files", "home/data/appendonlydir/temp-1.aof"), "temp-1.aof"),
    (add("directories", "a0/2"), "the directory of round a0/2"),
    (add("strangers", "77: sleep 600"), "at rest: 77: sleep 600"),
    (add("left", "77: sleep 600"), "after the stop: 77: sleep 600"),
    (add("faults", "command.fault"), "command.fault"),
    (add("commands", {"words": ["list"], "code": 1, "err": "tt: no"}), "tt list: exit code 1"),
    (add("commands", {"words": ["list"], "code": -9, "err": "Traceback …"}), "Traceback"),
]


def test_a_calm_day_has_no_problems() -> None:
    assert problems(calm()) == []


@pytest.mark.parametrize(("doctor", "expected"), DOCTORED, ids=[told for _, told in DOCTORED])
def test_what_is_doctored_is_found(doctor: Callable[[Evidence], None], expected: str) -> None:
    found = calm()
    doctor(found)
    assert any(expected in line for line in problems(found)), problems(found)


def decided() -> set[str]:
    """The checks that `test_decisions.py` has fail."""
    return {(one.__doc__ or "").strip() for one in decisions.CHECKS}


def test_every_check_can_fail() -> None:
    failed: set[str] = set()
    for doctor, _ in DOCTORED:
        found = calm()
        doctor(found)
        failed |= {promise for promise, wrong in check(found).items() if wrong}
    assert failed >= {(one.__doc__ or "").strip() for one in CHECKS} - decided()


def test_what_may_happen_is_no_problem() -> None:
    """A round that was interrupted, a note that was folded, a command that came too late."""
    found = calm()
    again = [
        event("task.assigned", task="w1", agent="a1"),
        event("task.released", task="w1", agent="a1"),
    ]
    found.events[at(found, "task.assigned", 1) : at(found, "task.assigned", 1)] = again
    late = "tt: task w0 is completed: complete is not possible"
    found.commands = [
        {"words": ["list"], "code": -9, "err": ""},
        {"words": ["list"], "code": 3, "err": "tt: no daemon runs"},
        {"words": ["task", "complete"], "code": 2, "err": late},
    ]
    found.letters.append({"marker": "MSG-9", "to": "a0", "kind": "info", "code": -9})
    assert problems(found) == []


def test_the_newest_of_what_is_over_is_enough() -> None:
    """Old messages are not kept, the history has them; tasks and rounds are in the archive."""
    found = calm()
    away(completed=1)(found)
    del found.messages["m1"]
    found.seen["messages"].pop(0)
    assert problems(found) == []
