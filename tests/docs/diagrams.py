"""The diagrams of `docs/states.md`, made from the transition tables.

`python -m tests.docs.diagrams`, in the repository's directory, writes them into the page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tinytownd.domain import agent, message, task
from tinytownd.domain.agent import Agent
from tinytownd.domain.machine import Table
from tinytownd.domain.message import Message
from tinytownd.domain.task import Task

PAGE = Path(__file__).parents[2] / "docs" / "states.md"
#: A heading of the page → its table, and the state that a new record is in.
MACHINES: Mapping[str, tuple[Table, str]] = {
    "Task": (task.TRANSITIONS, Task.state),
    "Agent": (agent.TRANSITIONS, Agent.state),
    "Message": (message.TRANSITIONS, Message.state),
}
BLOCK = re.compile(r"(^## (\w+)\n.*?^```mermaid\n)(.*?)(^```$)", re.MULTILINE | re.DOTALL)


def diagram(table: Table, first: str) -> str:
    """A table as a Mermaid state diagram. What every other state can do is drawn once."""
    shared = from_everywhere(table)
    lines = ["stateDiagram-v2", f"    [*] --> {first}"]
    for state, row in table.items():
        events: dict[str, list[str]] = {}
        for event, after in row.items():
            if event not in shared:
                events.setdefault(after, []).append(event)
        lines += [f"    {state} --> {after}: {', '.join(all_)}" for after, all_ in events.items()]
        if not row:
            lines.append(f"    {state} --> [*]")
    if shared:
        lines.append('    state "any other state" as other')
        lines += [f"    other --> {after}: {event}" for event, after in shared.items()]
    return "\n".join(lines) + "\n"


def from_everywhere(table: Table) -> dict[str, str]:
    """Each event that leads from every other state into one → that state."""
    shared = {}
    for event, after in {step for row in table.values() for step in row.items()}:
        sources = {state for state, row in table.items() if event in row}
        if sources == set(table) - {after}:
            shared[event] = after
    return dict(sorted(shared.items()))


def drawn_anew(page: str) -> str:
    """The page with its diagrams as the tables have them now."""
    return BLOCK.sub(lambda found: found[1] + diagram(*MACHINES[found[2]]) + found[4], page)


if __name__ == "__main__":
    PAGE.write_text(drawn_anew(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
