"""Towns and their records for tests that decide on them, without a store."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tinytownd.conductor.schedule import settle
from tinytownd.domain.agent import Agent
from tinytownd.domain.message import Message, Round
from tinytownd.domain.meta import Meta
from tinytownd.domain.record import Record
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town
from tinytownd.domain.track import MAIN, TrackedPlan

NOW = 1_790_000_000_000


def make_town(*records: Record, now: int = NOW, plan: str | None = None, **meta: Any) -> Town:
    """A town; with `plan` (what it is about), or tasks of the plan `main`, that is there too."""
    known = any(isinstance(one, TrackedPlan) for one in records)
    if not known and (plan or any(isinstance(one, Task) and one.plan == MAIN for one in records)):
        records = (*records, TrackedPlan(MAIN, 1, plan))
    plans = sum(isinstance(one, TrackedPlan) for one in records)
    return Town(Meta(id="t", name="demo", dir="/demo", plans=plans, **meta), records, now=now)


def main_plan(town: Town) -> TrackedPlan:
    return town.plans[MAIN]


def agent(name: str, number: int = 1, **fields: Any) -> Agent:
    return Agent(id=f"a{number}", name=name, **{"cli": "claude", "state": "idle", **fields})


def task(number: int, owner: str | None = None, **fields: Any) -> Task:
    """A task with the id `t<number>`; one of a plan came with its file."""
    needs = fields.get("needs", ())
    told = {"description": f"Do {number}", "seq": number, "depends_on": needs, **fields}
    if "plan" in fields:
        told.setdefault("digest", "0123456789abcdef" if fields["plan"] else None)
    return Task(**{"id": f"t{number}", "agent": owner, **told})


def message(number: int, to: str, **fields: Any) -> Message:
    told = {"sender": "person", "text": f"Hello {number}", **fields}
    return Message(id=f"m{number}", seq=number, to=to, **told)


def round_(number: int, of: str, **fields: Any) -> Round:
    return Round(id=str(number), agent=of, token="token", **fields)


def settled(town: Town) -> Town:
    """The town after the conductor has looked at it."""
    settle(town)
    town.commit()
    return town


def states(town: Town, *ids: str) -> list[str]:
    return [town.tasks[one].state for one in ids or town.tasks]


def events(town: Town) -> list[object]:
    """The names of the events of the change under way."""
    return [event["event"] for event in town.change.events]


def picture(town: Town) -> dict[str, object]:
    """All that can be asked of a town: records in their order, and every index."""
    names = {a.name for a in town.agents.values()} | {t.agent or "" for t in town.tasks.values()}
    agents = list(town.agents.values())
    boxes = names | {m.to for m in town.messages.values()}
    return {
        "meta": town.meta,
        "records": list(town.records()),
        "agents": {name: town.find_agent(name) for name in names},
        "ready": {name: [t.id for t in town.ready(name)] for name in names},
        "owners": {name: sorted(town.index.owners_of_ready(name)) for name in town.plans},
        "lines": {line: [t.id for t in town.ready(line)] for line in sorted(town.index.lines())},
        "lent": {name: sorted(town.index.lent.get(name.lower(), ())) for name in names},
        "queues": {name: [t.id for t in town.queue(name)] for name in names},
        "inboxes": {name: [m.id for m in town.inbox(name)] for name in boxes},
        "about": [m.id for m in town.about()],
        "dependents": {one: ids(town.dependents(one)) for one in town.tasks},
        "children": {one: ids(town.children(one)) for one in town.tasks},
        "child states": {one: +town.child_states(one) for one in town.tasks},
        "unmet": {one: town.unmet(task) for one, task in town.tasks.items()},
        "states": +town.index.states,
        "owner states": {
            one: +counts for one, counts in town.index.owner_states.items() if +counts
        },
        "agent states": +town.agent_states,
        "waiting": +town.waiting,
        "plan counts": {name: +town.plan_counts(name) for name in town.plans},
        "open groups": sorted(town.index.open_groups),
        "finished": list(town.index.finished),
        "open gates": sorted(town.index.open_gates),
        "unapproved": {line: sorted(ids) for line, ids in town.index.unapproved.items() if ids},
        "members": {word: ids_of(town.members(word)) for one in agents for word in one.words},
    }


def ids_of(agents: Iterable[Agent]) -> list[str]:
    return sorted(one.id for one in agents)


def ids(tasks: Iterable[Task]) -> list[str]:
    return [one.id for one in tasks]
