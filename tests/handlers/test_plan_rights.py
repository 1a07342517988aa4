"""Who may put commands into a plan: an agent that is held to less than everything may not."""

from __future__ import annotations

import pytest
import tomlkit

from tests.domain.towns import agent
from tests.handlers.desk import Desk
from tinytownd.domain.errors import BadInput

RUN = {"id": "check", "description": "Check", "run": "make check"}
TEXT = {"id": "design", "description": "Design", "agent": "ann"}


def plan(*tasks: dict[str, str]) -> str:
    return tomlkit.dumps({"tasks": list(tasks)})


@pytest.mark.parametrize(("own", "default"), [("edit", "bypass"), (None, "read")])
def test_an_agent_that_is_held_gives_no_command(own: str | None, default: str) -> None:
    desk = Desk(agent("ann", permissions=own), agents=1, permissions=default)
    with pytest.raises(BadInput, match="it cannot give check a command"):
        desk.call("plan.push", "ann", text=plan(TEXT, RUN))
    assert desk.call("plan.push", "ann", text=plan(TEXT))["added"]
    desk.call("plan.push", text=plan(TEXT, RUN))
    again = {**RUN, "description": "Said in other words"}
    assert desk.call("plan.push", "ann", text=plan(TEXT, again)), "the command is a person's still"
    with pytest.raises(BadInput, match="it cannot give check a command"):
        desk.call("plan.push", "ann", text=plan(TEXT, {**RUN, "run": "make all"}))


def test_an_agent_that_may_do_anything_may_do_that() -> None:
    desk = Desk(agent("ann"), agents=1)
    assert len(desk.call("plan.push", "ann", text=plan(TEXT, RUN))["added"]) == 2
