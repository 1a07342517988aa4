"""Records: frozen dataclasses that travel to the store and back as JSON objects."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Self


@dataclasses.dataclass(frozen=True)
class Record:
    """One fact of a town. `kind` names the hash in the store that it lives in.

    Times are milliseconds since the epoch (UTC); None means that it has not happened.
    """

    kind: ClassVar[str]
    #: The names of the fields, in order: the dataclass makes it.
    __match_args__: ClassVar[tuple[str, ...]]
    id: str

    @property
    def order(self) -> int:
        """When it was made, among its kind: the number in its id, unless a kind knows better."""
        return int("".join(filter(str.isdigit, self.id)) or 0)

    @property
    def over(self) -> bool:
        """Whether nothing will happen to it any more, so that it may be forgotten one day."""
        return False

    def to_json(self) -> dict[str, object]:
        """The record as an object that `json` can write."""
        return {name: getattr(self, name) for name in self.__match_args__}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The record from such an object; keys it does not know are left out."""
        known: dict[str, Any] = {name: data[name] for name in cls.__match_args__ if name in data}
        for name, value in known.items():
            if isinstance(value, list):
                known[name] = tuple(value)
        return cls(**known)

    def but(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)
