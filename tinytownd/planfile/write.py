"""A plan file's text, brought up to date with the town.

Only the values that changed are replaced in the text, quoted by tomlkit: all else, down to
comments, spaces and line endings, stays as its author left it. (tomlkit's own round trip needs five
seconds for 10,000 tasks, and puts a new key behind the comment that belongs to the next task.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set

import tomlkit

from tinytownd.domain.plan import Plan, PlanTask, is_group, owner
from tinytownd.planfile.layout import Table
from tinytownd.planfile.read import read

#: Replace the text between two offsets.
Edit = tuple[int, int, str]


def ids(text: str) -> list[str]:
    """The ids of a file's tasks; raises `PlanError` for a text that cannot be read."""
    return [task.id for task in read(text, may_be_empty=True)[0].tasks]


def update(
    text: str, states: Mapping[str, PlanTask], extra: Sequence[PlanTask] = ()
) -> tuple[str, list[str]]:
    """Write status, agent and result of the file's tasks into the text, and append `extra`.

    `states` are tasks as the town has them, by id: `status` is a state, `agent` the owner's name.
    Returns the text and the ids of the tasks that changed in it or are new to it. Doing it again
    changes nothing. Tasks without a state stay as they are. Raises `PlanError` for a text that
    cannot be read; one without any task can.
    """
    plan, layout = read(text, may_be_empty=True)
    newline = "\r\n" if "\r\n" in text else "\n"
    known = {**{state.id: state for state in extra}, **states}
    edits: list[Edit] = []
    changed: list[str] = []
    for task, table in zip(plan.tasks, layout.tables, strict=True):
        changes = _changes(task, plan, known[task.id]) if task.id in known else {}
        if changes:
            changed.append(task.id)
            edits += _edits(text, table, changes, newline)
    new = [state for state in extra if state.id not in plan.by_id]
    ids = plan.by_id.keys() | {state.id for state in new}
    text = _append(_replace(text, edits), [_block(state, ids, newline) for state in new], newline)
    return text, changed + [state.id for state in new]


def _changes(task: PlanTask, plan: Plan, state: PlanTask) -> dict[str, str | None]:
    """The keys to write, and their values; None takes a key out."""
    changes: dict[str, str | None] = {}
    if state.status != task.status:
        changes["status"] = state.status
    # Nobody owns a group, and without its agent a task with children would become one.
    may_lose_agent = not plan.default_agent and task.id not in plan.children
    if is_group(task, plan) or state.agent == owner(task, plan):
        pass
    elif state.agent or may_lose_agent:
        changes["agent"] = state.agent
    if (state.result or None) != task.result:
        changes["result"] = state.result or None
    return changes


def _edits(
    text: str, table: Table, changes: Mapping[str, str | None], newline: str
) -> Iterator[Edit]:
    """The edits of one task, in the order of the text only where they are sorted."""
    last = list(table.keys.values())[-1]
    line = text[last.start : last.end]
    indent = line[: len(line) - len(line.lstrip(" \t"))]
    added = ""
    for key, value in changes.items():
        place = table.keys.get(key)
        if place and value is None:
            yield place.start, place.end, ""
        elif place and value is not None:
            start, end = place.value
            yield start, end, _quoted(value, newline, literal=text[start] == "'")
        elif value is not None:
            added += f"{indent}{key} = {_quoted(value, newline)}{newline}"
    if added and line.endswith("\n"):
        yield last.end, last.end, added
    elif added:
        yield last.end, last.end, newline + added.removesuffix(newline)


def _replace(text: str, edits: list[Edit]) -> str:
    pieces: list[str] = []
    done = 0
    for start, end, new in sorted(edits):
        pieces += [text[done:start], new]
        done = end
    return "".join([*pieces, text[done:]])


def _block(state: PlanTask, ids: Set[str], newline: str) -> str:
    """A task as a new table. What it names must be in the file: other references are left out."""
    depends_on = [id_ for id_ in state.depends_on if id_ in ids]
    values = {
        "id": state.id,
        "description": state.description,
        "agent": state.agent,
        "status": state.status,
        "parent": state.parent if state.parent in ids else None,
        "depends_on": depends_on,
        "tags": list(state.tags),
        "priority": state.priority if state.priority != "normal" else None,
        "run": state.run,
        "epic": state.epic,
        "join": state.join if state.join != "all" else None,
        "failures": state.failures if state.failures != "hold" else None,
        "approve": state.approve,
        "check": state.check,
        "review": state.review,
        "result": state.result,
    }
    lines = ["[[tasks]]"]
    for key, value in values.items():
        if isinstance(value, str):
            lines.append(f"{key} = {_quoted(value, newline)}")
        elif value:
            lines.append(f"{key} = {tomlkit.item(value).as_string()}")
    return newline.join([*lines, ""])


def _append(text: str, blocks: Sequence[str], newline: str) -> str:
    """Put tables at the end of the text, a blank line before each."""
    if not blocks:
        return text
    if text.strip():
        blocks = [text if text.endswith("\n") else text + newline, *blocks]
    return newline.join(blocks)


def _quoted(value: str, newline: str, *, literal: bool = False) -> str:
    """The value as TOML: over several lines if it has them, in 'quotes' if it had and may."""
    if "\n" in value:
        # The line break after the opening quotes is not part of the text.
        lines = [tomlkit.string(line).as_string()[1:-1] for line in value.split("\n")]
        return newline.join(['"""', *lines]) + '"""'
    if literal and value.isprintable() and "'" not in value:
        return f"'{value}'"
    return tomlkit.string(value).as_string()
