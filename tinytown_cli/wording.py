"""What each event is called in a sentence. Pure; what has no sentence here is shown raw."""

from __future__ import annotations

from typing import Any

from tinytown_cli import output

#: `{agent}`, `{task}`, … are the event's fields; its text follows after a colon.
SENTENCES = {
    "agent.spawned": "{agent} joined the team",
    "agent.started": "{agent} is back",
    "agent.paused": "{agent} is paused",
    "agent.resumed": "{agent} goes on",
    "agent.attached": "{actor} took {agent} into a terminal",
    "agent.detached": "{actor} handed {agent} back",
    "agent.closed": "{agent} has closed",
    "agent.stopped": "{agent} has stopped",
    "agent.restarted": "{agent} restarts",
    "agent.pruned": "{agent} was removed",
    "agent.held": "{agent} has to wait",
    "agent.fell_back": "{agent} works on another CLI",
    "agent.error": "{agent} has a problem",
    "budget.warned": "a budget runs low",
    "budget.exceeded": "a budget is used up",
    "round.started": "{agent} started a round",
    "round.ended": "{agent} ended its round",
    "task.created": "{actor} created {task}",
    "task.assigned": "{task} goes to {agent}",
    "task.started": "{agent} started {task}",
    "task.released": "{agent} gives {task} back",
    "task.completed": "{agent} completed {task}",
    "task.failed": "{agent} failed {task}",
    "task.retrying": "{task} is tried again",
    "task.cancelled": "{task} was cancelled",
    "task.blocked": "{task} waits for a person",
    "task.unblocked": "{task} goes on",
    "task.approved": "{actor} approved {task}",
    "task.submitted": "{agent} handed in {task}",
    "task.sent_back": "{actor} sent {task} back to {agent}",
    "question.asked": "{actor} asks a person",
    "question.answered": "{actor} answered {message}",
    "task.edited": "{actor} changed {task}",
    "task.moved": "{task} moved to {agent}",
    "message.sent": "{actor} wrote to {agent}",
    "message.delivered": "{agent} reads message {message}",
    "message.acknowledged": "{agent} has read message {message}",
    "message.read": "{actor} has read message {message}",
    "message.folded": "message {message} to {agent} was left out: there are newer ones",
    "message.forwarded": "message {message} goes to {agent}",
    "message.returned": "message {message} waits for {agent} again",
    "thread.stopped": "{actor} may write no more in the conversation {message}",
    "plan.pushed": "{actor} pushed plan {plan}",
    "plan.paused": "{actor} paused plan {plan}",
    "plan.resumed": "{actor} let plan {plan} go on",
    "plan.approved": "{actor} approved plan {plan}",
    "plan.rejected": "{actor} rejected plan {plan}",
    "plan.completed": "plan {plan} is completed",
    "plan.failed": "plan {plan} has failed",
    "plan.stalled": "plan {plan} is stuck",
    "plan.cancelled": "plan {plan} is cancelled",
    "conductor.started": "the conductor is on",
    "conductor.stopped": "the conductor is off",
    "town.moved": "the town has moved",
    "town.archived": "{actor} put away what is long over",
    "town.recovered": "{actor} had the town mended",
    "town.reset": "{actor} emptied the town",
    "town.migrated": "the town was migrated",
    "town.restored": "{actor} restored the town from a save",
    "clock.jumped": "the machine's clock jumped",
    "result.refused": "a late result of {agent} for {task} was refused",
}
# Where a field of the sentence is missing, as for a group, which is nobody's.
_WITHOUT = {
    "task.completed": "{task} is completed",
    "task.failed": "{task} failed",
    # A town's older history had one plan, and did not name it.
    "plan.pushed": "{actor} pushed the plan",
    "plan.completed": "the plan is completed",
    "plan.failed": "the plan has failed",
    "plan.stalled": "the plan is stuck",
}
_STYLES = {
    **dict.fromkeys(("task.completed", "plan.completed"), "green"),
    **dict.fromkeys(("task.failed", "plan.failed", "agent.error"), "red"),
    **dict.fromkeys(
        (
            "agent.held",
            "budget.warned",
            "budget.exceeded",
            "plan.stalled",
            "task.retrying",
            "result.refused",
        ),
        "yellow",
    ),
    **dict.fromkeys(("question.asked", "task.sent_back"), "yellow"),
}


def is_detail(event: dict[str, Any]) -> bool:
    """Whether another event tells the same: a round's task, a message's reading, a question."""
    match event:
        case {"event": "round.started", "task": _}:
            return True
        case {"event": "round.ended", "task": _, "text": "completed"}:
            return True
        case {"event": "message.sent", "kind": "question"}:
            return True
        case _:
            return event.get("event") == "message.acknowledged"


def told(event: dict[str, Any]) -> str:
    """The event as a sentence, with the first line of its text."""
    name = str(event.get("event", ""))
    about = {key: output.first_line(value) for key, value in event.items()}
    text = f": {about['text']}" if about.get("text") else ""
    return output.paint(_sentence(name, about), _STYLES.get(name, "")) + text


def _sentence(name: str, about: dict[str, str]) -> str:
    for sentence in (SENTENCES.get(name), _WITHOUT.get(name)):
        try:
            if sentence:
                return sentence.format_map(about)
        except KeyError:
            continue
    parts = (f"{key}={about[key]}" for key in ("actor", "agent", "task", "message") if key in about)
    return " ".join((name or "?", *parts))
