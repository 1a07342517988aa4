"""What must be true after a storm of what was decided: by people, checks, reviewers and roles.

As in `checks.py`: pure, and a check's docstring is its row in the report.
"""

from __future__ import annotations

import collections
import re
from collections.abc import Iterator

from tests.torture.evidence import Evidence
from tests.torture.history import History, TaskStory
from tests.torture.plan import SIDE, PlanTask

GATE = re.compile(r"(?P<task>.+)\.(?P<kind>check|review)(-\d+)?")
#: How the result of a gate begins that did not let its task pass.
TURNED_DOWN = ("failed: ", "rejected: ")
ENDS = {"plan.completed": "completed", "plan.failed": "failed"}


def gates_honoured(found: Evidence, told: History) -> Iterator[str]:
    """no task is completed but through its gates: its check passed, then its review approved"""
    passed: dict[str, list[str]] = collections.defaultdict(list)
    for event in found.events:
        name, task = event["event"], event.get("task", "")
        gate = GATE.fullmatch(task)
        if name == "task.submitted":
            passed[task] = []
        elif name == "task.completed" and gate is not None:
            good = not event.get("text", "").startswith(TURNED_DOWN)
            passed[gate["task"]].append(gate["kind"] if good else f"no {gate['kind']}")
        elif name == "task.completed" and passed[task] != _gates(found.plan.get(task)):
            yield f"{task} was completed after {passed[task]}"
        elif name == "task.sent_back" and not "".join(passed[task][-1:]).startswith("no "):
            yield f"{task} was sent back after {passed[task]}"
    yield from _gates_true(found, told)


def _gates(task: PlanTask | None) -> list[str]:
    if task is None:
        return []
    return ["check"] * task.check + ["review"] * bool(task.review)


def _gates_true(found: Evidence, told: History) -> Iterator[str]:
    """Holds each verdict against what the check or the reviewer noted of that round."""
    noted = {(note["task"], note["round"]): note["good"] for note in found.notes["gates"]}
    for task, story in told.tasks.items():
        gate = GATE.fullmatch(task)
        if gate is None or not story.completed:
            continue
        (text,) = (event.get("text", "") for at, event in story.moves if at == story.completed[0])
        good = not text.startswith(TURNED_DOWN)
        said = noted.get((task, story.round or 0))
        # A check that was killed after it had noted that all is well has failed.
        if said is not good and (good or gate["kind"] == "review"):
            yield f"{task} came to {text!r}; its round {story.round} noted {said}"


def approved_first(found: Evidence, told: History) -> Iterator[str]:
    """no task that is to be approved starts before a person approved it, once"""
    for task in found.plan.values():
        story = told.tasks.get(task.id, TaskStory())
        approvals = [at for at, event in story.moves if event["event"] == "task.approved"]
        if len(approvals) != (task.approve and task.end == "completed"):
            yield f"{task.id} was approved {len(approvals)} times"
        if task.approve and story.started and (not approvals or story.started[0] < approvals[0]):
            yield f"{task.id} was started before it was approved"


def asked_once(found: Evidence, told: History) -> Iterator[str]:
    """nothing is asked twice, every question is answered once, none is left of what is over"""
    open_questions: dict[tuple[bool, str], str] = {}
    approvals = collections.Counter[str]()
    for event in found.events:
        if event["event"] == "question.asked":
            # Of a task the conductor asks for its approval, and its agent whatever it likes.
            subject = event["actor"] == "conductor", event["task"]
            if subject in open_questions:
                yield f"{event['message']} asks about {subject[1]}, as {open_questions[subject]}"
            open_questions[subject] = event["message"]
            approvals[event["task"]] += subject[0]
        elif event["event"] == "question.answered":
            answered = [key for key, one in open_questions.items() if one == event["message"]]
            if not answered:
                yield f"{event['message']} was answered, which was not open"
            for key in answered:
                del open_questions[key]
    for key, message in open_questions.items():
        yield f"{message} about {key[1]} was never answered"
    for task in found.plan.values():
        times = int(task.approve and task.end != "pending")
        if approvals[task.id] != times:
            yield f"the approval of {task.id} was asked for {approvals[task.id]} times"


def right_hands(found: Evidence, told: History) -> Iterator[str]:
    """every task is done by who it is for, a review by somebody else, on a CLI that may"""
    agents = {agent["name"]: agent for agent in found.agents.values()}
    for number, story in told.rounds.items():
        gate = GATE.fullmatch(story.task or "")
        task = found.plan.get(gate["task"] if gate else story.task or "")
        if task is None:
            continue
        wanted = task.owner
        if gate:
            wanted = task.review if gate["kind"] == "review" else ""
            worker = _worker(told, task.id, number)
            if (story.agent == worker) != (gate["kind"] == "check"):
                yield f"round {number} on {story.task} is of {story.agent}, the work of {worker}"
        chores = not gate and not task.owner
        if not _is_for(agents[story.agent], wanted, chores=chores):
            yield f"round {number} on {story.task}, for {wanted or 'chores'}, is of {story.agent}"
    for key, record in found.all_rounds.items():
        agent = agents[record["agent"]]
        if record["cli"] not in (agent["cli"], *agent["fallback"], "shell"):
            yield f"round {key} of {record['agent']} is on {record['cli']}"


def _worker(told: History, task: str, before: int) -> str | None:
    """Whose round was the last on a task before that round."""
    numbers = (n for n, one in told.rounds.items() if one.task == task and n < before)
    return told.rounds[last].agent if (last := max(numbers, default=None)) else None


def _is_for(agent: dict[str, object], wanted: str, *, chores: bool) -> bool:
    if chores:
        return bool(agent["tags"])
    role = wanted.removeprefix("role:")
    return agent["role"] == role if role != wanted else wanted in ("", agent["name"])


def plans_told(found: Evidence, told: History) -> Iterator[str]:
    """each end of a plan is told once, none gets stuck with all there, all end as their tasks"""
    letters = collections.Counter(message.text.split(":")[0] for message in told.messages.values())
    ends = collections.Counter[str]()
    back = [at for at, event in enumerate(found.events) if event["event"] == "agent.restarted"]
    for at, event in enumerate(found.events):
        # While somebody is away a plan may wait for just that one, who comes back.
        if event["event"] == "plan.stalled" and at > max(back, default=0):
            yield f"plan {event['plan']} is stuck: {event.get('text')}"
        elif event["event"] in ENDS:
            ends[f"Plan {event['plan']} is {ENDS[event['event']]}"] += 1
    for text, times in ends.items():
        if letters[text] != times:
            yield f"{text}: {times} times, told {letters[text]} times"
    for name in ("main", SIDE):
        tasks = [one for one in found.plan.values() if one.plan == name]
        state = "failed" if any(one.end == "failed" for one in tasks) else "completed"
        here = found.plans.get(name, {}).get("state")
        if tasks and here != state:
            yield f"plan {name} is {here}, not {state}"


CHECKS = (gates_honoured, approved_first, asked_once, right_hands, plans_told)
