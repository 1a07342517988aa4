"""The person of the storm: lets work start or not, and answers what agents ask."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping

from tests.e2e.town import Data
from tests.torture.plan import PlanTask
from tests.torture.town import StormTown

#: From one look at the questions to the next, in seconds.
PAUSE = 0.3


@contextlib.contextmanager
def somebody_there(storm: StormTown, tasks: Mapping[str, PlanTask]) -> Iterator[None]:
    """Somebody looks at the questions and answers them, for as long as this lasts."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(PAUSE):
            # By `tt` processes, which may be killed: then there is another look.
            seen = storm.tt("inbox", "conductor", "--json")
            for message in json.loads(seen.out) if seen.code == 0 else ():
                if message["kind"] == "question":
                    storm.tt("answer", message["id"], answer(message, tasks))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def answer(question: Data, tasks: Mapping[str, PlanTask]) -> str:
    """What the person says: of a task's start, what the plan has drawn."""
    what, _, task = question["about"].partition(":")
    if what != "approve":
        return f"To {question['text']}: whatever you like"
    return "no, not this one" if tasks[task].fails else "yes"
