"""A town in which there is nothing to do calls no model, however long it stands."""

from __future__ import annotations

import pytest

from tests.conductor.test_causes import HOUR, policed
from tests.domain.towns import NOW, agent, message, task
from tinytownd.conductor.schedule import settle
from tinytownd.domain.message import CONDUCTOR
from tinytownd.domain.record import Record
from tinytownd.domain.track import MAIN, TrackedPlan
from tinytownd.supervisor.decide import Begin, next_step
from tinytownd.supervisor.loop import carry_out


def idle_towns() -> list[list[Record]]:
    """Towns in which there is nothing to do for a model, each in its way."""
    done = [task(n, "ann", state="completed", plan=MAIN) for n in range(1, 4)]
    notes: list[Record] = [
        message(n, to, sender="bob", sort=sort)
        for n, (to, sort) in enumerate(
            [("ann", "info"), ("ann", "ack"), (CONDUCTOR, "info"), (CONDUCTOR, "question")], 1
        )
    ]
    held = agent("cid", 3, hold_until=NOW + HOUR, hold_reason="rate limit", hold_named=True)
    failed = [task(1, "ann", state="failed"), task(2, "ann", needs=("t1",)), task(3, None)]
    return [
        [agent("ann"), *done, TrackedPlan(MAIN, 1)],
        [agent("ann"), agent("bob", 2), *notes],
        [agent("ann"), held, agent("dan", 4, desired="pause", state="paused"), task(5, "dan")],
        [agent("ann"), agent(CONDUCTOR, 2, rounds=3), *failed, message(9, CONDUCTOR, sort="info")],
        [agent("ann", state="cold", desired="close"), task(1, "ann")],
        [agent("ann"), task(1, "bob", lacks="bob", told=1), agent(CONDUCTOR, 2)],
    ]


@pytest.mark.parametrize("records", idle_towns())
def test_an_idle_town_starts_no_round_in_a_day(records: list[Record]) -> None:
    town = policed(*records, conducting=True)
    begun = 0
    for minute in range(24 * 60):
        town.now = NOW + minute * 60_000
        for agent_id in list(town.agents):
            step = next_step(town, agent_id)
            begun += isinstance(step, Begin)
            carry_out(town, agent_id, step, lambda _: None)
        settle(town)
        town.commit()
    assert begun == 0


def test_the_day_would_show_a_round() -> None:
    town = policed(agent("ann"), message(1, "ann", sort="request"))
    assert isinstance(next_step(town, "a1"), Begin)
