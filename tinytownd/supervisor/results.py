"""What an agent is told of the tasks that its own came after: what they came to. Pure.

All of it has a bound, which the results share: short ones are told whole, long ones up to a length
that is the same for all. What is cut, and what is left out, is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tinytownd.domain.task import Task
from tinytownd.domain.town import Town
from tinytownd.supervisor.fence import fenced

#: A result is told up to so many characters, all results together up to so many. 64,000 are some
#: 16,000 tokens: a small part of what every model in use can read.
RESULT_LIMIT, RESULTS_LIMIT = 16_000, 64_000
#: However many there are, as much of each is told; those for which there is no room are counted.
LEAST = 200
#: So many ids stand in a line; the others are counted.
MAX_NAMED = 20


def results(town: Town, task: Task) -> list[str]:
    """What the tasks that this one came after came to, and which of them are not over.

    A part of the prompt, or nothing.
    """
    needs = list(dict.fromkeys(leaves(town, task.needs)))
    told = [
        need for need in needs if need.finished and (text_of(need) or need.state != "completed")
    ]
    shown, left_out = told[: RESULTS_LIMIT // LEAST], told[RESULTS_LIMIT // LEAST :]
    share = fair_share([len(text_of(need)) for need in shown], RESULTS_LIMIT)
    parts = [block(need, min(share, RESULT_LIMIT)) for need in shown]
    if left_out:
        parts.append(f"Left out, for one: tt task show {left_out[0].id}: {listed(left_out)}")
    open_ = [need for need in needs if not need.finished]
    if open_:
        parts.append(f"Not waited for: {listed(open_)}")
    return ["# Results it builds on\n\n" + "\n\n".join(parts)] if parts else []


def leaves(town: Town, needs: Iterable[str]) -> Iterator[Task]:
    """The tasks of some ids; of a group, those in it that counted."""
    for need in needs:
        task = town.tasks.get(need)
        if task is not None and task.group:
            inside = (child.id for child in town.children(need) if child.state != "cancelled")
            yield from leaves(town, inside)
        elif task is not None:
            yield task


def text_of(task: Task) -> str:
    """What a task came to, in words: its result, or why it has none."""
    return (task.result if task.state == "completed" else task.error) or ""


def fair_share(lengths: Sequence[int], limit: int) -> int:
    """The length to which texts are cut so that all fit: the shorter ones leave room to others."""
    left = limit
    for number, length in enumerate(sorted(lengths)):
        share = left // (len(lengths) - number)
        if length > share:
            return share
        left -= length
    return limit


def block(task: Task, most: int) -> str:
    """One task with what it came to, up to so many characters."""
    text = text_of(task)
    head = f"## {task.id}" + (f", by {task.agent}" if task.agent else "")
    if task.state != "completed":
        head += f": {task.state}"
    if len(text) > most:
        head += f" (the first {most:,} of {len(text):,} characters; all: tt task show {task.id})"
    return f"{head}\n\n{fenced(text[:most])}" if text else head


def listed(tasks: Sequence[Task]) -> str:
    """The tasks with their states; of many, some, and how many more."""
    named = ", ".join(f"{task.id} ({task.state})" for task in tasks[:MAX_NAMED])
    more = len(tasks) - MAX_NAMED
    return f"{named}, and {more:,} more" if more > 0 else named
