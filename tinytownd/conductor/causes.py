"""What the conductor's own agent is asked: when judgement is needed, once for each cause. Pure.

A cause is a request in the conductor's mailbox, written in the change that brings it about: a task
failed for good, a task that is ready has nobody who will do it, a plan is stuck. Whoever fails a
task or finds a plan stuck leaves a note about it there; here it becomes a request, which starts a
round. Of one task or plan the agent is asked `MOST_TOLD` times, then a person is. What is over
before it was read is withdrawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from tinytownd.domain import questions, rules
from tinytownd.domain.agent import Agent
from tinytownd.domain.index import is_line, word_of
from tinytownd.domain.lines import lines_of, may_take
from tinytownd.domain.message import CONDUCTOR, DAEMON, QUESTION, Message
from tinytownd.domain.names import ROLE
from tinytownd.domain.record import Record
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town
from tinytownd.domain.track import TrackedPlan

#: How often the agent is asked about one task, or about one plan, before a person is. Ours: what
#: it could not mend in three rounds it will not mend in ten.
MOST_TOLD = 3
#: What a cause is about: `failed:TASK`, `unfit:OWNER` (or its role), `stalled:PLAN`.
KINDS = FAILED, UNFIT, STALLED = "failed", "unfit", "stalled"
#: What a record of a kind can be the cause of.
SUBJECTS = {Task.kind: FAILED, TrackedPlan.kind: STALLED}
#: So many tasks are named in one message.
MAX_SHOWN = 5


def settle_causes(town: Town, owners: Iterable[str]) -> None:
    """Asks what has come up in the change under way; `owners` are those that it touched."""
    reset(town)
    owners = concerned(town, owners)
    withdraw(town, owners)
    if not is_there(town):
        return
    for record in list(town.change.records.values()):
        if isinstance(record, Message):
            refer_note(town, record)
    refer_unfit(town, owners)
    keep_agent(town)


def is_there(town: Town) -> bool:
    """Whether there is an agent to ask: its CLI is there, and nobody has sent the agent away."""
    agent = town.find_agent(CONDUCTOR)
    return bool(town.policy.conductor_cli) and (agent is None or agent.desired in ("run", "pause"))


def keep_agent(town: Town) -> None:
    """The agent comes with the first cause, and is always on the CLI that the settings name."""
    agent, cli = town.find_agent(CONDUCTOR), town.policy.conductor_cli
    if agent is None:
        if not town.mail.starting(CONDUCTOR):
            return
        number = town.next_id("agents")
        agent = Agent(
            f"a{number}", CONDUCTOR, cli, role=CONDUCTOR, since=town.now, created_at=town.now
        )
        town.event("agent.spawned", DAEMON, agent=CONDUCTOR, text=cli)
    elif agent.cli != cli and agent.round is None:
        agent = agent.but(cli=cli, session=None, restart=agent.desired == "run")
    else:
        return
    town.put(agent)
    town.wake(agent)


def reset(town: Town) -> None:
    """What is over can come up anew: a task went to somebody, a plan is completed."""
    for record in list(town.change.records.values()):
        if isinstance(record, Task) and record.lacks is not None and record.state != "pending":
            town.put(record.but(lacks=None))
        elif isinstance(record, TrackedPlan) and record.told and record.state == "completed":
            town.put(record.but(told=0))


def withdraw(town: Town, owners: Iterable[str]) -> None:
    """Takes back what nobody needs to read or to answer any more, of what the change may end."""
    if not town.mail.subjects:
        return
    ended = {f"{UNFIT}:{owner}" for owner in owners}
    changed = town.change.records
    ended |= {f"{SUBJECTS[kind]}:{name}" for kind, name in changed if kind in SUBJECTS}
    ended &= town.mail.subjects
    for message in town.about(*ended) if ended else ():
        if message.to != CONDUCTOR or not is_over(town, message.about or ""):
            continue
        if message.sort == QUESTION:
            questions.close(town, message.about or "", DAEMON, "it is settled")
        elif message.starts_round:
            rules.fold(town, message)


def is_over(town: Town, about: str) -> bool:
    """Whether a cause is none any more; of what else messages are about nothing is known here."""
    what, _, name = about.partition(":")
    if what == FAILED:
        return name not in town.tasks or town.tasks[name].state != "failed"
    if what == STALLED:
        return name not in town.plans or town.plans[name].state != "stalled"
    return what == UNFIT and next(unfit(town, name), None) is None


def start_over(town: Town, about: str) -> None:
    """A person has said what to do about it: the agent may be asked as often again."""
    what, _, name = about.partition(":")
    for subject in [*unfit(town, name)] if what == UNFIT else [subject_of(town, what, name)]:
        if subject is not None:
            town.put(subject.but(told=0))


def subject_of(town: Town, what: str, name: str) -> Task | TrackedPlan | None:
    """The task or the plan that a cause is about; of tasks that nobody will do there are many."""
    return {FAILED: town.tasks.get(name), STALLED: town.plans.get(name)}.get(what)


def refer_note(town: Town, note: Message) -> None:
    """A note of the daemon about something that needs judgement becomes a request."""
    what, _, name = (note.about or "").partition(":")
    subject = subject_of(town, what, name)
    if note.to != CONDUCTOR or note.sort != "info" or note.state != "waiting" or subject is None:
        return
    if subject.told < MOST_TOLD:
        town.put(subject.but(told=subject.told + 1))
        town.put(note.but(sort="request"))
        wake(town)
    else:
        ask_person(town, note.about or "", note.text, note.task)


def ask_person(town: Town, about: str, text: str, task: str | None) -> None:
    """What the agent did not mend is a person's to decide."""
    why = f"{text}\nThe conductor was asked {MOST_TOLD} times. What should it do?"
    questions.ask(town, CONDUCTOR, about, why, task)


