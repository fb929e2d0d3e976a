"""Attributes in the emulated Usertour: data types, what is refused and what is silently dropped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from airflow_provider.engagement.usertour.emulator_errors import invalid

_EXACT = 2**53
_SHOWN: Mapping[str, str] = {"string": "String", "number": "Number", "boolean": "Boolean", "list": "List", "datetime": "DateTime"}


class Merger:
    """Merges the attributes of one request into those there are.

    Args:
        data_type: finds the data type of an attribute that is defined, by scope and name.
        drop: leave out values of another type, as v1 does; else the request is refused, as v2 does.
    """

    def __init__(self, data_type: Callable[[str, str], str | None], *, drop: bool) -> None:
        self._data_type = data_type
        self._drop = drop
        self.created: dict[tuple[str, str], str] = {}

    def merge(self, scope: str, now: Mapping[str, Any], changes: Mapping[str, Any] | None) -> dict[str, Any]:
        """Merge; answers the attributes in the order in which the server stores them.

        Raises:
            Refused: a value is not of its attribute's type (v2).
        """
        merged, mismatched = dict(now), []
        for name, given in (changes or {}).items():
            if given is None:
                merged.pop(name, None)
                continue
            value = _stored(given)
            known = self._data_type(scope, name) or self.created.get((scope, name))
            if known is None:
                known = self.created.setdefault((scope, name), _type_of(value))
            if _fits(known, value):
                merged[name] = value
            elif not self._drop:
                mismatched.append(f'"{name}" (expected {_SHOWN[known]})')
        if mismatched:
            listed = ", ".join(mismatched)
            raise invalid(f"Attribute value type mismatch: {listed}. Each value must match its attribute's defined data type.")
        return sort_names(merged)


def sort_names(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Put attributes into the order in which the database keeps them: by the length of the name, then by its bytes."""
    return {name: attributes[name] for name in sorted(attributes, key=lambda name: (len(name.encode()), name.encode()))}


def is_datetime(value: Any) -> bool:
    """Say whether a value is taken for a point in time."""
    if not isinstance(value, str) or "T" not in value:
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def has_nul(value: Any) -> bool:
    """Say whether there is a NUL byte in a text, at any depth: the database takes none."""
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, Mapping):
        return any(has_nul(name) or has_nul(item) for name, item in value.items())
    return isinstance(value, list) and any(has_nul(item) for item in value)


def _stored(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or -_EXACT <= value <= _EXACT:
        return value
    # The server's numbers are doubles, written with 16 digits: large integers come back as others.
    return int(Decimal(format(float(value), ".16g")))


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float | Decimal):
        return "number"
    if isinstance(value, list):
        return "list"
    return "datetime" if is_datetime(value) else "string"


def _fits(data_type: str, value: Any) -> bool:
    found = _type_of(value)
    return found == data_type or (data_type == "string" and found == "datetime")
