"""Records: frozen dataclasses that travel to the store and back as JSON objects.

They have dozens of fields and change one or two at a time, thousands of times a second. So a copy
is made of `__dict__`, not by `__init__`, and what is as it is by default is not written: a default
is part of the format, and another one needs a step in `store/formats.py`.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, ClassVar, Self

#: What stands in `defaults` for a field that has none; equal to nothing that is in a record.
REQUIRED = object()


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
        """The record as an object that `json` can write: what is not as it is by default.

        That is asked by identity: 0, 0.0 and False are equal, and not the same JSON.
        """
        usual = defaults(type(self))  # type: ignore[arg-type] # mypy: classes are hashable
        return {name: value for name, value in self.__dict__.items() if value is not usual[name]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The record from such an object; keys it does not know are left out.

        Raises TypeError where something is missing.
        """
        usual = defaults(cls)  # type: ignore[arg-type] # as above
        told: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in data.items()
            if name in usual
        }
        values = {**usual, **told}
        if REQUIRED in values.values():
            return cls(**told)  # which says what is missing
        return cls._of(values)

    def but(self, **changes: Any) -> Self:
        """A copy with some fields changed; raises TypeError for a name that is none of a field."""
        values = {**self.__dict__, **changes}
        if len(values) != len(self.__dict__):
            return dataclasses.replace(self, **changes)  # which says what name that is
        return self._of(values)

    @classmethod
    def _of(cls, values: dict[str, Any]) -> Self:
        """The record with these values, one for each field, in the fields' order."""
        made = object.__new__(cls)
        object.__setattr__(made, "__dict__", values)
        return made


@functools.cache
def defaults(kind: type[Record]) -> Mapping[str, Any]:
    """What each field of a kind of record is when nothing is said, in order; or `REQUIRED`."""
    found = {}
    for one in dataclasses.fields(kind):
        made = one.default_factory
        usual = one.default if made is dataclasses.MISSING else made()
        found[one.name] = REQUIRED if usual is dataclasses.MISSING else usual
    return found