def wake(town: Town) -> None:
    """Has the agent look, if it is on the team yet."""
    agent = town.find_agent(CONDUCTOR)
    if agent is not None:
        town.wake(agent)


# Work that nobody will do


def refer_unfit(town: Town, owners: Iterable[str]) -> None:
    """Asks about ready tasks that nobody will do, once for each as long as that is so.

    Not in a town whose whole team was sent home: whoever did that knows.
    """
    for owner in sorted(filter(town.index.is_able, owners)):
        tasks = [task for task in unfit(town, owner) if task.lacks != owner]
        if not tasks or sent_home(town):
            continue
        about = f"{UNFIT}:{owner}"
        often = [task for task in tasks if task.told >= MOST_TOLD]
        if often:
            ask_person(town, about, what_lacks(town, owner, often), None)
        if len(often) < len(tasks):
            text = what_lacks(town, owner, [task for task in tasks if task.told < MOST_TOLD])
            rules.send(town, DAEMON, CONDUCTOR, text, sort="request", about=about)
        for task in tasks:
            town.put(task.but(lacks=owner, told=task.told + 1))


def concerned(town: Town, owners: Iterable[str]) -> set[str]:
    """Owners that were touched, and the roles of those that were.

    All who have work, where the agent that is asked may have come back: nobody asked it meanwhile.
    """
    found = set(owners)
    if any(
        kind == Agent.kind and _may_be_back(one) for (kind, _), one in town.change.records.items()
    ):
        found.update(town.index.able())
    for owner in owners:
        agent = town.find_agent(owner)
        if agent is not None:
            found.update(lines_of(town, agent))
        elif not is_line(owner):
            found.update(town.index.lines())  # it was removed: who knows what it was
    return found


def _may_be_back(agent: Record | None) -> bool:
    """Of one that was removed nobody knows who it was; then there is an agent to ask again."""
    return agent is None or (isinstance(agent, Agent) and agent.is_conductor)


def sent_home(town: Town) -> bool:
    """Whether there is a team, and all of it was stopped or closed by somebody."""
    team = [agent for agent in town.agents.values() if not agent.is_conductor]
    return bool(team) and all(a.desired in ("stop", "close") and not a.used_up for a in team)


def unfit(town: Town, owner: str) -> Iterator[Task]:
    """The ready tasks of an owner, or of a role, that nobody on the team will do.

    The backlog's wait for somebody to claim them: that they are nobody's is no fault.
    """
    if not is_line(owner):
        agent = town.find_agent(owner)
        yield from () if agent is not None and agent.will_work else town.ready(owner)
    elif owner.startswith(ROLE) and town.has_ready(owner):
        team = (one for one in town.members(word_of(owner)) if one.will_work)
        members = list(islice((one for one in team if owner in lines_of(town, one)), 2))
        if not members:
            yield from town.ready(owner)
        elif len(members) == 1:  # of two, one at least has not done what is to be reviewed
            choosy = (town.tasks[task] for task in town.index.choosy.get(owner, ()))
            lost = (one for one in choosy if not may_take(town, members[0], one))
            yield from sorted(filter(town.may_go_out, lost), key=lambda task: task.rank)


def what_lacks(town: Town, owner: str, tasks: list[Task]) -> str:
    """Which tasks nobody will do, and why."""
    some = ", ".join(task.id for task in tasks[:MAX_SHOWN])
    more = f" and {len(tasks) - MAX_SHOWN} more" if len(tasks) > MAX_SHOWN else ""
    agent = town.find_agent(owner)
    if agent is not None:
        why = f"{agent.name} is {agent.state}"
    elif owner.startswith(ROLE):
        why = f"nobody with the role {tasks[0].role} is there to do it"
    else:
        why = f"there is no agent {tasks[0].agent}"
    return f"Nobody will do {some}{more}: {why}"
