"""State machines as tables. An event that the table does not know raises and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping

from tinytownd.domain.errors import IllegalTransition

Table = Mapping[str, Mapping[str, str]]


def advance(noun: str, table: Table, state: str, event: str) -> str:
    """The state after `event` in `state`; raises `IllegalTransition`."""
    after = table[state].get(event)
    if after is None:
        can = ", ".join(table[state])
        raise IllegalTransition(
            f"{noun} is {state}: {event} is not possible",
            hint=f"what is possible: {can}" if can else "that is final",
        )
    return after
