"""What people decide, and what agents ask them: `approve`, `reject`, `ask`, `answer`."""

from __future__ import annotations

from typing import Annotated

import typer

from tinytown_cli import client, output
from tinytown_cli.command import TaskRef, text, verb
from tinytown_cli.taskpage import changed


@verb("approve", example="tt approve deploy")
def approve(ref: TaskRef) -> None:
    """Let a task start, or accept its result."""
    changed(client.town("task.approve", task=ref)["task"], "is approved")


@verb("reject", example='tt reject deploy "Not before Monday"')
def reject(
    ref: TaskRef,
    reason: Annotated[
        str, typer.Argument(metavar="REASON", help="Why, or what must change; - reads stdin.")
    ],
) -> None:
    """Do not let a task start, or send its result back."""
    told = client.town("task.reject", task=ref, reason=text(reason, "reason"))
    changed(told["task"], "is rejected")


@verb("ask", example='tt ask "Which database shall I use?"')
def ask(
    question: Annotated[
        str, typer.Argument(metavar="TEXT", help="The question; - reads standard input.")
    ],
    task: Annotated[
        str | None, typer.Option(metavar="TASK", help="Default: the task of the agent that asks.")
    ] = None,
) -> None:
    """Ask a person something, as an agent; the task waits for the answer."""
    reply = client.town("task.ask", text=text(question, "question"), task=task)
    waits = f"{reply['task']['id']} waits for the answer: end here" if reply["task"] else ""
    told = waits or "the answer will come as a message"
    output.show(reply["question"], [f"Asked as {reply['question']['id']}; {told}"])


@verb("answer", example='tt answer m3 "PostgreSQL 16"\ntt answer m4 yes')
def answer(
    question: Annotated[
        str, typer.Argument(metavar="M", help="The question's id, or the task that it is about.")
    ],
    words: Annotated[
        str, typer.Argument(metavar="TEXT", help="The answer; - reads standard input.")
    ],
) -> None:
    """Answer a question: tt inbox conductor shows those that wait."""
    reply = client.town("question.answer", question=question, text=text(words, "answer"))
    output.show(reply["question"], [f"Answered {reply['question']['id']}"])
