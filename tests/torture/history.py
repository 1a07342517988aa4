"""The town as its history tells it: events in their order, replayed with rules of our own.

What an event may follow is written down here once more, apart from the daemon's tables, so that a
mistake there is none here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.e2e.town import Data

#: What happens to a task: the states it may come from ("": there was none), and where it leads.
TASK_STEPS: dict[str, tuple[set[str], str]] = {
    "task.created": ({""}, "pending"),
    "task.assigned": ({"pending"}, "assigned"),
    "task.released": ({"assigned", "running"}, "pending"),
    "task.started": ({"assigned"}, "running"),
    "task.retrying": ({"running"}, "pending"),
    "task.blocked": ({"pending", "running"}, "blocked"),
    "task.approved": ({"blocked"}, "pending"),
    "task.unblocked": ({"blocked"}, "pending"),
    "task.submitted": ({"running"}, "submitted"),
    "task.sent_back": ({"submitted"}, "pending"),
    "task.completed": ({"running", "submitted"}, "completed"),
    "task.failed": ({"running", "blocked"}, "failed"),
}
#: What an agent's word on its task leads to.
VERDICTS = {"task.submitted", "task.completed", "task.failed", "task.blocked"}
MESSAGE_STEPS: dict[str, tuple[set[str], str]] = {
    "message.sent": ({""}, "waiting"),
    "message.delivered": ({"waiting"}, "delivered"),
    "message.returned": ({"delivered"}, "waiting"),
    "message.acknowledged": ({"delivered"}, "acknowledged"),
    "message.folded": ({"waiting"}, "folded"),
    "question.answered": ({"waiting"}, "answered"),
}
#: The mailbox that no agent reads: what is in it waits, is folded, or was a question.
CONDUCTOR = "conductor"


@dataclass
class TaskStory:
    """A task: its state, the round that has or had it last, where in the history it moved.

    `moves` are all its events, with their places.
    """

    state: str = ""
    round: int | None = None
    started: list[int] = field(default_factory=list)
    completed: list[int] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)
    moves: list[tuple[int, Data]] = field(default_factory=list)

    @property
    def arrived(self) -> list[int]:
        """Where it ended, well or not."""
        return sorted(self.completed + self.failed)


@dataclass
class MessageStory:
    """A message: its state, the mailbox, its text, the round that has or had it last.

    `ends` counts how often it was acknowledged, folded or answered; `beside` is how many messages
    waited in the mailbox when it was folded. A `question` is for a person.
    """

    state: str = ""
    to: str = ""
    question: bool = False
    text: str = ""
    round: int | None = None
    ends: int = 0
    beside: int = 0


@dataclass
class RoundStory:
    """A round: whose it is, what it took along, and what its agent did to its task."""

    agent: str
    task: str | None
    messages: set[str]
    ended: bool = False
    verdicts: list[str] = field(default_factory=list)


class History:
    """Everything that the events tell. `impossible` are those that cannot have happened."""

    def __init__(self, events: Iterable[Data]) -> None:
        self.tasks: dict[str, TaskStory] = {}
        self.messages: dict[str, MessageStory] = {}
        self.rounds: dict[int, RoundStory] = {}
        #: The round that each agent is in.
        self.inside: dict[str, int] = {}
        self.impossible: list[str] = []
        self._taken: dict[str, set[str]] = {}
        for at, event in enumerate(events):
            self._happened(at, event)

    def _happened(self, at: int, event: Data) -> None:
        name = event["event"]
        if name in TASK_STEPS:
            self._task(at, event)
        elif name in MESSAGE_STEPS:
            self._message(at, event)
        elif name == "question.asked":
            self.messages[event["message"]].question = True
        elif name == "round.started":
            self._round_started(at, event)
        elif name == "round.ended":
            self._round_ended(at, event)

    def _task(self, at: int, event: Data) -> None:
        name, task = event["event"], self.tasks.setdefault(event["task"], TaskStory())
        before, after = TASK_STEPS[name]
        if task.state not in before:
            self._cannot(at, f"{name} of {event['task']}, which is {task.state or 'unknown'}")
        task.state = after
        task.moves.append((at, event))
        running = self.rounds.get(self.inside.get(event.get("actor", ""), 0))
        if name in VERDICTS and running is not None and running.task == event["task"]:
            running.verdicts.append(name)
        if name == "task.started":
            task.round = event["round"]
            task.started.append(at)
        elif name in ("task.completed", "task.failed"):
            (task.completed if name == "task.completed" else task.failed).append(at)

    def _message(self, at: int, event: Data) -> None:
        name, key = event["event"], event["message"]
        message = self.messages.setdefault(key, MessageStory(to=event.get("agent", "")))
        before, after = MESSAGE_STEPS[name]
        if message.state not in before:
            self._cannot(at, f"{name} of {key}, which is {message.state or 'unknown'}")
        if name == "message.sent":
            message.text = event.get("text", "")
            if key != f"m{len(self.messages)}":
                self._cannot(at, f"{key} is message number {len(self.messages)}")
        elif name == "message.delivered":
            self._taken.setdefault(message.to, set()).add(key)
        elif name == "message.folded":
            message.beside = sum(
                one.to == message.to and one.state == "waiting" for one in self.messages.values()
            )
        elif after == "answered":
            if not message.question:
                self._cannot(at, f"{name} of {key}, which is no question")
        elif message.round is None or self.inside.get(message.to) != message.round:
            self._cannot(at, f"{name} of {key} outside its round")
        message.state = after
        if name == "message.returned":
            message.round = None
        message.ends += after in ("acknowledged", "folded", "answered")

    def _round_started(self, at: int, event: Data) -> None:
        number, agent, task = event["round"], event["agent"], event.get("task")
        if number != len(self.rounds) + 1:
            self._cannot(at, f"round {number} is number {len(self.rounds) + 1}")
        if agent in self.inside:
            self._cannot(at, f"round {number} of {agent}, who is in round {self.inside[agent]}")
        if task is not None and self.tasks[task].round != number:
            self._cannot(at, f"round {number} has {task}, which round {self.tasks[task].round} has")
        self.inside[agent] = number
        self.rounds[number] = RoundStory(agent, task, self._taken.pop(agent, set()))
        for message in self.rounds[number].messages:
            self.messages[message].round = number

    def _round_ended(self, at: int, event: Data) -> None:
        number, agent = event["round"], event["agent"]
        if self.inside.get(agent) != number:
            self._cannot(at, f"round {number} of {agent} ends, who is not in it")
            return
        del self.inside[agent]
        story = self.rounds[number]
        story.ended = True
        held = [one for one in sorted(story.messages) if self.messages[one].state == "delivered"]
        task = self.tasks.get(story.task or "")
        if task is not None and task.state == "running" and task.round == number:
            held.append(story.task or "")
        if held:
            self._cannot(at, f"round {number} ends and keeps {', '.join(held)}")

    def _cannot(self, at: int, what: str) -> None:
        self.impossible.append(f"event {at}: {what}")
