"""What decisions do to a town, until it is written."""

from __future__ import annotations

from dataclasses import dataclass, field

from tinytownd.domain.record import Record


@dataclass
class Change:
    """What one decision did: the records to write (None: to delete), events, agents to wake.

    Of the deleted ones, those that go into the archive; and whether what is in there goes first.
    """

    records: dict[tuple[str, str], Record | None] = field(default_factory=dict)
    archived: dict[tuple[str, str], Record] = field(default_factory=dict)
    empties_archive: bool = False
    events: list[dict[str, object]] = field(default_factory=list)
    wakes: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.records or self.events)

    def add(self, later: Change) -> None:
        """What was decided behind it, too: of a record, the last is to write."""
        if later.empties_archive:
            self.archived.clear()
            self.empties_archive = True
        self.records |= later.records
        self.archived |= later.archived
        self.events += later.events
        self.wakes |= later.wakes
