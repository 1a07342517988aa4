"""Records: frozen dataclasses that travel to the store and back as JSON objects."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, Self


@cache
def _fields(cls: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cls))


@dataclasses.dataclass(frozen=True)
class Record:
    """One fact of a town. `kind` names the hash in the store that it lives in.

    Times are milliseconds since the epoch (UTC); None means that it has not happened.
    """

    kind: ClassVar[str]
    id: str

    def to_json(self) -> dict[str, object]:
        """The record as an object that `json` can write."""
        return {name: getattr(self, name) for name in _fields(type(self))}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The record from such an object; keys it does not know are left out."""
        known = {name: data[name] for name in _fields(cls) if name in data}
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in known.items()})

    def but(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)
