"""What a town has at hand of what is over: the newest. So it stays as large as its work.

Tasks and rounds go into the archive, which is apart from what is loaded and decided on; messages
that were read are dropped. A task goes only when nothing in the town will ever ask about it again.
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

from tinytownd.domain.message import Message, Round
from tinytownd.domain.record import Record
from tinytownd.domain.task import FINISHED, STATES, Task
from tinytownd.domain.town import Town
from tinytownd.domain.track import unscoped

#: So many messages that were read are kept. Ours: a night of ten agents.
KEPT = 1_000
#: They go in batches, so that looking for the oldest costs next to nothing.
BATCH = 100
#: A look goes through so many finished tasks, the next one goes on from there: what must stay is
#: passed by at a cost that is bounded by how many tasks end.
LOOK = 4 * BATCH
#: Tasks that can only go together, at most; in a look, tasks and those that go with them.
FAMILY = LOOK
#: In milliseconds: how often there is a look for what is too old, or stayed when it could not go.
LOOK_MS = 1_000
DAY_MS = 86_400_000
OPEN = tuple(state for state in STATES if state not in FINISHED)
#: What may wait in a mailbox about a task that ended badly.
ABOUT_TASK = ("failed", "verdict", "budget:task")


def retire(town: Town) -> None:
    """Puts away the oldest of what is over, in the change under way, or drops it."""
    keep = town.policy.history
    if town.over[Message.kind] >= KEPT + BATCH:
        for message in oldest(town.messages.values(), town.over[Message.kind] - KEPT):
            town.drop(message)
    if town.over[Round.kind] >= keep.rounds + BATCH:
        put_rounds_away(town, oldest(town.rounds.values(), town.over[Round.kind] - keep.rounds))
    look(town)


def goes_on(town: Town) -> bool:
    """Whether there is more to put away after a look that put away all that it looked at."""
    return town.looked[1:] == (0, 0) and is_too_much(town)


def oldest(records: Iterable[Record], count: int) -> list[Record]:
    """The first so many of the records that are over."""
    return list(islice((one for one in records if one.over), count))


def put_rounds_away(town: Town, rounds: Iterable[Record]) -> None:
    """Rounds go into the archive; the files of those before the first that stays go for good."""
    for one in rounds:
        town.archive(one)
    first = next((one.order for one in town.rounds.values()), town.meta.rounds + 1)
    town.put(town.meta.but(cleared=first - 1))
    town.wake(None)  # for their files


def look(town: Town) -> None:
    """Puts away what is too much or too old: some of it, the next change goes on."""
    start, counted, at = town.looked
    over = town.index.finished
    if not is_too_much(town) or (len(over) < counted + BATCH and 0 <= town.now - at < LOOK_MS):
        return
    spare = len(over) - town.policy.history.tasks
    old = bisect.bisect_left(over, (too_old(town), 0, ""))
    end = max(spare if spare >= BATCH else 0, old)
    first = bisect.bisect_left(over, start, hi=end) % end
    places = over[first : min(first + LOOK, end)]
    gone = put_away(town, (town.tasks[task] for _, _, task in places))
    town.looked = (places[-1], len(over), town.now)
    if gone >= len(places) and end > len(places):
        town.looked = (places[-1], 0, 0)
        town.wake(None)  # somebody must go on: perhaps nothing else happens here


def is_too_much(town: Town) -> bool:
    """Whether more is over than a town has at hand, or something for too long."""
    over = town.index.finished
    spare = len(over) - town.policy.history.tasks
    return spare >= BATCH or (len(over) > 0 and over[0][0] < too_old(town))


def too_old(town: Town) -> int:
    """What ended before that goes, however little there is; in milliseconds since the epoch."""
    return town.now - town.policy.history.days * DAY_MS


def put_away(town: Town, tasks: Iterable[Task]) -> int:
    """Puts away those of the finished tasks that may go, and those that go with them; how many."""
    busy = {one.task for one in running(town)}
    chosen: dict[str, Task] = {}
    for task in tasks:
        if task.id not in chosen:
            chosen |= {one.id: one for one in going_with(town, task, busy)}
    for task in chosen.values():
        town.archive(task)
    count(town, chosen.values(), 1)
    return len(chosen)


def bring_back(town: Town, tasks: Iterable[Task]) -> None:
    """Tasks of the archive are of the town again, in the change under way."""
    fresh = [task for task in tasks if task.id not in town.tasks]
    if fresh:
        town.bring_back(fresh)
        count(town, fresh, -1)


def count(town: Town, tasks: Iterable[Task], by: int) -> None:
    """Adds to, or takes from, what the town and its plans know of how much was put away."""
    states: Counter[str] = Counter(town.meta.archived)
    plans: dict[str, list[Task]] = {}
    for task in tasks:
        if not task.group:
            states[task.state] += by
            plans.setdefault(task.plan or "", []).append(task)
    if states != town.meta.archived:
        town.put(town.meta.but(archived=dict(+states)))
    for name in plans.keys() & town.plans.keys():
        plan = town.plans[name]
        of_it, pushed = Counter(plan.archived), Counter(plan.archived_pushed)
        for task in plans[name]:
            of_it[task.state] += by
            pushed[task.state] += by * (task.digest is not None)
        town.put(plan.but(archived=dict(+of_it), archived_pushed=dict(+pushed)))


# What may go


def running(town: Town) -> Iterator[Round]:
    """The rounds that are not over."""
    mine = (town.rounds.get(agent.round or "") for agent in town.agents.values())
    return (one for one in mine if one is not None and not one.over)


def going_with(town: Town, task: Task, busy: set[str | None]) -> list[Task]:
    """A finished task with those that must go along; none where one of them must stay."""
    family: dict[str, Task] = {}
    todo = [task]
    while todo:
        one = todo.pop()
        if one.id in family:
            continue
        if len(family) == FAMILY or one.id in busy or not is_over(town, one):
            return []
        family[one.id] = one
        todo += holders(town, one)
    return list(family.values())


def holders(town: Town, task: Task) -> list[Task]:
    """Those around a task that may move again, and would look at it then.

    That is what waits for it, what is within it or around it, and what it is a gate of. What is
    completed never moves again.
    """
    index = town.index
    near = [*index.dependents.get(task.id, ()), *index.children.get(task.id, ())]
    near += [one for one in (task.parent, task.gate_of) if one is not None]
    found = (town.tasks.get(one) for one in near)
    return [one for one in found if one is not None and one.state != "completed"]


def is_over(town: Town, task: Task) -> bool:
    """Whether nothing but tasks around it could still ask about the task."""
    if not task.finished or (Task.kind, task.id) in town.change.records:
        return False  # also what the change under way is about: its answer tells of it
    if task.origin is not None or may_come_again(town, task):
        return False
    if task.state != "completed" and any(town.about(f"{a}:{task.id}") for a in ABOUT_TASK):
        return False
    counts = town.index.plan_counts.get(task.plan or "")
    return counts is None or not any(counts[state] for state in OPEN)


def may_come_again(town: Town, task: Task) -> bool:
    """Whether the task's id could be given anew: it is a number that the town has not reached."""
    name = unscoped(task.plan or "", task.id)
    number = name[1:] if name.startswith("t") else ""
    return number.isdecimal() and int(number) > town.meta.numbered
