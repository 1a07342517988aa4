"""A town of the Rust tinytown becomes records of ours: pure.

Each agent, task and message is either sound and comes over, or is left where it is, with the
reason. Nothing comes twice: agents go by their names, tasks and messages by their `origin`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tinytownd.domain.agent import Agent
from tinytownd.domain.errors import BadInput
from tinytownd.domain.message import CONDUCTOR, MOST_WAITING, Message
from tinytownd.domain.names import PRIORITIES, check_label, check_name, check_text, shown
from tinytownd.domain.rules import first_line
from tinytownd.domain.rust import (
    AGENT_STATES,
    MACHINERY,
    MESSAGES,
    NO_PERSON,
    SUPERVISOR,
    TASK_STATES,
    Found,
    Mail,
    Row,
    as_row,
    cli_name,
    moment,
    one_of,
    tags_of,
    text,
)
from tinytownd.domain.task import Task
from tinytownd.domain.town import Town


class Migration:
    """Brings over what is sound, and says what came, what was there, and what is left and why.

    It decides on the town like a handler; a dry run takes the change back.
    """

    def __init__(self, town: Town, found: Found, actor: str) -> None:
        self.came: dict[str, list[dict[str, object]]] = {"agents": [], "tasks": [], "messages": []}
        self.there = dict.fromkeys(self.came, 0)
        self.left: list[dict[str, object]] = []
        self._town = town
        self._actor = actor
        #: Their id of an agent → its name here.
        self._names = {SUPERVISOR: CONDUCTOR}
        #: Their id of a task or message → its id here.
        self._known = {
            one.origin: one.id
            for table in (town.tasks, town.messages)
            for one in table.values()
            if isinstance(one, Task | Message) and one.origin is not None
        }
        for key, why in found.unreadable:
            self._leave(shown(key), why)
        self._each("agent", found.agents, self._agent)
        self._each("task", found.tasks, self._task)
        for task in found.backlog:
            if task not in found.tasks:
                self._leave(f"backlog entry {shown(task)}", "there is no such task")
        self._mail(found.mail)

    def _leave(self, what: str, why: str) -> None:
        self.left.append({"what": what, "why": why})

    def _each(
        self, noun: str, rows: Mapping[str, object], bring: Callable[[str, Row], None]
    ) -> None:
        """Brings each over, the oldest first."""
        ordered = sorted(rows.items(), key=lambda item: (moment(item[1], "created_at"), item[0]))
        for their_id, row in ordered:
            try:
                bring(their_id, as_row(row, their_id))
            except BadInput as error:
                self._leave(f"{noun} {their_id}", error.message)

    def _agent(self, their_id: str, row: Row) -> None:
        if their_id == SUPERVISOR or row.get("agent_type") == "supervisor":
            self._names[their_id] = CONDUCTOR
            raise BadInput(NO_PERSON)
        name = check_name(text(row, "name"), "name of an agent")
        one_of(row, "state", AGENT_STATES)
        there = self._town.find_agent(name)
        if there is not None:
            self._names[their_id] = there.name
            self.there["agents"] += 1
            return
        label: dict[str, Any] = {
            key: check_label(text(row, theirs), key)
            for key, theirs in (("role", "role_id"), ("nickname", "nickname"))
            if row.get(theirs) is not None
        }
        # Before 0.3 the CLI was called the model.
        cli = check_label(cli_name(text(row, "cli" if "cli" in row else "model")), "cli")
        agent = Agent(
            id=f"a{self._town.next_id('agents')}",
            name=name,
            cli=cli,
            state="cold",
            desired="close",
            parent=self._names.get(str(row.get("parent_agent_id"))),
            since=self._town.now,
            created_at=moment(row, "created_at") or self._town.now,
            **label,
        )
        self._names[their_id] = name
        self._town.put(agent)
        self._town.event("agent.spawned", self._actor, agent=name, text=agent.cli)
        self._town.wake(agent)
        self.came["agents"].append({"name": name, "cli": agent.cli})

    def _task(self, their_id: str, row: Row) -> None:
        state = one_of(row, "state", tuple(TASK_STATES))
        description = check_text(text(row, "description"), "task")
        said = text(row, "result") if row.get("result") is not None else None
        check_text(said or "", "result", empty=True)
        if their_id in self._known:
            self.there["tasks"] += 1
            return
        owner = self._names.get(str(row.get("assigned_to")))
        made = Task(
            id=self._next_task(),
            description=description,
            seq=self._town.next_id("tasks"),
            agent=None if owner == CONDUCTOR else owner,
            parent=self._known.get(str(row.get("parent_id"))),
            tags=tuple(tags_of(row)),
            created_at=moment(row, "created_at") or self._town.now,
            started_at=moment(row, "started_at") or None,
            origin=their_id,
        )
        self._known[their_id] = made.id
        self._town.put(made)
        self._town.event("task.created", self._actor, task=made.id, agent=made.agent)
        self._finish(made, TASK_STATES[state], said, moment(row, "completed_at"))
        shown_ = {"id": made.id, "state": self._town.tasks[made.id].state, "agent": made.agent}
        self.came["tasks"].append({**shown_, "description": first_line(description)})

    def _next_task(self) -> str:
        while (made := f"t{self._town.next_id('numbered')}") in self._town.tasks:
            pass
        return made

    def _finish(self, task: Task, event: str | None, said: str | None, at: int) -> None:
        """A task that was over there is over here; any other waits."""
        if event is None:
            return
        word = "error" if event == "fail" else "result"
        over = task.advance(event, finished_at=at or self._town.now, **{word: said})
        self._town.put(over)
        about = {"task": task.id, "agent": task.agent, "text": first_line(said or "")}
        self._town.event(f"task.{over.state}", self._actor, **about)

    def _mail(self, mail: list[Mail]) -> None:
        for one in sorted(mail, key=lambda one: moment(one.row, "created_at")):
            their_id = str(one.row.get("id")) if isinstance(one.row, Mapping) else "?"
            try:
                self._message(one, as_row(one.row, their_id))
            except BadInput as error:
                self._leave(f"message {shown(their_id)}", error.message)

    def _message(self, mail: Mail, row: Row) -> None:
        to = self._names.get(mail.to)
        if to is None:
            raise BadInput("it is for an agent that does not come")
        their_id = text(row, "id")
        sort, said = self._content(row)
        check_text(said, "message")
        if their_id in self._known:
            self.there["messages"] += 1
            return
        if len(self._town.inbox(to)) >= MOST_WAITING:
            raise BadInput(f"the mailbox of {to} is full")
        priority = "urgent" if mail.urgent else str(row.get("priority", "normal"))
        number = self._town.next_id("messages")
        message = Message(
            id=f"m{number}",
            seq=number,
            sender=self._names.get(str(row.get("from")), CONDUCTOR),
            to=to,
            text=said,
            sort=sort,
            priority=priority if priority in PRIORITIES else "normal",
            sent_at=moment(row, "created_at") or self._town.now,
            origin=their_id,
        )
        self._known[their_id] = message.id
        self._town.put(message)
        about = {"message": message.id, "agent": to, "text": first_line(said)}
        self._town.event("message.sent", message.sender, **about)
        told = {"to": to, "from": message.sender, "kind": sort}
        self.came["messages"].append({**told, "text": first_line(said)})

    def _content(self, row: Row) -> tuple[str, str]:
        """Which sort of message it is here, and its text. Raises `BadInput` for none."""
        kind = text(row, "type")
        if kind in MACHINERY:
            raise BadInput(f"{kind}: it only kept the old town running")
        if kind == "task_assign":
            return self._assignment(text(row, "task_id"))
        if kind == "confirmation":
            said = as_row(row.get("ack_type"), "confirmation")
            reason = f": {text(said, 'reason')}" if said.get("reason") is not None else ""
            return "ack", text(said, "type") + reason
        if kind not in MESSAGES:
            raise BadInput(f"{shown(kind)} is no sort of message that is known")
        sort, key = MESSAGES[kind]
        about = {"task_done": "done", "task_failed": "failed"}.get(kind)
        prefix = f"Task {text(row, 'task_id')} {about}: " if about else ""
        custom = f"[{text(row, 'kind')}] " if kind == "custom" else ""
        return sort, prefix + custom + text(row, key)

    def _assignment(self, task: str) -> tuple[str, str]:
        """Old conductors wrote the work itself where a task's id belongs."""
        if task in self._known:
            raise BadInput("it hands over a task, and that comes by itself")
        return "request", task
