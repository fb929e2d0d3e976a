"""Objects of an API as typed records: known fields by name, everything the server sent kept beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cache
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Base of all records. A field the server left out is None.

    Attributes:
        raw: the whole object as it came, unknown fields included.
    """

    raw: Mapping[str, Any] = field(repr=False, compare=False)

    @classmethod
    def read(cls, raw: Any) -> Self:
        """Read an object.

        Raises:
            TypeError: not an object.
        """
        if not isinstance(raw, Mapping):
            raise TypeError(f"expected an object, got {type(raw).__name__}")
        values: dict[str, Any] = {"raw": raw}
        for name, key, reader in _known(cls):
            if (value := raw.get(key)) is not None:
                values[name] = value if reader is None else reader(value)
        return cls(**values)

    @property
    def extra(self) -> dict[str, Any]:
        """The fields that this record does not know by name."""
        known = {key for _, key, _ in _known(type(self))}
        return {key: value for key, value in self.raw.items() if key not in known}


class Secret(str):
    """A text that does not show itself in `repr`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


def _read_fields(kind: type[Record]) -> tuple[tuple[str, str, Callable[[Any], Any] | None], ...]:
    """The fields of a record: name here, key there, reader."""
    return tuple((item.name, item.metadata.get("key", item.name), item.metadata.get("read")) for item in fields(kind) if item.name != "raw")


_known: Callable[[Any], tuple[tuple[str, str, Callable[[Any], Any] | None], ...]] = cache(_read_fields)


def reads(reader: Callable[[Any], Any] | None = None, key: str | None = None) -> Any:
    """Make a dataclass field, None by default.

    Args:
        reader: what the value goes through; None to take it as it is.
        key: what the server calls the field; None for the same name.
    """
    given = {"read": reader, "key": key}
    return field(default=None, metadata={name: value for name, value in given.items() if value is not None})


def each(reader: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    """Make a reader of lists out of a reader of elements."""
    return lambda raw: [reader(item) for item in raw]


def moment(text: Any) -> datetime | None:
    """Read an ISO 8601 date and time; None for an impossible one (vendors' own examples hold second 67), kept in `raw`."""
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
