"""What a storm came to, as a table."""

from __future__ import annotations

import collections
from collections.abc import Iterator, Mapping

from tests.torture.evidence import Evidence
from tests.torture.killer import ASKED

#: So many problems of a promise are shown; the directory that is kept has them all.
SHOWN = 12
#: What was decided in a storm, by the events that tell of it.
DECISIONS = {
    "task.submitted": "handed in",
    "task.sent_back": "sent back",
    "task.approved": "approved to start",
    "question.asked": "questions",
    "question.answered": "answers",
    "agent.held": "held",
    "agent.fell_back": "on a fallback",
}


def report(
    found: Evidence, kills: Mapping[str, int], problems: Mapping[str, list[str]], seconds: float
) -> Iterator[str]:
    """The lines of the report: what happened, what was promised and whether it was kept."""
    yield ""
    yield from sizes(found, kills, seconds)
    yield ""
    width = max(map(len, problems))
    for promise, wrong in problems.items():
        yield f"{promise:<{width}}  {f'{len(wrong)} WRONG' if wrong else 'ok'}"
    for promise, wrong in problems.items():
        yield from (f"\n{promise}: NOT KEPT",) if wrong else ()
        yield from (f"  {line}" for line in wrong[:SHOWN])
        if len(wrong) > SHOWN:
            yield f"  … and {len(wrong) - SHOWN} more"


def sizes(found: Evidence, kills: Mapping[str, int], seconds: float) -> Iterator[str]:
    """How much there was of everything."""
    killed = {kind: count for kind, count in kills.items() if kind not in ASKED}
    asked = {kind: kills.get(kind, 0) for kind in ASKED}
    events = collections.Counter(event["event"] for event in found.events)
    turned = sum(one["code"] in (3, 4) for one in (*found.commands, *found.notes["commands"]))
    lost = sum(one["code"] < 0 for one in (*found.commands, *found.notes["commands"]))
    rows = {
        "time": f"{seconds:.0f} s",
        "kills": f"{sum(killed.values())}: {counted(killed)}; also {counted(asked)}",
        "tasks": f"{len(found.all_tasks)}, started {events['task.started']} times",
        "archived": f"{len(found.old_tasks)} tasks, {len(found.old_rounds)} rounds",
        "rounds": f"{events['round.started']}: {counted(_outcomes(found))}",
        "messages": f"{events['message.sent']}: delivered {events['message.delivered']} times, "
        f"acknowledged {events['message.acknowledged']}, folded {events['message.folded']}",
        "decisions": counted({what: events[name] for name, what in DECISIONS.items()}),
        "commands": f"{len(found.commands) + len(found.notes['commands'])}: {lost} killed, "
        f"{turned} told to try later",
        "events": str(len(found.events)),
    }
    for name, told in rows.items():
        yield f"{name:<10} {told}"


def _outcomes(found: Evidence) -> Mapping[str, int]:
    return collections.Counter(one["outcome"] or "open" for one in found.all_rounds.values())


def counted(numbers: Mapping[str, int]) -> str:
    """Numbers with what they count, the largest first."""
    return ", ".join(
        f"{what} {count}" for what, count in sorted(numbers.items(), key=lambda one: -one[1])
    )
