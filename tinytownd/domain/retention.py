"""What a town forgets: rounds that are over and messages that were read, beyond the newest ones.

A town that works for months stays as large as its work. The history keeps what they were about.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from tinytownd.domain.message import Message, Round
from tinytownd.domain.record import Record
from tinytownd.domain.town import Town

#: So many of each kind are kept. Ours: a night of ten agents, some megabytes of memory.
KEPT = 1_000
#: They go in batches, so that looking for the oldest costs next to nothing.
BATCH = 100


def retire(town: Town) -> None:
    """Drops the oldest of what is over, in the change under way."""
    if town.over[Message.kind] >= KEPT + BATCH:
        forget(town, town.messages.values(), town.over[Message.kind] - KEPT)
    if town.over[Round.kind] >= KEPT + BATCH:
        forget(town, town.rounds.values(), town.over[Round.kind] - KEPT)
        oldest = next(iter(town.rounds.values()))
        town.put(town.meta.but(cleared=oldest.order - 1))
        town.wake(None)  # for their files


def forget(town: Town, records: Iterable[Record], count: int) -> None:
    """Drops so many of the records that are over, from the first one on."""
    for old in list(islice((one for one in records if one.over), count)):
        town.drop(old)
