"""The town as a whole: all its records, the indexes made of them, and the change under way.

Everything that happens to a town is decided on this object and nothing else: a decision calls
`put`, `drop`, `event` and `wake`; the store then writes the change in one atomic step, or takes
it back. Indexes are derived from records alone, so a town that is loaded again is the same town.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from tinytownd.domain.agent import Agent
from tinytownd.domain.change import Change
from tinytownd.domain.errors import Ambiguous, NotFound
from tinytownd.domain.index import Line, TaskIndex
from tinytownd.domain.mailboxes import Mailboxes
from tinytownd.domain.message import QUESTION, Message, Round
from tinytownd.domain.meta import Meta
from tinytownd.domain.names import did_you_mean, shown
from tinytownd.domain.policy import Policy
from tinytownd.domain.record import Record
from tinytownd.domain.roster import Roster
from tinytownd.domain.task import Task
from tinytownd.domain.track import MAIN, TrackedPlan


class Town:
    """One town's records and the change under way."""

    def __init__(self, meta: Meta, records: Iterable[Record] = (), *, now: int = 0) -> None:
        self.meta = meta
        self.now = now
        self.agents: dict[str, Agent] = {}
        self.tasks: dict[str, Task] = {}
        self.messages: dict[str, Message] = {}
        self.rounds: dict[str, Round] = {}
        self.plans: dict[str, TrackedPlan] = {}
        self._policy = Policy()
        self.index = TaskIndex(self.tasks)
        self.index.count_archived(meta.archived, 1)
        #: How many records of each kind are over: see `Record.over`.
        self.over: Counter[str] = Counter()
        self.roster = Roster(self.agents)
        self.mail = Mailboxes(self.messages)
        #: How many agents are in each state, and how many messages of each sort wait.
        self.agent_states = self.roster.states
        self.waiting = self.mail.waiting
        #: Where retention goes on to look; how much was over when it looked last, and when.
        self.looked: tuple[tuple[int, int, str], int, int] = ((0, 0, ""), 0, 0)
        self._undo: list[tuple[str, str, Record | None]] = []
        #: How much of it belongs to changes before the one under way.
        self._decided = 0
        self.change = Change()
        for record in records:
            self._swap(record.kind, record.id, record)

    @property
    def id(self) -> str:
        return self.meta.id

    @property
    def policy(self) -> Policy:
        """What the settings say."""
        return self._policy

    @policy.setter
    def policy(self, policy: Policy) -> None:
        if policy is not self._policy and policy != self._policy:
            self._policy = policy
            self.index.touch_plans(self.plans)

    # Looking things up

    def agent(self, name: str) -> Agent:
        """The agent of that name, in any case; raises `NotFound`."""
        found = self.find_agent(name)
        if found is None:
            known = [agent.name for agent in self.agents.values()]
            hint = did_you_mean(name, known) or ("tt list" if known else "tt spawn NAME")
            raise NotFound(f"there is no agent {shown(name)} in this town", hint=hint)
        return found

    def find_agent(self, name: str) -> Agent | None:
        """The agent of that name, in any case, or None."""
        return self.roster.find(name)

    def members(self, word: str) -> Iterator[Agent]:
        """The agents whose role or one of whose tags that is, in any case."""
        return self.roster.members(word)

    def task(self, ref: str) -> Task:
        """The task with that id, or the only one whose id in its plan it is, or starts so.

        Raises `NotFound` or `Ambiguous`.
        """
        if ref in self.tasks:
            return self.tasks[ref]
        named = [known for known in self.tasks if ref and known.endswith(f"/{ref}")]
        fits = named or sorted(known for known in self.tasks if ref and known.startswith(ref))
        if len(fits) == 1:
            return self.tasks[fits[0]]
        if fits:
            some = ", ".join(fits[:5]) + (", …" if len(fits) > 5 else "")
            raise Ambiguous(f"{shown(ref)} fits {len(fits)} tasks", hint=some)
        raise NotFound(
            f"there is no task {shown(ref)} in this town",
            hint=did_you_mean(ref, self.tasks) or "tt task list",
        )

    def plan(self, name: str) -> TrackedPlan:
        """The plan of that name, in any case; raises `NotFound`."""
        found = self.find_plan(name)
        if found is None:
            hint = did_you_mean(name, self.plans) or "tt plan list"
            raise NotFound(f"there is no plan {shown(name)} in this town", hint=hint)
        return found

    def find_plan(self, name: str) -> TrackedPlan | None:
        """The plan of that name, in any case, or None."""
        there = self.plans.get(name)
        if there is not None:
            return there
        lowered = name.lower()
        return next((plan for plan in self.plans.values() if plan.id.lower() == lowered), None)

    def unmet(self, task: Task) -> list[str]:
        """The ids of the tasks that hold this one back."""
        if not self.index.waits(task):
            return []
        return [need for need in task.needs if self.index.holds_back(need, task)]

    def dependents(self, task: str) -> list[Task]:
        """The tasks that wait for this one, in the order they were made."""
        return self._in_order(self.index.dependents.get(task, ()))

    def children(self, group: str) -> list[Task]:
        """The tasks whose parent this one is, in the order they were made."""
        return self._in_order(self.index.children.get(group, ()))

    def _in_order(self, tasks: Iterable[str]) -> list[Task]:
        return sorted((self.tasks[one] for one in tasks), key=lambda task: task.seq)

    def child_states(self, group: str) -> Counter[str]:
        """How many of a task's children are in each state."""
        return self.index.child_states[group]

    def may_go_out(self, task: Task) -> bool:
        """Whether the conductor may hand it out at all, as far as its plan goes.

        A check or a review goes with the plan of the task that it is of; that this was begun is
        enough, whether or not the conductor is still on.
        """
        of = self.tasks.get(task.gate_of or "", task)
        return self.moves((of.plan, task.digest is not None))

    def moves(self, line: Line) -> bool:
        """Whether tasks of a plan go out; those that a file brought only while conducting."""
        plan, pushed = line
        if plan is None:
            return True
        tracked = self.plans.get(plan)
        return (tracked is None or tracked.moves) and (self.meta.conducting or not pushed)

    def ready(self, owner: str) -> Iterator[Task]:
        """What waits for nothing but being handed out, best first; see `may_go_out`.

        An owner is an agent's name, "role:…", or "tag:…" for what the backlog has with a tag.
        """
        for one in self.index.ready(owner.lower(), self.moves):
            task = self.tasks[one]
            if task.gate_of is None or self.may_go_out(task):
                yield task

    def has_ready(self, owner: str) -> bool:
        """Whether there is any of that; an owner in lower case."""
        return self.index.is_able(owner) and any(True for _ in self.ready(owner))

    def plan_counts(self, plan: str = MAIN) -> Counter[str]:
        """How many tasks of a plan that somebody executes are in each state."""
        return self.index.plan_counts[plan]

    def queue(self, agent: str) -> list[Task]:
        """What was handed to an agent and has not started, best first."""
        mine = [self.tasks[task] for task in self.index.queues.get(agent.lower(), ())]
        return sorted(mine, key=lambda task: task.rank) if len(mine) > 1 else mine

    def inbox(self, name: str) -> list[Message]:
        """Messages to a name that are not acknowledged, oldest first."""
        return self.mail.of(name)

    def about(self, *subjects: str) -> list[Message]:
        """Messages that wait and are about one of these, or about anything; oldest first."""
        return self.mail.about(*subjects)

    # Changing things

    def next_id(self, noun: str) -> int:
        """The next number for a new record; `noun` is a sequence's field of `Meta`."""
        number = int(getattr(self.meta, noun)) + 1
        self.put(self.meta.but(**{noun: number}))
        return number

    def put(self, record: Record) -> None:
        """Adds or replaces a record, in the change under way."""
        old = self._swap(record.kind, record.id, record)
        self._undo.append((record.kind, record.id, old))
        self.change.records[record.kind, record.id] = record

    def drop(self, record: Record) -> None:
        """Removes a record, in the change under way."""
        old = self._swap(record.kind, record.id, None)
        self._undo.append((record.kind, record.id, old))
        self.change.records[record.kind, record.id] = None

    def archive(self, record: Record) -> None:
        """Puts a record away, in the change under way: out of the town, into its archive."""
        self.drop(record)
        self.change.archived[record.kind, record.id] = record

    def bring_back(self, tasks: Iterable[Task]) -> None:
        """Tasks of the archive are in the town again, in their places, in the change under way."""
        for task in tasks:
            self.put(task)
        self._put_in_order(Task.kind)

    def empty_archive(self) -> None:
        """Forgets all that was put away, in the change under way."""
        self.change.archived.clear()
        self.change.empties_archive = True
        self.put(self.meta.but(archived={}))

    def event(self, name: str, actor: str, **about: object) -> None:
        """One line of history, written with the change. None values are left out."""
        told = {key: value for key, value in about.items() if value is not None}
        self.change.events.append({"event": name, "at": self.now, "actor": actor, **told})

    def wake(self, agent: Agent | None) -> None:
        """Has the agent's supervisor look, as soon as the change is written; None: the host."""
        self.change.wakes.add(agent.id if agent else "")

    def touch(self, owner: str) -> None:
        """Has the conductor look at an agent although no record of it changed."""
        self.index.touch(owner.lower())

    def take_dirty(self) -> tuple[set[str], set[str]]:
        """Owners (lower case) and groups that a settling conductor must look at; forgets them."""
        return self.index.take_dirty()

    def take_plans(self) -> list[TrackedPlan]:
        """Plans that a settling conductor must look at, as they were made; forgets them."""
        found = (self.plans.get(plan) for plan in self.index.take_plans())
        return sorted((plan for plan in found if plan is not None), key=lambda plan: plan.seq)

    def next_change(self) -> Change:
        """Begins another change behind the one under way, which is returned: not written yet."""
        decided, self.change = self.change, Change()
        self._decided = len(self._undo)
        return decided

    def commit(self) -> None:
        """All changes were written: nothing to take back."""
        self._undo.clear()
        self._decided = 0
        self.change = Change()

    def rollback(self, *, all_changes: bool = False) -> None:
        """The change under way is none: everything is as before it, or as was written last."""
        if all_changes:
            self._decided = 0
        came_back: set[str] = set()
        while len(self._undo) > self._decided:
            kind, record_id, old = self._undo.pop()
            replaced = self._swap(kind, record_id, old)
            if replaced is None:
                came_back.add(kind)
        for kind in came_back:
            self._put_in_order(kind)
        self.index.take_dirty()
        self.change = Change()

    def records(self) -> Iterable[Record]:
        """All records but the town's own."""
        for table in (self.agents, self.tasks, self.messages, self.rounds, self.plans):
            yield from table.values()

    def _put_in_order(self, kind: str) -> None:
        """Records that were added late stand where they stand when the town is loaded."""
        table: dict[str, Record] = getattr(self, kind)
        for record in sorted(table.values(), key=lambda one: one.order):
            table[record.id] = table.pop(record.id)

    # Indexes

    def _swap(self, kind: str, record_id: str, new: Record | None) -> Record | None:
        if kind == Meta.kind:
            old: Record | None = self.meta
            if isinstance(new, Meta):
                self._meta_changed(new)
            return old
        table: dict[str, Record] = getattr(self, kind)
        old = table.get(record_id)
        if new is None:
            table.pop(record_id, None)
        else:
            table[record_id] = new
        self.over[kind] += (new is not None and new.over) - (old is not None and old.over)
        match kind:
            case Task.kind:
                self.index.replace(old, new)  # type: ignore[arg-type]
            case Agent.kind:
                self._index_agent(old, new)  # type: ignore[arg-type]
            case Message.kind:
                self._index_message(old, new)  # type: ignore[arg-type]
            case TrackedPlan.kind:
                self._plan_changed(old, new)  # type: ignore[arg-type]
        return old

    def _meta_changed(self, new: Meta) -> None:
        if new.conducting != self.meta.conducting:
            self.index.touch_all()
            self.index.touch_plans(self.plans)
        if new.archived is not self.meta.archived:
            self.index.count_archived(self.meta.archived, -1)
            self.index.count_archived(new.archived, 1)
        self.meta = new

    def _plan_changed(self, old: TrackedPlan | None, new: TrackedPlan | None) -> None:
        either = new or old
        if either is not None:
            self.index.touch_plans([either.id])
        if old is None or new is None or old.moves != new.moves:
            self.index.touch_all()
        if old is not None and new is not None and old.state != new.state:
            self.looked = ((0, 0, ""), 0, 0)  # when it ended, its tasks may go
        for plan, by in ((old, -1), (new, 1)):
            if plan is not None and plan.archived:
                self.index.count_archived_plan(plan, by)

    def _index_agent(self, old: Agent | None, new: Agent | None) -> None:
        self.roster.replace(old, new)
        if old is None or new is None or _is_there(old) != _is_there(new):
            self.index.touch_plans(self.plans)
        for agent in (old, new):
            if agent is not None:
                self.index.touch(agent.name.lower())

    def _index_message(self, old: Message | None, new: Message | None) -> None:
        self.mail.replace(old, new)
        either = new or old
        if either is not None and either.sort == QUESTION:
            self.index.touch_plan_of(either.task)


def _is_there(agent: Agent) -> tuple[object, ...]:
    """What says which plans an agent can go on with: see `conductor/plans.py`."""
    return agent.available, agent.name, agent.role, agent.tags, agent.cli
