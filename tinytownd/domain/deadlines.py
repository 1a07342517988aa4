"""Times to come in a town's records, when the clock that they were made by was wrong."""

from __future__ import annotations

from collections.abc import Callable

from tinytownd.domain.town import Town


def shift(town: Town, jump: int) -> None:
    """The clock jumped by so many milliseconds: what was to last so long lasts as long still.

    A time that a CLI named (`hold_named`) stays: it never was ours.
    """
    _change(town, lambda at: at + jump, lambda at: at + jump)
    town.event("clock.jumped", "daemon", text=f"by {jump / 1000:+,.0f} s")
    for agent in town.agents.values():
        town.wake(agent)


def bound(town: Town, hold: int, retry: int) -> None:
    """No hold and no pause before a retry ends more than so many milliseconds from now.

    For a clock that was set back while nobody looked.
    """
    _change(
        town,
        lambda at: min(at, town.now + hold),
        lambda at: min(at, town.now + retry),
        named=True,
    )
    limited = {cli: min(at, town.now + hold) for cli, at in town.meta.limited.items()}
    if limited != town.meta.limited:
        town.put(town.meta.but(limited=limited))


def _change(
    town: Town, hold: Callable[[int], int], retry: Callable[[int], int], *, named: bool = False
) -> None:
    for agent in list(town.agents.values()):
        until = agent.hold_until
        if until is not None and (named or not agent.hold_named) and hold(until) != until:
            town.put(agent.but(hold_until=hold(until)))
    for task in list(town.tasks.values()):
        due = task.not_before
        if due is not None and not task.finished and retry(due) != due:
            town.put(task.but(not_before=retry(due)))
